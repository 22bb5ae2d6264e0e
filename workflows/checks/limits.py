"""Times that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.findings import Finding, pointer

__all__ = ["deadlines"]


def deadlines(subject: Subject) -> Iterator[Finding]:
    deadline = subject.workflow.policy.deadline_s
    if deadline is None:
        return
    for number, step in enumerate(subject.workflow.steps):
        if step.timeout_s is not None and step.timeout_s > deadline:
            yield Finding(
                code="deadline_too_short",
                severity="warning",
                pointer=pointer("steps", number, "timeout_s"),
                message=f"the step may take {step.timeout_s:g} s, but the whole run only {deadline:g} s",
                fix="Raise `policy.deadline_s`, or lower the step's `timeout_s`.",
            )
