"""Templates that cannot be rendered, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.expressions import template, unknown_name
from workflows.findings import Finding, pointer

__all__ = ["conditions", "renderable"]


def renderable(subject: Subject) -> Iterator[Finding]:
    for place in subject.places:
        compiled = template(place.source)
        unknown = (unknown_name(name, place.variables) for name in sorted(compiled.free - place.variables.keys()))
        for problem in (*compiled.problems, *unknown):
            yield Finding(
                code=problem.code,
                pointer=place.pointer,
                message=problem.message,
                allowed=problem.allowed,
                fix=problem.fix,
            )


def conditions(subject: Subject) -> Iterator[Finding]:
    """A `when` that is no expression is a text, and a text is always true."""
    for number, step in enumerate(subject.workflow.steps):
        if step.when is None:
            continue
        compiled = template(step.when)
        if not compiled.whole and not compiled.problems:
            inside = step.when.strip()
            bare = compiled.literal and "{" not in inside
            yield Finding(
                code="invalid_expression",
                pointer=pointer("steps", number, "when"),
                message="`when` must be exactly one expression; this is a text, which would always be true",
                fix=f"Write `{{{{ {inside} }}}}`."
                if bare and inside
                else "Write one `{{ ... }}` and nothing around it.",
            )
