"""Finds which clauses a clause builds on: by order words, by what it calls "it", "both" or "the summary", by need."""

from __future__ import annotations

import re
from collections.abc import Sequence

from planner.clauses import Clause
from planner.lexicon import BASE_OF, CREATORS, DERIVED, IMAGE_NOUNS, PRODUCTS, TRANSFORMERS
from planner.masking import MASK

__all__ = ["link"]

_COLLECTIVE = re.compile(
    r"\b(?:both|each|all(?! the way)|everything|them|they|these|those|the (?P<count>two|three|four|five)|(?:the|all) (?:results|answers|findings|outputs|above|parts|pieces|responses))\b",
    re.IGNORECASE,
)
_COUNT = {"two": 2, "both": 2, "three": 3, "four": 4, "five": 5}
_PRONOUN = re.compile(
    r"\b(?:it|itself|this|that|the same|the latter)\b(?=\s*(?:$|[,.;:!?)]|to\b|into\b|in\b|as\b|for\b|on\b|with\b|by\b|from\b|and\b|or\b|at\b|using\b|based\b|further\b|again\b|through\b|via\b|down\b|up\b|out\b|so\b|is\b|are\b|was\b|more\b|a\b|an\b|the\b|my\b|back\b|together\b|about\b|should\b|when\b|if\b))|\bthere(?=\s*(?:[?.!]|$))",
    re.IGNORECASE,
)
_ITS = re.compile(r"\bits\b", re.IGNORECASE)
_NOUN_BEFORE = re.compile(r"\b(?:a|an|the|my|your|our|some|of|about|from)\s+\w+", re.IGNORECASE)
_RESULT = re.compile(
    r"\b(?:(?:the|that|this|its|any|your)\s+(?:\w+\s+)?(?:results?|outputs?|outcomes?|answers?|responses?|findings?)|(?:the|that|this)\s+(?:resulting|final|new|above|previous|obtained|produced|same|said)\s+\w+|previous step|above)\b",
    re.IGNORECASE,
)
_DEFINITE = re.compile(
    r"\b(?:the|this|that|these|those|its|their|each|every|your|my)\s+(?P<words>[\w-]+(?:\s+[\w-]+){0,3})", re.IGNORECASE
)
_STEP = re.compile(r"\bsteps?\s+#?(\d{1,2})(?:\s*(?:and|,|&|-|to)\s*#?(\d{1,2}))?", re.IGNORECASE)
_INDEFINITE = re.compile(
    r"\b(?:an?|some|one|two|three|four|five|several|new|short|list of|another)\s+(?P<words>[\w-]+(?:\s+[\w-]+){0,3})",
    re.IGNORECASE,
)
_COMPLEMENT = re.compile(
    r"\b(?:of|about|for|from|showing|that|with|on|explaining|describing|to|in which|depicting|using|based|where|who|which|whose|titled|called|named|saying|illustrating)\b|:",
    re.IGNORECASE,
)
_DEFINITE_OBJECT = re.compile(
    r"^\S+\s+(?:\w+ly\s+)?(?:the|my|your|our|his|her|this|that|these|those|all|each|every)\b", re.IGNORECASE
)
_NOISE = frozenset(
    "a an the this that these those its their first last next best most more very own and or in on of to for with as is are".split()
)
_LANGUAGE_STEP = frozenset({"translate"})


def link(clauses: Sequence[Clause]) -> tuple[frozenset[int], ...]:
    """For each clause the indices of the earlier clauses whose results it needs."""
    links: list[frozenset[int]] = []
    for index, clause in enumerate(clauses):
        links.append(
            frozenset(_ordered(clauses, links, index) | _named(clauses, links, index) | _needed(clauses, links, index))
            if index
            else frozenset()
        )
        if index and not links[-1] and clause.order == "then":
            links[-1] = frozenset({index - 1})
    return tuple(links)


def _leaves(links: Sequence[frozenset[int]], start: int, stop: int) -> set[int]:
    """The clauses of `range(start, stop)` that no other of them builds on."""
    used = set().union(*links[start:stop]) if stop > start else set()
    return {index for index in range(start, stop) if index not in used}


def _ordered(clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int) -> set[int]:
    """What an order word puts before the clause; a clause joined by `and` to an ordered one shares its order."""
    order = clauses[index].order
    if order == "finally":
        return _leaves(links, 0, index)
    if order == "then":
        return _leaves(links, _stage(clauses, index), index)
    previous = clauses[index - 1]
    if (
        order == "none"
        and previous.order == "then"
        and previous.sentence == clauses[index].sentence
        and not _refers(clauses, index)
    ):
        return set() if clauses[index].number else set(links[index - 1])
    return set()


def _stage(clauses: Sequence[Clause], index: int) -> int:
    """The first clause of the group that stands side by side just before `index`."""
    start = index - 1
    while (
        start > 0
        and clauses[start].order in {"none", "parallel"}
        and clauses[start].sentence == clauses[start - 1].sentence
    ):
        start -= 1
    return start


def _refers(clauses: Sequence[Clause], index: int) -> bool:
    said = clauses[index].masked
    return _PRONOUN.search(said) is not None or _COLLECTIVE.search(said) is not None


def _named(clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int) -> set[int]:
    """What the clause calls by a pronoun or by name."""
    clause = clauses[index]
    said = f"{clause.lead}, {clause.masked}" if clause.lead else clause.masked
    found = _by_step(clauses, said, index) | _by_noun(clauses, said, index)
    if not found and (_RESULT.search(said) is not None):
        found |= (
            _leaves(links, 0, index)
            if re.search(r"\b(?:results|findings|answers|outputs|above)\b", said, re.IGNORECASE)
            else {index - 1}
        )
    if (collective := _COLLECTIVE.search(said)) is not None and not _own_antecedent(said, collective.start()):
        found |= _collected(clauses, links, index, collective)
    if (pronoun := _PRONOUN.search(said)) is not None and not _own_antecedent(said, pronoun.start()):
        found.add(index - 1)
    if not found and (its := _ITS.search(said)) is not None and not _own_antecedent(said, its.start()):
        found.add(index - 1)
    return found


