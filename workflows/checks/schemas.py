"""The schemas in a workflow are valid, and the values given beside them fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflows.checks.fit import misfits
from workflows.checks.subject import Subject
from workflows.expressions import template
from workflows.findings import Finding, pointer
from workflows.model import ImageStep, LlmStep, Recover, SetStep, Step
from workflows.outputs import IMAGE
from workflows.shapes import Shape
from workflows.templates import strings
from workflows.validation import schema_findings, value_findings

__all__ = ["defaults_fit", "stand_ins_are_plain", "stand_ins_fit", "valid_schemas", "values_fit"]


def valid_schemas(subject: Subject) -> Iterator[Finding]:
    for name, schema in subject.workflow.inputs.items():
        yield from schema_findings(schema, pointer("inputs", name))
    for number, step in enumerate(subject.workflow.steps):
        declared = _declared(step)
        if declared is not None:
            yield from schema_findings(declared, pointer("steps", number, "output"))


def stand_ins_are_plain(subject: Subject) -> Iterator[Finding]:
    """A stand-in is taken as it is, so an expression in it would come out as its own text."""
    for number, step in enumerate(subject.workflow.steps):
        if isinstance(step.on_error, Recover):
            for path, text in strings(step.on_error.output, ("output",)):
                if not template(text).literal:
                    yield Finding(
                        code="unrendered_template",
                        severity="warning",
                        pointer=pointer("steps", number, "on_error", *path),
                        message="a stand-in output is not rendered: the expression in it stays as it is written",
                        fix="Write the value itself, or choose it in a later step by `| default(...)`.",
                    )


def values_fit(subject: Subject) -> Iterator[Finding]:
    """The value of a `set` step satisfies the step's own schema."""
    for number, step in enumerate(subject.workflow.steps):
        if isinstance(step, SetStep) and step.output is not None and not schema_findings(step.output):
            slot = Shape.of(step.output)
            yield from misfits(subject, step.value, slot, pointer("steps", number, "value"), code="invalid_value")


def _given(step: Step) -> dict[str, Any] | None:
    """The schema of what a step gives when all goes well."""
    if isinstance(step, ImageStep):
        return IMAGE
    declared = _declared(step)
    return {"type": "string"} if declared is None and isinstance(step, LlmStep) else declared


def _declared(step: Step) -> dict[str, Any] | None:
    return getattr(step, "output", None)  # some kinds have none


def defaults_fit(subject: Subject) -> Iterator[Finding]:
    for name, schema in subject.workflow.inputs.items():
        if "default" in schema:
            where = pointer("inputs", name, "default")
            yield from value_findings(schema["default"], schema, where, code="invalid_default")


def stand_ins_fit(subject: Subject) -> Iterator[Finding]:
    """The output that `on_error` gives is one that the step could have given."""
    for number, step in enumerate(subject.workflow.steps):
        if not isinstance(step.on_error, Recover):
            continue
        schema = _given(step)
        if schema is not None:
            where = pointer("steps", number, "on_error", "output")
            yield from value_findings(step.on_error.output, schema, where, code="invalid_stand_in")
