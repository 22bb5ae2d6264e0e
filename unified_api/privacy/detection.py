"""Every detector over one text, with nothing looked for that cannot be there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from string import ascii_letters

from unified_api.privacy.announced import announced
from unified_api.privacy.cards import cards, cards_apart
from unified_api.privacy.crypto import crypto_addresses
from unified_api.privacy.emails import emails
from unified_api.privacy.folding import fold
from unified_api.privacy.ibans import ibans
from unified_api.privacy.kinds import Found, Kind
from unified_api.privacy.national_ids import lettered_ids, national_ids, numbered_ids
from unified_api.privacy.networks import ip_addresses, mac_addresses
from unified_api.privacy.phones import phones
from unified_api.privacy.runs import runs_of
from unified_api.privacy.secrets import secrets
from unified_api.privacy.street_addresses import street_addresses
from unified_api.privacy.vins import vins

__all__ = ["find", "may_hold"]

_WORTH = re.compile(r"[0-9@]|PRIVATE KEY")
"""Without a digit or an `@` there is nothing but a key in its envelope."""
_BEHIND_LETTER = re.compile(r"[0-9](?:(?<=[A-Za-z][0-9])|(?<=[A-Za-z][ .\-][0-9]))")
_MOST_LETTERS = 6
_SHORT_WORD = 15
"""Characters of the longest word that holds no key, no address of a machine or of money, and no vehicle's number."""
_AS_SPACE = {ord(mark): " " for mark in "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~’"}
_ORDER: tuple[Kind, ...] = (
    "secret", "iban", "email", "card", "national_id", "health_id", "passport", "driving_licence", "crypto_address",
    "vin", "ip_address", "mac_address", "date_of_birth", "phone", "street_address",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}


def may_hold(text: str) -> bool:
    """Whether there may be anything in the text; where not, nothing is."""
    if _WORTH.search(text) is not None:
        return True
    return not text.isascii() or "\\" in text or "%" in text or "&" in text


def find(text: str, kinds: Collection[Kind] = _ORDER) -> list[Found]:
    """What of those kinds is in the text, in its order and without overlaps."""
    if not kinds or not may_hold(text):
        return []
    folded = fold(text)
    if _WORTH.search(folded.text) is None:
        return []
    found = [one for one in _all(folded.text) if one.kind in kinds]
    if not found:
        return []
    return [Found(one.kind, *folded.span(one.start, one.end)) for one in _apart(found)]


def _all(text: str) -> Iterator[Found]:
    long = " ".join([word for word in text.split() if len(word) > _SHORT_WORD])
    yield from secrets(text, long)
    if "@" in text:
        yield from emails(text)
    runs = runs_of(text)
    for run in runs:
        yield from cards(run)
        yield from national_ids(run)
        yield from phones(run)
    yield from cards_apart(text)
    for start in _codes(text):
        yield from ibans(text, start)
        yield from lettered_ids(text, start)
    if runs:
        yield from numbered_ids(text, runs)
    if long:
        yield from crypto_addresses(text, long)
        yield from vins(text, long)
        yield from mac_addresses(text, long)
    if ":" in text or text.count(".") >= 3:
        yield from ip_addresses(text)
    words = frozenset(text.translate(_AS_SPACE).lower().split())
    yield from announced(text, words)
    yield from street_addresses(text, words)


def _codes(text: str) -> Iterator[int]:
    """Where letters begin that are followed by a digit, as numbers with letters in them do."""
    for digit in _BEHIND_LETTER.finditer(text):
        letters = text[max(0, digit.start() - _MOST_LETTERS - 2) : digit.start()].rstrip(" .-")
        count = len(letters) - len(letters.rstrip(ascii_letters))
        start = digit.start() - (1 if not text[digit.start() - 1].isalpha() else 0) - count
        if count <= _MOST_LETTERS and not text[start - 1 : start].isalnum():
            yield start


def _apart(found: list[Found]) -> list[Found]:
    """Of those that overlap, the more certain kind, or else the longer."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, _RANK[one.kind], -one.end)):
        if not kept or kept[-1].end <= one.start:
            kept.append(one)
        elif (_RANK[one.kind], one.start - one.end) < (_RANK[kept[-1].kind], kept[-1].start - kept[-1].end):
            kept[-1] = one
    return kept
