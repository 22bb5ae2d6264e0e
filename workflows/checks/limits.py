"""Times that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.findings import Finding
from workflows.frames import Located
from workflows.model import ApprovalStep

__all__ = ["deadlines"]


def deadlines(subject: Subject) -> Iterator[Finding]:
    """No step may take longer than what is around it, and what is to happen after a time has one."""
    yield from _never_taken(subject)
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


def _never_taken(subject: Subject) -> Iterator[Finding]:
    for located in subject.steps:
        step = located.step
        if isinstance(step, ApprovalStep) and "default" in step.model_fields_set and step.expires_s is None:
            yield Finding(
                code="unused_default",
                severity="warning",
                pointer=located.at("default"),
                message="the `default` is taken after `expires_s` seconds, which are not given: it waits for ever"
                if step.timeout_s is None
                else "the `default` is taken after `expires_s` seconds, not after `timeout_s`, which fails the step",
                fix="Give the step `expires_s`, or take the `default` out."
                if step.timeout_s is None
                else "Write `expires_s` instead of `timeout_s`.",
            )


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
