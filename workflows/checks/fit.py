"""Whether a value whose strings are templates fits a JSON Schema, as far as it can be known before the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflows.checks.subject import Frame, Subject
from workflows.expressions import template
from workflows.findings import Finding, pointer
from workflows.shapes import Shape, describe, fits
from workflows.templates import strings
from workflows.validation import value_findings

__all__ = ["misfits"]

_LONGEST = 80


def misfits(
    subject: Subject, value: Any, slot: Shape, where: str, *, code: str, frame: Frame | None = None
) -> Iterator[Finding]:
    """Why a value cannot stand in a slot. A part without templates is validated (`code`), others by their types.

    `frame` is the block whose steps and variables the value's templates see; without it the workflow itself.
    """
    seen = frame or subject.frame
    if all(template(text).literal for _, text in strings(value, ())):
        if isinstance(slot.schema, dict):
            yield from value_findings(value, slot.document(), where, code=code)
        return
    actual = subject.shapes.of_value(value, seen)
    if not fits(actual, slot):
        yield Finding(
            code="type_mismatch",
            pointer=where,
            message=f"{_shown(value)} is {describe(actual)}, and {describe(slot)} is needed",
            fix="Refer to another value, or convert this one with a filter such as `| int`, `| string` or `| tojson`.",
        )
    elif isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            inner = slot.child(key)
            if isinstance(inner, Shape):
                yield from misfits(subject, child, inner, where + pointer(key), code=code, frame=seen)


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return "this"
    return f"`{value}`" if len(value) <= _LONGEST else f"`{value[: _LONGEST - 3]}...`"
