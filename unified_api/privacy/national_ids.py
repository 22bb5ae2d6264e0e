"""National numbers of persons, by their check digits, and by words where those are weak."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from unified_api.privacy.checksums import luhn, mod_11_10, verhoeff, weighted
from unified_api.privacy.kinds import Found, Kind
from unified_api.privacy.runs import Run
from unified_api.privacy.vocabulary import vocabulary

__all__ = ["lettered_ids", "national_ids", "numbered_ids"]


@dataclass(frozen=True, slots=True)
class _Number:
    """One country's number: how it is written where it needs no word, and the words that announce it otherwise."""

    valid: Callable[[str], bool]
    lengths: tuple[int, ...]
    said: frozenset[str]
    written: Mapping[tuple[int, ...], str] = field(default_factory=dict)
    """The lengths of its groups, and what may stand between them."""
    kind: Kind = "national_id"


def _us_ssn(digits: str) -> bool:
    """Social Security Administration, "SSN randomization": no area 000, 666 or 900-999, no group 00, no serial 0000."""
    return (
        digits[:3] not in {"000", "666"} and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"
    ) and digits not in {"123456789", "078051120", "219099999"}


def _us_itin(digits: str) -> bool:
    return digits[0] == "9" and (50 <= int(digits[3:5]) <= 65 or 70 <= int(digits[3:5]) <= 99)


def _uk_nhs(digits: str) -> bool:
    check = 11 - weighted(digits, range(10, 1, -1), 11)
    return check % 11 == int(digits[9]) and check != 10


def _de_tax_id(digits: str) -> bool:
    """One digit of the first ten stands there twice or three times, the others once; Bundeszentralamt für Steuern."""
    repeated = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    return digits[0] != "0" and repeated[-1] in (2, 3) and repeated[-2] <= 2 - (repeated[-1] - 2) and mod_11_10(digits)


def _fr_nir(digits: str) -> bool:
    month = int(digits[3:5])
    return digits[0] in "12378" and (1 <= month <= 12 or month >= 20) and 97 - int(digits[:13]) % 97 == int(digits[13:])


def _pl_pesel(digits: str) -> bool:
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    check = (10 - weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), 10)) % 10
    return 1 <= month <= 12 and 1 <= day <= 31 and check == int(digits[10])


def _nl_bsn(digits: str) -> bool:
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0 and digits != "000000000"


def _in_aadhaar(digits: str) -> bool:
    return digits[0] not in "01" and verhoeff(digits)


def _br_cpf(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    first = weighted(digits, range(10, 1, -1), 11)
    second = weighted(digits, range(11, 1, -1), 11)
    return (0 if first < 2 else 11 - first) == int(digits[9]) and (0 if second < 2 else 11 - second) == int(digits[10])


def _ca_sin(digits: str) -> bool:
    return digits[0] not in "08" and luhn(digits)


def _au_tfn(digits: str) -> bool:
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10), 11) == 0


def _se_number(digits: str) -> bool:
    ten = digits[-10:]
    return 1 <= int(ten[2:4]) <= 12 and 1 <= int(ten[4:6]) % 60 <= 31 and luhn(ten)


