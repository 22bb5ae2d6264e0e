"""Street addresses with a house number, and post office boxes; not towns, which name no person's door."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found

__all__ = ["street_addresses"]

_WORD = r"[^\W\d_][\w'’.\-]{0,24}"
_NUMBER = r"(?<![^\W_])(?<![0-9][.,:/\-])[0-9]{1,5}[A-Za-z]?"
_STREET = (
    "(?:streets?|avenues?|ave|roads?|rd|boulevard|blvd|lanes?|ln|drives?|courts?|crescent|cres|terrace|squares?|circle"
    "|parkway|pkwy|highway|hwy|trail|turnpike|close|grove|gardens|mews|alley|plaza|wynd|row)"
)
_SHORT = "(?:St|Dr|Ct|Pl|Sq|Cir|Ter|Way|Place)"
_ROMANCE = (
    "(?:rue|avenue|boulevard|chemin|all[ée]e|impasse|quai|cours|calle|avenida|avda|paseo|plaza|camino|rua|travessa|via"
    "|viale|piazza|corso|largo|strada|ulica|ulice)"
)
_GERMANIC = (
    "(?:stra(?:ß|ss)e|str\\.|gasse|weg|platz|allee|damm|ufer|straat|laan|plein|gracht|kade|dreef|gatan|vägen|gade|vej"
    "|veien|gata|katu|tie|kuja|polku|utca)"
)
_PATTERNS = (
    re.compile(rf"{_NUMBER}(?: {_WORD}){{0,4}}? (?i:{_STREET})(?![^\W_])"),
    re.compile(rf"{_NUMBER} (?:[A-Z][\w'’.\-]{{0,24}} ){{1,4}}?{_SHORT}(?![^\W_])"),
    re.compile(
        rf"(?<![^\W_]){_ROMANCE} (?:{_WORD} ){{1,4}}?(?:n[.º°]? ?)?[0-9]{{1,4}}[A-Za-z]?(?![^\W_])(?![.,:][0-9])",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![^\W_])[0-9]{1,4}(?: ?bis| ?ter)?,? (?:rue|avenue|boulevard|chemin|all[ée]e|impasse|quai|place)"
        rf"(?: d[eu]s?(?: la| l['’])?)? {_WORD}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?<![^\W_])[^\W\d_]{{2,24}}{_GERMANIC} [0-9]{{1,4}}(?: ?[A-Za-z](?![^\W_]))?(?![0-9])(?![.,:][0-9])",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![^\W_])(?:(?:P\.? ?O\.? ?Box|Postfach|Apartado|Casella Postale) [0-9]{1,6}"
        r"|(?:PSC|Unit|CMR) [0-9]{1,5},? Box [0-9]{1,5})(?![^\W_])",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![^\W_])(?:Apt|Suite|Flat)\.? #?[0-9]{1,5}[A-Za-z]?(?![^\W_])", re.IGNORECASE),
)


def street_addresses(text: str) -> Iterator[Found]:
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield Found("street_address", *match.span())
