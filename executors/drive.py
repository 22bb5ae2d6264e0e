"""Drives the scheduler: workers of one task group take ready steps until every step has ended."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from executors.context import Receipt, RunContext, now
from executors.events import StepError, StepFinished
from executors.scheduler import Scheduler
from executors.steps import run_step
from workflows.model import Step

__all__ = ["Drive"]


class Drive:
    """One pass through the steps of a run, and what is known of it so far.

    A worker that ends a step takes the most urgent ready one itself; a new worker is started only for what
    became ready besides, while fewer than `limit` work.
    """

    def __init__(self, steps: Mapping[str, Step], scheduler: Scheduler, *, limit: int, context: RunContext) -> None:
        self._steps = steps
        self._scheduler = scheduler
        self._limit = limit
        self._context = context
        self._workers = 0
        self._tasks: TaskGroup | None = None
        self._spent = Decimal(0)
        self._uncertain = False
        self.finished: dict[str, StepFinished] = {}
        self.error: StepError | None = None
        """Why the run fails, as soon as it does."""

    @property
    def cost_usd(self) -> Decimal | None:
        """The sum of all calls; None when one of them may have cost something unknown."""
        return None if self._uncertain else self._spent

    async def until_done(self) -> None:
        """Returns when nothing runs any more: all steps ended, one failed for good, or the deadline passed."""
        deadline = self._context.deadline
        if deadline is None:
            await self._work_off()
            return
        with self._context.clock.scope(deadline) as scope:
            await self._work_off()
        if scope.cancelled_caught and self.error is None:
            left = len(self._steps) - sum(end.status != "cancelled" for end in self.finished.values())
            self.error = StepError(
                "deadline_exceeded",
                f"the deadline (policy.deadline_s) passed with {left} of {len(self._steps)} steps not done",
            )

    def cancel_rest(self) -> None:
        """Ends as `cancelled` every step that has not ended yet; none of them is running."""
        for step in self._steps.values():
            if step.id not in self.finished:
                rest = StepFinished(
                    run_id=self._context.run_id, at=now(), step_id=step.id, kind=step.kind, status="cancelled"
                )
                self._end(rest, Receipt())

    async def _work_off(self) -> None:
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._hire()

    def _hire(self) -> None:
        while self._tasks is not None and self._workers < self._limit:
            step_id = self._scheduler.take()
            if step_id is None:
                return
            self._workers += 1
            self._tasks.start_soon(self._work, step_id)

    async def _work(self, first: str) -> None:
        step_id: str | None = first
        while step_id is not None and self.error is None:
            await run_step(self._steps[step_id], self._context, end=self._end)
            self._scheduler.finish(step_id)
            step_id = self._scheduler.take()
            self._hire()
            # A chain of steps that never wait must not keep the others, or a cancellation, from their turn.
            await anyio.lowlevel.checkpoint()
        self._workers -= 1

    def _end(self, finished: StepFinished, receipt: Receipt) -> None:
        self.finished[finished.step_id] = finished
        self._spent += receipt.spent
        self._uncertain |= receipt.uncertain
        if finished.status == "succeeded":
            self._context.scope.finish(finished.step_id, finished.output)
        else:
            self._context.scope.skip(finished.step_id)
        if finished.status == "failed":
            self._fail(finished.error)
        self._context.emit(finished)

    def _fail(self, error: StepError | None) -> None:
        if self.error is None:
            self.error = error
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
