"""What went on inside of a step that holds others, told in a few words whatever the number of its items and rounds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.cli import words

if TYPE_CHECKING:
    from executors.events import StepFinished

__all__ = ["Inside", "apart", "is_inside", "root"]

_PLACE = re.compile(r"([^\[/]+)(?:\[(\d+)\])?/([^/]+)")
"""A step directly inside of a step of the workflow, in one of its items or rounds where it has such."""


def root(path: str) -> str:
    """The step of the workflow itself in which the step at `path` stands: `each` for `each[3]/summary`."""
    return path.split("/", 1)[0].split("[", 1)[0]


def is_inside(path: str) -> bool:
    return "/" in path


@dataclass(slots=True)
class Inside:
    """Folds the ends of the steps inside of one step into counts."""

    kind: str
    width: int = 0
    """How many steps stand directly inside, for a map: an item is done once so many have ended."""
    total: int | None = None
    """Items of the list, where they are known."""
    most: int | None = None
    """Rounds that a loop makes at most."""
    failed: int = 0
    rounds: int = 0
    latest: str = ""
    """The step inside that was heard of last."""
    _ended: Counter[int] = field(default_factory=Counter)
    _done: int = 0
    _seen: int = 0

    @property
    def done(self) -> int:
        """Items all of whose steps have ended."""
        return self._done

    def start(self, path: str) -> None:
        self.latest = path.partition("/")[2]
        place = _PLACE.match(path)
        if place is not None and place[2] is not None and self.kind == "loop":
            self.rounds = max(self.rounds, int(place[2]))

    def end(self, finished: StepFinished) -> None:
        self.latest = finished.step_id.partition("/")[2]
        self.failed += finished.status == "failed"
        place = _PLACE.fullmatch(finished.step_id)
        if place is None or place[2] is None:
            return
        number = int(place[2])
        if self.kind == "loop":
            self.rounds = max(self.rounds, number)
            return
        self._seen = max(self._seen, number + 1)
        self._ended[number] += 1
        if self.width and self._ended[number] == self.width:
            del self._ended[number]
            self._done += 1

    def again(self) -> None:
        """The step is tried again, from its first item or round."""
        self._ended.clear()
        self._done = self._seen = self.rounds = self.failed = 0

    def told(self) -> str:
        """How far it has come: `37/120`, `round 2 of at most 5`, or the step it is at."""
        if self.kind == "map":
            wrong = f" ({self.failed:,} failed)" if self.failed else ""
            return f"{self._done:,}/{'?' if self.total is None else f'{self.total:,}'}{wrong}"
        if self.kind == "loop":
            return f"round {self.rounds} of at most {self.most}" if self.rounds else ""
        return self.latest

    def summary(self) -> str:
        """How it was in the end: `120 items, 3 steps failed`."""
        counts = []
        if self.kind == "map":
            counts.append(words.plural(max(self._seen, self.total or 0), "item"))
        elif self.kind == "loop" and self.rounds:
            counts.append(words.plural(self.rounds, "round"))
        if self.failed:
            counts.append(f"{words.plural(self.failed, 'step')} failed")
        return ", ".join(counts)


def apart(steps: Iterable[StepFinished]) -> tuple[list[StepFinished], dict[str, Inside], list[StepFinished]]:
    """The steps of the workflow itself; what went on inside of each; and the steps inside that failed."""
    own: list[StepFinished] = []
    inner: list[StepFinished] = []
    for step in steps:
        (inner if is_inside(step.step_id) else own).append(step)
    inside = {step.step_id: Inside(step.kind) for step in own}
    for step in inner:
        inside.setdefault(root(step.step_id), Inside("")).end(step)
    return own, inside, [step for step in inner if step.status == "failed"]
