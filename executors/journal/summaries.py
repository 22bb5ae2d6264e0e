"""What is told of runs that are on record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from executors.events import RunStatus, StepError, StepFinished
from unified_api.types import JsonObject

__all__ = ["RecordedRun", "RecordedStatus", "RunSummary"]

RecordedStatus: TypeAlias = RunStatus | Literal["interrupted"]
"""`interrupted`: the process that ran it died before the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of the list of runs."""

    run_id: str
    workflow: str
    status: RecordedStatus
    started: datetime
    ended: datetime | None
    seconds: float | None
    steps: int
    cost_usd: Decimal | None
    error: StepError | None
    inputs: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun(RunSummary):
    """One run with all that is kept of it."""

    definition: JsonObject | None = field(default=None, repr=False)
    """The workflow file that was run."""
    outputs: JsonObject = field(default_factory=dict, repr=False)
    finished: tuple[StepFinished, ...] = ()
    """The steps that ended, in the order in which they did."""
    unfinished: tuple[str, ...] = ()
    """Steps that had started but not ended when the record was read, or when the process died."""
