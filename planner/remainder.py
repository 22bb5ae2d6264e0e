"""What a task says outside of its clauses, and which of its parts must hear it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from planner.clauses import Clause
from planner.lexicon import word_set
from planner.masking import MASK, mask

__all__ = ["FILLERS", "LONG", "remainders"]

LONG = 1_500
"""Characters above which given text goes to the parts that begin the work, and not to those that use their results."""
FILLERS = word_set(
    """
    a addition additionally after afterward afterwards all also am an and any anyway are as assist assistance at be
    before below besides both but by can carry complete could d do does else eventually finally first firstly follow
    followed following for from furthermore get go had has have hello help here hey hi hope how i if in initially is
    it just kindly last lastly later let like ll m me meantime meanwhile moreover my need next now of ok okay on
    once or order our out perform please plus proceed re remember s second secondly several simultaneously so some
    step steps subsequently task tasks than thank thanks that the their them then there these things third thirdly
    this those to ultimately us ve very want wants was we well what which will wish with would you your
    """
)
"""Words that alone say nothing about the work: a stretch with no other is left out."""
_STOP = re.compile(rf"(?<=[.!?;。！？；؟])\s+|(?<=[;。！？；؟])|(?<=:)\s+(?!{MASK})|\n+")
_STOPPED = frozenset({*".!?;。！？；؟", MASK})
_EDGES = " \t\r\n,;:.!-–—*•、，。；："
_JOINT = re.compile(
    r"(?:\A|\s)(?:and|but|so|that|which|then|also|plus|or)\Z|\A(?:and|but|so|then|also|plus|or)\s", re.IGNORECASE
)
_MARK = re.compile(r"\A\s*(?:step\s+)?\(?(?:\d{1,2}|[a-h])[.):](?=\s|\Z)", re.IGNORECASE)


def remainders(task: str, clauses: Sequence[Clause]) -> list[tuple[str, ...]]:
    """For each clause the stretches of `task` that belong to no clause and that it must hear, in their order.

    What stands right before a clause in its sentence (`I have a film, and I want to cut it`) is for it and those
    after it; anything else could be meant for any, and so reaches all.
    """
    masked = mask(task)
    spans = sorted((start, end, place) for place, clause in enumerate(clauses) for start, end in clause.spans)
    heard: list[tuple[str, ...]] = [() for _ in clauses]
    at = 0
    for start, end, place in [*spans, (len(task), len(task), len(clauses))]:
        for piece, introduces in _pieces(task, masked, at, start):
            first = place if introduces and place < len(clauses) else 0
            for listener in range(first, len(clauses)):
                heard[listener] += (piece,)
        at = max(at, end)
    return heard


def _pieces(task: str, masked: str, start: int, end: int) -> list[tuple[str, bool]]:
    """The sentences of a stretch that say something, each with whether it runs on into what follows."""
    found = []
    at = start
    for stop in [*(match.span() for match in _STOP.finditer(masked, start, end)), (end, end)]:
        said = _trimmed(task[at : stop[0]])
        if _says_something(said):
            found.append((said, stop[0] == end and masked[at:end].rstrip()[-1:] not in _STOPPED))
        at = stop[1]
    return found


def _trimmed(said: str) -> str:
    """Without the joints and list marks at its ends."""
    before = None
    while said != before:
        before = said
        said = _JOINT.sub("", _MARK.sub("", said)).strip(_EDGES)
    return said


def _says_something(said: str) -> bool:
    return any(word not in FILLERS for word in re.findall(r"[^\W_]+", said.lower()))
