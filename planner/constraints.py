"""Recognises words about the form of the answer that stand for more than the clause beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.clauses import Clause

__all__ = ["is_wish", "leading_constraint", "shared_constraints"]

_LANGUAGE = (
    r"(?:arabic|bengali|chinese|czech|danish|dutch|english|finnish|french|german|greek|hebrew|hindi|hungarian|"
    r"indonesian|italian|japanese|korean|latin|mandarin|norwegian|persian|polish|portuguese|romanian|russian|spanish|"
    r"swahili|swedish|tamil|thai|turkish|ukrainian|urdu|vietnamese|welsh)"
)
_NUMBER = r"(?:\d{1,6}|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|fifty|(?:a )?hundred)"
_UNIT = r"(?:words?|sentences?|lines?|characters?|paragraphs?|bullet points?|bullets|pages?|letters|syllables)"
_KINDS = {
    "language": rf"in (?:british |american |simple |plain |formal |both )?{_LANGUAGE}(?: and (?:in )?{_LANGUAGE})?",
    "length": (
        r"(?:(?:in|within|with|using|of) )?(?:at most|no more than|not more than|under|fewer than|less than|up to|"
        rf"a maximum of|about|around|exactly|max(?:imum)?) {_NUMBER} {_UNIT}|"
        rf"(?:in|within|using) {_NUMBER} (?:\w+ )?{_UNIT}(?: or (?:less|fewer))?"
    ),
    "audience": (
        r"(?:(?:suitable|written|meant|intended) )?for (?:[\w-]+ ){0,3}(?:children|kids|toddlers|teenagers|teens|"
        r"beginners|experts|adults|seniors|laypeople|laymen|novices|non-experts|readers|students|pupils|audience|"
        r"[\w-]+-year-olds?)"
    ),
    "style": (
        r"in (?:an? |the )?(?:[\w-]+ ){1,3}(?:style|tone|voice|language|words|terms|manner|format)|"
        r"(?:without|with no|avoiding) (?:any )?[\w-]+(?: [\w-]+)?|as (?:an? )?(?:\w+ )?(?:table|bullet points|"
        r"bullets|json|markdown|csv|yaml|html|numbered list)"
    ),
}
_ONE = "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items())
_ANY = "|".join(pattern for pattern in _KINDS.values())
_ALL = r"(?:all|both|each|everything|every part|all of (?:it|this|them)|each of them)"
_LEADING = re.compile(rf"\s*(?:please,?\s+)?(?:(?:{_ANY})(?: each)?\s*(?:,\s*(?:and\s+)?|:\s*|;\s*))+", re.IGNORECASE)
_TAIL = re.compile(
    rf"(?:(?:,|\s[—–-])\s*(?:and\s+|but\s+)?(?:{_ALL}\s+)?(?:{_ANY})(?:\s+each)?(?:,?\s+please)?)+\s*\Z"
    rf"|\s\(?{_ALL}\s+(?:{_ANY})\)?\s*\Z",
    re.IGNORECASE,
)
_WISH = re.compile(
    rf"(?:please,? )?(?:{_ALL} )?(?:(?:{_ANY})(?: each)?(?:,? and |, |\Z))+\Z|"
    r"(?:please,? )?(?:keep|avoid|do not|don['’]t|never|always|be|use|include|limit|no more|at most|answer|reply|"
    r"respond|write|format|make sure|ensure)\b|"
    r".{0,60}\b(?:should|must)\b",
    re.IGNORECASE,
)
_LONGEST_WISH = 160
_UNIVERSAL = re.compile(rf"\b{_ALL}\b", re.IGNORECASE)
_CHAINED = frozenset({"language", "audience"})
"""What also holds for the steps before a `then`; a length or a form is that of the last result."""


def is_wish(said: str) -> bool:
    """Whether a stretch between the clauses is about the form of what they give: `In French`, `Use short sentences`."""
    return len(said) <= _LONGEST_WISH and _WISH.match(said) is not None


def leading_constraint(masked: str, start: int, end: int) -> int:
    """Where the sentence goes on after `In French, ` or `For children, in at most 50 words: `."""
    match = _LEADING.match(masked, start, end)
    return match.end() if match is not None else start


def shared_constraints(clauses: Sequence[Clause]) -> list[tuple[str, ...]]:
    """For each clause the words about the form that another clause of its sentence ends with, for it as well."""
    shared: list[tuple[str, ...]] = [() for _ in clauses]
    for place, clause in enumerate(clauses):
        tail = _TAIL.search(clause.masked)
        if tail is None or (place + 1 < len(clauses) and clauses[place + 1].sentence == clause.sentence):
            continue
        universal = _UNIVERSAL.search(tail[0]) is not None
        for earlier in range(place):
            one = clauses[earlier]
            chained = any(other.order in {"then", "finally"} for other in clauses[earlier + 1 : place + 1])
            if one.sentence == clause.sentence or universal:
                shared[earlier] += tuple(_fitting(tail[0], one.masked, chained=chained and not universal))
    return shared


def _fitting(tail: str, said: str, *, chained: bool) -> list[str]:
    """The constraints of the tail that the clause neither has of its own kind nor is too far away for."""
    found = []
    for match in re.finditer(_ONE, tail, re.IGNORECASE):
        kind = str(match.lastgroup)
        own = re.search(_KINDS[kind], said, re.IGNORECASE) or (
            kind == "language" and re.search(rf"\b(?:in)?to {_LANGUAGE}\b", said, re.IGNORECASE)
        )
        if not own and (kind in _CHAINED or not chained):
            found.append(match[0])
    return found
