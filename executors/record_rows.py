"""Events become rows of the run record, and rows become what was run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal, TypeAlias

import orjson

from executors.events import RunFinished, RunStarted, RunStatus, StepError, StepFinished, StepStarted
from executors.owner import is_gone, this_owner
from unified_api.types import Attempt, JsonObject, Usage

__all__ = [
    "RecordedRun",
    "RecordedStatus",
    "RunSummary",
    "finished_run",
    "finished_step",
    "read_run",
    "read_step",
    "started_run",
    "started_step",
    "summary",
]

_ATTEMPT = tuple(field.name for field in fields(Attempt))
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


def started_run(event: RunStarted) -> dict[str, Any]:
    definition = event.definition
    return {
        "id": event.run_id,
        "workflow": event.workflow,
        "definition": None if definition is None else _dump(definition.model_dump(exclude_unset=True)),
        "inputs": _dump(dict(event.inputs)) if event.inputs is not None else None,
        "steps": event.steps,
        "status": "running",
        "started": event.at.isoformat(),
        "owner": this_owner(),
    }


def finished_run(event: RunFinished) -> dict[str, Any]:
    return {
        "id": event.run_id,
        "status": event.status,
        "ended": event.at.isoformat(),
        "seconds": event.seconds,
        "outputs": _dump(event.outputs),
        "cost_usd": _money(event.cost_usd),
        **_error(event.error),
    }


def started_step(event: StepStarted) -> dict[str, Any]:
    return {
        "run_id": event.run_id,
        "step_id": event.step_id,
        "kind": event.kind,
        "status": "running",
        "started": event.at.isoformat(),
    }


def finished_step(event: StepFinished) -> dict[str, Any]:
    return {
        "run_id": event.run_id,
        "step_id": event.step_id,
        "kind": event.kind,
        "status": event.status,
        "started": event.started.isoformat() if event.started else None,
        "ended": event.at.isoformat(),
        "output": _dump(event.output),
        "model": event.model,
        "provider": event.provider,
        "quality": event.quality,
        "usage": _dump(asdict(event.usage)) if event.usage else None,
        "cost_usd": _money(event.cost_usd),
        "attempts": _dump(_attempts(event)) if event.attempts else None,
        **_error(event.error),
    }


def summary(row: Mapping[str, Any]) -> RunSummary:
    return RunSummary(**_summary(row))


def read_run(row: Mapping[str, Any], steps: list[Mapping[str, Any]]) -> RecordedRun:
    return RecordedRun(
        **_summary(row),
        definition=_load(row["definition"]),
        outputs=_load(row["outputs"]) or {},
        finished=tuple(read_step(step) for step in steps if step["ended"]),
        unfinished=tuple(step["step_id"] for step in steps if not step["ended"]),
    )


def read_step(row: Mapping[str, Any]) -> StepFinished:
    usage = _load(row["usage"])
    attempts = _load(row["attempts"]) or []
    return StepFinished(
        run_id=row["run_id"],
        at=datetime.fromisoformat(row["ended"]),
        step_id=row["step_id"],
        kind=row["kind"],
        status=row["status"],
        started=_time(row["started"]),
        output=_load(row["output"]),
        error=_read_error(row),
        model=row["model"],
        provider=row["provider"],
        quality=row["quality"],
        usage=Usage(**usage) if usage else None,
        cost_usd=_read_money(row["cost_usd"]),
        attempts=tuple(_read_attempt(each) for each in attempts),
        shares=_shares(attempts),
    )


def _attempts(event: StepFinished) -> list[dict[str, Any]]:
    """Each with the number of its call, where that is known."""
    calls = [call for call, share in enumerate(event.shares, start=1) for _ in range(share)]
    told = [asdict(attempt) for attempt in event.attempts]
    return [{**one, "call": call} for one, call in zip(told, calls, strict=True)] if calls else told


def _shares(attempts: list[dict[str, Any]]) -> tuple[int, ...]:
    """Empty for what an older release wrote."""
    calls = [one.get("call") for one in attempts]
    return () if None in calls else tuple(len(list(those)) for _, those in groupby(calls))


def _read_attempt(told: Mapping[str, Any]) -> Attempt:
    """What this release knows of it: an older one told less, a newer one may have told more."""
    known = {name: told[name] for name in _ATTEMPT if name in told}
    return Attempt(**{**known, "cost_usd": _read_money(told.get("cost_usd"))})


def _summary(row: Mapping[str, Any]) -> dict[str, Any]:
    abandoned = row["status"] == "running" and is_gone(row["owner"])
    return {
        "run_id": row["id"],
        "workflow": row["workflow"],
        "status": "interrupted" if abandoned else row["status"],
        "started": datetime.fromisoformat(row["started"]),
        "ended": _time(row["ended"]),
        "seconds": row["seconds"],
        "steps": row["steps"],
        "cost_usd": _read_money(row["cost_usd"]),
        "error": _read_error(row),
        "inputs": _load(row["inputs"]) or {},
    }


def _error(error: StepError | None) -> dict[str, Any]:
    if error is None:
        return {"error_code": None, "error_message": None}
    # Models and tools may say lone surrogates, which SQLite does not take.
    return {"error_code": error.code, "error_message": error.message.encode("utf-8", "backslashreplace").decode()}


def _read_error(row: Mapping[str, Any]) -> StepError | None:
    return None if row["error_code"] is None else StepError(row["error_code"], row["error_message"])


def _dump(value: Any) -> str | None:
    # Integers beyond 64 bits, which orjson refuses, are rare enough for the slower writer.
    if value is None:
        return None
    try:
        return orjson.dumps(value, default=_money).decode()
    except orjson.JSONEncodeError:
        return json.dumps(value, default=_money)


def _load(text: str | None) -> Any:
    if text is None:
        return None
    return json.loads(text)


def _money(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _read_money(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
