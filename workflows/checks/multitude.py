"""A workflow has not too many steps together with all that it runs."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.checks.units import MOST_STEPS, versioned
from workflows.findings import Finding
from workflows.model import WorkflowStep

__all__ = ["not_too_many"]


def not_too_many(subject: Subject) -> Iterator[Finding]:
    """Told at the step that runs the most; what they would cost, send and take is then not looked at."""
    counts = subject.flow.counts
    if counts.get("", 0) <= MOST_STEPS:
        return
    runs = [(counts.get(versioned(one.step), 0), one) for one in subject.steps if isinstance(one.step, WorkflowStep)]
    most, located = max(runs, key=lambda run: run[0])
    yield Finding(
        code="fan_out_too_large",
        pointer=located.at("workflow"),
        message=f"the workflow has {_shown(counts[''])} steps together with those of the workflows that its steps run, "
        f"{_shown(most)} of them by way of {located.step.id!r}, and {MOST_STEPS:,} are allowed",
        fix="Run another workflow fewer times, or once for each item of a list, in a `map`.",
    )


def _shown(count: int) -> str:
    return f"{count:,}" if count < 10**15 else f"more than {10**15:,}"
