"""What a run tells while it runs: one typed event per change, read by the CLI, the API and the record alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from unified_api.types import Attempt, Quality, Sensitivity, Usage
from workflows.model import Workflow

__all__ = [
    "Event",
    "RunFinished",
    "RunResumed",
    "RunStarted",
    "RunStatus",
    "StepError",
    "StepFinished",
    "StepRetrying",
    "StepStarted",
    "StepStatus",
    "StepToken",
    "StepWaiting",
]

StepStatus = Literal["pending", "running", "succeeded", "failed", "skipped", "cancelled"]
RunStatus = Literal["running", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class StepError:
    """Why a step or a run failed: a stable word and a sentence that says what to do."""

    code: str
    message: str
    path: str = ""
    """Of the step that failed; inside of others as in `each[3]/summary`. Empty where it was no step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    run_id: str
    at: datetime
    workflow: str
    steps: int
    definition: Workflow | None = field(default=None, repr=False)
    """The workflow itself, so that a record can show later what was run."""
    inputs: Mapping[str, Any] | None = field(default=None, repr=False)
    """The inputs as the steps see them, defaults included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A run goes on where an earlier pass of it was cut off, failed or was cancelled."""

    run_id: str
    at: datetime
    definition: Workflow | None = field(default=None, repr=False)
    """The workflow as it is run from now on."""
    kept: int = 0
    """How many recorded results are known to be used again."""
    again: tuple[str, ...] = ()
    """Paths of the steps that had been executed, and are executed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    run_id: str
    at: datetime
    step_id: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepToken:
    """A piece of text of a step that is still being written. Live only: never recorded."""

    run_id: str
    step_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRetrying:
    run_id: str
    at: datetime
    step_id: str
    attempt: int
    """The try that comes next, counted from 1."""
    delay_s: float
    error: StepError


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWaiting:
    """A step asks a person, and waits for the answer."""

    run_id: str
    at: datetime
    step_id: str
    message: str
    show: Any = None
    expires: datetime | None = None
    """When the step goes on by itself; None is never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step's end, whatever it was. Steps that never started end too, as `skipped` or `cancelled`."""

    run_id: str
    at: datetime
    step_id: str
    kind: str
    status: StepStatus
    started: datetime | None = None
    output: Any = None
    error: StepError | None = None
    """Also set on a step that failed and was given a stand-in output (`status` is then `succeeded`)."""
    model: str | None = None
    provider: str | None = None
    quality: Quality | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    attempts: tuple[Attempt, ...] = ()
    shares: tuple[int, ...] = ()
    """How many of the attempts each call of a model took, in order; empty where that is not known."""
    reused: bool = False
    """Whether the output was recorded already, so that nothing was asked now. The cost is then that of the recorded
    execution, where an earlier pass of this run paid for it, and 0 where another run did."""
    label: Sensitivity | None = None
    """Of the output, and of the fact that there is none; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    run_id: str
    at: datetime
    status: RunStatus
    outputs: dict[str, Any]
    cost_usd: Decimal | None
    """The sum of what is known, earlier passes included; None when a paid call's cost is unknown."""
    seconds: float
    error: StepError | None = None
    earlier_usd: Decimal | None = Decimal(0)
    """What of it earlier passes of a resumed run had paid; None when that is unknown."""


Event: TypeAlias = (
    RunStarted | RunResumed | StepStarted | StepToken | StepRetrying | StepWaiting | StepFinished | RunFinished
)
