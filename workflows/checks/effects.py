"""What has effects is not done twice, unless that does no more than doing it once, and not left out."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Subject
from workflows.checks.units import Site
from workflows.findings import Finding
from workflows.frames import Located
from workflows.model import HttpStep, ToolStep, WorkflowPolicy
from workflows.repeating import READING, REPEATABLE, stated

__all__ = ["done_once", "not_left_out"]


def done_once(subject: Subject) -> Iterator[Finding]:
    """Neither the step itself nor a step that it stands in is tried again. The rounds of a loop are no second tries."""
    for unit in subject.units:
        for site in unit.sites:
            what = _unrepeatable(subject, site)
            if what is None:
                continue
            if site.located.step.retry.attempts > 1:
                yield _unsafe(site, site.at("retry", "attempts"), what)
            for where, name in _tried_again(site):
                yield _unsafe(site, where, f"{what} in {name!r}")


def _unrepeatable(subject: Subject, site: Site) -> str | None:
    """What of the step must not be done twice, in words."""
    step = site.located.step
    said = stated(step, site.unit.workflow.policy)
    if said:
        return None
    if isinstance(step, ToolStep):
        spec = (subject.tools or {}).get(step.tool)
        may_not = said is False or (spec is not None and not spec.repeatable)
        return f"the tool {step.tool!r} of {site.path!r}" if may_not else None
    if isinstance(step, HttpStep):
        may_not = said is False or step.method not in REPEATABLE
        return f"the {step.method} request of {site.path!r}" if may_not else None
    return f"the step {site.path!r}" if said is False else None


def _tried_again(site: Site) -> Iterator[tuple[str, str]]:
    """The steps around a step, those that run its workflow included, that are tried again: where they say so."""
    here: Site | None = site
    while here is not None:
        caller = here.unit.caller
        around: list[Located] = list(here.located.around())
        for one in around:
            if one.step.retry.attempts > 1:
                yield (one.at("retry", "attempts") if caller is None else caller.at("workflow")), one.step.id
        if caller is not None and caller.located.step.retry.attempts > 1:
            yield caller.at("retry", "attempts"), caller.located.step.id
        here = caller


def _unsafe(site: Site, where: str, what: str) -> Finding:
    step = site.located.step
    declare = ", or declare the tool repeatable" if isinstance(step, ToolStep) else ""
    return Finding(
        code="unsafe_retry",
        pointer=where,
        message=f"{what} must not be done again: a try that failed may have had its effect",
        fix=f"Take `retry` out{declare}, or write `idempotent: true` into the step if twice is as good as once.",
    )


def not_left_out(subject: Subject) -> Iterator[Finding]:
    """What has effects is not replaced by the result of another run."""
    for unit in subject.units:
        policy = unit.workflow.policy
        for site in unit.sites:
            step = site.located.step
            if (step.cache or policy.cache) != "always" or not _acts(subject, site, policy):
                continue
            own = step.cache is not None
            yield Finding(
                code="cached_effect",
                severity="warning",
                pointer=site.at("cache") if own or unit.caller is not None else "/policy/cache",
                message=f"the step {site.path!r} has effects, and with `cache` `always` a run may take the result of "
                "an earlier one, so that they do not come about",
                fix="Write `cache: run` into the step, or `idempotent: true` if its effects need not come about again.",
            )


def _acts(subject: Subject, site: Site, policy: WorkflowPolicy) -> bool:
    step = site.located.step
    if stated(step, policy):
        return False
    if isinstance(step, HttpStep):
        return step.method not in READING
    return isinstance(step, ToolStep) and _unrepeatable(subject, site) is not None
