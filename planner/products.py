"""What a clause leaves behind, and by which nouns later clauses call it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from planner.clauses import Clause
from planner.lexicon import BASE_OF, CREATORS, IMAGE_NOUNS, PRODUCTS, TRANSFORMERS, word_set
from planner.masking import MASK

__all__ = ["named_makers", "object_nouns", "pointed_at", "products", "quoted_makers"]

_PHRASE = r"(?P<words>[\w-]+(?:\s+[\w-]+){0,4})"
_DEFINITE = re.compile(  # a look-ahead, for the words of one phrase may hold the next "the"
    rf"\b(?:the|this|that|these|those|its|their|each|every|your|my|all)\s+(?={_PHRASE})", re.IGNORECASE
)
_POINTING = re.compile(rf"\b(?:this|that|these|those)\s+(?={_PHRASE}(?!\s*:))", re.IGNORECASE)
_INDEFINITE = re.compile(
    rf"\b(?:an?|some|any|one|two|three|four|five|several|new|short|list of|another)\s+{_PHRASE}", re.IGNORECASE
)
_OBJECT = re.compile(
    rf"\S+\s+(?:me\s+|us\s+)?(?:for\s+|up\s+)?(?:(?:the|an?|any|all|some|my|its|their|this|that)\s+)?{_PHRASE}",
    re.IGNORECASE,
)
_BECOMES = re.compile(rf"\b(?:in)?to\s+(?:an?\s+|the\s+)?{_PHRASE}", re.IGNORECASE)
_PHRASE_ENDS = word_set(
    """
    a an the this that these those its their and or in on of to for with as is are into from by at about using
    based so
    """
)
_EMPTY = word_set("first last next best most more very own short new two three following same it them me")
# Participles that say "made by an earlier step" whatever verb the earlier step had.
_MADE = frozenset(
    [
        "generated",
        "created",
        "produced",
        "made",
        "extracted",
        "edited",
        "modified",
        "processed",
        "converted",
        "combined",
        "selected",
        "identified",
        "detected",
        "found",
        "obtained",
        "retrieved",
        "improved",
        "enhanced",
        "updated",
        "revised",
        "written",
        "resulting",
        "finished",
        "completed",
        "chosen",
    ]
)


def products(clause: Clause) -> frozenset[str]:
    """The nouns, in the singular, by which later clauses may call what this one leaves behind."""
    nouns = set(PRODUCTS.get(clause.verb or "", "").split())
    if clause.verb is None and "?" in clause.masked:
        nouns.add("answer")
    if clause.verb in CREATORS or clause.verb is None:
        nouns |= object_nouns(clause)
    if clause.verb in TRANSFORMERS or clause.verb in {"transcribe", "turn", "transform", "analyze", "analyse"}:
        if (made := _OBJECT.match(clause.masked)) is not None and clause.verb not in {"add", "apply"}:
            nouns.update(_noun_phrase(made["words"]))
        for match in _BECOMES.finditer(clause.masked):
            nouns.update(_noun_phrase(match["words"])[-1:])
    if nouns & IMAGE_NOUNS:
        nouns |= {"image", "picture", "drawing", "illustration"}
    return frozenset(_singular(noun) for noun in nouns - _EMPTY)


def object_nouns(clause: Clause) -> frozenset[str]:
    """The nouns at the end of the clause's indefinite noun phrases: `headline` in "write a short headline"."""
    matches = [match for pattern in (_INDEFINITE, _OBJECT) for match in pattern.finditer(clause.masked)]
    return frozenset(noun for match in matches for noun in _noun_phrase(match["words"])[-1:])


def named_makers(clauses: Sequence[Clause], said: str, index: int) -> set[int]:
    """`the summary`, `the translated text`, `this picture`: the latest earlier clause that left such a thing."""
    found: set[int] = set()
    for match in _DEFINITE.finditer(said):
        words = [word.lower() for word in match["words"].split()]
        maker = _by_participle(clauses, words, index)
        found |= {maker} if maker is not None else _by_noun(clauses, match["words"], index)
    return found


def quoted_makers(clauses: Sequence[Clause], index: int) -> set[int]:
    """A quoted question may name a result, too: 'What is in the generated image?'. Only an exact verb counts there."""
    found: set[int] = set()
    for match in _DEFINITE.finditer(clauses[index].text):
        if clauses[index].masked[match.start()] != MASK:
            continue
        verbs = {_spelling(BASE_OF.get(word)) for word in match["words"].lower().split()[:2] if word.endswith("ed")}
        makers = [place for place in range(index) if verbs and _spelling(clauses[place].verb) in verbs]
        found.update(makers[-1:])
    return found


def pointed_at(clauses: Sequence[Clause], said: str, index: int) -> set[int]:
    """For `this audio` or `those topics` the latest earlier clause that speaks of such a thing at all."""
    found: set[int] = set()
    for match in _POINTING.finditer(said):
        nouns = {_singular(word) for word in _noun_phrase(match["words"])} - _EMPTY
        for place in range(index - 1, -1, -1):
            if nouns & {_singular(word) for word in re.findall(r"[a-z-]+", clauses[place].masked.lower())}:
                found.add(place)
                break
    return found


def _by_participle(clauses: Sequence[Clause], words: Sequence[str], index: int) -> int | None:
    for word in words[:3]:
        verb = BASE_OF.get(word) if not word.endswith("ing") or word == "resulting" else None
        if verb is None and word not in _MADE:
            continue
        for earlier in range(index - 1, -1, -1):
            if verb is not None and _spelling(clauses[earlier].verb) == _spelling(verb):
                return earlier
        if word in _MADE:
            nouns = {_singular(other) for other in words[words.index(word) + 1 :]}
            return next((place for place in range(index - 1, -1, -1) if nouns & products(clauses[place])), index - 1)
    return None


def _by_noun(clauses: Sequence[Clause], words: str, index: int) -> set[int]:
    phrase = {_singular(word) for word in _noun_phrase(words)}
    return next(({place} for place in range(index - 1, -1, -1) if phrase & products(clauses[place])), set())


def _noun_phrase(words: str) -> list[str]:
    """The words up to the first that cannot belong to a noun phrase."""
    phrase: list[str] = []
    for word in words.lower().split():
        if word in _PHRASE_ENDS or (phrase and word.endswith("ing")):
            break
        phrase.append(word)
    return phrase


def _singular(noun: str) -> str:
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "is", "us")) else noun


def _spelling(verb: str | None) -> str:
    """British and American spellings made equal."""
    return (verb or "").replace("ise", "ize").replace("yse", "yze").replace("our", "or")
