"""The check digits of cards, accounts and national numbers."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["luhn", "mod_11_10", "mod_97", "verhoeff", "weighted"]

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0


def mod_97(code: str) -> bool:
    """ISO 13616 (IBAN): the first four characters moved to the end, letters as 10 to 35, the remainder by 97 is 1."""
    moved = code[4:] + code[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def mod_11_10(digits: str) -> bool:
    """ISO/IEC 7064, MOD 11,10."""
    product = 10
    for digit in digits[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: Sequence[int], modulus: int) -> int:
    """The sum of the digits times their weights, by the modulus."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % modulus


_PERMUTED = ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4))


def _dihedral(a: int, b: int) -> int:
    """The product of two elements of the symmetries of a pentagon; from 5 on they are reflections."""
    if a < 5:
        return (a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5
    return (a - 5 - b) % 5 + 5 if b < 5 else (a - b) % 5


def _permutations() -> tuple[tuple[int, ...], ...]:
    rows: list[tuple[int, ...]] = list(_PERMUTED)
    while len(rows) < 8:
        rows.append(tuple(rows[1][value] for value in rows[-1]))
    return tuple(rows)


_ROWS = _permutations()


def verhoeff(digits: str) -> bool:
    """J. Verhoeff, Error Detecting Decimal Codes (1969)."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _dihedral(check, _ROWS[place % 8][int(digit)])
    return check == 0
