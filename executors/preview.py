"""What a resumed run will do again, said before it does anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, cast

import anyio
import anyio.lowlevel
import anyio.to_thread

from executors.context import Frame, RunContext, StepRun
from executors.drive import Drive
from executors.identity import MEANING, key_of
from executors.inputs import resolve
from executors.kinds import KINDS
from executors.kinds.approval import output_of
from executors.labels import Labels, input_labels
from executors.memory import Memory, step_id
from executors.recording import replayed
from executors.resumption import Resumption, ids_of
from executors.slots import Slots
from executors.steps import tries
from executors.tools import ToolRegistry
from unified_api.clock import Scope
from unified_api.types import Json
from workflows import expressions
from workflows.model import Workflow

if TYPE_CHECKING:
    from executors.events import Event
    from unified_api.gateway import Gateway

__all__ = ["Preview", "preview"]

_NO_LIMIT = 1_000_000
"""Nothing of a preview waits for a place: what is not known stands still where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Paths of steps, in the order of the file."""

    kept: tuple[str, ...] = ()
    """Their recorded results are used."""
    again: tuple[str, ...] = ()
    """They had been executed, and are executed again, because what they ask is another thing now."""
    failed: tuple[str, ...] = ()
    """They had failed, and are tried anew."""
    perhaps: tuple[str, ...] = ()
    """They had been executed, and are so again unless what comes before them gives the same as before."""
    cut_off: tuple[str, ...] = ()
    """They were under way when the run was cut off: models are asked again, and have possibly been paid already."""
    first: tuple[str, ...] = ()
    """They have not been executed yet, and can be at once."""

    @property
    def repeats(self) -> bool:
        """Whether something that was paid is, or may be, paid again."""
        return bool(self.again or self.perhaps)


async def preview(
    resumption: Resumption,
    workflow: Workflow,
    *,
    workflows: Mapping[str, Workflow],
    tools: ToolRegistry,
) -> Preview:
    """Goes through the steps as the run will, without executing any: what no result is known for stands still.

    Raises InputError when the recorded inputs do not fit the workflow.
    """
    values = resolve(workflow, resumption.past.inputs)
    rehearsal = _Rehearsal(resumption, resumption.memory(workflow, workflows))
    context = RunContext(
        run_id=resumption.past.run_id,
        gateway=cast("Gateway", None),  # nobody is asked
        tools=tools,
        emit=rehearsal.tell,
        clock=_StillClock(),
        random=Random(0),  # noqa: S311  # nothing waits for what it gives
        slots=Slots(_NO_LIMIT),
        tokens=False,
        caller=resumption.past.caller,
        kinds={**KINDS, "approval": rehearsal.approval},
        perform=rehearsal.perform,
        workflows={name: _wide(one) for name, one in workflows.items()},
    )
    frame = Frame(
        context=context,
        workflow=_wide(workflow),
        scope=expressions.Scope(values),
        labels=Labels(workflow.policy.sensitivity, inputs=input_labels(workflow)),
    )
    drive = Drive(frame.context.layouts.of_workflow(workflow), frame=frame)
    # In an event loop of its own, where standing still can be told from waiting for something else.
    await anyio.to_thread.run_sync(anyio.run, partial(_until_still, drive))
    return rehearsal.outcome(ids_of(workflow, *workflows.values()))


def _wide(workflow: Workflow) -> Workflow:
    """The same with places for all steps: those that stand still take theirs for ever."""
    return workflow.model_copy(update={"policy": workflow.policy.model_copy(update={"max_parallel": _NO_LIMIT})})


async def _until_still(drive: Drive) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drive.until_done)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def _stand_still(_step: object, _run: StepRun) -> Json:
    await anyio.sleep_forever()
    raise AssertionError


@dataclass(slots=True)
class _Rehearsal:
    """Finds what is recorded, and remembers what is not."""

    resumption: Resumption
    memory: Memory
    kept: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    """Steps that would be executed."""
    ended: set[str] = field(default_factory=set)

    def tell(self, event: Event) -> None:
        from executors.events import StepFinished

        if isinstance(event, StepFinished) and event.status != "cancelled":
            self.ended.add(event.step_id)

    async def perform(self, run: StepRun) -> Json:
        if run.step.kind not in MEANING:
            return await tries(run)
        claim = self.memory.claim(run.path, key_of(run))
        if claim is None:
            self.missed.append(run.path)
            return await _stand_still(run.step, run)
        self.kept.append(run.path)
        return replayed(run, claim.result, paid=True)

    async def approval(self, _step: object, run: StepRun) -> Json:
        """What was answered, or nothing yet."""
        key = key_of(run)
        for asked in self.resumption.past.approvals:
            if (asked.path, asked.key) == (run.path, key) and asked.decision is not None:
                return output_of(asked, asked.decision)
        return await _stand_still(_step, run)

    def outcome(self, ids: Sequence[str]) -> Preview:
        past = self.resumption.past
        recorded = list(dict.fromkeys(one.path for one in past.results if one.status == "succeeded"))
        failed = {one.path for one in past.results} - set(recorded)
        cut = {one.intent.path for one in past.unsettled}
        # What a step gave may be of use to another one.
        done, kept = set(recorded) - self.memory.taken, list(dict.fromkeys(self.kept))
        unreached = done - {*kept, *self.missed, *self.ended}
        places = {one: place for place, one in enumerate(ids)}

        def sorted_paths(paths: Iterable[str]) -> tuple[str, ...]:
            return tuple(sorted(paths, key=lambda path: places.get(path.partition("/")[0].partition("[")[0], 0)))

        return Preview(
            kept=sorted_paths(kept),
            again=sorted_paths(path for path in self.missed if path in done),
            perhaps=sorted_paths(path for path in recorded if path in unreached and step_id(path) in places),
            failed=sorted_paths(path for path in self.missed if path in failed),
            cut_off=sorted_paths(path for path in self.missed if path in cut and path not in done | failed),
            first=sorted_paths(path for path in self.missed if path not in done | failed | cut),
        )


class _StillClock:
    """No time passes."""

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002  # nothing is waited for
        await anyio.lowlevel.checkpoint()

    def scope(self, deadline: float) -> Scope:  # noqa: ARG002  # likewise
        return anyio.CancelScope()
