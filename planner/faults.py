"""Every finding against a plan: the language's own checks, and what only a plan made for one task can get wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from planner.prompt import TASK_INPUT
from planner.spelling import placeholders
from unified_api.types import Json, JsonObject
from unified_api.types.sensitivity import SENSITIVITIES
from workflows.checks import inspect
from workflows.findings import Finding, pointer
from workflows.model import Workflow, WorkflowPolicy
from workflows.models import ModelCatalog
from workflows.references import usage
from workflows.tools import ToolSpec

__all__ = ["Examined", "complete", "examine", "places", "tightened"]

LEAST = ("budget_usd", "deadline_s", "max_parallel")
"""Limits of which the lower one holds."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A plan after all checks; `workflow` is None while it breaks the language's own shape."""

    document: Json
    workflow: Workflow | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.severity == "error")


def examine(document: Json, *, tools: Mapping[str, ToolSpec], models: ModelCatalog | None = None) -> Examined:
    """Checks a plan as the language has it; a step may refer only to earlier ones. Never raises."""
    inspection = inspect(document, tools=tools, models=models, ordered=True)
    own = tuple(own_findings(document)) if isinstance(document, dict) else ()
    findings = sorted([*inspection.findings, *own], key=lambda one: one.severity != "error")
    return Examined(document, inspection.workflow, tuple(findings))


def own_findings(document: JsonObject) -> Iterator[Finding]:
    inputs = document.get("inputs")
    for name, schema in inputs.items() if isinstance(inputs, dict) else ():
        if name != TASK_INPUT and not (isinstance(schema, dict) and "default" in schema):
            yield Finding(
                code="unfilled_input",
                pointer=pointer("inputs", name),
                message=f"nobody fills the input {name!r}: a plan has only the input {TASK_INPUT!r}, the whole request",
                allowed=(TASK_INPUT,),
                fix=f"Refer to inputs.{TASK_INPUT}, or write what is needed into the step.",
            )
    ids = [step["id"] for step in steps_of(document) if isinstance(step, dict) and isinstance(step.get("id"), str)]
    for path, text in texts(document):
        for found in placeholders(text, cast("list[str]", ids)):
            yield Finding(
                code="unresolved_reference",
                pointer=pointer(*path),
                message=f"{found!r} reads like a reference to a step, but is plain text and would stay those words",
                fix="Write {{ steps.ID.output }} with the id of an earlier step.",
            )


def texts(document: JsonObject) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every string of the plan that is a template, with its path."""
    for number, step in enumerate(steps_of(document)):
        for key, value in step.items() if isinstance(step, dict) else ():
            if key not in {"id", "kind", "tool", "model", "after", "on_error", "output"}:
                yield from nested(value, ("steps", number, key))
    yield from nested(document.get("outputs"), ("outputs",))


def nested(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from nested(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from nested(item, (*path, number))


def steps_of(document: JsonObject) -> list[Json]:
    steps = document.get("steps")
    return steps if isinstance(steps, list) else []


def complete(document: Json, policy: WorkflowPolicy | None, *, task: str = "") -> Json:
    """The plan under the caller's limits, with the task as an input where it is referred to.

    The input's default is the task, so that the workflow can be kept and run again as it is.
    """
    if not isinstance(document, dict):
        return document
    made = dict(document)
    limits = tightened(made.pop("policy", None), policy or WorkflowPolicy())
    if limits:
        made["policy"] = limits
    asks = any(
        one.root == "inputs" and one.name == TASK_INPUT for _, text in texts(made) for one in usage(text).references
    )
    inputs = made.get("inputs", {})
    if isinstance(inputs, dict):
        given = {name: schema for name, schema in inputs.items() if name != TASK_INPUT}
        own: JsonObject = {TASK_INPUT: {"type": "string", "description": "The whole request.", "default": task}}
        made["inputs"] = {**own, **given} if asks else given
        if not made["inputs"]:
            del made["inputs"]
    return made


def tightened(written: Json, policy: WorkflowPolicy) -> JsonObject:
    """The caller's policy, where a plan may set a lower limit or a higher sensitivity but never the other way."""
    limits = cast("JsonObject", policy.model_dump(mode="json", exclude_unset=True))
    if not isinstance(written, dict):
        return limits
    for key in LEAST:
        own, given = written.get(key), getattr(policy, key) if key in limits or key == "max_parallel" else None
        if is_limit(own, whole=key == "max_parallel") and (given is None or cast("float", own) < given):
            limits[key] = own
    own = written.get("sensitivity")
    if own in SENSITIVITIES and SENSITIVITIES.index(own) > SENSITIVITIES.index(policy.sensitivity):
        limits["sensitivity"] = own
    return limits


def is_limit(value: Json, *, whole: bool) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool) and value >= 0


def places(document: Json, findings: tuple[Finding, ...]) -> dict[str, str]:
    """For the pointer of each finding the step or the part of the plan that it lies in, as a model is told it."""
    steps = steps_of(document) if isinstance(document, dict) else []
    return {one.pointer: place(one.pointer, steps) for one in findings}


def place(where: str, steps: list[Json]) -> str:
    parts = where.split("/")[1:]
    if parts[:1] == ["steps"] and len(parts) > 1 and parts[1].isdecimal() and int(parts[1]) < len(steps):
        step = steps[int(parts[1])]
        named = step.get("id") if isinstance(step, dict) else None
        return f"step {named!r}" if isinstance(named, str) else f"step number {int(parts[1]) + 1}"
    return parts[0] if parts else "the plan"
