"""Telephone numbers: international ones, national ones as they are written, and any that words announce."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.context import near, words
from unified_api.privacy.kinds import Found
from unified_api.privacy.runs import Run

__all__ = ["phones"]

_SAID = words(
    "phone", "tele?(?:f|ph)", "tel\\b", "mobil", "cell", "call", "fax", "desk\\b", "office\\b", "ring\\b", "dial",
    "sms\\b", "text(?:ed)? (?:me|us|him|her|them)", "messages? (?:to|from)",
    "whats ?app", "signal\\b", "answering", "reach", "contact",
    "registered", "voicemail", "hotline", "handy", "rufnummer", "ruf", "m[óo]vil", "celular", "portable", "gsm\\b",
    "landline", "extension", "ext\\b", "pager", "direct line", "switchboard", "numéro", "номер", "тел", "电话", "電話",
    "手机", "전화", "फ़ोन", "هاتف", "viber", "puhelin", "telefoon",
)  # fmt: skip
_DENIED = words(
    "iban", "card", "account", "acc(?:t|ount)\\b", "order", "invoice", "ticket", "tracking", "isbn", "issn", "doi",
    "serial", "version", "build", "commit", "zip", "postal", "postcode", "price", "cost", "total", "amount", "sku",
    "case\\b", "ref(?:erence)?\\b", "patent", "rfc\\b", "id\\b", "ssn", "social security", "port\\b", "page", "upc\\b",
)  # fmt: skip
_EXTENSION = re.compile(r" ?(?:x|ext\.? ?|#) ?[0-9]{1,6}(?![0-9])", re.IGNORECASE)
_NORTH_AMERICAN = re.compile(
    r"\+?(?:1[ .\-]?)?(?:\([2-9][0-9]{2}\)[ .\-]?|[2-9][0-9]{2}[ .\-/])[2-9][0-9]{2}[ .\-][0-9]{4}"
)
_SHORTEST, _LONGEST = 6, 15
_MONEY = re.compile(r"[$€£¥₹][ ]?$")


def phones(text: str, run: Run) -> Iterator[Found]:
    """The numbers in a run; one that begins with `+` begins a number of its own."""
    start, end = run.start, run.end
    before = text[start - 1 : start] if start else ""
    if before.isalnum() or before == "_" or text[end : end + 1] == "_":
        return
    said = near(_SAID, text, start, end)
    if _is_written_as_phone(run) or (said and _may_be_phone(text, run)):
        extension = _EXTENSION.match(text, end)
        yield Found("phone", start, extension.end() if extension else end)
        return
    if len(run.groups) > 1:
        yield from _inside(run, said=said)


def _is_written_as_phone(run: Run) -> bool:
    """Whether the writing alone says so."""
    digits, shape = run.digits, run.shape
    if not 8 <= len(digits) <= _LONGEST:
        return False
    if run.written.startswith("+"):
        return digits[0] != "0"
    if digits.startswith("00"):
        return len(digits) >= 11 and digits[2] != "0"
    if _NORTH_AMERICAN.fullmatch(run.written):
        return True
    if digits[0] == "0" and 9 <= len(digits) <= 12:
        return 2 <= len(shape) <= 6 and len(shape) > 1 and shape[0] <= 5 and min(shape) >= 2
    bracketed = run.written.startswith("(") and run.written.find(")") in (2, 3, 4, 5, 6)
    return bracketed and len(digits) <= 12 and len(shape) > 1 and shape[1] >= 2


def _may_be_phone(text: str, run: Run) -> bool:
    """Whether it may be one where the words around it say so."""
    if not _SHORTEST <= len(run.digits) <= _LONGEST:
        return False
    if _MONEY.search(text, max(0, run.start - 2), run.start):
        return False
    announced = _last(_SAID, text, run.start)
    return announced >= _last(_DENIED, text, run.start)


def _last(pattern: re.Pattern[str], text: str, end: int) -> int:
    """Where the last of the words before `end` begins; -1 for none."""
    return max((match.start() for match in pattern.finditer(text, max(0, end - 48), end)), default=-1)


def _inside(run: Run, *, said: bool) -> Iterator[Found]:
    """Numbers among others, such as after a postal code, or two in a row."""
    until = run.start
    for part in run.windows(_LONGEST):
        if part.start >= until and (
            _NORTH_AMERICAN.fullmatch(part.written) or (said and _is_written_as_phone(part) and len(part.groups) > 1)
        ):
            yield Found("phone", part.start, part.end)
            until = part.end
    if said and until == run.start and len(run.digits) > _LONGEST:
        yield Found("phone", run.start, run.end)
