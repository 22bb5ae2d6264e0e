"""The schemas in a workflow are valid, and the values given beside them fit."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.findings import Finding, pointer
from workflows.model import EmbedStep, ImageStep, LlmStep, Recover, Step
from workflows.outputs import IMAGE
from workflows.validation import schema_findings, value_findings

__all__ = ["defaults_fit", "stand_ins_fit", "valid_schemas"]


def valid_schemas(subject: Subject) -> Iterator[Finding]:
    for name, schema in subject.workflow.inputs.items():
        yield from schema_findings(schema, pointer("inputs", name))
    for number, step in enumerate(subject.workflow.steps):
        schema = _declared(step)
        if schema is not None:
            yield from schema_findings(schema, pointer("steps", number, "output"))


def _declared(step: Step) -> dict[str, object] | None:
    return None if isinstance(step, ImageStep | EmbedStep) else step.output


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
        schema = IMAGE if isinstance(step, ImageStep) else _declared(step)
        if schema is None and isinstance(step, LlmStep):
            schema = {"type": "string"}
        if schema is not None:
            where = pointer("steps", number, "on_error", "output")
            yield from value_findings(step.on_error.output, schema, where, code="invalid_stand_in")
