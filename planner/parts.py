"""The parts of a task, each with what it builds on: the plan before it is put into the workflow language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from planner.clauses import MOST_CLAUSES, Clause, split_clauses
from planner.comparison import compared
from planner.constraints import is_wish, shared_constraints
from planner.lexicon import ECONOMY_VERBS, IMAGE_NOUNS, IMAGE_VERBS, PREMIUM_VERBS, word_set
from planner.links import link
from planner.masking import MASK
from planner.naming import step_name, thing_name
from planner.remainder import LONG, remainders
from planner.scripts import is_english, split_other
from planner.settled import settled

__all__ = ["MOST_PARTS", "Part", "Tier", "parts_of"]

Tier = Literal["economy", "standard", "premium"]
MOST_PARTS = 24
"""A task with more parts than this is done in one step: so many instructions are rather a text than a task."""

_MAKERS = word_set("create generate make produce design render compose")
_WISH_START = re.compile(r"^(?:also\s+)?(?:i|we)\b[\w'’ ]{0,20}\b(?:want|need|like|require)\s+", re.IGNORECASE)
_IMAGE_PHRASE = re.compile(r"\S+\s+(?:me\s+|us\s+|up\s+)?(?P<phrase>(?:[\w-]+\s*){1,7})")
_PHRASE_END = word_set(
    """
    of out for about from that which with based using to in on into as showing depicting by where and or
    """
)


@dataclass(frozen=True, slots=True)
class Part:
    """One step to be: `asked` says whether the task asks for its result, or the rules added it as groundwork."""

    id: str
    text: str
    """What to do, in the words of the task."""
    verb: str | None
    image: bool
    tier: Tier
    needs: tuple[str, ...]
    """Ids of the parts whose results it is given, in order."""
    asked: bool = True
    about: str | None = None
    """Groundwork only: the thing that it studies."""
    context: tuple[str, ...] = ()
    """What the task says outside of its parts and this one must hear."""


def parts_of(task: str) -> tuple[Part, ...]:
    """The parts of `task`, each after those it needs; at most one part when there is nothing to cut."""
    english = is_english(task)
    said = split_clauses(task) if english else split_other(task)
    clauses = (settled(said) if english else said) if len(said) <= MOST_CLAUSES else ()
    if not clauses or len(clauses) > MOST_PARTS:
        return ()
    parts: list[Part] = []
    names: list[str] = []
    shared, heard = shared_constraints(clauses), remainders(task, clauses)
    for place, (clause, links) in enumerate(zip(clauses, link(clauses), strict=True), start=1):
        needs = tuple(names[index] for index in sorted(links))
        wishes = [f". {piece}" for piece in heard[place - 1] if is_wish(piece)]
        known = heard[place - 2] if place > 1 and needs else ()
        given = [
            piece for piece in heard[place - 1] if not is_wish(piece) and (len(piece) <= LONG or piece not in known)
        ]
        groundwork = _groundwork(clause, parts) if english and not needs else []
        parts += groundwork
        name = step_name(clause, taken={part.id for part in parts}, place=place)
        names.append(name)
        parts.append(
            Part(
                name,
                "".join((", ".join((_instruction(clause), *shared[place - 1])), *wishes)),
                clause.verb,
                _draws(clause),
                _tier(clause.verb),
                needs + tuple(part.id for part in groundwork),
                context=tuple(given),
            )
        )
    return tuple(parts)


def _groundwork(clause: Clause, parts: Sequence[Part]) -> list[Part]:
    """A study of each thing that the clause compares; they need nothing of each other."""
    found: list[Part] = []
    for place, thing in enumerate(compared(clause), start=1):
        name = thing_name(thing, taken={part.id for part in [*parts, *found]}, place=place)
        found.append(
            Part(
                name,
                f"Give the key facts about {thing}",
                "give",
                image=False,
                tier="economy",
                needs=(),
                asked=False,
                about=thing,
            )
        )
    return found


def _instruction(clause: Clause) -> str:
    """The clause as a sentence of its own."""
    return clause.whole[:1].upper() + clause.whole[1:]


def _draws(clause: Clause) -> bool:
    """Whether the clause asks for a picture to be made (not for a caption, a description or a video of one)."""
    if clause.verb in IMAGE_VERBS:
        return (
            re.search(r"\b(?:conclusions?|lessons?|up|attention|comparisons?|inferences?|parallels?)\b", clause.masked)
            is None
        )
    if clause.verb is not None and clause.verb not in _MAKERS:
        return False
    match = _IMAGE_PHRASE.match(_WISH_START.sub("have ", clause.masked.replace(MASK, " ")))
    words = match["phrase"].lower().split() if match else []
    stop = next((place for place in range(1, len(words)) if _ends_phrase(words, place)), len(words))
    return bool(words) and words[stop - 1] in IMAGE_NOUNS


def _ends_phrase(words: Sequence[str], place: int) -> bool:
    """Whether the noun phrase is over before `words[place]`: `an image` before "showing", not before "stylized"."""
    word, before = words[place], words[place - 1]
    participle = word.endswith("ing") and before not in {"a", "an", "the", "some", "my"}
    return word in _PHRASE_END or participle or (word.endswith("ed") and before in IMAGE_NOUNS)


def _tier(verb: str | None) -> Tier:
    if verb in PREMIUM_VERBS:
        return "premium"
    return "economy" if verb in ECONOMY_VERBS else "standard"
