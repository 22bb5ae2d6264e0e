"""Numbers of payment cards: an issuer's prefix and length, and Luhn's check digit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.checksums import luhn
from unified_api.privacy.kinds import Found
from unified_api.privacy.runs import Run
from unified_api.privacy.vocabulary import vocabulary

__all__ = ["cards", "cards_apart", "is_card"]

_SHORTEST, _LONGEST = 12, 19
_ISSUERS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, frozenset({13, 16, 18, 19})),  # Visa
    (34, 34, frozenset({15})), (37, 37, frozenset({15})),  # American Express
    (51, 55, frozenset({16})), (2221, 2720, frozenset({16})),  # Mastercard
    (300, 305, frozenset(range(14, 20))), (3095, 3095, frozenset(range(14, 20))),  # Diners Club
    (36, 36, frozenset(range(14, 20))), (38, 39, frozenset(range(14, 20))),
    (3528, 3589, frozenset(range(16, 20))), (1800, 1800, frozenset({15})), (2131, 2131, frozenset({15})),  # JCB
    (6011, 6011, frozenset(range(16, 20))), (644, 649, frozenset(range(16, 20))),  # Discover
    (65, 65, frozenset(range(16, 20))), (60, 60, frozenset({16})), (81, 82, frozenset(range(16, 20))),  # RuPay
    (62, 62, frozenset(range(16, 20))),  # UnionPay
    (50, 50, frozenset(range(12, 20))), (56, 69, frozenset(range(12, 20))),  # Maestro
    (2200, 2204, frozenset(range(16, 20))),  # Mir
    (9792, 9792, frozenset({16})), (5060, 5061, frozenset({16, 18, 19})),  # Troy, Verve
)  # fmt: skip
"""The range of the first digits and the lengths; ISO/IEC 7812 and the networks' published ranges."""


_SAID = vocabulary(
    "card cards credit debit visa mastercard amex maestro pan cc karte kreditkarte carte",
    "tarjeta carta",
)
_SHAPES = frozenset({
    (4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 4, 5), (4, 4, 4, 1), (4, 4, 4, 2), (4, 4, 4, 3),
    (6, 13), (8, 8), (4, 12), (4, 8, 4), (6, 10), (12, 4), (8, 4, 4),
    *((length,) for length in range(_SHORTEST, _LONGEST + 1)),
})  # fmt: skip
"""How many digits stand in each group on cards; with other numbers around it, no other writing is taken for one."""
_LENGTHS = (1, 2, 3, 4, 5)

_BREAK = r"(?: ?\r?\n ?)"
_APART = re.compile(
    r"[0-9](?<![0-9]{2})[0-9]{3}(?:"
    rf"(\t|_|\ {{4,8}}|{_BREAK})[0-9]{{4}}(?:\1[0-9]{{4}}){{2}}"
    r"|(\t|_|\r?\n)[0-9]{6}\2[0-9]{5}"
    rf"|{_BREAK}[0-9]{{4}}([ -])[0-9]{{4}}\3[0-9]{{4}}"
    rf"|([ -])[0-9]{{4}}{_BREAK}[0-9]{{4}}\4[0-9]{{4}}"
    rf"|([ -])[0-9]{{4}}\5[0-9]{{4}}{_BREAK}[0-9]{{4}}"
    r")(?![0-9])"
)
"""The groups in cells or lines of their own, or with one line's end among them."""
_FOUR_BEFORE = re.compile(r"(?<![0-9])[0-9]{4}[\s_-]{1,8}\Z")
_FOUR_AFTER = re.compile(r"[\s_-]{1,8}[0-9]{4}(?![0-9])")


def cards_apart(text: str) -> Iterator[Found]:
    """Those whose groups a tab, an underscore or the end of a line parts; not from a longer row of such groups."""
    for match in _APART.finditer(text):
        start, end = match.span()
        in_row = _FOUR_BEFORE.search(text, max(0, start - 13), start) or _FOUR_AFTER.match(text, end)
        if not in_row and is_card("".join(filter(str.isdigit, match[0]))):
            yield Found("card", start, end)


def is_card(digits: str, *, said: bool = False) -> bool:
    """Whether it is one by itself, or may be one where the words around it say so."""
    return _SHORTEST <= len(digits) <= _LONGEST and (said or _issued(digits)) and luhn(digits)


def _issued(digits: str) -> bool:
    length = len(digits)
    return any(low <= int(digits[: len(str(low))]) <= high and length in lengths for low, high, lengths in _ISSUERS)


def cards(run: Run) -> Iterator[Found]:
    """The cards in a run; other numbers may stand before and after them in it."""
    if len(run.digits) < _SHORTEST or run.is_international:
        return
    if not run.stands_alone and not run.announced(_SAID):  # a part of a name or a hash
        return
    if len(run.digits) <= _LONGEST and is_card(run.digits, said=run.announced(_SAID)):
        yield Found("card", *run.place(0, len(run.groups)))
        return
    until = 0
    for first, end in run.windows(_SHAPES, _LENGTHS):
        if first >= until and is_card("".join(run.groups[first:end])):
            yield Found("card", *run.place(first, end))
            until = end
