"""The schemas in a workflow are valid, and the values given beside them fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from workflows.checks.fit import misfits
from workflows.checks.subject import Frame, Located, Subject
from workflows.composed import compatible, known
from workflows.expressions import template
from workflows.findings import Finding, pointer
from workflows.fitting import Misfit, misfit
from workflows.model import (
    ApprovalStep,
    BranchStep,
    HttpStep,
    ImageStep,
    LlmStep,
    LoopStep,
    MapStep,
    Recover,
    SetStep,
    Step,
    WorkflowStep,
)
from workflows.shapes import Shape, describe
from workflows.templates import strings
from workflows.validation import schema_findings, value_findings

__all__ = ["defaults_fit", "stand_ins_are_plain", "stand_ins_fit", "valid_schemas", "values_fit"]


_BY_SHAPE: Final = (MapStep, LoopStep, BranchStep, WorkflowStep, HttpStep)
"""Steps whose stand-ins are held against what is known of their outputs, as they have no schema that says it all."""
_ANSWER: Final = {"type": "object", "required": ["status", "headers", "body"], "additionalProperties": True}


def valid_schemas(subject: Subject) -> Iterator[Finding]:
    for name, schema in subject.workflow.inputs.items():
        yield from schema_findings(schema, pointer("inputs", name))
    for located in subject.steps:
        declared = _declared(located.step)
        if declared is not None:
            yield from schema_findings(declared, located.at("output"))


def stand_ins_are_plain(subject: Subject) -> Iterator[Finding]:
    """A stand-in is taken as it is, so an expression in it would come out as its own text."""
    for located in subject.steps:
        step = located.step
        if isinstance(step.on_error, Recover):
            for path, text in strings(step.on_error.output, ("output",)):
                if not template(text).literal:
                    yield Finding(
                        code="unrendered_template",
                        severity="warning",
                        pointer=located.at("on_error", *path),
                        message="a stand-in output is not rendered: the expression in it stays as it is written",
                        fix="Write the value itself, or choose it in a later step by `| default(...)`.",
                    )


def values_fit(subject: Subject) -> Iterator[Finding]:
    """The value of a `set` step, and every result of a branch, satisfies the step's own schema."""
    for frame in subject.frames:
        step = None if frame.owner is None else frame.owner.step
        if isinstance(step, BranchStep) and (slot := _slot(step)) is not None:
            where = pointer(*frame.path, "result")
            if frame.result is not None:
                yield from misfits(subject, frame.result, slot, where, code="invalid_value", frame=frame)
            elif (found := misfit(subject.shapes.result(frame), slot)) is not None:
                yield _wrong_result(frame, found)
        for located in frame.located:
            if isinstance(located.step, SetStep) and (slot := _slot(located.step)) is not None:
                where = located.at("value")
                yield from misfits(subject, located.step.value, slot, where, code="invalid_value", frame=frame)


def _slot(step: SetStep | BranchStep) -> Shape | None:
    return None if step.output is None or schema_findings(step.output) else Shape.of(step.output)


def _wrong_result(frame: Frame, found: Misfit) -> Finding:
    inside = f", at `{pointer(*found.path)}` in it," if found.path else ""
    return Finding(
        code="type_mismatch",
        pointer=pointer(*frame.path, "steps" if frame.steps else "result"),
        message=f"what this case gives{inside} {found.why} by the step's `output`",
        fix="Write a `result` that fits, or correct the `output`.",
    )


def _given(subject: Subject, located: Located) -> dict[str, Any] | None:
    """The schema of what a step gives when all goes well, as far as it says so itself."""
    step = located.step
    if isinstance(step, HttpStep):
        return None if step.output is None else {**_ANSWER, "properties": {"body": step.output}}
    if isinstance(step, ImageStep | ApprovalStep):
        return dict(subject.shapes.given(located).schema)
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
    for located in subject.steps:
        stand_in = located.step.on_error
        if not isinstance(stand_in, Recover) or stand_in.output is None:  # null stands for no value, of any type
            continue
        where = located.at("on_error", "output")
        schema = _given(subject, located)
        if schema is not None:
            yield from value_findings(stand_in.output, schema, where, code="invalid_stand_in")
        elif not isinstance(located.step, _BY_SHAPE):
            continue
        elif not compatible(known(stand_in.output), given := subject.shapes.given(located)):
            yield Finding(
                code="invalid_stand_in",
                pointer=where,
                message=f"the stand-in is {describe(known(stand_in.output))} of another make than what the step gives, "
                f"{describe(given)}",
                fix="Write an output that the step could have given.",
            )
