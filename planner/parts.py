"""The parts of a task, each with what it builds on: the plan before it is put into the workflow language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from planner.clauses import MOST_CLAUSES, Clause, split_clauses
from planner.comparison import compared
from planner.lexicon import ECONOMY_VERBS, IMAGE_NOUNS, IMAGE_VERBS, PREMIUM_VERBS, word_set
from planner.links import link
from planner.masking import MASK
from planner.naming import step_name, thing_name
from planner.products import object_nouns
from planner.scripts import is_english, split_other

__all__ = ["MOST_PARTS", "Part", "Tier", "parts_of"]

from typing import Literal

Tier = Literal["economy", "standard", "premium"]
MOST_PARTS = 24
"""A task with more parts than this is done in one step: so many instructions are rather a text than a task."""

_SETUP = word_set("take consider look open use read see process")
_GIVEN_OBJECT = re.compile(
    r"\S+ (?:at |up )?(?:the|this|that|these|those|my|our|its|following|it)\b(?!.*\bto\b)", re.IGNORECASE
)
_PREAMBLE = re.compile(
    r"(?:do|perform|complete|follow|carry out|help|execute|take|work through)\s+(?:(?:me|us)\s+)?"
    r"(?:with\s+)?(?:all\s+)?"
    r"(?:this|these|the following|the steps|following|(?:the\s+)?tasks)\b[\w\s]{0,30}$",
    re.IGNORECASE,
)
_VACUOUS = re.compile(
    r"(?:(?:make|perform|do|complete|accomplish|achieve|apply)\s+(?:this|these|that|those|the)\s+"
    r"(?:tasks?|changes?|adjustments?|operations?|steps?|modifications?|requests?|work)|help(?:\s+me)?)(?:\s+for\s+me)?$",
    re.IGNORECASE,
)
_STUDIES = word_set("analyse analyze check examine inspect look process review read evaluate study listen")
_GENERIC = word_set("adjust change edit modify process perform make do transform")
_AIMS = frozenset({"know", "understand", "see", "learn"})
_DELIVERY = re.compile(
    r"(?:save|store)\s+(?:it|them|the\s+(?:\w+\s+)?(?:results?|outputs?|images?|files?|audio|videos?|text))\b|"
    r"(?:provide|give|show|send|present|return|display|output|deliver|share|tell)\s+(?:"
    r"(?:it|them)(?:\s+(?:back\s+)?to\s+(?:me|us))?$|"
    r"(?:me\s+|us\s+)?(?:with\s+)?(?:the\s+)?(?:results?|outputs?|answers?)(?:\s+to\s+(?:me|us))?$|"
    r"(?:me\s+|us\s+)?(?:with\s+)?(?:the\s+)?"
    r"(?:final|resulting|predicted|processed|finished|completed|modified|edited)\b(?!.*\b(?:in|as)\b))",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[a-z]{2,}")
_MAKERS = word_set("create generate make produce design render compose")
_WISH_START = re.compile(r"^(?:also\s+)?(?:i|we)\b[\w'’ ]{0,20}\b(?:want|need|like|require)\s+", re.IGNORECASE)
_IMAGE_PHRASE = re.compile(r"\S+\s+(?:me\s+|us\s+|up\s+)?(?P<phrase>(?:[\w-]+\s*){1,7})")
_PHRASE_END = word_set(
    """
    of for about from that which with based using to in on into as showing depicting by where and or
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


def parts_of(task: str) -> tuple[Part, ...]:
    """The parts of `task`, each after those it needs; at most one part when there is nothing to cut."""
    english = is_english(task)
    said = split_clauses(task) if english else split_other(task)
    clauses = (_settled(said) if english else said) if len(said) <= MOST_CLAUSES else ()
    if not clauses or len(clauses) > MOST_PARTS:
        return ()
    parts: list[Part] = []
    names: list[str] = []
    for place, (clause, links) in enumerate(zip(clauses, link(clauses), strict=True), start=1):
        needs = tuple(names[index] for index in sorted(links))
        groundwork = _groundwork(clause, parts) if english and not needs else []
        parts += groundwork
        name = step_name(clause, taken={part.id for part in parts}, place=place)
        names.append(name)
        parts.append(
            Part(
                name,
                _instruction(clause),
                clause.verb,
                _draws(clause),
                _tier(clause.verb),
                needs + tuple(part.id for part in groundwork),
            )
        )
    return tuple(parts)


def _settled(clauses: Sequence[Clause]) -> list[Clause]:
    """The clauses without those that are no work of their own: scenes, aims, repetitions, deliveries."""
    kept: list[Clause] = []
    for place, clause in enumerate(clauses):
        last = kept[-1] if kept else None
        if (
            _is_preamble(clause, clauses[place + 1 :])
            or _is_aim(clause, clauses[place + 1 :])
            or any(_says_again(clause, earlier) for earlier in kept)
        ):
            continue
        if last is not None and _sets_scene(last, clause):
            kept[-1] = _joined(last, clause, verb=clause.verb)
        elif last is not None and (_DELIVERY.match(clause.masked) or _tells(last, clause)):
            kept[-1] = _joined(last, clause, verb=last.verb)
        elif last is not None and last.verb == clause.verb is not None and len(last.masked.split()) == 1:
            kept[-1] = clause
        else:
            kept.append(clause)
    return kept


def _sets_scene(clause: Clause, following: Clause) -> bool:
    """`Take the text and translate it` is one thing to do."""
    given = clause.verb in _SETUP and _GIVEN_OBJECT.match(clause.masked) is not None
    return given and clause.sentence == following.sentence and following.order in {"none", "parallel"}


def _tells(clause: Clause, following: Clause) -> bool:
    """`Analyse it and tell me whether it is positive`: the telling is the analysis."""
    same = clause.sentence == following.sentence and clause.verb in _STUDIES
    return same and re.match(r"(?:tell|let|show)\s+me\b", following.masked, re.IGNORECASE) is not None


def _is_preamble(clause: Clause, following: Sequence[Clause]) -> bool:
    """`Do the following:` before a list."""
    return _PREAMBLE.match(clause.masked) is not None and any(later.sentence != clause.sentence for later in following)


def _is_aim(clause: Clause, following: Sequence[Clause]) -> bool:
    """`I want to know its category. Please classify it.`: the wish says why, the request says what."""
    asked = [later for later in following if later.asked and later.sentence != clause.sentence]
    return (clause.verb in _AIMS and bool(asked)) or (bool(clause.lead) and clause.verb in {one.verb for one in asked})


def _joined(first: Clause, second: Clause, *, verb: str | None) -> Clause:
    said = f"{first.text} and {second.text}"
    return replace(first, text=said, masked=f"{first.masked} and {second.masked}", verb=verb)


def _says_again(clause: Clause, earlier: Clause) -> bool:
    """`Can you help me find a suitable video?` after `I want to find a video about cooking`: nothing new is asked."""
    if clause.verb is None or clause.order != "none" or clause.number is not None or MASK in clause.masked:
        return False
    new = set(_WORDS.findall(clause.masked.lower())) - set(_WORDS.findall(earlier.masked.lower()))
    if clause.sentence == earlier.sentence or clause.verb != earlier.verb:
        return clause.asked and clause.sentence != earlier.sentence and clause.verb in _GENERIC and new <= {clause.verb}
    return bool(object_nouns(clause) & object_nouns(earlier)) and len(new) <= 1


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
    text = f"{clause.lead}, {clause.text}" if clause.lead else clause.text
    return text[:1].upper() + text[1:]


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
