"""What a step on another machine may spend: held in the budget of its run before, settled after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NoReturn, cast

from executors.budget import Held
from executors.calls import reserve, write_down
from executors.context import Receipt, StepRun
from executors.kinds.llm import RE_ASKS
from unified_api.needs import AnyRequest
from unified_api.types import Policy
from workflows.model import LlmStep

__all__ = ["Grant", "granted"]

_MODELS = frozenset({"llm", "image", "embed"})


@dataclass(slots=True)
class Grant:
    """An amount held in the budget; None where there is none."""

    amount: Decimal | None = None
    worst: Decimal = Decimal(0)
    """What one try may cost."""
    counted: Decimal | None = None
    """What it is settled at; None is the whole of it, as nobody knows."""


@asynccontextmanager
async def granted(run: StepRun) -> AsyncIterator[Grant]:
    """Room for the calls of a step while the block lasts. Raises StepFailure where there is none."""
    held = await _held(run)
    if held is None or run.budget is None:
        yield Grant()
        return
    grant = Grant(held.amount, held.worst)
    await write_down(run, held)
    try:
        yield grant
    finally:
        counted = held.amount if grant.counted is None else grant.counted
        run.budget.settle(held, counted)
        run.pay(held=-held.amount, counted=counted)


async def _held(run: StepRun) -> Held | None:
    if run.budget is None or run.step.kind not in _MODELS:
        return None
    asked = await _asked(run)
    if asked is None:
        return None
    request, policy = asked
    calls = 1 + RE_ASKS if isinstance(run.step, LlmStep) and run.step.output is not None else 1
    tries = policy.max_attempts * calls * run.step.retry.attempts
    policy = replace(policy, max_attempts=tries)
    _, _, held = await reserve(run, request, policy)  # type: ignore[type-var]  # it is one of those that it takes
    return held


class _Asked(Exception):  # noqa: N818  # no error: it carries out what would have been sent
    def __init__(self, request: AnyRequest, policy: Policy) -> None:
        super().__init__()
        self.request, self.policy = request, policy


class _Ear:
    """A gateway that only hears what it is asked."""

    async def chat(self, request: AnyRequest, policy: Policy, /, **_: Any) -> NoReturn:
        raise _Asked(request, policy)

    image = embed = chat

    def __init__(self, run: StepRun) -> None:
        self.estimate = run.context.gateway.estimate


async def _asked(run: StepRun) -> tuple[AnyRequest, Policy] | None:
    """The first call that the step would make; None when it makes none. Raises StepFailure as the step itself."""
    context = replace(run.context, gateway=cast("Any", _Ear(run)), tokens=False)
    trial = replace(run, frame=replace(run.frame, context=context), budget=None, receipt=Receipt())
    try:
        await context.kinds[run.step.kind](run.step, trial)
    except _Asked as asked:
        return asked.request, asked.policy
    return None
