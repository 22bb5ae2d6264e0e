"""What a run tells while it runs: one typed event per change, read by the CLI, the API and the record alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from unified_api.types import Attempt, JsonObject, Quality, Usage
from workflows.model import Workflow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Event",
    "RunFinished",
    "RunStarted",
    "RunStatus",
    "StepError",
    "StepFinished",
    "StepRetrying",
    "StepStarted",
    "StepStatus",
    "StepToken",
    "to_json",
]

StepStatus = Literal["pending", "running", "succeeded", "failed", "skipped", "cancelled"]
RunStatus = Literal["running", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class StepError:
    """Why a step or a run failed: a stable word and a sentence that says what to do."""

    code: str
    message: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    run_id: str
    at: datetime
    status: RunStatus
    outputs: dict[str, Any]
    cost_usd: Decimal | None
    """The sum of what is known; None when a paid call's cost is unknown."""
    seconds: float
    error: StepError | None = None


Event: TypeAlias = RunStarted | StepStarted | StepToken | StepRetrying | StepFinished | RunFinished

_NAMES: Mapping[type[Event], str] = {
    RunStarted: "run_started",
    StepStarted: "step_started",
    StepToken: "step_token",
    StepRetrying: "step_retrying",
    StepFinished: "step_finished",
    RunFinished: "run_finished",
}


def to_json(event: Event) -> JsonObject:
    """The event as JSON: `event` names its type, times are ISO 8601, money is a decimal string.

    The workflow and the inputs of `RunStarted` are left out: a reader of the stream has or may ask for them.
    """
    hidden = ("definition", "inputs") if isinstance(event, RunStarted) else ()
    return {"event": _NAMES[type(event)], **{name: _plain(getattr(event, name)) for name in _names(event, *hidden)}}


def _names(record: DataclassInstance, *hidden: str) -> list[str]:
    return [each.name for each in fields(record) if each.name not in hidden]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in _names(value)}
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
