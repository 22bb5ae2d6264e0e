"""What only the words before it tell from any other number or date: birth dates, passports, driving licences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found, Kind

__all__ = ["announced"]

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|mar(?:ch|s)?|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
    r"|sep(?:t(?:ember)?)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\.?"
)
_YEAR = r"(?:1[89]|20)[0-9]{2}"
_DATE = (
    rf"(?:[0-3]?[0-9][./ \-][0-3]?[0-9][./ \-](?:{_YEAR}|[0-9]{{2}})|{_YEAR}[./\-][01]?[0-9][./\-][0-3]?[0-9]"
    rf"|[0-3]?[0-9](?:st|nd|rd|th)?\.?(?: of)? {_MONTH},? {_YEAR}|{_MONTH} [0-3]?[0-9](?:st|nd|rd|th)?,? {_YEAR})"
)
_BETWEEN = r"[^0-9\n]{0,24}?"
_CODE = r"([A-Z]{0,3}[ \-]?[0-9][A-Z0-9\-]{4,16}[A-Z0-9])(?![^\W_])"

_ANNOUNCED: tuple[tuple[Kind, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        "date_of_birth",
        (
            "born",
            "birth",
            "dob",
            "d.o.b",
            "gebor",
            "geb.",
            "naissance",
            "né",
            "nacid",
            "nacimiento",
            "nato il",
            "nata il",
        ),
        re.compile(
            r"(?<![^\W_])(?:(?:was |were )?born|birth(?: ?da(?:te|y))?|date of birth|dob|d\.o\.b\.?|geboren"
            r"|geburtsdatum|geb\.|née? le|date de naissance|nacid[oa]|fecha de nacimiento|nat[oa] il)(?![^\W_])"
            rf"{_BETWEEN}(?<![0-9])({_DATE})(?![0-9])",
            re.IGNORECASE,
        ),
    ),
    (
        "passport",
        ("passport", "reisepass", "passeport", "pasaporte", "passaporto"),
        re.compile(
            rf"(?:passport|reisepass|passeport|pasaporte|passaporto){_BETWEEN}(?<![^\W_]){_CODE}", re.IGNORECASE
        ),
    ),
    (
        "driving_licence",
        ("licen", "führerschein", "permis de conduire", "carnet de conducir", "patente"),
        re.compile(
            r"(?:driv(?:er'?s?|ing|ers'?) licen[cs]e|führerschein|permis de conduire|carnet de conducir"
            rf"|patente di guida|licen[cs]e (?:number|no|num|id)\b\.?){_BETWEEN}(?<![^\W_]){_CODE}",
            re.IGNORECASE,
        ),
    ),
)


def announced(text: str) -> Iterator[Found]:
    lowered = text.lower()
    for kind, marks, pattern in _ANNOUNCED:
        if any(mark in lowered for mark in marks):
            for match in pattern.finditer(text):
                yield Found(kind, *match.span(1))
