"""Leaves out the clauses that are no work of their own: scenes, aims, repetitions, deliveries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from planner.clauses import Clause
from planner.lexicon import TRANSFORMERS, word_set
from planner.masking import MASK
from planner.products import object_nouns

__all__ = ["settled"]

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
_CLOSING = re.compile(
    r"(?:take care of|do|perform|complete|handle|accomplish|carry out|finish|arrange|manage|execute|help(?:\s+me)?)\s+"
    r"(?:with\s+)?(?:all\s+(?:of\s+)?)?(?:these|this|those|everything|all)"
    r"(?:\s+(?:tasks?|things|requests?|errands|activities|steps))?(?:\s+for\s+me)?$",
    re.IGNORECASE,
)
_STUDIES = word_set("analyse analyze check examine inspect look process review read evaluate study listen")
_GENERIC = word_set("adjust change edit modify process perform make do transform")
_MENDS = word_set("adjust change edit modify transform")
"""Generic only where a more exact change was asked for before."""
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
_POINTS_BACK = re.compile(r"\b(?:it|its|them|this|that|these|those|both|results?)\b", re.IGNORECASE)
_SHARED = 2
"""Words of the goal that the way to it takes up."""
_WORDS = re.compile(r"[^\W_]{2,}|\d")
_COMPLEMENT = re.compile(r"\b(?:about|of|for|to|into|in|from|on|at|with|as|by|and|called)\b", re.IGNORECASE)


def settled(clauses: Sequence[Clause]) -> list[Clause]:
    """The clauses without those that are no work of their own: scenes, aims, repetitions, deliveries."""
    kept: list[Clause] = []
    clauses = clauses[1:] if _is_goal(clauses) else clauses
    for place, clause in enumerate(clauses):
        last = kept[-1] if kept else None
        if _is_preamble(clause, clauses[place + 1 :]) or _is_aim(clause, clauses[place + 1 :]):
            continue
        if last is not None and _closes(clause, last):
            kept[-1] = replace(last, spans=last.spans + clause.spans)
            continue
        again = next((index for index, earlier in enumerate(kept) if _says_again(clause, earlier)), None)
        if again is not None:
            kept[again] = _repeated(kept[again], clause)
            continue
        if last is not None and _sets_scene(last, clause):
            kept[-1] = _joined(last, clause, verb=clause.verb)
        elif last is not None and (_DELIVERY.match(clause.masked) or _tells(last, clause)):
            kept[-1] = _joined(last, clause, verb=last.verb)
        elif last is not None and _begins_again(last, clause):
            kept[-1] = replace(clause, spans=last.spans + clause.spans)
        else:
            kept.append(clause)
    return kept


def _sets_scene(clause: Clause, following: Clause) -> bool:
    """`Take the text and translate it` is one thing to do."""
    given = clause.verb in _SETUP and _GIVEN_OBJECT.match(clause.masked) is not None
    return given and clause.sentence == following.sentence and following.order in {"none", "parallel"}


def _begins_again(clause: Clause, following: Clause) -> bool:
    """`Translate, translate it`: the bare verb says nothing of its own."""
    bare = len(clause.masked.split()) == 1 and not clause.lead and not clause.opening
    return bare and clause.verb == following.verb is not None


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


def _closes(clause: Clause, before: Clause) -> bool:
    """`Please help me with these tasks` at the end asks for what was already asked for."""
    alone = clause.sentence != before.sentence and not clause.lead and not clause.opening
    return alone and clause.asked and _CLOSING.match(clause.masked) is not None


def _is_goal(clauses: Sequence[Clause]) -> bool:
    """`I want to make X by joining A and B. Please download B, trim it, and join both`: first the goal, then the way.

    The first clause then says what the whole comes to: the way speaks of its things, and builds on none of them.
    """
    if len(clauses) < 3 or clauses[0].asked or clauses[0].number is not None or clauses[1].order != "none":
        return False
    goal, way = clauses[0], clauses[1:]
    if any(one.sentence == goal.sentence or not one.asked for one in way[:2]) or way[0].sentence != way[1].sentence:
        return False
    if _POINTS_BACK.search(way[0].masked) is not None:
        return False
    things, said = (
        {word for word in _WORDS.findall(text.lower()) if len(word) > 3}
        for text in (goal.masked, " ".join(one.masked for one in way if one.sentence == way[0].sentence))
    )
    made = object_nouns(goal) & set(_WORDS.findall(way[0].masked.lower()))
    return not made and len(things & said) >= _SHARED


def _joined(first: Clause, second: Clause, *, verb: str | None) -> Clause:
    said = f"{first.text} and {second.whole}"
    masked = f"{first.masked} and {second.masked.rjust(len(second.whole))}"
    return replace(first, text=said, masked=masked, verb=verb, spans=first.spans + second.spans)


def _repeated(clause: Clause, again: Clause) -> Clause:
    """The clause, with the words in which it is asked for again where they say anything new."""
    new = set(_WORDS.findall(again.masked.lower())) - set(_WORDS.findall(clause.masked.lower())) - {again.verb}
    told = f" ({again.whole})" if new or again.lead or again.opening else ""
    text, masked = clause.text + told, clause.masked + " " * len(told)
    return replace(clause, text=text, masked=masked, spans=clause.spans + again.spans)


def _says_again(clause: Clause, earlier: Clause) -> bool:
    """`Can you help me find a suitable video?` after `I want to find a video about cooking`: nothing new is asked."""
    if clause.verb is None or clause.order != "none" or clause.number is not None or MASK in clause.masked:
        return False
    new = set(_WORDS.findall(clause.masked.lower())) - set(_WORDS.findall(earlier.masked.lower()))
    if clause.sentence == earlier.sentence or clause.verb != earlier.verb:
        vague = clause.verb in _GENERIC and (clause.verb not in _MENDS or earlier.verb in TRANSFORMERS)
        return clause.asked and clause.sentence != earlier.sentence and vague and new <= {clause.verb}
    other = new & set(_WORDS.findall(" ".join(_COMPLEMENT.split(clause.masked.lower(), maxsplit=1)[1:])))
    return bool(object_nouns(clause) & object_nouns(earlier)) and len(new) <= 1 and not other
