"""One call of the gateway for a step: reserved, made, settled, and its failure put into words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from executors.budget import BudgetExceededError, Held
from executors.context import StepRun
from executors.failures import StepFailure, of_gateway
from unified_api.errors import GatewayError
from unified_api.needs import AnyRequest, Asked
from unified_api.types import Attempt, EmbedResponse, ImageResponse, Policy, Response
from workflows.model import ModelChoice, ModelNeeds

__all__ = ["call", "model_name"]

Answered = TypeVar("Answered", Response, EmbedResponse, ImageResponse)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    """What one call cost, all its attempts together."""

    known: Decimal = Decimal(0)
    unknown: int = 0
    """Attempts that may have cost something nobody knows; a budget counts each at the worst."""


def model_name(choice: ModelChoice) -> str:
    """The gateway's word for a choice; needs go into the policy."""
    return "auto" if isinstance(choice, ModelNeeds) else choice


async def call(
    run: StepRun, request: Asked, policy: Policy, *, send: Callable[[Asked, Policy], Awaitable[Answered]]
) -> Answered:
    """Makes the call and notes on the step's receipt what it used.

    Raises:
        StepFailure: the gateway's own codes, `budget_exceeded`, or `unknown_price` under a budget.
    """
    request, held = await _reserve(run, request, policy)
    if held is not None:
        policy = replace(policy, max_billable=held.tries)
    bill = _Bill(unknown=1)
    try:
        response = await send(request, policy)
        run.receipt.add(response)
        bill = _bill(response.attempts, cost=response.cost_usd)
    except GatewayError as error:
        run.receipt.attempts += error.attempts
        bill = _bill(error.attempts, cost=Decimal(0), billable=error.billable)
        raise of_gateway(error) from error
    finally:
        # What is cancelled in the middle keeps the bill of one call whose cost nobody knows.
        run.receipt.charge(bill.known if not bill.unknown or _is_free(run, request, policy) else None)
        if run.context.budget is not None and held is not None:
            run.context.budget.settle(held, bill.known + bill.unknown * held.worst)
    return response


async def _reserve(run: StepRun, request: Asked, policy: Policy) -> tuple[Asked, Held | None]:
    """Room in the run's budget, and the request with its answer kept short enough to have any."""
    budget = run.context.budget
    if budget is None:
        return request, None
    try:
        request, worst = run.context.gateway.shortened(request, policy, room=budget.limit - budget.spent)
    except GatewayError as error:
        raise of_gateway(error) from error
    if worst is None:
        raise StepFailure(
            "unknown_price",
            f"nobody knows what {request.model!r} costs, so the run's budget of ${budget.limit:f} cannot be kept;"
            " choose a model with a known price, state its prices in the configuration, or leave out policy.budget_usd",
        )
    try:
        return request, await budget.reserve(worst, tries=policy.max_attempts)
    except BudgetExceededError as error:
        raise StepFailure("budget_exceeded", str(error)) from None


def _bill(attempts: tuple[Attempt, ...], *, cost: Decimal | None, billable: bool = False) -> _Bill:
    """Of all attempts of a call that ended with this cost, or with an error that may be billed."""
    failed = [attempt for attempt in attempts if attempt.outcome == "failed"]
    unknown = sum(attempt.cost_usd is None and attempt.billable for attempt in failed)
    if cost is None or (billable and not unknown):
        unknown += 1
    paid = [cost, *(attempt.cost_usd for attempt in failed)]
    return _Bill(known=sum((each for each in paid if each is not None), Decimal(0)), unknown=unknown)


def _is_free(run: StepRun, request: AnyRequest, policy: Policy) -> bool:
    try:
        return run.context.gateway.estimate(request, policy) == 0
    except GatewayError:
        return False
