"""What earlier runs of a workflow tell of its steps: what each cost, how long it took, how often it was executed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from executors.events import StepFinished
    from executors.journal.summaries import RecordedRun, RunSummary

__all__ = ["ENOUGH", "Execution", "History", "Runs", "history", "plain_path"]

ENOUGH = 5
"""Executions that a step is estimated by; of fewer nobody can tell what is usual."""
_LISTED = 500
"""The latest runs among which those of the workflow are looked for."""
_READ = 40
"""Runs that are read whole."""
_NUMBER = re.compile(r"\[(\d+)\]")


class Runs(Protocol):
    """The record of runs."""

    def list_runs(self, *, limit: int = 50) -> list[RunSummary]: ...

    def get_run(self, run_id: str) -> RecordedRun: ...


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of one step that succeeded."""

    cost_usd: Decimal | None
    seconds: float
    model: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Of one workflow, by the paths of its steps without the numbers of items and rounds."""

    runs: int = 0
    executions: Mapping[str, tuple[Execution, ...]] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """How many items a map, or rounds a loop, had in each execution of it."""
    ended: Mapping[str, int] = field(default_factory=dict)
    """How often the block of a step came to its end, whether the step was executed or left out."""
    executed: Mapping[str, int] = field(default_factory=dict)
    """How often of these it was executed."""


def history(runs: Runs, name: str) -> History:
    """What the latest runs of the workflow of this name tell; only those that succeeded.

    Raises JournalError where the record cannot be read.
    """
    mine = [one.run_id for one in runs.list_runs(limit=_LISTED) if one.workflow == name and one.status == "succeeded"]
    executions: dict[str, list[Execution]] = {}
    counts: dict[str, list[int]] = {}
    ended: Counter[str] = Counter()
    executed: Counter[str] = Counter()
    for run_id in mine[:_READ]:
        finished = runs.get_run(run_id).finished
        for step in finished:
            if step.status != "cancelled":
                ended[plain_path(step.step_id)] += 1
                executed[plain_path(step.step_id)] += step.started is not None
            if step.status == "succeeded" and step.error is None and step.started is not None:
                seconds = max((step.at - step.started).total_seconds(), 0.0)
                executions.setdefault(plain_path(step.step_id), []).append(
                    Execution(step.cost_usd, seconds, step.model)
                )
        for path, count in _counted(finished):
            counts.setdefault(path, []).append(count)
    return History(
        len(mine[:_READ]),
        {path: tuple(found) for path, found in executions.items()},
        {path: tuple(found) for path, found in counts.items()},
        ended,
        executed,
    )


def plain_path(path: str) -> str:
    """The path without the numbers of items and rounds."""
    return _NUMBER.sub("", path)


def _counted(finished: Sequence[StepFinished]) -> list[tuple[str, int]]:
    """How many numbers stood behind each map or loop of one run; 0 for a list that was empty."""
    seen: dict[str, set[int]] = {
        step.step_id: set() for step in finished if step.kind == "map" and step.status == "succeeded" and not step.error
    }
    for step in finished:
        for found in _NUMBER.finditer(step.step_id):
            seen.setdefault(step.step_id[: found.start()], set()).add(int(found[1]))
    return [(plain_path(path), len(numbers)) for path, numbers in seen.items()]
