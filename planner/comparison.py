"""Finds the things that a clause compares, so that each can be studied on its own, in parallel."""

from __future__ import annotations

import re

from planner.clauses import Clause
from planner.lexicon import word_set
from planner.masking import MASK

__all__ = ["compared"]

_NAME = r"[A-Z0-9][\w'’&+.#-]*"
_PROPER = rf"(?:the |The )?{_NAME}(?:\s+(?:(?:of|the|de|la|von|van|and the|in|for|&|to|a)\s+)*{_NAME}){{0,6}}"
_THINGS = r"(?P<things>[^,.;:!?]+(?:,\s*[^,.;:!?]+){0,3}?,?\s+(?:and|or|with|to|against|versus|vs\.?)\s+[^,.;:!?]+?)"
_STOP = (
    r"(?=\s*$|\s*[.;:!?]|,|\s+(?:in (?:a|an|one|two|three|four|five|\d+|terms|detail|short|simple|plain|about|"
    r"at most|under|table|bullet|no more|depth)\b|"
    r"by (?:cost|price|\w+ing)|for (?:a|an|the|my|use|\w+ing)\b|on (?:price|cost|the|their|these|\w+ and)|"
    r"as (?:a|an)\b|regarding|with (?:respect|regard)|using|based on|when|so that|and (?:then|explain|tell|say)|"
    r"to (?:decide|find|see|help)))"
)
_COMPARE = re.compile(
    rf"(?i:compare|contrast|compare and contrast)\s+(?:(?i:the (?:advantages|benefits|pros and cons|differences|"
    rf"features|prices|costs|strengths) of)\s+)?{_THINGS}{_STOP}"
)
_DIFFERENCE = re.compile(
    rf"(?i:differences?|similarities|comparison)\s+(?:and (?:similarities|differences)\s+)?(?:between|"
    rf"of)\s+{_THINGS}{_STOP}"
)
_CHOICE = re.compile(
    rf"(?i:which|who|what)\b[^?]*?(?:,|:|\bout of|\bbetween|"
    rf"\bof)\s+(?P<things>{_PROPER}(?:,\s*{_PROPER}){{0,2}},?\s+(?:or|and)\s+{_PROPER})\s*\??$"
)
_BOTH = re.compile(
    rf"^(?:(?i:in (?:which|what) \w+ )?(?i:are|were|do|did|does|have|has|is|was|can)\s+|(?i:what|"
    rf"which)\b[a-z ]{{1,30}} (?:do|does|did|are|were) )"
    rf"(?i:both\s+)?(?P<things>{_PROPER}\s+(?:and|or)\s+{_PROPER})(?:\s+(?!(?:an?|the)\b)[a-z]|\s*\?)"
)
_BETWEEN = re.compile(
    rf"^(?i:in |out )?(?i:between|"
    rf"of)\s+(?:the two [a-z ]{{1,30}} )?(?P<things>{_PROPER}\s+and\s+{_PROPER}),?\s+(?:which|who|what)\b"
)
_LONE_MASK = re.compile(f"(?<!{MASK}){MASK}(?!{MASK})")
_SPLIT = re.compile(r"\s*,\s*(?:and|or)?\s*|\s+(?:and|or|with|to|against|versus|vs\.?)\s+")
_SPLIT_NAMES = re.compile(r"\s*,\s*(?:and|or)?\s*|\s+(?:and|or)\s+")  # a name may hold a "to"
_GIVEN = re.compile(
    r"^(?:it|its|them|they|this|that|these|those|both|each|all|one|two|three|(?:the|my|your|his|her|our|their|"
    r"these|those|this|that)\b.*)$|\b(?:results?|outputs?|above|texts?|answers?|versions?|files?|other|another|each)\b",
    re.IGNORECASE,
)
_MODIFIER = re.compile(r"^[a-z]+(?:ar|al|ic|ive|ous|ent|ant|ish|ern|ian|ese|ary|able|ible|less|ful)$")
_NOT_MODIFIERS = word_set(
    """
    car radar sugar metal music hospital animal capital arabic plant restaurant president student parent table
    cable vegetable festival dollar guitar star bar coal library salary ocean deal meal journal fabric logic
    magic traffic italian dictionary granite elephant table cement garlic oral
    """
)


def compared(clause: Clause) -> tuple[str, ...]:
    """Two to four things that the clause compares, in its words; empty when it is not sure what they are."""
    said = _LONE_MASK.sub(".", clause.masked[:400])  # the stop of an abbreviation, not a quotation
    for pattern in (_COMPARE, _DIFFERENCE, _CHOICE, _BETWEEN, _BOTH):
        if match := pattern.search(said):
            between = _SPLIT if pattern in {_COMPARE, _DIFFERENCE} else _SPLIT_NAMES
            things = tuple(thing.strip() for thing in between.split(match["things"]) if thing.strip())
            return _shared_head(things) if 2 <= len(things) <= 4 and all(map(_is_free, things)) else ()
    return ()


def _is_free(thing: str) -> bool:
    """A thing that can be studied without the rest of the task: named, short, and not something given."""
    words = thing.split()
    proper = thing[:4].lower() == "the " and len(words) > 1 and words[1][:1].isupper()
    return (
        not any(sign in thing for sign in (MASK, "{", "}"))
        and len(words) <= 6
        and (proper or _GIVEN.search(thing) is None)
    )


def _shared_head(things: tuple[str, ...]) -> tuple[str, ...]:
    """`solar` and `wind power` are `solar power` and `wind power`; a noun of its own keeps to itself."""
    last = things[-1].split()
    if len(last) != 2 or not all(word.islower() for word in last):
        return things
    return tuple(
        f"{thing} {last[1]}" if _MODIFIER.match(thing) and thing not in _NOT_MODIFIERS else thing for thing in things
    )
