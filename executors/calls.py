"""One call of the gateway for a step: reserved, made, settled, and its failure put into words."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Protocol, TypeVar

from executors.budget import Budget, Held, OverBudgetError
from executors.context import StepRun
from executors.failures import StepFailure, of_gateway, unkept
from executors.journal.entries import JournalError
from unified_api.bill import Bill, bill_of
from unified_api.errors import BudgetExceededError, GatewayError, NoCandidateError, UnknownPriceError
from unified_api.needs import AnyRequest, Asked
from unified_api.trail import Trail
from unified_api.types import Attempt, EmbedResponse, ImageResponse, Policy, Response
from workflows.model import ModelChoice, ModelNeeds

__all__ = ["Send", "call", "model_name", "reserve", "write_down"]

_ANSWERED = frozenset({"succeeded", "rejected", "cached"})
_UNTOLD = Bill(unknown=(Attempt(number=1, model="", outcome="cancelled", billable=True),))
"""The bill of what nobody has told of: one try whose cost nobody knows."""
Answered = TypeVar("Answered", Response, EmbedResponse, ImageResponse)
Asked_contra = TypeVar("Asked_contra", bound=AnyRequest, contravariant=True)
Answered_co = TypeVar("Answered_co", Response, EmbedResponse, ImageResponse, covariant=True)


class Send(Protocol[Asked_contra, Answered_co]):
    """Makes one call of the gateway, such as `Gateway.chat`, and tells on `trail` what it tries."""

    def __call__(self, request: Asked_contra, policy: Policy, /, *, trail: Trail) -> Awaitable[Answered_co]: ...


def model_name(choice: ModelChoice) -> str:
    """The gateway's word for a choice; needs go into the policy."""
    return "auto" if isinstance(choice, ModelNeeds) else choice


async def call(run: StepRun, request: Asked, policy: Policy, *, send: Send[Asked, Answered]) -> Answered:
    """Makes the call and notes on the step's receipt what it used and tried, even where it is cut off.

    Raises:
        StepFailure: the gateway's own codes; under a budget also `budget_exceeded`, `unknown_price`, or
            `journal_failed`.
    """
    request, policy, held = await reserve(run, request, policy)
    trail = Trail() if run.budget is None else Trail(purse=_Purse(run.budget, run))
    if held is not None:
        await write_down(run, held)
    story: tuple[Attempt, ...] = ()
    bill: Bill | None = None
    try:
        response = await send(request, policy, trail=trail)
        run.receipt.add(response)
        story, bill = response.attempts, _answered(response)
    except GatewayError as error:
        story = error.attempts or trail.story
        bill = _failed(error, story)
        raise of_gateway(error) from error
    finally:
        if trail.sensitivity is not None:
            run.raise_label(trail.sensitivity)  # the answer may repeat what was found
        story = story or trail.story
        if bill is None:
            bill = bill_of(story, consulted=True) if story else _UNTOLD
        run.receipt.tell(story)
        certain = bill.is_certain and not run.possibly_paid
        run.receipt.charge(bill.known if certain or _is_free(run, request, policy) else None)
        run.possibly_paid = False
        if run.budget is not None and held is not None:
            actual = _without_consulted(bill, story, held.worst)
            run.budget.settle(held, actual)
            run.pay(held=-held.amount, counted=actual)
    return response


async def write_down(run: StepRun, held: Held) -> None:
    """Returns once a resumed run will know of the reservation: the program may die as soon as the call is made.

    Raises StepFailure, having given it back.
    """
    journal = run.context.journal
    run.pay(held=held.amount)
    try:
        if journal is not None:
            await journal.kept()
    except BaseException as error:
        if run.budget is not None:
            run.budget.settle(held, Decimal(0))
        run.pay(held=-held.amount)
        if isinstance(error, JournalError):
            raise unkept(error) from error
        raise


class _Purse:
    """Pays for what the gateway asks about a call, from the budget of the run."""

    def __init__(self, budget: Budget, run: StepRun) -> None:
        self._budget = budget
        self._run = run

    def hold(self, most: Decimal | None) -> None:
        if most is None:
            raise UnknownPriceError(
                f"nobody knows what judging the answer costs, so the run's budget of ${self._budget.limit:f} cannot be"
                " kept; judge by a model with a known price, or leave out policy.budget_usd"
            )
        try:
            self._budget.hold(most)
        except OverBudgetError as error:
            raise BudgetExceededError(str(error)) from None
        self._run.pay(held=most)

    def settle(self, most: Decimal, cost: Decimal | None) -> None:
        actual = most if cost is None else cost
        self._budget.settle(Held(most, 1), actual)
        self._run.pay(held=-most, counted=actual)


def _without_consulted(bill: Bill, story: tuple[Attempt, ...], worst: Decimal) -> Decimal:
    """What the tries of the call itself are counted at; what was asked about it is settled on its own."""
    noted = [one for one in story if not one.number and one.outcome == "noted"]
    consulted = sum((one.cost_usd for one in noted if one.cost_usd is not None), Decimal(0))
    unknown = len(bill.unknown) - sum(one.cost_usd is None and one.billable for one in noted)
    return sum(bill.guessed, bill.known) - consulted + unknown * worst


async def reserve(run: StepRun, request: Asked, policy: Policy) -> tuple[Asked, Policy, Held | None]:
    """Room in the run's budget, and the call kept short enough to have any, by models of known price."""
    budget = run.budget
    if budget is None:
        return request, policy, None
    room, shortened = budget.left, run.context.gateway.shortened
    try:
        request, worst = shortened(request, policy, room=room)
        if worst is None and policy.max_cost_usd is None:
            policy = replace(policy, max_cost_usd=max(room, Decimal(0)))  # which leaves out whose price is unknown
            with suppress(NoCandidateError):
                request, worst = shortened(request, policy, room=room)
    except GatewayError as error:
        raise of_gateway(error) from error
    if worst is None:
        raise StepFailure(
            "unknown_price",
            f"nobody knows what {request.model!r} costs at most, so the run's budget of ${budget.limit:f} cannot be"
            " kept; choose a model with a known price, state its prices in the configuration, give built-in tools"
            " `max_uses`, leave `extra` parameters out, or leave out policy.budget_usd",
        )
    try:
        held = await budget.reserve(worst.each, tries=policy.max_attempts, together=worst.together)
    except OverBudgetError as error:
        raise StepFailure("budget_exceeded", str(error)) from None
    return request, replace(policy, max_billable=held.tries), held


def _answered(response: Response | EmbedResponse | ImageResponse) -> Bill:
    """What the call cost; a budget counts each try whose cost nobody knows at the worst."""
    bill = bill_of(response.attempts, consulted=True)
    if any(one.outcome in _ANSWERED for one in response.attempts):
        return bill
    if response.cost_usd is None:
        return replace(bill, unknown=(*bill.unknown, *_UNTOLD.unknown))
    return replace(bill, known=bill.known + response.cost_usd)


def _failed(error: GatewayError, story: tuple[Attempt, ...]) -> Bill:
    bill = bill_of(story, consulted=True)
    is_told = not error.billable or any(one.billable for one in story if one.number)
    return bill if is_told else replace(bill, unknown=(*bill.unknown, *_UNTOLD.unknown))


def _is_free(run: StepRun, request: AnyRequest, policy: Policy) -> bool:
    try:
        return run.context.gateway.estimate(request, policy) == 0
    except GatewayError:
        return False
