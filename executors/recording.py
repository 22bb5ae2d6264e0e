"""Executes steps so that nothing is paid for twice: looked up first, written down before and after."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from executors.budget import Budget
from executors.context import Perform, StepRun, now
from executors.failures import StepFailure, unkept
from executors.identity import MEANING, key_of
from executors.journal.entries import Intent, Journal, JournalError, Recorded, Unsettled
from executors.memory import Memory, counted, step_id
from executors.steps import tries
from unified_api.types import Attempt, Json
from unified_api.types.sensitivity import most_sensitive
from workflows.repeating import READING, stated

__all__ = ["MOST_CRASHES", "Recording", "repeatable", "replayed"]

MOST_CRASHES = 3
"""So often may the process die during one and the same execution before it is left alone."""
_LONG = 256
"""Steps that nothing is written down before, after which it is seen whether the journal keeps up."""
_MODELS = frozenset({"llm", "image", "embed"})


@dataclass(slots=True, kw_only=True)
class Recording:
    """How the steps of one run are executed: `RunContext.perform`."""

    journal: Journal | None
    memory: Memory = field(default_factory=Memory)
    budget: Budget | None = None
    """The run's own. What earlier passes cost is in it from the beginning."""
    again: Collection[str] = ()
    """Paths or ids of the steps that a person wants done again although nobody knows whether they were done."""
    execute: Perform = tries
    """Executes what is not recorded, in this process or on another machine."""
    _unrecorded: int = 0

    async def __call__(self, run: StepRun) -> Json:
        """The output: recorded already, or of an execution that is recorded.

        Raises:
            StepFailure: the step's own, a recorded one, `unknown_outcome`, `crashes_every_time` or `journal_failed`.
        """
        if run.step.kind not in MEANING:
            await self._room()
            return await tries(run)
        key = key_of(run)
        claim = self.memory.claim(run.path, key)
        if claim is not None:
            new = claim.earlier and claim.first
            if new and run.budget is not None:
                run.budget.recall(counted(claim.result), known_to=self.budget)
            if claim.result.key != key:  # what a person said of it, as it was asked then
                self._record(replace(claim.result, key=key, cost_usd=Decimal(0), counted_usd=None))
            return replayed(run, claim.result, paid=new)
        found = await self._elsewhere(run, key)
        return await self._executed(run, key) if found is None else replayed(run, found, paid=True)

    async def _room(self) -> None:
        """Lets the journal catch up with steps that never wait for it."""
        self._unrecorded += 1
        if self.journal is not None and not self._unrecorded % _LONG:
            with suppress(JournalError):  # such a step costs nothing; what is not kept is told at the end
                await self.journal.room()

    async def _elsewhere(self, run: StepRun, key: str) -> Recorded | None:
        """The result of another run, where the step allows that; from then on it is one of this run too."""
        if self.journal is None or not _shared(run):
            return None
        try:
            found = await self._found(self.journal, run, key)
        except JournalError as error:
            raise unkept(error) from error
        if found is None:
            return None
        kept = _like(_recorded(run, key, output=found.output), found)
        self._record(kept)
        return kept

    async def _found(self, journal: Journal, run: StepRun, key: str) -> Recorded | None:
        """Two samples of one run are two answers, so each of another run is taken once, the latest first."""
        if _deterministic(run):
            return await journal.find(key)
        while True:
            before = self.memory.earliest(key)
            found = await journal.find(key, not_of=run.context.run_id, before=before)
            if found is None or before == self.memory.earliest(key):
                return found  # and no other step has taken one meanwhile

    async def _executed(self, run: StepRun, key: str) -> Json:
        crashes = self._crashes(run, key)
        before, times = self._failed_before(run, key)
        await self._intend(run, key, crashes)
        began = run.context.clock.now()
        try:
            output = await self.execute(run)
        except StepFailure as failure:
            seconds = run.context.clock.now() - began
            self._record(_recorded(run, key, failure=failure, seconds=seconds, before=before, times=times + 1))
            raise
        seconds = run.context.clock.now() - began
        self._record(_recorded(run, key, output=output, seconds=seconds, before=before))
        return output

    def _failed_before(self, run: StepRun, key: str) -> tuple[Decimal, int]:
        """What failures cost that this execution takes the place of on record and that were told of; their number."""
        before, times = Decimal(0), 0
        for claim in self.memory.failed(run.path, key):
            cost = claim.result.cost_usd
            times = claim.result.times
            run.again = True  # what the gateway keeps may be what failed
            if claim.earlier and claim.first:
                run.receipt.charge(cost)
                run.counted += counted(claim.result)
                if run.budget is not None:
                    run.budget.recall(counted(claim.result), known_to=self.budget)
            else:
                before += cost or Decimal(0)
        return before, times

    def _crashes(self, run: StepRun, key: str) -> int:
        """How often it was cut off. Raises StepFailure when it must not be done once more."""
        earlier = self.memory.cut_off(run.path, key)
        if earlier is None:
            self._look_beside(run)
            return 0
        crashes, path = earlier.intent.crashes + self.memory.died, earlier.intent.path
        if not repeatable(run) and not self._is_wanted(path):
            raise StepFailure("unknown_outcome", _unknown_outcome(run, path))
        if crashes >= MOST_CRASHES and not self._is_wanted(path):
            raise StepFailure(
                "crashes_every_time",
                f"the program has died {crashes} times while it was under way; find out why, then"
                f" `orchestrate resume {run.context.run_id} --again {path}` tries it once more",
            )
        self.memory.resolve(earlier)
        self._count(run, earlier)
        return crashes

    def _look_beside(self, run: StepRun) -> None:
        """Raises StepFailure when the step was under way as it was before somebody changed it, or its tool."""
        earlier = None if repeatable(run) else self.memory.cut_off_otherwise(run.path, run.step.kind)
        if earlier is not None and not self._is_wanted(earlier.intent.path):
            raise StepFailure("unknown_outcome", _unknown_outcome(run, earlier.intent.path, otherwise=True))

    def _is_wanted(self, path: str) -> bool:
        return path in self.again or step_id(path) in self.again

    def _count(self, run: StepRun, earlier: Unsettled) -> None:
        """The execution that was cut off is possibly paid for, at the worst in full."""
        if run.step.kind in _MODELS:
            run.possibly_paid = True
            told = "a call for this step was under way when its run was cut off: it is possibly paid for, too"
            run.receipt.tell((Attempt(number=0, model="journal", outcome="noted", message=told),))
        run.receipt.spent += earlier.spent_usd
        run.counted += earlier.spent_usd + earlier.held_usd
        if run.budget is not None:
            run.budget.recall(earlier.spent_usd + earlier.held_usd, known_to=self.budget)

    async def _intend(self, run: StepRun, key: str, crashes: int) -> None:
        if self.journal is None:
            return
        context = run.context
        intent = Intent(run_id=context.run_id, path=run.path, kind=run.step.kind, key=key, at=now(), crashes=crashes)
        try:
            await self.journal.intend(intent)
        except JournalError as error:
            raise unkept(error) from error

    def _record(self, result: Recorded) -> None:
        self.memory.keep(result)
        if self.journal is not None:
            self.journal.record(result)


