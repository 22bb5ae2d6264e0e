"""Takes up runs that were interrupted, failed or cancelled: what is known of them, and what goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestrator.limits import Limits, limited

if TYPE_CHECKING:
    from executors.journal.entries import Past, Recorded
    from executors.journal.store import SqlJournal
    from executors.preview import Preview
    from executors.resumption import Resumption
    from executors.tools import ToolRegistry
    from workflows.model import Workflow

__all__ = ["Continuation", "ResumeError", "Wish", "continuation", "end_cancelled", "take"]


class ResumeError(Exception):
    """The run cannot be taken up; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """A run as it would go on."""

    resumption: Resumption
    workflow: Workflow
    workflows: Mapping[str, Workflow]
    preview: Preview
    told: tuple[Recorded, ...] = ()
    """What a person said took place."""

    @property
    def past(self) -> Past:
        return self.resumption.past


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of a resumed run."""

    workflow: Workflow | None = None
    """An edited one; None goes on with what was run."""
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    """Those that the edited one runs as steps, besides those that were run."""
    again: Collection[str] = ()
    took_place: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = Limits()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """In place of those that were recorded."""


async def continuation(
    journal: SqlJournal, run_id: str, *, tools: ToolRegistry, wish: Wish, ready: Callable[[Workflow], Awaitable[object]]
) -> Continuation:
    """What going on with a run means, without doing anything; `ready` makes the tools of its workflow known.

    Raises:
        ResumeError: there is nothing to go on with, or `again` or `took_place` names no step that was under way.
        RunNotFoundError, JournalError: the journal has no such run, or does not work.
        InputError: the recorded inputs do not fit the edited workflow.
    """
    from executors.preview import preview
    from executors.resumption import Resumption

    past = await _past(journal, run_id)
    workflow = wish.workflow or past.definition
    if workflow is None:
        raise ResumeError(
            f"run {run_id} was recorded without a workflow that this release can read; give it: --workflow FILE"
        )
    if past.status == "succeeded" and wish.workflow is None and not wish.inputs:
        raise ResumeError(
            f"run {run_id} succeeded: nothing of it is left to do, but by an edited workflow (--workflow FILE) or with"
            " other inputs (--input KEY=VALUE)"
        )
    workflow = limited(workflow, wish.limits)
    await ready(workflow)
    _known((*wish.again, *wish.took_place), past, ids=wish.again)
    told = _told(past, wish.took_place)
    past = _fitted(replace(past, inputs={**past.inputs, **wish.inputs}), told, workflow)
    workflows = {**past.workflows, **wish.workflows}
    resumption = Resumption(past=past, again=frozenset(wish.again), told=frozenset(wish.took_place))
    seen = await preview(resumption, workflow, workflows=workflows, tools=tools)
    resumption = replace(resumption, kept=len(seen.kept), repeated=(*seen.again, *seen.failed, *seen.cut_off))
    return Continuation(resumption=resumption, workflow=workflow, workflows=workflows, preview=seen, told=told)


async def take(journal: SqlJournal, found: Continuation, *, although_held: bool = False) -> Continuation:
    """The run, taken for this program. Raises ResumeError when another one has it, unless that does not matter."""
    run_id = found.past.run_id
    if not await journal.claim_run(run_id, although_held=although_held):
        raise ResumeError(
            f"run {run_id} is under way in another program; `orchestrate runs follow {run_id}` shows it. If that"
            " program is dead for certain, as after its machine was renamed or given up: `orchestrate resume"
            f" {run_id} --although-held`"
        )
    # Whoever had it until now may have gone on since it was looked at.
    fresh = await _past(journal, run_id)
    if fresh.cancel_requested:
        # Its program died before it could end it. Whoever takes it up by its name wants it all the same.
        await end_cancelled(journal, fresh)
        await journal.claim_run(run_id)
    for result in found.told:
        journal.record(result)
    then = found.past
    past = _fitted(replace(fresh, status=then.status, inputs=then.inputs), found.told, found.workflow)
    return replace(found, resumption=replace(found.resumption, past=past))


async def end_cancelled(journal: SqlJournal, past: Past, *, although_held: bool = False) -> None:
    """Writes the end of a run whose end was asked for, and whose program died before it could."""
    from executors.context import now
    from executors.events import RunFinished, StepError
    from executors.resumption import Resumption

    if not await journal.claim_run(past.run_id, although_held=although_held):
        return
    at = now()
    journal(
        RunFinished(
            run_id=past.run_id,
            at=at,
            status="cancelled",
            outputs={},
            cost_usd=Resumption(past=past).cost_usd,
            seconds=(at - past.started).total_seconds() if past.started else 0.0,
            error=StepError("cancelled", "the run was cancelled after its program had died"),
        )
    )
    await journal.kept()  # whoever asked for the end may look for it at once, from any program


async def _past(journal: SqlJournal, run_id: str) -> Past:
    past = await journal.past(run_id)
    if past is None:
        raise ResumeError(f"there is no run {run_id!r}; `orchestrate runs` lists them")
    return past


def _fitted(past: Past, told: tuple[Recorded, ...], workflow: Workflow) -> Past:
    """The past with what a person said, and without inputs that an edited workflow does not have any more."""
    places = {(one.path, one.key) for one in told}
    return replace(
        past,
        inputs={name: value for name, value in past.inputs.items() if name in workflow.inputs},
        results=(*(one for one in past.results if (one.path, one.key) not in places), *told),
        unsettled=tuple(one for one in past.unsettled if (one.intent.path, one.intent.key) not in places),
    )


def _known(paths: Collection[str], past: Past, *, ids: Collection[str]) -> None:
    from executors.memory import step_id

    cut = [one.intent.path for one in past.unsettled]
    for path in paths:
        if path not in cut and not (path in ids and path in map(step_id, cut)):
            known = ", ".join(cut) or "none"
            raise ResumeError(
                f"no step at {path!r} of run {past.run_id} was under way when it was cut off; {known} was"
            )


def _told(past: Past, took_place: Mapping[str, Any]) -> tuple[Recorded, ...]:
    from executors.context import now
    from executors.journal.entries import Recorded

    return tuple(
        Recorded(
            run_id=past.run_id,
            path=one.intent.path,
            kind=one.intent.kind,
            key=one.intent.key,
            at=now(),
            status="succeeded",
            output=took_place[one.intent.path],
            cost_usd=one.spent_usd if one.intent.kind in {"tool", "http"} else None,
            counted_usd=one.spent_usd + one.held_usd or Decimal(0),
        )
        for one in past.unsettled
        if one.intent.path in took_place
    )
