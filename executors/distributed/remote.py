"""Has the steps of a run executed by any worker: posted, waited for, and their end taken as one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import anyio

from executors.context import StepRun
from executors.distributed.exchange import Exchange
from executors.distributed.grant import granted
from executors.distributed.parcel import Outcome, Parcel, packed, seen_by, unpacked
from executors.distributed.patience import answered
from executors.failures import StepFailure
from executors.identity import key_of
from executors.recording import repeatable
from executors.steps import tries
from unified_api.types import Attempt, Json

if TYPE_CHECKING:
    from executors.distributed.application import Application

__all__ = ["Arrivals", "Remote"]

_LOOK_S = 0.02
"""How often the outcomes of what is waited for are looked at."""
_HERE = frozenset({"set"})
"""Kinds that are computed quicker than they are posted."""
_MODELS = frozenset({"llm", "image", "embed"})


class Arrivals:
    """Waits for the outcomes of many steps by one look at the database at a time."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._waiting: dict[str, tuple[anyio.Event, list[tuple[str, int]]]] = {}
        self._some = anyio.Event()

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            if not self._waiting:
                self._some = anyio.Event()
                await self._some.wait()
            there = await answered(partial(self._exchange.outcomes, list(self._waiting)))
            for step_id, outcome in there.items():
                if step_id in self._waiting:
                    event, box = self._waiting[step_id]
                    box.append(outcome)
                    event.set()
            await anyio.sleep(_LOOK_S)

    async def of(self, step_id: str) -> tuple[str, int]:
        """The outcome, once it is there, and how many workers had begun it."""
        event, box = anyio.Event(), list[tuple[str, int]]()
        with self._entry(step_id, (event, box)):
            self._some.set()
            await event.wait()
        return box[0]

    @contextmanager
    def _entry(self, step_id: str, entry: tuple[anyio.Event, list[tuple[str, int]]]) -> Iterator[None]:
        self._waiting[step_id] = entry
        try:
            yield
        finally:
            del self._waiting[step_id]


@dataclass(slots=True, kw_only=True)
class Remote:
    """How one run executes its steps: `RunContext.perform`, below what records them."""

    exchange: Exchange
    application: Application
    arrivals: Arrivals
    generation: int
    """How often the run was asked for: what failed in an earlier pass is done anew in this one."""
    keeps: Callable[[], bool]
    """Whether what is under way is to go on when the run stops being led here."""
    _visits: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def __call__(self, run: StepRun) -> Json:
        """The output. Raises StepFailure as the step itself."""
        if run.step.kind in _HERE:
            return await tries(run)
        step_id = self._name(run)
        async with granted(run) as grant:
            await self._post(step_id, run, grant.amount)
            outcome = await self._outcome(step_id)
            grant.counted = _settled(outcome, grant.worst)
        _enter(outcome, run)
        if outcome.error is not None:
            raise StepFailure(outcome.error.code, outcome.error.message, retryable=outcome.retryable)
        output: Json = outcome.output
        return output

    def _name(self, run: StepRun) -> str:
        """The same in every pass over the same run, whoever leads it: so nothing is executed twice."""
        key = key_of(run)
        visit = (run.path, key)
        self._visits[visit] += 1
        return f"{run.context.run_id}:{self.generation}:{run.path}:{key[:24]}:{self._visits[visit]}"

    async def _post(self, step_id: str, run: StepRun, budget: Decimal | None) -> None:
        apart: dict[str, str] = {}
        parcel = packed(_parcel(run, budget), apart)
        run_id = run.context.run_id
        if await answered(partial(self.exchange.post_step, step_id, run_id, parcel, apart)):
            await answered(partial(self.application.forget, [step_id]))
        await answered(partial(self.application.enqueue_step, step_id))

    async def _outcome(self, step_id: str) -> Outcome:
        try:
            text, claims = await self.arrivals.of(step_id)
        except anyio.get_cancelled_exc_class():
            if not self.keeps():
                with anyio.CancelScope(shield=True):
                    await answered(partial(self._call_off, step_id))
            raise
        outcome: Outcome = unpacked(Outcome, text)
        # The one that was quicker may be one that was thought dead, and knows nothing of those that came after it.
        return replace(outcome, lost=max(outcome.lost, claims - 1))

    def _call_off(self, step_id: str) -> None:
        self.exchange.cancel_steps([step_id])
        self.application.cancel([step_id])


def _parcel(run: StepRun, budget: Decimal | None) -> Parcel:
    seen, clock = seen_by(run), run.context.clock
    return Parcel(
        run_id=run.context.run_id,
        path=run.path,
        step=run.step,
        policy=run.frame.workflow.policy,
        inputs=seen.inputs,
        steps=seen.steps,
        variables=seen.variables,
        label=run.label,
        caller=run.context.caller,
        budget_usd=budget,
        seconds=None if run.deadline is None else max(0.0, run.deadline - clock.now()),
        idempotent=repeatable(run),
        again=run.again,
    )


def _settled(outcome: Outcome, worst: Decimal) -> Decimal:
    """What the budget is charged with; what workers did that did not end it is counted at the worst."""
    return outcome.counted_usd + outcome.lost * worst


def _enter(outcome: Outcome, run: StepRun) -> None:
    used, receipt = outcome.receipt, run.receipt
    receipt.absorb(used)
    receipt.model, receipt.provider, receipt.quality = used.model, used.provider, used.quality
    receipt.attempts += used.attempts
    receipt.shares += used.shares
    run.raise_label(outcome.label)
    for retry in outcome.retries:
        run.context.emit(retry)
    if run.possibly_paid:
        run.receipt.uncertain, run.possibly_paid = True, False
    if outcome.lost and run.step.kind in _MODELS:
        run.receipt.uncertain = True
        told = f"another worker had asked for this ({outcome.lost}x), so it is possibly paid for more than once"
        run.receipt.tell((Attempt(number=0, model="journal", outcome="noted", message=told),))
