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
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.types import (
    Attempt,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    Policy,
    Request,
    Response,
)
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
        run.receipt.add(response)
        paid = _paid(run, request, policy, known=response.cost_usd, attempts=response.attempts)
    except GatewayError as error:
        run.receipt.attempts += error.attempts
        known = None if error.code in _MAYBE_PAID else Decimal(0)
        paid = _paid(run, request, policy, known=known, attempts=error.attempts)
        raise of_gateway(error) from error
    except anyio.get_cancelled_exc_class():
        paid = _paid(run, request, policy, known=None, attempts=())
        raise
    finally:
        run.receipt.charge(paid)
        if run.context.budget is not None and worst is not None:
            run.context.budget.settle(worst, paid)
    return response


async def _reserve(run: StepRun, request: AnyRequest, policy: Policy) -> Decimal | None:
    budget = run.context.budget
    if budget is None:
        return None
    try:
        worst = run.context.gateway.estimate(request, policy)
    except GatewayError as error:
        raise of_gateway(error) from error
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


def _paid(
    run: StepRun, request: AnyRequest, policy: Policy, *, known: Decimal | None, attempts: tuple[Attempt, ...]
) -> Decimal | None:
    """What a call cost with all its attempts; None when a provider may send a bill that nobody knows."""
    failed = [attempt for attempt in attempts if attempt.outcome == "failed"]
    unsure = any(attempt.cost_usd is None and attempt.error in _MAYBE_PAID for attempt in failed)
    if known is None or unsure:
        return Decimal(0) if _is_free(run, request, policy) else None
    return known + sum((attempt.cost_usd for attempt in failed if attempt.cost_usd is not None), Decimal(0))


def _is_free(run: StepRun, request: AnyRequest, policy: Policy) -> bool:
    try:
        return run.context.gateway.estimate(request, policy) == 0
    except GatewayError:
        return False
