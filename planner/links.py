"""Finds which clauses a clause builds on: by order words, by what it calls "it", "both" or "the summary", by need."""

from __future__ import annotations

import re
from collections.abc import Sequence

from planner.clauses import Clause
from planner.lexicon import CREATORS, DERIVED, EXTERNAL_VERBS, TRANSFORMERS
from planner.masking import MASK
from planner.products import named_makers, object_nouns, pointed_at, quoted_makers

__all__ = ["link"]

_COLLECTIVE = re.compile(
    r"\b(?:both\b(?!\s+(?:of\s+)?(?:(?:an?|the|my)\s)?[\w' -]{1,40}\band\b)|"
    r"(?:each|all)\b(?=\s*(?:[,.;:!?)]|$)|\s+(?:of\b|the (?:results|findings|parts|above|outputs|answers)\b|in\b|"
    r"into\b|to\b))|"
    r"everything|them|they|these|those|the (?P<count>two|three|four|five)|"
    r"(?:the|all)\s+(?:\w+\s+)?(?:results|answers|findings|outputs|above|parts|pieces|responses))\b",
    re.IGNORECASE,
)
_COUNTS = {"two": 2, "both": 2, "three": 3, "four": 4, "five": 5}
_PRONOUN = re.compile(
    r"\bit\b|\b(?:itself|this|that|the same|the latter)(?:['’]s)?\b(?=\s*(?:$|[,.;:!?)]|(?:to|into|in|as|for|on|with|"
    r"by|from|and|or|"
    r"at|using|based|further|again|through|via|down|up|out|so|is|are|was|more|a|an|the|my|back|together|about|should|"
    r"when|if|has|does|can|not|rainy|sunny|positive|negative)\b)|['’]s)|\bthere(?=\s*(?:[?.!]|$))",
    re.IGNORECASE,
)
_ITS = re.compile(r"\b(?:its|their)\b", re.IGNORECASE)
_NOUN_BEFORE = re.compile(r"\b(?:a|an|the|my|your|our|some|of|about|from)\s+\w+", re.IGNORECASE)
_NEW_OBJECT = re.compile(r"\S+\s+(?:me\s+|us\s+)?(?:an?|some|another|one|two|three)\b", re.IGNORECASE)
_OBJECT_FROM = re.compile(  # `extract the text from it`: "it" is not the text
    r"\w+\s+(?:(?:the|any|all|an?|some|its|their)\s+)?(?:\w+\s+){1,4}(?:from|of|about|for|in|on|with)\s+$",
    re.IGNORECASE,
)
_AFTER_DOING = re.compile(r"\bafter \w+ing $", re.IGNORECASE)  # `take a note after watching it`: not the note
_RESULT = re.compile(
    r"\b(?:(?:the|that|this|its|any|your)\s+(?:\w+\s+)?(?:result|output|outcome|answer|response|finding)s?\b|"
    r"(?:the|that|this)\s+(?:resulting|final|above|previous|obtained|said)\s+\w+|previous step\b|above\b|"
    r"(?:this|that|these|those)\s+(?:information|details|news|facts|activities|events|plans)\b|"
    r"(?:the|all)\s+(?:information|details|news)\b(?=\s*(?:[,.;]|$|(?:to|via|by|with)\b)))",
    re.IGNORECASE,
)
_RESULTS = re.compile(
    r"\b(?:results|findings|answers|outputs|above|information|details|news|facts|activities|events|plans)\b",
    re.IGNORECASE,
)
_STEP = re.compile(r"\bsteps?\s+#?(\d{1,2})(?:\s*(?:and|,|&|-|to)\s*#?(\d{1,2}))?", re.IGNORECASE)
_COMPLEMENT = re.compile(
    r"\b(?:of|about|for(?! (?:me|us)\b)|from|"
    r"showing|that|with|on|explaining|describing|to|in which|depicting|using|based|where|who|"
    r"which|whose|titled|called|named|saying|illustrating|representing)\b|:",
    re.IGNORECASE,
)
_OWN_OBJECT = re.compile(
    r"^\S+\s+(?:\w+ly\s+)?(?:the|my|your|our|his|her|this|that|these|those|all|each|every)\b", re.IGNORECASE
)
_PLURAL = re.compile(r"\b(?:[a-z]{2,}[^s\W]s|two|three|four|five|several|list)\b")
_CONDITION = re.compile(r"(?:if|unless|otherwise|else|in case)\b", re.IGNORECASE)
_SHORT = 8


def link(clauses: Sequence[Clause]) -> tuple[frozenset[int], ...]:
    """For each clause the indices of the earlier clauses whose results it needs."""
    links: list[frozenset[int]] = []
    for index, clause in enumerate(clauses):
        needs = _ordered(clauses, links, index) | _named(clauses, links, index) | _needed(clauses, links, index)
        if index and not needs:
            needs = {index - 1} if clause.order == "then" else _shared(clauses, links, index)
        links.append(frozenset(needs))
    return tuple(links)


def _leaves(links: Sequence[frozenset[int]], start: int, stop: int) -> set[int]:
    """The clauses of `range(start, stop)` that no other of them builds on."""
    used = {need for needs in links[start:stop] for need in needs}
    return {index for index in range(start, stop) if index not in used}


