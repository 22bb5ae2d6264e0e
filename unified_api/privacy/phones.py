"""Telephone numbers: international ones, national ones as they are written, and any that words announce."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found
from unified_api.privacy.runs import Run
from unified_api.privacy.vocabulary import vocabulary

__all__ = ["phones"]

_SAID = vocabulary(
    "phone phones telephone telephones phonenumber tel telefon telefono téléphone telefone",
    "teléfono mobile mobil cell cellphone call calls called calling fax desk office ring dial",
    "sms text texted whats whatsapp signal answering answer reach contact registered voicemail",
    "hotline handy rufnummer móvil movil celular portable gsm landline extension ext pager",
    "switchboard messages message numéro номер тел телефон 电话 電話 手机 전화 फ़ोन هاتف viber puhelin",
    "puhelinnumero telefoon telefonnummer handynummer mobilnummer kontakt",
)
_DENIED = vocabulary(
    "iban card account acct acc order invoice ticket tracking isbn issn doi serial version",
    "build commit zip postal postcode price cost total amount sku case ref reference patent rfc",
    "id ssn social port page upc bank routing",
)
_EXTENSION = re.compile(r" ?(?:x|ext\.? ?|#) ?[0-9]{1,6}(?![0-9])", re.IGNORECASE)
_NORTH_AMERICAN = re.compile(
    r"\+?(?:1[ .\-]?)?(?:\([2-9][0-9]{2}\)[ .\-]?|[2-9][0-9]{2}[ .\-/])[2-9][0-9]{2}[ .\-][0-9]{4}"
)
_NORTH_AMERICAN_SHAPES = frozenset({(3, 3, 4), (1, 3, 3, 4)})
_SHORTEST, _LONGEST = 6, 15
_FEW_GROUPS = (1, 8)
_MONEY = re.compile(r"[$€£¥₹][ ]?$")


def phones(run: Run) -> Iterator[Found]:
    """The numbers in a run; postal codes and the like may stand before and after them in it."""
    text, end = run.text, run.end
    if _is_part_of_name(text, run.start, end):
        return
    if _is_written_as_phone(run) or _is_announced(run):
        extension = _EXTENSION.match(text, end)
        yield Found("phone", run.start, extension.end() if extension else end)
    elif len(run.groups) > _FEW_GROUPS[0]:
        yield from _inside(run)


def _is_part_of_name(text: str, start: int, end: int) -> bool:
    """Whether letters are against it; underscores with nothing beyond them only make a number slanted."""
    before = text[max(0, start - 2) : start]
    if before[-1:].isalnum() or (before[-1:] == "_" and before[:-1].isalnum()):
        return True
    return text[end : end + 1] == "_" and text[end + 1 : end + 2].isalnum()


def _is_written_as_phone(run: Run) -> bool:
    """Whether the writing alone says so."""
    digits, shape = run.digits, run.shape
    if run.written[0] == "+":
        return 7 <= len(digits) <= _LONGEST and digits[0] != "0"
    if not 8 <= len(digits) <= _LONGEST:
        return False
    if digits.startswith("00"):
        return len(digits) >= 11 and digits[2] != "0"
    if digits[0] == "0" and len(digits) >= 9:
        return len(digits) <= 12 and 2 <= len(shape) <= 6 and shape[0] <= 5 and min(shape) >= 2
    if len(shape) > 1 and run.written[0] == "(":
        return len(digits) <= 12 and 2 <= shape[0] <= 5 and shape[1] >= 2
    return shape in _NORTH_AMERICAN_SHAPES and _NORTH_AMERICAN.fullmatch(run.written) is not None


def _is_announced(run: Run) -> bool:
    """Whether it may be one and the words around it say so."""
    if not _SHORTEST <= len(run.digits) <= _LONGEST or len(run.groups) > _FEW_GROUPS[1]:
        return False
    return run.announced(_SAID, unless=_DENIED) and _MONEY.search(run.text, max(0, run.start - 2), run.start) is None


def _inside(run: Run) -> Iterator[Found]:
    """Numbers among others, such as after a postal code, or two in a row."""
    until = 0
    for first, end in run.windows(_NORTH_AMERICAN_SHAPES, (4, 3)):
        start, stop = run.place(first, end)
        start -= run.text[start - 1 : start] == "("
        if first >= until and _NORTH_AMERICAN.fullmatch(run.text, start, stop):
            yield Found("phone", start, stop)
            until = end
    if until == 0 and len(run.digits) <= 2 * _LONGEST and run.announced(_SAID, unless=_DENIED):
        yield Found("phone", run.start, run.end)
