"""What only the words before it tell from any other number or date: birth dates, passports, driving licences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found, Kind
from unified_api.privacy.vocabulary import vocabulary

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

_ANNOUNCED: tuple[tuple[Kind, frozenset[str], re.Pattern[str]], ...] = (
    (
        "date_of_birth",
        vocabulary(
            "born birth birthday birthdate dateofbirth date_of_birth birth_date dob b geboren",
            "geburtsdatum geb naissance né née nacido nacida nacimiento nato nata",
        ),
        re.compile(
            r"(?<![^\W_])(?:(?:was |were )?born|birth(?:[ _]?da(?:te|y))?|date_?of_?birth|dob|d\.o\.b\.?|geboren"
            r"|geburtsdatum|geb\.|née? le|naissance|nacid[oa]|nacimiento|nat[oa] il)(?![^\W_])"
            rf"{_BETWEEN}(?<![0-9])({_DATE})(?![0-9])",
            re.IGNORECASE,
        ),
    ),
    (
        "passport",
        vocabulary(
            "passport passports passportno passportnumber passport_number passport_no reisepass",
            "reisepassnummer passeport pasaporte passaporto",
        ),
        re.compile(
            rf"(?:passport|reisepass|passeport|pasaporte|passaporto){_BETWEEN}(?<![^\W_]){_CODE}", re.IGNORECASE
        ),
    ),
    (
        "driving_licence",
        vocabulary(
            "license licence licenses licences license_number licence_number licensenumber",
            "licencenumber führerschein führerscheinnummer permis carnet patente",
        ),
        re.compile(
            r"(?:driv(?:er'?s?|ing|ers'?)[ _]licen[cs]e|führerschein|permis de conduire|carnet de conducir"
            rf"|patente di guida|licen[cs]e[ _]?(?:number|no|num|id)(?![a-z])\.?){_BETWEEN}(?<![^\W_]){_CODE}",
            re.IGNORECASE,
        ),
    ),
)


def announced(text: str, words: frozenset[str]) -> Iterator[Found]:
    """Those of the text, whose words in lower case are given."""
    for kind, marks, pattern in _ANNOUNCED:
        if not marks.isdisjoint(words):
            for match in pattern.finditer(text):
                yield Found(kind, *match.span(1))