def _ordered(clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int) -> set[int]:
    """What an order word puts before the clause."""
    clause = clauses[index]
    if clause.order == "finally" or _CONDITION.match(clause.masked):
        return _leaves(links, 0, index)
    if clause.order == "then":
        return _leaves(links, _stage(clauses, index), index)
    return set()


def _shared(clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int) -> set[int]:
    """`Then A, B and C`: B and C come after what A comes after, where nothing else says what they build on."""
    clause = clauses[index]
    if clause.order != "none" or clause.number is not None:
        return set()
    place = index - 1
    while place > 0 and clauses[place].order == "none" and clauses[place].sentence == clause.sentence:
        place -= 1
    joined = clauses[place].order == "then" and clauses[place].sentence == clause.sentence
    return set(links[place]) if joined else set()


def _stage(clauses: Sequence[Clause], index: int) -> int:
    """The first clause of the group that stands side by side just before `index`."""
    start = max(index - 1, 0)
    while (
        start > 0
        and clauses[start].order in {"none", "parallel"}
        and clauses[start].sentence == clauses[start - 1].sentence
    ):
        start -= 1
    return start


def _named(clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int) -> set[int]:
    """What the clause calls by a pronoun or by name."""
    if index == 0:
        return set()
    clause = clauses[index]
    said = f"{clause.lead}, {clause.masked}" if clause.lead else clause.masked
    found = _by_step(clauses, said, index) | named_makers(clauses, said, index) | pointed_at(clauses, said, index)
    found |= quoted_makers(clauses, index)
    if not found and _RESULT.search(said) is not None:
        found |= _leaves(links, 0, index) if _RESULTS.search(said) else {index - 1}
    collective = _COLLECTIVE.search(said)
    if collective is not None and not _own_antecedent(said, collective.start()):
        found |= _collected(clauses, links, index, collective)
    pronoun = _PRONOUN.search(said) or (_ITS.search(said) if not found else None)
    if pronoun is not None and not _own_antecedent(said, pronoun.start()):
        found.add(index - 1)
    return found


def _own_antecedent(said: str, end: int) -> bool:
    """Whether the clause itself names a thing, before `end`, that the pronoun may stand for."""
    if _OBJECT_FROM.match(said, 0, end) or said.startswith("there", end) or _AFTER_DOING.search(said, 0, end):
        return False
    return _NOUN_BEFORE.search(said, 0, end) is not None or MASK in said[:end]


def _collected(
    clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int, match: re.Match[str]
) -> set[int]:
    word = match[0].lower()
    leaves = _leaves(links, 0, index)
    count = _COUNTS.get((match["count"] or word).lower())
    if count is not None:
        return set(sorted(leaves)[-count:]) if len(leaves) >= count else set(range(max(0, index - count), index))
    if word in {"them", "they", "these", "those", "each"} and _PLURAL.search(clauses[index - 1].masked):
        return {index - 1}
    return leaves


def _by_step(clauses: Sequence[Clause], said: str, index: int) -> set[int]:
    wanted = {int(number) for match in _STEP.finditer(said) for number in match.groups() if number}
    return {earlier for earlier in range(index) if clauses[earlier].number in wanted}


def _needed(clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int) -> set[int]:
    """A clause that cannot stand alone, such as `add a caption` or `make a picture`, works on what came before."""
    if index == 0 or not _may_lean(clauses[index], clauses[index - 1]):
        return set()
    clause = clauses[index]
    if _is_bare(clause) and _is_derived(clause):
        source = index - 1
        while source > 0 and clauses[source].verb == "translate" and links[source]:
            source = max(links[source])
        return {source}
    in_pipeline = bool(links[index - 1]) and clauses[index - 1].sentence == clause.sentence
    return {index - 1} if _works_on(clause, in_pipeline=in_pipeline) else set()


def _may_lean(clause: Clause, previous: Clause) -> bool:
    """Only a neighbour in the sentence or the list may be meant without being named."""
    neighbours = clause.sentence == previous.sentence or clause.number is not None
    return clause.verb is not None and clause.order != "parallel" and neighbours and MASK not in clause.masked


def _is_bare(clause: Clause) -> bool:
    """Short, and without an object that the reader is expected to know."""
    return _OWN_OBJECT.match(clause.masked) is None and len(clause.masked.split()) <= _SHORT


def _is_derived(clause: Clause) -> bool:
    """`write a headline`: what is made of something else, and the clause does not say of what."""
    made = object_nouns(clause) & DERIVED
    return clause.verb in CREATORS and bool(made) and _COMPLEMENT.search(clause.masked) is None


def _works_on(clause: Clause, *, in_pipeline: bool) -> bool:
    """`reduce background noise`, and in a pipeline also `extract keywords`."""
    if re.search(r"\b[A-Z]\w+|\d", clause.masked[1:]) is not None:
        return False
    if clause.verb in TRANSFORMERS:
        return in_pipeline or _is_bare(clause)
    own = _NEW_OBJECT.match(clause.masked) or _COMPLEMENT.search(clause.masked)
    return in_pipeline and _is_bare(clause) and own is None and clause.verb not in EXTERNAL_VERBS
