"""Executes a step that another machine posted, with all its tries, by the same code as at home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from executors.budget import Budget
from executors.context import Frame, RunContext, StepRun
from executors.distributed.parcel import Outcome, Parcel
from executors.events import Event, StepError, StepRetrying
from executors.failures import StepFailure
from executors.kinds import KINDS
from executors.labels import Labels
from executors.recording import MOST_CRASHES
from executors.slots import Slots
from executors.steps import tries
from unified_api.clock import Clock, MonotonicClock
from workflows.model import Workflow

if TYPE_CHECKING:
    from executors.tools import ToolRegistry
    from unified_api.gateway import Gateway

__all__ = ["Execution"]

_Emit: TypeAlias = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What a worker executes steps with."""

    worker: str
    gateway: Gateway
    tools: ToolRegistry
    clock: Clock = field(default_factory=MonotonicClock)

    async def outcome(self, parcel: Parcel, *, lost: int, handed: int = 0, age_s: float) -> Outcome:
        """How the step ended.

        `lost` workers began it before, of which `handed` live and gave it back; it was posted `age_s` seconds ago.
        """
        refused = _refused(parcel, lost, lost - handed)
        if refused is not None:
            return Outcome(worker=self.worker, error=refused, label=parcel.label, lost=lost)
        retries: list[StepRetrying] = []

        def keep(event: Event) -> None:
            if isinstance(event, StepRetrying):
                retries.append(event)

        run, began = self._run(parcel, keep, age_s=age_s), self.clock.now()
        output, failure = None, None
        try:
            output = await tries(run)
        except StepFailure as raised:
            failure = raised
        return Outcome(
            worker=self.worker,
            output=output,
            error=None if failure is None else StepError(failure.code, failure.message),
            retryable=failure is not None and failure.retryable,
            label=run.label,
            receipt=run.receipt,
            counted_usd=Decimal(0) if run.budget is None else run.budget.spent,
            lost=lost,
            retries=tuple(retries),
            seconds=self.clock.now() - began,
        )

    def _run(self, parcel: Parcel, emit: _Emit, *, age_s: float) -> StepRun:
        step, clock = parcel.step, self.clock
        context = RunContext(
            run_id=parcel.run_id,
            gateway=self.gateway,
            tools=self.tools,
            emit=emit,
            clock=clock,
            random=Random(),  # noqa: S311  # spreads retries, guards nothing
            slots=Slots(1),
            tokens=False,
            caller=parcel.caller,
            kinds=KINDS,
            perform=tries,
        )
        deadline = None if parcel.seconds is None else clock.now() + max(0.0, parcel.seconds - age_s)
        budget = None if parcel.budget_usd is None else Budget(parcel.budget_usd)
        frame = Frame(
            context=context,
            workflow=Workflow(workflow="1", name="posted-step", policy=parcel.policy, steps=(step,)),
            scope=parcel.scope,
            labels=Labels(parcel.label),
            path=parcel.path.removesuffix(step.id),
            deadline=deadline,
            budget=budget,
        )
        return StepRun(frame, step, parcel.path, parcel.label, budget, deadline, again=parcel.again)


def _refused(parcel: Parcel, lost: int, died: int) -> StepError | None:
    """Why a step that was cut off must not be done once more."""
    if lost and not parcel.idempotent:
        resume = f"orchestrate resume {parcel.run_id} --again {parcel.path}"
        return StepError(
            "unknown_outcome",
            "the worker that executed it died or was stopped, and nobody knows whether it was done. Look whether it"
            f" was, then `{resume}` does it again. A step that may be done twice says so: `idempotent: true`",
        )
    if died >= MOST_CRASHES:
        return StepError(
            "crashes_every_time",
            f"{died} workers have died while they executed it; find out why before it is tried once more",
        )
    return None
