"""Numbers of payment cards: an issuer's prefix and length, and Luhn's check digit."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.privacy.checksums import luhn
from unified_api.privacy.context import near, words
from unified_api.privacy.kinds import Found
from unified_api.privacy.runs import Run

__all__ = ["cards", "is_card"]

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
_SHORTEST, _LONGEST = 12, 19


_SAID = words("card", "credit", "debit", "visa", "master ?card", "amex", "maestro", "pan\\b", "cc\\b", "karte", "carte")


def is_card(digits: str, *, said: bool = False) -> bool:
    """Whether it is one by itself, or may be one where the words around it say so."""
    return _SHORTEST <= len(digits) <= _LONGEST and (said or _issued(digits)) and luhn(digits)


def _issued(digits: str) -> bool:
    return any(
        low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths for low, high, lengths in _ISSUERS
    )


def cards(text: str, run: Run) -> Iterator[Found]:
    """The cards in a run; other numbers may stand before and after them in it."""
    if len(run.digits) < _SHORTEST or _in_word(text, run):
        return
    until = run.start
    said = near(_SAID, text, run.start, run.end)
    for one in run.windows(_LONGEST):
        whole = len(one.groups) == len(run.groups)
        if one.start >= until and (whole or _grouped(one)) and is_card(one.digits, said=said and one.shape[0] >= 4):
            yield Found("card", one.start, one.end)
            until = one.end


def _grouped(run: Run) -> bool:
    """As cards are printed: no group of a digit or two but the last."""
    return len(run.groups) == 1 or all(len(group) >= 3 for group in run.groups[:-1])


def _in_word(text: str, run: Run) -> bool:
    """Whether a letter stands against it: a number inside a name or a hash."""
    before, after = text[run.start - 1 : run.start], text[run.end : run.end + 1]
    return (before.isalnum() and run.start > 0) or after.isalnum()
