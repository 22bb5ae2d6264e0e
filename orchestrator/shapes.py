"""The JSON that `--json` prints: shapes that other programs rely on."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executors.events import StepFinished
    from executors.journal.summaries import RecordedRun, RunSummary
    from executors.result import RunResult
    from orchestrator.inputs import Json
    from planner.types import Plan
    from unified_api.models import Model
    from workflows.findings import Finding
    from workflows.model import Workflow

__all__ = [
    "check_shape",
    "jsonable",
    "model_shape",
    "plan_shape",
    "recorded_shape",
    "run_shape",
    "step_shape",
    "summary_shape",
    "workflow_shape",
]


def run_shape(result: RunResult, workflow: Workflow) -> Json:
    return {
        "run_id": result.run_id,
        "status": result.status,
        "plan": workflow_shape(workflow),
        "outputs": jsonable(result.outputs),
        "steps": [step_shape(step) for step in result.steps],
        "cost_usd": jsonable(result.cost_usd),
        "seconds": jsonable(result.seconds),
    }


def recorded_shape(run: RecordedRun) -> Json:
    """A run of the record in the shape of `run_shape`; its steps are those that ended."""
    return {
        "run_id": run.run_id,
        "status": run.status,
        "plan": jsonable(run.definition),
        "outputs": jsonable(run.outputs),
        "steps": [step_shape(step) for step in run.finished],
        "cost_usd": jsonable(run.cost_usd),
        "seconds": jsonable(run.seconds),
    }


def summary_shape(run: RunSummary) -> Json:
    return {
        "run_id": run.run_id,
        "workflow": run.workflow,
        "status": run.status,
        "started": jsonable(run.started),
        "ended": jsonable(run.ended),
        "seconds": jsonable(run.seconds),
        "steps": run.steps,
        "cost_usd": jsonable(run.cost_usd),
        "error": jsonable(run.error),
    }


def step_shape(step: StepFinished) -> Json:
    return {
        "id": step.step_id,
        "kind": step.kind,
        "status": step.status,
        "model": step.model,
        "provider": step.provider,
        "quality": step.quality,
        "started": jsonable(step.started),
        "ended": jsonable(step.at),
        "usage": jsonable(step.usage),
        "cost_usd": jsonable(step.cost_usd),
        "attempts": jsonable(step.attempts),
        "error": jsonable(step.error),
        "reused": step.reused,
    }


def workflow_shape(workflow: Workflow) -> Json:
    """The workflow as its file would say it: what has its default value is left out."""
    return jsonable(workflow.model_dump(mode="json", exclude_defaults=True))


def plan_shape(plan: Plan) -> Json:
    """The plan's workflow alone, with the planned inputs as defaults so that the file runs as it is."""
    inputs = {
        name: {**schema, "default": plan.inputs[name]} if name in plan.inputs else schema
        for name, schema in plan.workflow.inputs.items()
    }
    return workflow_shape(plan.workflow.model_copy(update={"inputs": inputs}))


def check_shape(findings: Iterable[Finding]) -> Json:
    listed = [finding.to_json() for finding in findings]
    return {"ok": not any(finding["severity"] == "error" for finding in listed), "findings": jsonable(listed)}


def model_shape(model: Model) -> Json:
    return {
        "id": model.id,
        "provider": model.provider,
        "wire": model.wire,
        "capabilities": jsonable(model.capabilities),
        "context": model.context,
        "max_output": model.max_output,
        "modalities": {"input": list(model.inputs), "output": list(model.outputs)},
        "prices": jsonable(model.prices),
        "data_policy": jsonable(model.data_policy),
        "unsupported": jsonable(model.unsupported),
        "tier": model.tier,
        "quality": model.quality,
        "ready": model.ready,
        "missing": model.missing,
    }


def jsonable(value: object) -> Json:
    """`value` as JSON: money as a number, a time as ISO 8601 in UTC, a set sorted, a number that is none as null."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    for kind, convert in _CONVERSIONS.items():
        if isinstance(value, kind):
            return convert(value)
    raise TypeError(f"{type(value).__name__} has no JSON shape")


def _number(value: float | Decimal) -> Json:
    number = float(value)
    return number if math.isfinite(number) else None


def _text(value: str) -> Json:
    return value.encode("utf-8", "replace").decode()  # half a surrogate pair is no Unicode text


def _time(value: datetime) -> Json:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sorted(value: AbstractSet[object]) -> Json:
    return sorted((jsonable(item) for item in value), key=str)


_CONVERSIONS: dict[type, Callable[..., Json]] = {
    Enum: lambda value: jsonable(value.value),  # before str and int, which enumerations may also be
    str: _text,
    int: int,
    float: _number,
    Decimal: _number,
    datetime: _time,
    date: lambda value: value.isoformat(),  # after datetime, which is one too
    bytes: lambda value: base64.b64encode(value).decode(),
    Path: str,
    AbstractSet: _sorted,
}
