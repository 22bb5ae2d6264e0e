"""No deadline is shorter than the fastest way through the steps that it is for."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.pace import Took
from workflows.checks.subject import Subject
from workflows.findings import Finding

__all__ = ["reachable"]

_SHOWN = 8
"""Steps of the slowest way that a message names."""


def reachable(subject: Subject) -> Iterator[Finding]:
    for unit in subject.units:
        policy = unit.workflow.policy
        if policy.deadline_s is not None:
            where = "/policy/deadline_s" if unit.caller is None else unit.place
            what = "the workflow" if unit.caller is None else f"the workflow of {unit.name!r}"
            yield from _late(subject.pace.total(unit), policy.deadline_s, where, what, policy.max_parallel)
        for site in unit.sites:
            step, took = site.located.step, subject.pace.step(site)
            for field, seconds in (("deadline_s", step.deadline_s), ("timeout_s", step.timeout_s)):
                if seconds is not None:
                    what = f"the step {site.path!r}"
                    yield from _late(took, seconds, site.at(field), what, policy.max_parallel)


def _late(took: Took, seconds: float, where: str, what: str, beside: int) -> Iterator[Finding]:
    """`beside` steps may run at one time, so that all of them take at least their share."""
    spread = took.work / beside
    least = max(took.path, spread)
    if least <= seconds:
        return
    if took.path > seconds:
        shown = [*took.way[: _SHOWN - 1], "...", took.way[-1]] if len(took.way) > _SHOWN else took.way
        why = f" on the way {' -> '.join(shown)}" if len(took.way) > 1 else ""
    else:
        why = f" with {beside} steps at one time"
    yield Finding(
        code="deadline_unreachable",
        pointer=where,
        message=f"{what} takes at least {_shown(least)} s even on the fastest models{why}, and {seconds:g} s are given",
        fix="Allow more time, or ask fewer models one after the other.",
    )


def _shown(seconds: float) -> str:
    return f"{seconds:.2g}" if seconds < 10 else f"{seconds:,.0f}"
