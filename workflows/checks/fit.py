"""Whether a value whose strings are templates fits a JSON Schema, as far as it can be known before the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from workflows.checks.subject import Frame, Subject
from workflows.expressions import template
from workflows.findings import Finding, Severity, pointer
from workflows.fitting import Misfit, misfit
from workflows.shapes import Shape
from workflows.templates import strings
from workflows.validation import value_findings

__all__ = ["misfits"]

_LONGEST = 80
_CONVERT = "Refer to another value, or convert this one with a filter such as `| int`, `| string` or `| tojson`."


def misfits(
    subject: Subject,
    value: Any,
    slot: Shape,
    where: str,
    *,
    code: str,
    frame: Frame | None = None,
    read: bool = False,
) -> Iterator[Finding]:
    """Why a value cannot stand in a slot. A part without templates is validated (`code`), others by their shapes.

    `frame` is the block whose steps and variables the value's templates see; without it the workflow itself. What is
    `read` may be a text, a number or a truth value in place of another of them that it can be read as: a warning.
    """
    seen = frame or subject.frame
    if all(template(text).literal for _, text in strings(value, ())):
        if isinstance(slot.schema, dict):
            yield from _literal(value, slot, where, code=code, read=read)
        return
    actual = subject.shapes.of_value(value, seen)
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else None
    found = misfit(actual, slot, depth=16 if parts is None else 0)
    if found is not None:
        readable = read and misfit(actual, slot, read=True) is None
        yield _mismatch(value, found, where, "warning" if readable else "error")
        return
    for key, child in parts or ():
        inner = slot.child(key)
        if isinstance(inner, Shape):
            place = where + pointer(key)
            yield from misfits(subject, child, inner, place, code=code, frame=seen, read=read)


def _mismatch(value: Any, found: Misfit, where: str, severity: Severity) -> Finding:
    inside = f", at `{pointer(*found.path)}` in it," if found.path else ""
    doubt = "; it fails unless it can be read as that" if severity == "warning" else ""
    return Finding(
        code="type_mismatch",
        severity=severity,
        pointer=where,
        message=f"{_shown(value)}{inside} {found.why}{doubt}",
        fix=_CONVERT if found.of_type and not found.path else "Refer to another value, or give this one what it lacks.",
    )


def _literal(value: Any, slot: Shape, where: str, *, code: str, read: bool) -> Iterator[Finding]:
    schema = slot.document()
    found = value_findings(value, schema, where, code=code)
    if read and found and not value_findings(_as_read(value, slot), schema, where, code=code):
        found = tuple(replace(one, severity="warning", message=f"{one.message}; it is read as one") for one in found)
    yield from found


def _as_read(value: Any, slot: Shape) -> Any:
    """A value whose texts, numbers and truth values are what they are read as where others are needed."""
    if isinstance(value, dict):
        return {key: _as_read_part(one, slot.child(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_read_part(one, slot.child(key)) for key, one in enumerate(value)]
    for name in sorted(slot.types() or ()):
        try:
            return _reading(name).validate_python(value)
        except (ValidationError, KeyError):
            continue
    return value


def _as_read_part(value: Any, slot: Any) -> Any:
    return _as_read(value, slot) if isinstance(slot, Shape) else value


@lru_cache
def _reading(name: str) -> TypeAdapter[Any]:
    """How a function's argument of a type is read."""
    return TypeAdapter({"boolean": bool, "integer": int, "number": float}[name])


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return "this"
    return f"`{value}`" if len(value) <= _LONGEST else f"`{value[: _LONGEST - 3]}...`"
