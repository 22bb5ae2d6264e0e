"""Street addresses with a house number, and post office boxes; not towns, which name no person's door."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found
from unified_api.privacy.vocabulary import vocabulary

__all__ = ["street_addresses"]

_WORD = r"[^\W\d_][\w'’.\-]{0,24}"
_NUMBER = r"[0-9](?<![^\W_][0-9])(?<![0-9][.,:/\-][0-9])[0-9]{0,4}[A-Za-z]?"
_STREET = (
    "(?:streets?|avenues?|ave|roads?|rd|boulevard|blvd|lanes?|ln|drives?|courts?|crescent|cres|terrace|squares?|circle"
    "|parkway|pkwy|highway|hwy|trail|turnpike|close|grove|gardens|mews|alley|plaza|wynd|row)"
)
_SHORT = "(?:St|Dr|Ct|Pl|Sq|Cir|Ter|Way|Place)"
_ROMANCE = (
    "(?:rue|avenue|boulevard|chemin|all[ée]e|impasse|quai|cours|calle|avenida|avda|paseo|plaza|camino|rua|travessa|via"
    "|viale|piazza|corso|largo|strada|ulica|ulice)"
)
_NUMBER_FIRST = re.compile(rf"{_NUMBER}(?: {_WORD}){{0,4}}? (?i:{_STREET})(?![^\W_])")
_NUMBER_FIRST_SHORT = re.compile(rf"{_NUMBER} (?:[A-Z][\w'’.\-]{{0,24}} ){{1,4}}?{_SHORT}(?![^\W_])")
_ROMANCE_FIRST = re.compile(
    rf"(?<![^\W_]){_ROMANCE} (?:{_WORD} ){{1,4}}?(?:n[.º°]? ?)?[0-9]{{1,4}}[A-Za-z]?(?![^\W_])(?![.,:][0-9])",
    re.IGNORECASE,
)
_FRENCH = re.compile(
    r"[0-9](?<![^\W_][0-9])[0-9]{0,3}(?: ?bis| ?ter)?,? (?:rue|avenue|boulevard|chemin|all[ée]e|impasse|quai|place)"
    rf"(?: d[eu]s?(?: la| l['’])?)? {_WORD}",
    re.IGNORECASE,
)
_HOUSE = re.compile(r" [0-9](?<=[^\W\d_] [0-9])[0-9]{0,3}(?: ?[A-Za-z](?![^\W_]))?(?![0-9])(?![.,:][0-9])")
_BOX = re.compile(
    r"(?<![^\W_])(?:(?:P\.? ?O\.? ?Box|Postfach|Apartado|Casella Postale) [0-9]{1,6}"
    r"|(?:PSC|Unit|CMR) [0-9]{1,5},? Box [0-9]{1,5})(?![^\W_])",
    re.IGNORECASE,
)
_UNIT = re.compile(r"(?<![^\W_])(?:Apt|Suite|Flat)\.? #?[0-9]{1,5}[A-Za-z]?(?![^\W_])", re.IGNORECASE)


_BY_WORDS = (
    (
        vocabulary(
            "street streets avenue avenues ave road roads rd boulevard blvd lane lanes ln drive drives",
            "court courts crescent cres terrace square squares circle parkway pkwy highway hwy trail",
            "turnpike close grove gardens mews alley plaza wynd row",
        ),
        _NUMBER_FIRST,
    ),
    (
        vocabulary(
            "st dr ct pl sq cir ter way place",
        ),
        _NUMBER_FIRST_SHORT,
    ),
    (
        vocabulary(
            "rue avenue boulevard chemin allée allee impasse quai cours calle avenida avda paseo plaza",
            "camino rua travessa via viale piazza corso largo strada ulica ulice",
        ),
        _ROMANCE_FIRST,
    ),
    (
        vocabulary(
            "rue avenue boulevard chemin allée allee impasse quai place",
        ),
        _FRENCH,
    ),
    (
        vocabulary(
            "box postfach apartado postale",
        ),
        _BOX,
    ),
    (
        vocabulary(
            "apt suite flat",
        ),
        _UNIT,
    ),
)
"""What can only be there when one of the words is."""
_SHORTEST_NAME = 6
_ENDINGS = tuple(
    vocabulary(
        "straße strasse str gasse weg platz allee damm ufer straat laan plein gracht kade dreef",
        "gatan vägen gade vej veien gata katu tie kuja polku utca",
    )
)


def street_addresses(text: str, words: frozenset[str]) -> Iterator[Found]:
    """Those of the text, whose words in lower case are given."""
    for marks, pattern in _BY_WORDS:
        if not marks.isdisjoint(words):
            for match in pattern.finditer(text):
                yield Found("street_address", *match.span())
    if any(word.endswith(_ENDINGS) and len(word) >= _SHORTEST_NAME for word in words):
        for house in _HOUSE.finditer(text):
            before = text[max(0, house.start() - 32) : house.start()].rsplit(None, 1)
            if len(before[-1]) >= _SHORTEST_NAME and before[-1].lower().endswith(_ENDINGS):
                yield Found("street_address", house.start() - len(before[-1]), house.end())