def _be_number(digits: str) -> bool:
    month, key = int(digits[2:4]) % 20, int(digits[9:])
    return month <= 12 and key in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def _cn_number(digits: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    month, day = int(digits[10:12]), int(digits[12:14])
    check = "10X98765432"[weighted(digits, weights, 11)]
    return digits[6:8] in {"19", "20"} and 1 <= month <= 12 and 1 <= day <= 31 and check == digits[17]


_NUMBERS = (
    _Number(_us_ssn, (9,), vocabulary("ssn social"), {(3, 2, 4): "- ."}),
    _Number(_us_itin, (9,), vocabulary("itin taxpayer"), {(3, 2, 4): "-"}),
    _Number(_uk_nhs, (10,), vocabulary("nhs patient health"), kind="health_id"),
    _Number(
        _de_tax_id,
        (11,),
        vocabulary("steuer steuerid idnr identifikationsnummer tin tax"),
        {(11,): "", (2, 3, 3, 3): " "},
    ),
    _Number(
        _fr_nir, (15,), vocabulary("nir sécu sécurité sociale"), {(15,): "", (13, 2): " ", (1, 2, 2, 2, 3, 3, 2): " ."}
    ),
    _Number(_pl_pesel, (11,), vocabulary("pesel"), {(11,): ""}),
    _Number(_nl_bsn, (9,), vocabulary("bsn burgerservicenummer sofi sofinummer")),
    _Number(_in_aadhaar, (12,), vocabulary("aadhaar aadhar uid uidai आधार"), {(4, 4, 4): " -"}),
    _Number(_br_cpf, (11,), vocabulary("cpf"), {(3, 3, 3, 2): ".-"}),
    _Number(_ca_sin, (9,), vocabulary("sin nas insurance")),
    _Number(_au_tfn, (9,), vocabulary("tfn tax")),
    _Number(_se_number, (10, 12), vocabulary("personnummer personal identity"), {(6, 4): "-", (8, 4): "-"}),
    _Number(_be_number, (11,), vocabulary("rijksregister rijksregisternummer national"), {(2, 2, 2, 3, 2): ".-"}),
    _Number(_cn_number, (18,), vocabulary("身份证 resident"), {(18,): ""}),
)
_BY_SHAPE = {
    shape: tuple(one for one in _NUMBERS if shape in one.written) for number in _NUMBERS for shape in number.written
}
_SHAPE_LENGTHS = tuple(sorted({len(shape) for shape in _BY_SHAPE}, reverse=True))
_WORDS = frozenset().union(*(number.said for number in _NUMBERS))


def national_ids(run: Run) -> Iterator[Found]:
    """The numbers in a run; postal codes and the like may stand before and after them in it."""
    if not run.stands_alone or len(run.digits) < 9 or run.is_international:
        return
    until = 0
    for first, end in run.windows(_BY_SHAPE, _SHAPE_LENGTHS):
        if first >= until and (kind := _written(run, first, end)):
            yield Found(kind, *run.place(first, end))
            until = end
    if until == 0 and run.announced(_WORDS):
        for number in _NUMBERS:
            if len(run.digits) in number.lengths and run.announced(number.said) and number.valid(run.digits):
                yield Found(number.kind, *run.place(0, len(run.groups)))
                return


def _written(run: Run, first: int, end: int) -> Kind | None:
    """What number it is by its writing and its check digits."""
    groups = run.groups[first:end]
    size = len(groups[0])
    if len(groups) > 1 and size in (*run.shape[max(0, first - 1) : first], *run.shape[end : end + 1]):
        return None  # a part of a longer number, such as of a card
    digits = "".join(groups)
    between: set[str] | None = None
    for number in _BY_SHAPE[tuple(map(len, groups))]:
        if len(digits) in number.lengths and number.valid(digits):
            if between is None:
                start, stop = run.place(first, end)
                between = set(re.sub("[0-9]", "", run.text[start:stop]))
            if _belongs(between, number.written[tuple(map(len, groups))]):
                return number.kind
    return None


def _belongs(between: set[str], written: str) -> bool:
    """One of the marks throughout; dots and a dash together where they are written so."""
    return between <= set(written) and (len(between) <= 1 or written == ".-")


_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_SPANISH = re.compile(r"[XYZ][- ]?[0-9]{7}[- ]?[A-Z](?![^\W_])", re.IGNORECASE)
_SPANISH_DNI = re.compile(r"[0-9](?<![^\W_][0-9])(?<![0-9][.,\-][0-9])[0-9]{7}[- ]?[A-HJ-NP-TV-Z](?![^\W_])")
_UK_NINO = re.compile(
    r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?![^\W_])",
    re.IGNORECASE,
)
_ITALIAN = re.compile(
    r"[A-Z]{6}[0-9L-NP-V]{2}[ABCDEHLMPRST][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z](?![^\W_])", re.IGNORECASE
)
_INDIAN_PAN = re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z](?![^\W_])")
_CORSICAN = re.compile(r"[12](?<![^\W_][12]) ?[0-9]{2} ?[0-9]{2} ?2[AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![^\W_])")
_CHINESE = re.compile(r"[1-9](?<![^\W_][1-9])[0-9]{16}X(?![^\W_])", re.IGNORECASE)
_DIGITS_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_LETTERS_ODD = (*_DIGITS_ODD, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (*_DIGITS_ODD, *_LETTERS_ODD), strict=True))


def _italian(code: str) -> bool:
    """Decreto ministeriale 23 dicembre 1976: odd places by a table, even ones by their value."""
    odd = sum(_ODD[character] for character in code[:15:2])
    even = sum(int(character, 36) - (0 if character.isdigit() else 10) for character in code[1:15:2])
    return (odd + even) % 26 == ord(code[15]) - ord("A")


def _spanish(code: str) -> bool:
    number = "XYZ".index(code[0]) * 10_000_000 + int(code[1:8]) if code[0] in "XYZ" else int(code[:8])
    return _LETTERS[number % 23] == code[8]


def lettered_ids(text: str, start: int) -> Iterator[Found]:
    """The number with letters in it that begins with the letter at `start`."""
    for pattern, valid in ((_UK_NINO, None), (_SPANISH, _spanish), (_ITALIAN, _italian), (_INDIAN_PAN, None)):
        match = pattern.match(text, start)
        if match and (valid is None or valid(_plain(match[0]))):
            yield Found("national_id", start, match.end())


def numbered_ids(text: str, runs: Collection[Run]) -> Iterator[Found]:
    """Those that begin with a digit and have letters further on; `runs` are the text's long numbers."""
    if any(8 in run.shape for run in runs):
        for match in _SPANISH_DNI.finditer(text):
            if _spanish(_plain(match[0])):
                yield Found("national_id", *match.span())
    if any(17 in run.shape for run in runs):
        for match in _CHINESE.finditer(text):
            if _cn_number(match[0].upper()):
                yield Found("national_id", *match.span())
    if "2A" in text or "2B" in text:
        for match in _CORSICAN.finditer(text):
            if _fr_nir(_plain(match[0]).replace("2A", "19").replace("2B", "18")):
                yield Found("national_id", *match.span())


def _plain(code: str) -> str:
    return code.replace(" ", "").replace("-", "").upper()