def _own_antecedent(said: str, end: int) -> bool:
    """Whether the clause itself names a thing, before `end`, that the pronoun may stand for."""
    return _NOUN_BEFORE.search(said, 0, end) is not None or MASK in said[:end]


def _collected(
    clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int, match: re.Match[str]
) -> set[int]:
    word = match[0].lower()
    count = _COUNT.get(match["count"] or word)
    if (
        word in {"all", "each"}
        and re.match(r"\s+(?:the\s+)?[a-z]+s?\b", match.string[match.end() :])
        and not re.match(
            r"\s+(?:of\s+)?(?:the\s+)?(?:results|findings|parts|above|outputs|answers)", match.string[match.end() :]
        )
    ):
        return set()
    if count is not None:
        return (
            set(sorted(_leaves(links, 0, index))[-count:])
            if len(_leaves(links, 0, index)) >= count
            else set(range(max(0, index - count), index))
        )
    if word in {"them", "they", "these", "those"} and re.search(
        r"\b(?:[a-z]{2,}[^s\W]s|two|three|four|five|several|list)\b", clauses[index - 1].masked
    ):
        return {index - 1}
    return _leaves(links, 0, index)


def _by_step(clauses: Sequence[Clause], said: str, index: int) -> set[int]:
    wanted = {int(number) for match in _STEP.finditer(said) for number in match.groups() if number}
    return {earlier for earlier in range(index) if clauses[earlier].number in wanted}


def _by_noun(clauses: Sequence[Clause], said: str, index: int) -> set[int]:
    """`the summary`, `the translated text`, `this picture`: the latest earlier clause that left such a thing."""
    found: set[int] = set()
    for match in _DEFINITE.finditer(said):
        words = [word.lower() for word in match["words"].split()]
        if (maker := _participle(clauses, words, index)) is not None:
            found.add(maker)
            continue
        made = _maker(clauses, words, index)
        if made is not None:
            found.add(made)
    return found


def _participle(clauses: Sequence[Clause], words: Sequence[str], index: int) -> int | None:
    for word in words[:3]:
        verb = BASE_OF.get(word) if not word.endswith("ing") else None
        if verb is None:
            continue
        for earlier in range(index - 1, -1, -1):
            if _same_verb(clauses[earlier].verb, verb):
                return earlier
        return (
            index - 1
            if word
            in {
                "generated",
                "created",
                "edited",
                "modified",
                "extracted",
                "produced",
                "processed",
                "translated",
                "converted",
                "combined",
                "selected",
                "identified",
                "detected",
                "found",
                "improved",
                "enhanced",
            }
            else None
        )
    return None


def _same_verb(one: str | None, other: str) -> bool:
    return one is not None and one.replace("ise", "ize").replace("yse", "yze") == other.replace("ise", "ize").replace(
        "yse", "yze"
    )


def _maker(clauses: Sequence[Clause], words: Sequence[str], index: int) -> int | None:
    for earlier in range(index - 1, -1, -1):
        if any(word in _products(clauses[earlier]) for word in _noun_phrase(words)):
            return earlier
    return None


def _noun_phrase(words: Sequence[str]) -> list[str]:
    """The words up to the first that cannot belong to a noun phrase."""
    phrase: list[str] = []
    for word in words:
        if word in _NOISE or word in {"into", "from", "by", "at", "about", "using", "based"}:
            break
        phrase.append(word)
    return phrase


def _products(clause: Clause) -> frozenset[str]:
    """The nouns by which later clauses may call what this one leaves behind."""
    nouns = set(PRODUCTS.get(clause.verb or "", "").split())
    if clause.verb in CREATORS or clause.verb is None:
        for match in _INDEFINITE.finditer(clause.masked):
            phrase = _noun_phrase([word.lower() for word in match["words"].split()])
            nouns.update(phrase[-1:])
        bare = re.match(r"\S+\s+(?:me\s+)?(?:the\s+)?([\w-]+(?:\s+[\w-]+){0,2})", clause.masked)
        if bare:
            nouns.update(_noun_phrase([word.lower() for word in bare[1].split()])[-1:])
    if nouns & IMAGE_NOUNS:
        nouns |= {"image", "picture", "drawing", "illustration"}
    return frozenset(nouns - _NOISE)


def _needed(clauses: Sequence[Clause], links: Sequence[frozenset[int]], index: int) -> set[int]:
    """A clause that cannot stand alone, such as `add a caption` or `make a picture`, works on what came before."""
    clause, previous = clauses[index], clauses[index - 1]
    if (
        clause.verb is None
        or clause.order == "parallel"
        or (clause.sentence != previous.sentence and clause.number is None)
    ):
        return set()
    bare = (
        MASK not in clause.masked and _DEFINITE_OBJECT.match(clause.masked) is None and len(clause.masked.split()) <= 8
    )
    incomplete = (
        bare
        and clause.verb in CREATORS
        and _products(clause) & DERIVED != frozenset()
        and _COMPLEMENT.search(clause.masked) is None
    )
    if not (
        incomplete or (bare and clause.verb in TRANSFORMERS and not re.search(r"\b[A-Z]\w+|\d", clause.masked[1:]))
    ):
        return set()
    source = index - 1
    while source > 0 and incomplete and clauses[source].verb in _LANGUAGE_STEP and links[source]:
        source = max(links[source])
    return {source}
