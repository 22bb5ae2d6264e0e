"""International bank account numbers: the country's length and the check digits (ISO 13616)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.checksums import mod_97
from unified_api.privacy.kinds import Found

__all__ = ["LENGTHS", "ibans"]

LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
"""SWIFT, IBAN registry."""
_WRITTEN = re.compile(r"[A-Za-z]{2}[ .\-]?[0-9]{2}(?:[ .\-]?[A-Za-z0-9]){11,29}")


def ibans(text: str, start: int) -> Iterator[Found]:
    """The account number that begins at `start`, if one does; words may follow it without a mark between."""
    length = LENGTHS.get(text[start : start + 2].upper())
    match = _WRITTEN.match(text, start) if length else None
    if length is None or match is None:
        return
    end = _end(match[0], length)
    if end is None or text[start + end : start + end + 1].isalnum():
        return
    code = "".join(character for character in match[0][:end] if character.isalnum()).upper()
    if mod_97(code):
        yield Found("iban", start, start + end)


def _end(written: str, length: int) -> int | None:
    """Behind the `length`-th letter or digit."""
    count = 0
    for place, character in enumerate(written):
        count += character.isalnum()
        if count == length:
            return place + 1
    return None
