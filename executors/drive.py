"""Drives the scheduler of one block: tasks of one group execute ready steps until every step has ended."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from executors.context import Frame, Receipt, now
from executors.events import StepError, StepFinished
from executors.scheduler import Scheduler
from executors.steps import Ended, run_step
from workflows.blocks import is_container
from workflows.model import Step

__all__ = ["Drive"]


class Drive:
    """One pass through the steps of a block, and what is known of it so far.

    A step that only runs others, or waits for a person, takes no place of the run's `Slots`; any other does. A task
    that ends a step executes the most urgent ready one itself, unless steps of other blocks wait for its place.
    """

    def __init__(self, steps: Mapping[str, Step], scheduler: Scheduler, *, frame: Frame) -> None:
        self._steps = steps
        self._scheduler = scheduler
        self._frame = frame
        self._slots = frame.context.slots
        self._tasks: TaskGroup | None = None
        self._done = anyio.Event()
        self._queued = False
        """Whether the slots have been asked to call."""
        self.receipt = Receipt()
        """What all steps together used."""
        self.finished: dict[str, StepFinished] = {}
        self.error: StepError | None = None
        """Why the block fails, as soon as it does."""

    async def until_done(self) -> None:
        """Returns when nothing runs any more: all steps ended, or one failed for good."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._hire()
                if self._scheduler.remaining:
                    await self._done.wait()  # when all that is left waits for a place, no task keeps the group open
        finally:
            self._tasks = None

    def cancel_rest(self) -> None:
        """Ends as `cancelled` every step that has not ended yet; none of them is running."""
        frame = self._frame
        for step in self._steps.values():
            if step.id not in self.finished:
                rest = StepFinished(
                    run_id=frame.context.run_id,
                    at=now(),
                    step_id=frame.path + step.id,
                    kind=step.kind,
                    status="cancelled",
                )
                self._end(step, Ended(rest, Receipt(), frame.labels.floor))

    def _hire(self) -> None:
        """Starts a task for each ready step that there is a place for."""
        self._queued = False
        while self._tasks is not None and self.error is None:
            step_id = self._scheduler.next
            if step_id is None:
                return
            if not is_container(self._steps[step_id]) and not self._slots.take():
                self._wait_for_place()
                return
            self._scheduler.take()
            self._tasks.start_soon(self._work, step_id)

    def _wait_for_place(self) -> None:
        if not self._queued:
            self._queued = True
            self._slots.wait(self._hire)

    async def _work(self, step_id: str) -> None:
        following: str | None = step_id
        holds = not is_container(self._steps[step_id])
        try:
            while following is not None:
                current = following
                await run_step(self._steps[current], self._frame, end=self._end)
                self._scheduler.finish(current)
                if not self._scheduler.remaining:
                    self._done.set()
                following = self._following(holds=holds)
                if following is not None:
                    self._hire()
                    # A chain of steps that never wait must not keep the others, or a cancellation, from their turn.
                    await anyio.lowlevel.checkpoint()
        finally:
            if holds:
                self._slots.give()
        self._hire()

    def _following(self, *, holds: bool) -> str | None:
        """The step that the same task executes next, in the same place; None when the place is to be given back."""
        step_id = self._scheduler.next
        if step_id is None or not holds or self.error is not None or self._slots.crowded:
            return None
        return None if is_container(self._steps[step_id]) else self._scheduler.take()

    def _end(self, step: Step, ended: Ended) -> None:
        finished = ended.finished
        self.finished[step.id] = finished
        self.receipt.absorb(ended.receipt)
        self._frame.labels.steps[step.id] = ended.label
        if finished.status == "succeeded":
            self._frame.scope.finish(step.id, finished.output)
        else:
            self._frame.scope.skip(step.id)
        if finished.status == "failed":
            self._fail(finished.error)
        self._frame.context.emit(finished)

    def _fail(self, error: StepError | None) -> None:
        if self.error is None:
            self.error = error
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
