"""Steps of kind `approval`: ask a person, and wait for the answer however long it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from executors.context import StepRun
from executors.events import StepWaiting
from executors.failures import StepFailure
from executors.identity import key_of
from executors.journal.entries import Approval, Decision, JournalError
from unified_api.types import Json
from workflows.model import ApprovalStep

__all__ = ["output_of", "run"]

POLL_S = 0.5
"""How often it is looked whether somebody answered from another program."""


async def run(step: ApprovalStep, run: StepRun) -> Json:
    """`{approved, by, comment, expired}`.

    Raises:
        StepFailure: `approval_expired` where nobody answered and the step's `default` is `fail`, `nobody_to_ask`,
            `approval_failed` when whoever was asked broke down, or `journal_failed`.
    """
    asked = await _asked(step, run)
    decision = asked.decision
    if decision is None:
        context = run.context
        context.emit(
            StepWaiting(
                run_id=context.run_id,
                at=context.wall(),
                step_id=run.path,
                message=asked.message,
                show=asked.show,
                expires=asked.expires,
            )
        )
        decision = await _Waiting(asked, run).answer()
    return output_of(asked, decision)


def output_of(asked: Approval, decision: Decision | None) -> Json:
    """What the step gives; None is a question that nobody answered in time. Raises StepFailure."""
    if decision is None or _is_late(decision, asked):
        return _expired(asked)
    return {"approved": decision.approved, "by": decision.by, "comment": decision.comment, "expired": False}


async def _asked(step: ApprovalStep, run: StepRun) -> Approval:
    """The question as it stands: an earlier pass of the run may have asked it, and then its time runs since that."""
    context = run.context
    if context.journal is None and context.approve is None:
        raise StepFailure(
            "nobody_to_ask",
            "it waits for a person, and this run has no journal to be answered by and nobody to ask: run it by an"
            " Orchestrator or by `orchestrate workflow run`, or give the run an `approve` function",
        )
    now = context.wall()
    asked = Approval(
        run_id=context.run_id,
        path=run.path,
        key=key_of(run),
        asked=now,
        message=run.text(step.message, what="message"),
        show=run.render(step.show),
        expires=None if step.expires_s is None else now + timedelta(seconds=step.expires_s),
        default=step.default,
    )
    if context.journal is None:
        return asked
    try:
        return await context.journal.ask(asked)
    except JournalError as error:
        raise StepFailure("journal_failed", f"the question cannot be kept: {error}", retryable=True) from error


def _is_late(decision: Decision, asked: Approval) -> bool:
    """Whether it was given when the question had expired, on which other steps may have built already."""
    return decision.at is not None and asked.expires is not None and decision.at > asked.expires


def _expired(asked: Approval) -> Json:
    if asked.default == "fail":
        raise StepFailure("approval_expired", f"nobody answered until {_told(asked.expires)}")
    return {"approved": asked.default == "approve", "by": None, "comment": None, "expired": True}


def _told(moment: datetime | None) -> str:
    return "its end" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S %Z}"


@dataclass(slots=True)
class _Waiting:
    """A question that nobody has answered yet."""

    asked: Approval
    run: StepRun
    given: Decision | None = None
    failure: StepFailure | None = None
    """Kept until the tasks have ended, whose group would wrap it."""
    silent: bool = False
    """Whether the function of the run was asked and left the question to others."""
    woken: anyio.Event = field(default_factory=anyio.Event)

    async def answer(self) -> Decision | None:
        """The first answer from anywhere; one after the question's end stands for nobody's."""
        async with anyio.create_task_group() as tasks:
            if self.run.context.approve is not None:
                tasks.start_soon(self._ask_here)
            try:
                await self._wait()
            except StepFailure as failure:
                self.failure = failure
            tasks.cancel_scope.cancel()
        if self.failure is not None:
            raise self.failure
        return self.given or await self._closed()

    async def _closed(self) -> Decision | None:
        """What stands once nobody may answer any more; later passes of the run, and late persons, find it."""
        asked, expires = self.asked, self.asked.expires
        if expires is None:
            return None
        moment = max(self.run.context.wall(), expires + timedelta(microseconds=1))
        return await self._kept(Decision(approved=asked.default == "approve", at=moment))

    async def _wait(self) -> None:
        context, expires = self.run.context, self.asked.expires
        while True:
            self.woken = anyio.Event()
            self.given = self.given or await self._decided()
            if self.given is not None or self.failure is not None:
                return
            left = None if expires is None else (expires - context.wall()).total_seconds()
            if left is not None and left <= 0:
                return
            if context.journal is None and self.silent:
                raise StepFailure("nobody_to_ask", "the run's `approve` function did not answer, and nobody else can")
            pause = POLL_S if left is None else min(POLL_S, left)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._sleep, pause)
                await self.woken.wait()
                tasks.cancel_scope.cancel()

    async def _sleep(self, seconds: float) -> None:
        await self.run.context.clock.sleep(seconds)
        self.woken.set()

    async def _decided(self) -> Decision | None:
        journal, asked = self.run.context.journal, self.asked
        if journal is None:
            return None
        try:
            return await journal.decided(asked.run_id, asked.path, asked.key)
        except JournalError as error:
            raise StepFailure("journal_failed", f"the answer cannot be looked for: {error}", retryable=True) from error

    async def _ask_here(self) -> None:
        context = self.run.context
        if context.approve is None:
            return
        try:
            decision = await context.approve(self.asked)
            if decision is not None:
                decision = await self._kept(decision)
        except StepFailure as failure:
            self.failure = failure
        except Exception as error:  # noqa: BLE001  # the border of a user's code: whatever it raises is the step's failure
            self.failure = StepFailure("approval_failed", f"whoever was asked broke down: {error}")
        else:
            self.given, self.silent = self.given or decision, decision is None
        self.woken.set()

    async def _kept(self, decision: Decision) -> Decision:
        """The answer that stands: somebody else may have been faster."""
        journal, asked = self.run.context.journal, self.asked
        if journal is None:
            return decision
        try:
            return await journal.decide(asked.run_id, asked.path, decision, key=asked.key)
        except JournalError:
            # Another answer stands, and the next look finds it.
            return await self._decided() or decision
