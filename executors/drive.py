"""Drives the scheduler of one block: tasks of one group execute ready steps until every step has ended."""

from __future__ import annotations

import math

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from executors.context import Frame, Receipt, now
from executors.events import StepError, StepFinished
from executors.layout import Layout
from executors.scheduler import Scheduler
from executors.slots import Slots
from executors.steps import Ended, run_step
from unified_api.types import Sensitivity
from workflows.model import Step

__all__ = ["Drive"]


class Drive:
    """One pass through the steps of a block, and what is known of it so far.

    A step that only runs others, or waits for a person, takes no place of the run's `Slots`; any other does. A task
    that ends a step executes the most urgent ready one itself, unless steps of other blocks wait for its place.
    """

    def __init__(self, layout: Layout, *, frame: Frame) -> None:
        self._layout = layout
        self._steps = layout.steps
        self._containers = layout.containers
        self._frame = frame
        self._slots: Slots = frame.slots or frame.context.slots
        self._call = self._hire  # one object, by which the slots know who asks
        self._scheduler: Scheduler  # of a pass that a chain of steps does without
        self._done: anyio.Event
        self._tasks: TaskGroup | None = None
        self._stopped = False
        """Whether a cancellation has come, after which nothing is started."""
        self.receipt = Receipt()
        """What all steps together used."""
        self.finished: dict[str, StepFinished] = {}
        self.error: StepError | None = None
        """Why the block fails, as soon as it does."""
        self.error_label: Sensitivity | None = None
        """Of the message of the error."""

    async def until_done(self) -> None:
        """Returns when nothing runs any more: all steps ended, or one failed for good."""
        self._scheduler, self._done = Scheduler(self._layout.ranking), anyio.Event()
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._hire()
                if self._scheduler.remaining:
                    await self._done.wait()  # when all that is left waits for a place, no task keeps the group open
        finally:
            self._tasks = None
            self._slots.leave(self._call)

    async def in_turn(self) -> None:
        """The same for a chain of steps, in the task of the caller, which must be one that a task group cancels."""
        holds = False
        try:
            for step_id in self._layout.graph.order():
                needs = step_id not in self._containers
                if holds and (not needs or self._slots.crowded(self._call)):
                    holds = False
                    self._slots.give()
                # A chain of steps that never wait must not keep the others, or a cancellation, from their turn.
                await anyio.lowlevel.checkpoint()
                if needs and not holds:
                    await self._slots.acquire()
                    holds = True
                await run_step(self._steps[step_id], self._frame, end=self._end)
                if self.error is not None:
                    return
        finally:
            if holds:
                self._slots.give()

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
                self._end(step, Ended(rest, Receipt(), frame.labels.floor, frame.labels.floor))

    def _hire(self) -> None:
        """Starts a task for each ready step that there is a place for."""
        while self._tasks is not None and self.error is None and not self._stopped:
            step_id = self._scheduler.next
            if step_id is None:
                return
            if step_id not in self._containers and not self._slots.take():
                self._slots.wait(self._call)
                return
            self._scheduler.take()
            self._tasks.start_soon(self._work, step_id)

    async def _work(self, step_id: str) -> None:
        following: str | None = step_id
        holds = step_id not in self._containers
        current = step_id
        try:
            await anyio.lowlevel.checkpoint_if_cancelled()
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
        except anyio.get_cancelled_exc_class():
            self._interrupted(current)
            raise
        finally:
            if holds:
                self._slots.give()
        self._hire()

    def _following(self, *, holds: bool) -> str | None:
        """The step that the same task executes next, in the same place; None when the place is to be given back."""
        step_id = self._scheduler.next
        if step_id is None or not holds or self.error is not None or step_id in self._containers:
            return None
        return None if self._slots.crowded(self._call) else self._scheduler.take()

    def _interrupted(self, step_id: str) -> None:
        self._stopped = True
        if anyio.current_effective_deadline() == -math.inf:
            return
        # Somebody has cancelled the task of this step alone, which ends it without a word to anybody else.
        path = self._frame.path + step_id
        self._fail(StepError("interrupted", f"step {path!r}: its task was cancelled from outside of the run", path))

    def _end(self, step: Step, ended: Ended) -> None:
        finished = ended.finished
        self.finished[step.id] = finished
        self.receipt.absorb(ended.receipt)
        self._frame.labels.end(step.id, ended.label)
        if finished.status == "succeeded":
            self._frame.scope.finish(step.id, finished.output)
        else:
            self._frame.scope.skip(step.id)
        if finished.status == "failed":
            self._fail(finished.error, label=ended.sent)
        self._frame.context.emit(finished)

    def _fail(self, error: StepError | None, *, label: Sensitivity | None = None) -> None:
        if self.error is None:
            self.error, self.error_label = error, label
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
