"""The journal in memory: the same answers without a database, for tests and as the model of what the others do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import anyio

from executors.events import Event, RunFinished, RunStarted, RunStatus, StepToken
from executors.journal.entries import Approval, Decision, Intent, JournalError, Past, Recorded, Unsettled
from executors.journal.errors import RunNotFoundError, run_exists, unknown_run
from executors.journal.questions import meant
from unified_api.types import Caller
from workflows.model import Workflow

__all__ = ["MemoryJournal"]

_Place = tuple[str, str]


@dataclass(slots=True)
class _Run:
    status: RunStatus = "running"
    definition: Workflow | None = None
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    caller: Caller = Caller()
    started: datetime | None = None
    ended: datetime | None = None
    cancel_requested: bool = False
    events: list[Event] = field(default_factory=list)
    results: dict[_Place, Recorded] = field(default_factory=dict)
    open: dict[_Place, Unsettled] = field(default_factory=dict)
    approvals: dict[_Place, Approval] = field(default_factory=dict)
    """All by path and key, the latest last."""


class MemoryJournal:
    """A `Journal` that ends with its process, and keeps whatever it is given as it is."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._more = anyio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepToken):
            return
        run = self._run(event.run_id)
        run.events.append(event)
        if isinstance(event, RunStarted):
            run.status, run.ended = "running", None
            run.definition, run.inputs = event.definition, event.inputs or {}
            if len(run.events) == 1:
                run.started = event.at
        elif isinstance(event, RunFinished):
            run.status, run.ended, run.cancel_requested = event.status, event.at, False
        self._more.set()

    async def begin(
        self,
        run_id: str,
        *,
        definition: Workflow,
        workflows: Mapping[str, Workflow],
        inputs: Mapping[str, Any],
        caller: Caller,
        at: datetime,
        resumed: bool = False,
    ) -> None:
        is_new = run_id not in self._runs
        if not is_new and not resumed:
            raise run_exists(run_id)
        run = self._run(run_id)
        run.status, run.ended = "running", None
        run.definition, run.workflows, run.inputs, run.caller = definition, dict(workflows), dict(inputs), caller
        if is_new:
            run.started = at

    async def claim_run(self, run_id: str) -> bool:
        """Always True: there is no other process."""
        self._known(run_id).status = "running"
        return True

    async def intend(self, intent: Intent) -> None:
        open_ = self._run(intent.run_id).open
        place = (intent.path, intent.key)
        earlier = open_.pop(place, None)
        open_[place] = Unsettled(intent=intent) if earlier is None else replace(earlier, intent=intent)

    def record(self, result: Recorded) -> None:
        run = self._run(result.run_id)
        place = (result.path, result.key)
        run.open.pop(place, None)
        run.results.pop(place, None)
        run.results[place] = result

    def spend(self, run_id: str, path: str, *, spent: Decimal, held: Decimal) -> None:
        open_ = self._run(run_id).open
        place = next((one for one in reversed(open_) if one[0] == path), None)
        if place is not None:
            open_[place] = replace(open_[place], spent_usd=spent, held_usd=held)

    async def kept(self) -> None:
        """At once: nothing is on its way."""

    async def room(self) -> None:
        """Likewise."""

    def forget(self, run_id: str, path: str) -> None:
        results = self._run(run_id).results
        for place in [place for place, one in results.items() if place[0] == path and one.status == "failed"]:
            del results[place]

    async def ask(self, approval: Approval) -> Approval:
        approvals, place = self._run(approval.run_id).approvals, (approval.path, approval.key)
        if _latest_of(approvals, approval.path) != approval.key:
            approvals[place] = approvals.pop(place, approval)
        return approvals[place]

    async def past(self, run_id: str) -> Past | None:
        run = self._runs.get(run_id)
        if run is None:
            return None
        return Past(
            run_id=run_id,
            status=run.status,
            definition=run.definition,
            workflows=run.workflows,
            inputs=run.inputs,
            caller=run.caller,
            started=run.started,
            results=tuple(run.results.values()),
            unsettled=tuple(run.open.values()),
            approvals=tuple(run.approvals.values()),
            cancel_requested=run.cancel_requested,
        )

    async def find(self, key: str, *, not_of: str = "", before: datetime | None = None) -> Recorded | None:
        found: Recorded | None = None
        for name, run in sorted(self._runs.items(), reverse=True):
            for one in run.results.values() if name != not_of else ():
                wanted = one.key == key and one.status == "succeeded" and (before is None or one.at < before)
                if wanted and (found is None or one.at >= found.at):
                    found = one
        return found

    async def decided(self, run_id: str, path: str, key: str) -> Decision | None:
        run = self._runs.get(run_id)
        asked = None if run is None else run.approvals.get((path, key))
        return None if asked is None else asked.decision

    async def decide(self, run_id: str, path: str, decision: Decision, *, key: str | None = None) -> Decision:
        approvals = self._known(run_id).approvals
        asked = [one for one in reversed(approvals.values()) if one.path == path]
        if not asked:
            raise JournalError(f"run {run_id} asks nothing at {path!r}")
        open_ = [one.key for one in asked if one.decision is None]
        place = path, meant(run_id, path, key, asked=[one.key for one in asked], unanswered=open_)
        given = approvals[place].decision
        if given is None:
            approvals[place] = replace(approvals[place], decision=decision)
            return decision
        if given.approved != decision.approved:
            raise JournalError(f"{path!r} of run {run_id} was decided already, which cannot be taken back")
        return given

    async def waiting_approvals(self, run_id: str | None = None) -> list[Approval]:
        """Questions that nobody has answered, of one run or of all that have not ended."""
        of = [run for name, run in self._runs.items() if run_id in (None, name) and run.status == "running"]
        asked = [(run.approvals, one) for run in of for one in run.approvals.values() if one.decision is None]
        return [one for all_, one in asked if _latest_of(all_, one.path) == one.key]

    async def cancel_requested(self, run_id: str) -> bool:
        run = self._runs.get(run_id)
        return run is not None and run.cancel_requested

    async def request_cancel(self, run_id: str) -> bool:
        """Asks for the end of a run. False when it has ended already. Raises RunNotFoundError."""
        run = self._known(run_id)
        run.cancel_requested |= run.status == "running"
        return run.status == "running"

    async def events(self, run_id: str, after: int = 0, *, limit: int = 1_000) -> list[tuple[int, Event]]:
        """The run's events after number `after`, each with its own number; they count from 1 without gaps."""
        run = self._runs.get(run_id)
        return [] if run is None else list(enumerate(run.events, 1))[after : after + limit]

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[tuple[int, Event], None]:
        """The events as they come, until the run has ended. Raises RunNotFoundError."""
        run = self._known(run_id)
        while True:
            self._more = more = anyio.Event() if self._more.is_set() else self._more
            for event in run.events[after:]:
                after += 1
                yield after, event
            if after == len(run.events):
                if run.status != "running":
                    return
                await more.wait()

    async def forget_runs(self, *, before: datetime) -> int:
        """Deletes the runs that ended before; says how many."""
        old = [name for name, run in self._runs.items() if run.ended is not None and run.ended < before]
        for name in old:
            del self._runs[name]
        return len(old)

    def _run(self, run_id: str) -> _Run:
        return self._runs.setdefault(run_id, _Run())

    def _known(self, run_id: str) -> _Run:
        if run_id not in self._runs:
            raise RunNotFoundError(unknown_run(run_id, list(self._runs)))
        return self._runs[run_id]


def _latest_of(approvals: Mapping[_Place, Approval], path: str) -> str | None:
    """The key of what was asked last at the path."""
    return next((key for at, key in reversed(list(approvals)) if at == path), None)