def _unknown_outcome(run: StepRun, path: str, *, otherwise: bool = False) -> str:
    resume = f"orchestrate resume {run.context.run_id}"
    was = "it was under way, and asked otherwise than now," if otherwise else "it was under way"
    return (
        f"{was} when its run was cut off, and nobody knows whether it was done. Look whether it was, then"
        f" `{resume} --again {path}` does it again, or `{resume} --took-place {path}=JSON` goes on with JSON"
        " as its output. A step that may be done twice says so: `idempotent: true`"
    )


def _shared(run: StepRun) -> bool:
    """Whether the result of another run will do."""
    step = run.step
    reuse = step.cache or run.frame.workflow.policy.cache
    if run.again or reuse == "run":
        return False
    return reuse == "always" or _deterministic(run)


def _deterministic(run: StepRun) -> bool:
    """Whether the same call gives the same answer."""
    step = run.step
    if step.kind == "llm":
        return step.temperature == 0
    return step.kind == "embed" or (step.kind == "http" and step.method in READING)


def repeatable(run: StepRun) -> bool:
    """Whether doing it twice does no more than doing it once."""
    step = run.step
    said = stated(step, run.frame.workflow.policy)
    if said is not None:
        return said
    if step.kind == "tool":
        spec = run.context.tools.specs.get(step.tool)
        # Of the tools of servers it is told; a function of this program that a retry does no harm may have worked.
        return spec is not None and spec.clearance is not None and spec.repeatable
    return step.kind in _MODELS or (step.kind == "http" and step.method in READING)


def _recorded(
    run: StepRun,
    key: str,
    *,
    output: Json = None,
    failure: StepFailure | None = None,
    seconds: float | None = None,
    before: Decimal = Decimal(0),
    times: int = 1,
) -> Recorded:
    receipt = run.receipt
    cost = None if receipt.uncertain else receipt.spent + before
    return Recorded(
        run_id=run.context.run_id,
        path=run.path,
        kind=run.step.kind,
        key=key,
        at=now(),
        status="succeeded" if failure is None else "failed",
        output=output,
        error=None if failure is None else failure.error(run.path),
        label=run.label,
        model=receipt.model,
        provider=receipt.provider,
        quality=receipt.quality,
        usage=receipt.usage,
        cost_usd=cost,
        counted_usd=None if run.budget is None else run.counted + before,
        attempts=receipt.attempts,
        shares=receipt.shares,
        seconds=seconds,
        times=times,
    )


def _like(kept: Recorded, found: Recorded) -> Recorded:
    """The result of another run as one of this run, which pays nothing for it. What raised its label does so here."""
    return replace(
        kept,
        at=found.at,  # by which it is known as the same answer
        label=most_sensitive(kept.label, found.label),
        model=found.model,
        provider=found.provider,
        quality=found.quality,
        cost_usd=Decimal(0),
    )


def replayed(run: StepRun, result: Recorded, *, paid: bool) -> Json:
    """The output of a recorded result; `paid` says that what it cost counts here. Raises StepFailure."""
    receipt = run.receipt
    run.reused = True
    run.raise_label(result.label)  # the gateway may have found something in what was sent
    receipt.model, receipt.provider, receipt.quality = result.model, result.provider, result.quality
    receipt.attempts, receipt.shares, receipt.calls = result.attempts, result.shares, len(result.shares)
    if paid:
        receipt.usage, receipt.spent = result.usage, result.cost_usd or Decimal(0)
        receipt.uncertain = result.cost_usd is None
    if result.error is not None and result.status == "failed":
        error = result.error
        raise StepFailure(error.code, error.message, path=error.path or run.path)
    output: Json = result.output
    return output
