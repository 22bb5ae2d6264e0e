"""Times that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.findings import Finding
from workflows.frames import Located

__all__ = ["deadlines"]


def deadlines(subject: Subject) -> Iterator[Finding]:
    """No step may take longer than what is around it."""
    whole = subject.workflow.policy.deadline_s
    for located in subject.steps:
        around = _around(located)
        if whole is not None:
            around.append((whole, "the whole run", "`policy.deadline_s`"))
        for field in ("deadline_s", "timeout_s"):
            seconds: float | None = getattr(located.step, field)
            own = located.step.deadline_s if field == "timeout_s" else None
            limits = around if own is None else [(own, "it with all its tries", "its `deadline_s`"), *around]
            tightest = min(limits, key=lambda limit: limit[0], default=None)
            if seconds is not None and tightest is not None and seconds > tightest[0]:
                yield _finding(located.at(field), seconds, field, tightest)


def _around(located: Located) -> list[tuple[float, str, str]]:
    """The limits of the steps around a step: seconds, whose they are, and where they are written."""
    found: list[tuple[float, str, str]] = []
    for one in located.around():
        for field, seconds in (("deadline_s", one.step.deadline_s), ("timeout_s", one.step.timeout_s)):
            if seconds is not None:
                found.append((seconds, f"the step {one.step.id!r} around it", f"`{field}` of {one.step.id!r}"))
    return found


def _finding(where: str, seconds: float, field: str, tightest: tuple[float, str, str]) -> Finding:
    limit, whose, written = tightest
    return Finding(
        code="deadline_too_short",
        severity="warning",
        pointer=where,
        message=f"the step may take {seconds:g} s, but {whose} only {limit:g} s",
        fix=f"Raise {written}, or lower the step's `{field}`.",
    )
