"""Templates that cannot be rendered, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workflows.checks.subject import Place, Subject
from workflows.expressions import template, unknown_name
from workflows.findings import Finding
from workflows.grammar import Problem

__all__ = ["conditions", "renderable"]


def renderable(subject: Subject) -> Iterator[Finding]:
    for place in subject.places:
        compiled = template(place.source)
        unknown = (_unknown(subject, place, name) for name in sorted(compiled.free - place.variables.keys()))
        for problem in (*compiled.problems, *unknown):
            yield Finding(
                code=problem.code,
                pointer=place.pointer,
                message=problem.message,
                allowed=problem.allowed,
                fix=problem.fix,
            )


def _unknown(subject: Subject, place: Place, name: str) -> Problem:
    """What a name may have been meant for, where the workflow has something of that name."""
    problem = unknown_name(name, place.variables)
    fix = problem.fix
    owner = subject.owners.get(name)
    if name in subject.workflow.inputs:
        fix = f"Write `inputs.{name}`: it is an input."
    elif place.frame.sees(name) is not None:
        fix = f"Write `steps.{name}.output`: it is a step."
    elif owner is not None:
        fix = (
            f"Use it inside of {owner.step.id!r} alone, or have the `result` of {owner.step.id!r} hold what is needed."
        )
    return replace(problem, fix=fix)


def conditions(subject: Subject) -> Iterator[Finding]:
    """A condition that is no expression is a text, and a text is always true."""
    for place in subject.places:
        if place.step is None or place.path[-1] not in {"when", "until"} or not _is_condition(place):
            continue
        compiled = template(place.source)
        if not compiled.whole and not compiled.problems:
            inside, key = place.source.strip(), place.path[-1]
            bare = compiled.literal and "{" not in inside
            yield Finding(
                code="invalid_expression",
                pointer=place.pointer,
                message=f"`{key}` must be exactly one expression; this is a text, which would always be true",
                fix=f"Write `{{{{ {inside} }}}}`."
                if bare and inside
                else "Write one `{{ ... }}` and nothing around it.",
            )


def _is_condition(place: Place) -> bool:
    """Whether the place is a condition itself and no field of that name in some value."""
    return len(place.path) == 1 or (place.path[0] == "cases" and len(place.path) == 3)
