"""What a workflow costs at least, each step on its cheapest model, against the budgets that it has."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from workflows.checks.lengths import least_bytes
from workflows.checks.serving import Asking, asking
from workflows.checks.spending import Least
from workflows.checks.subject import Subject
from workflows.checks.units import Site, Unit
from workflows.findings import Finding, Severity
from workflows.model import ImageStep, LlmStep
from workflows.models import Candidate

__all__ = ["affordable"]

_SHORTEST: Final = 2_048
"""Tokens to which a run with a budget shortens an answer at most, where the step does not say `max_tokens`."""
_IMAGE: Final = 6_240
"""Tokens that a run with a budget reserves for one image."""


def affordable(subject: Subject) -> Iterator[Finding]:
    """No budget is too small for the cheapest way through the steps, nor for one call of any of them."""
    totals = list(_totals(subject))
    yield from totals
    told = {finding.pointer for finding in totals}
    for unit in subject.units:
        for site in unit.sites:
            yield from _call(subject, site, told)


def _totals(subject: Subject) -> Iterator[Finding]:
    for unit in subject.units:
        budget = _decimal(unit.workflow.policy.budget_usd)
        if budget is not None:
            name = "the workflow" if unit.caller is None else f"the workflow of {unit.name!r}"
            certain = unit.around.certain
            yield from _total(subject.spending.total(unit), budget, _policy(unit), name, certain=certain)
        for site in unit.sites:
            own = _decimal(site.located.step.budget_usd)
            if own is not None:
                name, least = f"the step {site.path!r}", subject.spending.step(site)
                yield from _total(least, own, site.at("budget_usd"), name, certain=site.is_certain)


def _policy(unit: Unit) -> str:
    return "/policy/budget_usd" if unit.caller is None else unit.place


def _total(least: Least, budget: Decimal, where: str, what: str, *, certain: bool) -> Iterator[Finding]:
    if least.likely > budget:
        sure = least.sure > budget
        counted = (
            "" if sure else ", where a list of unknown length has one item, and nothing fails or is taken from before"
        )
        yield Finding(
            code="over_budget",
            severity="error" if sure and certain else "warning",
            pointer=where,
            message=f"{what} costs at least {_usd(least.sure if sure else least.likely)}, each step on its cheapest "
            f"model{counted}; the budget is {_usd(budget)}",
            fix="Raise the budget, choose cheaper models, or ask less.",
        )


def _call(subject: Subject, site: Site, told: set[str]) -> Iterator[Finding]:
    """A call is only started when the budget has room for the most that it may cost."""
    step = asking(site.located.step)
    budgets = _budgets(site) if step is not None else {}
    candidates = subject.serving.candidates(site) if budgets else ()
    if step is None or not candidates:
        return
    where = min(budgets, key=budgets.__getitem__)
    severity: Severity = "error" if site.is_certain else "warning"
    most = [cost for one in subject.serving.safest(site) if (cost := _most(one, step)) is not None]
    if not most:
        who = candidates[0].model if len(candidates) == 1 else f"any of the {len(candidates)} models that may serve it"
        yield Finding(
            code="unknown_price",
            severity=severity,
            pointer=site.at("model"),
            message=f"nobody knows what {site.path!r} costs on {who}, so a budget cannot be kept: it will not be asked",
            fix="Choose a model with a known price, state its prices in the configuration, or take the budget out.",
        )
    elif min(most) > budgets[where] and where not in told:
        yield Finding(
            code="over_budget",
            severity="warning",  # the run refuses it by itself, and unpaid; others may have answered it before
            pointer=site.at("model"),
            message=f"one call of {site.path!r} may cost {_usd(min(most))} on its cheapest model, and the budget is "
            f"{_usd(budgets[where])}: it will not be started",
            fix="Raise the budget, lower `max_tokens`, or choose a cheaper model.",
        )


def _most(candidate: Candidate, step: Asking) -> Decimal | None:
    """The most that the shortest call may cost, as a run reserves it: a token for each byte of the prompt."""
    rates = candidate.most
    if rates is None:
        return None
    made = _IMAGE if isinstance(step, ImageStep) else 0
    if isinstance(step, LlmStep):
        longest = step.max_tokens or min(_SHORTEST, candidate.max_output or _SHORTEST)
        made = longest if candidate.context is None else min(longest, candidate.context)
    return rates.cost(least_bytes(step), made)


def _budgets(site: Site) -> dict[str, Decimal]:
    """Of the step, of all that it stands in, and of the workflows around it, by their places."""
    found: dict[str, float | None] = {}
    here: Site | None = site
    while here is not None:
        for one in (here.located, *here.located.around()):
            caller = here.unit.caller
            found[one.at("budget_usd") if caller is None else f"{caller.path}/{one.step.id}"] = one.step.budget_usd
        found[_policy(here.unit)] = here.unit.workflow.policy.budget_usd
        here = here.unit.caller
    return {where: Decimal(str(amount)) for where, amount in found.items() if amount is not None}


def _decimal(amount: float | None) -> Decimal | None:
    return None if amount is None else Decimal(str(amount))


def _usd(amount: Decimal) -> str:
    """At least two digits that tell something."""
    if not amount:
        return "$0"
    digits = max(2, 2 - amount.adjusted() - 1)
    return f"${amount:.{digits}f}"
