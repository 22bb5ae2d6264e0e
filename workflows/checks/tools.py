"""Tools exist, and their arguments fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workflows.checks.fit import misfits
from workflows.checks.subject import Subject
from workflows.findings import Finding, pointer
from workflows.model import ToolStep
from workflows.nearest import nearest
from workflows.shapes import Shape
from workflows.tools import ToolSpec

__all__ = ["arguments", "known_tools"]


def known_tools(subject: Subject) -> Iterator[Finding]:
    """With no tools given nothing is known of them, and nothing is said."""
    if subject.tools is None:
        return
    for located in subject.steps:
        step = located.step
        if isinstance(step, ToolStep) and step.tool not in subject.tools:
            near = subject.suggestions.nearest(step.tool, subject.tools)
            names = tuple(dict.fromkeys([*near, *subject.tools]))
            yield Finding(
                code="unknown_tool",
                pointer=located.at("tool"),
                message=f"there is no tool {step.tool!r}",
                allowed=names,
                fix=f"Did you mean {near[0]!r}?" if near else _no_tool_fix(names),
            )


def _no_tool_fix(names: tuple[str, ...]) -> str:
    return "Use one of the registered tools." if names else "Register the tool; none is registered."


def arguments(subject: Subject) -> Iterator[Finding]:
    for located in subject.steps:
        step = located.step
        spec = (subject.tools or {}).get(step.tool) if isinstance(step, ToolStep) else None
        if spec is None or not isinstance(step, ToolStep):
            continue
        where = located.at("arguments")
        yield from _names(step, spec, where)
        # A function reads `"5"` as a number, as pydantic does; what a server makes of it nobody knows.
        wanted = Shape.of(dict(spec.parameters))
        for name, value in step.arguments.items():
            slot = wanted.child(name)
            if isinstance(slot, Shape):
                place = where + pointer(name)
                yield from misfits(
                    subject, value, slot, place, code="invalid_argument", frame=located.frame, read="." not in step.tool
                )


def _names(step: ToolStep, spec: ToolSpec, where: str) -> Iterator[Finding]:
    properties: Mapping[str, Any] = spec.parameters.get("properties") or {}
    required: Sequence[str] = spec.parameters.get("required") or ()
    missing = [name for name in required if name not in step.arguments]
    free = [name for name in properties if name not in step.arguments]
    if _is_closed(spec.parameters):
        extra = [name for name in step.arguments if name not in properties]
        for name in extra:
            near = nearest(name, free) or (tuple(missing) if len(missing) == len(extra) == 1 else ())
            yield Finding(
                code="unknown_argument",
                pointer=where + pointer(name),
                message=f"the tool {step.tool!r} takes no argument {name!r}",
                allowed=tuple(dict.fromkeys([*near, *properties])),
                fix=f"Did you mean {near[0]!r}?" if near else "Leave it out.",
            )
    for name in missing:
        yield Finding(
            code="missing_argument",
            pointer=where + pointer(name),
            message=f"the tool {step.tool!r} needs the argument {name!r}",
            allowed=tuple(properties),
            fix=f"Add {name!r} to `arguments`.",
        )


def _is_closed(parameters: Mapping[str, Any]) -> bool:
    """A function takes what it names, unless its schema says that it takes more."""
    others = parameters.get("additionalProperties")
    return not (others is True or isinstance(others, dict) or "patternProperties" in parameters)
