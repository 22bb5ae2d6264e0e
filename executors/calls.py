"""One call of the gateway for a step: reserved, made, settled, and its failure put into words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeAlias, TypeVar

import anyio

from executors.budget import BudgetExceededError
from executors.context import StepRun
from executors.failures import StepFailure, of_gateway
from unified_api.errors import (
    DeadlineExceededError,
    GatewayError,
    MalformedResponseError,
    ProviderError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.types import EmbedRequest, EmbedResponse, ImageRequest, ImageResponse, Policy, Request, Response
from workflows.model import ModelChoice, ModelNeeds

__all__ = ["call", "model_name"]

AnyRequest: TypeAlias = Request | EmbedRequest | ImageRequest
RequestT = TypeVar("RequestT", Request, EmbedRequest, ImageRequest)
ResponseT = TypeVar("ResponseT", Response, EmbedResponse, ImageResponse)

_MAYBE_PAID = frozenset(
    error.code for error in (DeadlineExceededError, MalformedResponseError, TimedOutError, TruncatedStreamError)
)
"""Failures after which a provider may still send a bill."""


def model_name(choice: ModelChoice) -> str:
    """The gateway's word for a choice; needs go into the policy."""
    return "auto" if isinstance(choice, ModelNeeds) else choice


async def call(
    run: StepRun, request: RequestT, policy: Policy, *, send: Callable[[RequestT, Policy], Awaitable[ResponseT]]
) -> ResponseT:
    """Makes the call and notes on the step's receipt what it used.

    Raises:
        StepFailure: the gateway's own codes, `budget_exceeded`, or `unknown_price` under a budget.
    """
    worst = await _reserve(run, request, policy)
    paid: Decimal | None = None
    try:
        response = await send(request, policy)
        paid = response.cost_usd
        run.receipt.add(response)
    except GatewayError as error:
        paid = _failed(run, error)
        raise of_gateway(error) from error
    except anyio.get_cancelled_exc_class():
        # The provider may have worked for nothing; only a call that costs nothing at worst is known to be free.
        free = _estimate(run, request, policy) == 0
        run.receipt.charge(Decimal(0) if free else None)
        raise
    finally:
        if run.context.budget is not None and worst is not None:
            run.context.budget.settle(worst, paid)
    return response


async def _reserve(run: StepRun, request: AnyRequest, policy: Policy) -> Decimal | None:
    budget = run.context.budget
    if budget is None:
        return None
    worst = _estimate(run, request, policy)
    if worst is None:
        raise StepFailure(
            "unknown_price",
            f"nobody knows what {request.model!r} costs, so the run's budget of ${budget.limit:f} cannot be kept;"
            " choose a model with a known price, state its prices in the configuration, or leave out policy.budget_usd",
        )
    try:
        await budget.reserve(worst)
    except BudgetExceededError as error:
        raise StepFailure("budget_exceeded", str(error)) from None
    return worst


def _estimate(run: StepRun, request: AnyRequest, policy: Policy) -> Decimal | None:
    try:
        return run.context.gateway.estimate(request, policy)
    except GatewayError as error:
        raise of_gateway(error) from error


def _failed(run: StepRun, error: GatewayError) -> Decimal | None:
    """What a failed call cost, noted on the receipt; None when that is unknown."""
    run.receipt.attempts += error.attempts
    made = [attempt for attempt in error.attempts if attempt.number]
    if not made and not isinstance(error, ProviderError):
        return Decimal(0)  # nobody was asked
    known = sum((attempt.cost_usd for attempt in made if attempt.cost_usd is not None), Decimal(0))
    codes = {attempt.error for attempt in made if attempt.cost_usd is None} or {error.code}
    paid = None if codes & _MAYBE_PAID else known
    run.receipt.charge(paid)
    return paid
