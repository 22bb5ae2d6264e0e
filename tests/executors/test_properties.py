"""Random graphs with random failures, skips and cancellations: what must hold of every run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import anyio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st
from running import NO_GATEWAY

from executors.events import Event, RunFinished, RunStarted, StepFinished, StepStarted
from executors.runner import run
from executors.tools import ToolRegistry
from workflows.model import Workflow

Fate = Literal["succeed", "fail", "hang"]


@dataclass
class Plan:
    """What a run shall meet."""

    document: dict[str, Any]
    fates: dict[str, Fate]
    waits: dict[str, int]
    """Turns of the event loop that each step gives away."""
    limit: int
    cancel_after: int | None
    """Steps that start before somebody cancels the run."""


@dataclass
class Witness:
    """Sees every step from inside and every event from outside."""

    plan: Plan
    ended: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    most: int = 0
    calls: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def see(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StepFinished):
            self.ended.add(event.step_id)
        if isinstance(event, StepStarted):
            started = sum(isinstance(seen, StepStarted) for seen in self.events)
            if started == self.plan.cancel_after:
                self.scope.cancel()

    async def act(self, step_id: str, waits: int, fate: str) -> str:
        self.calls.append(step_id)
        self.running.add(step_id)
        self.most = max(self.most, len(self.running))
        try:
            for _ in range(waits):
                await anyio.lowlevel.checkpoint()
            if fate == "hang":
                await anyio.sleep_forever()
            if fate == "fail":
                raise ValueError("as planned")
            return step_id
        finally:
            self.running.discard(step_id)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 12))
    fates: dict[str, Fate] = {}
    waits: dict[str, int] = {}
    steps = []
    for number in range(count):
        step_id = f"s{number}"
        earlier = st.integers(0, number - 1).map(lambda i: f"s{i}")
        parents = sorted(draw(st.sets(earlier, max_size=3))) if number else []
        used = draw(st.sets(st.sampled_from(parents))) if parents else set()
        fates[step_id] = draw(st.sampled_from(["succeed"] * 6 + ["fail", "fail", "hang"]))  # type: ignore[arg-type]
        waits[step_id] = draw(st.integers(0, 3))
        steps.append(
            {
                "id": step_id,
                "kind": "tool",
                "tool": "act",
                "arguments": {"step_id": step_id, "waits": waits[step_id], "fate": fates[step_id]},
                "after": [parent for parent in parents if parent not in used],
                "when": draw(
                    st.sampled_from([None, None, None, "{{ true }}", "{{ false }}"])
                    if not used
                    else st.just(
                        " and ".join(["{{ true", *(f"steps.{p}.output | default(1) != 0" for p in used)]) + " }}"
                    )
                ),
                "on_error": draw(st.sampled_from(["fail", "skip", "skip", {"output": 7}])),
                "retry": {"attempts": draw(st.integers(1, 3)), "backoff_s": 0},
                # A step that hangs needs an end of its own, or of the run.
                "timeout_s": 0.002 if fates[step_id] == "hang" else draw(st.sampled_from([None, 60])),
            }
        )
    document = {"workflow": "1", "name": "random", "steps": draw(st.permutations(steps))}
    cancel_after = draw(st.none() | st.integers(1, count))
    return Plan(document, fates, waits, draw(st.integers(1, 5)), cancel_after)


@given(plans())
@settings(max_examples=150, deadline=None)
async def test_whatever_happens_every_step_ends_once_and_nothing_is_left_running(plan: Plan):
    workflow = Workflow.model_validate(plan.document)
    witness = Witness(plan)
    tools = ToolRegistry()
    tools.add(witness.act)
    result = None
    with witness.scope:
        result = await run(workflow, {}, gateway=NO_GATEWAY, tools=tools, on_event=witness.see, max_parallel=plan.limit)
    assert (result is None) == witness.scope.cancelled_caught
    assert witness.running == set()
    assert witness.most <= plan.limit
    _every_step_ends_once(workflow, witness)
    _nothing_starts_before_its_parents_ended(workflow, witness)
    _the_run_ends_as_its_steps_say(witness)


def _every_step_ends_once(workflow: Workflow, witness: Witness) -> None:
    finished = [event.step_id for event in witness.events if isinstance(event, StepFinished)]
    started = [event.step_id for event in witness.events if isinstance(event, StepStarted)]
    assert sorted(finished) == sorted(step.id for step in workflow.steps)
    assert len(started) == len(set(started))
    for step in workflow.steps:
        assert witness.calls.count(step.id) <= step.retry.attempts
        end = next(e for e in witness.events if isinstance(e, StepFinished) and e.step_id == step.id)
        fate = witness.plan.fates[step.id]
        assert end.status in {"succeeded", "failed", "skipped", "cancelled"}
        if end.status == "succeeded":
            assert end.output == (step.id if fate == "succeed" else 7)
        if end.status == "failed":
            assert end.error is not None
            assert end.error.code == ("tool_failed" if fate == "fail" else "timed_out")
            assert step.on_error == "fail"


def _nothing_starts_before_its_parents_ended(workflow: Workflow, witness: Witness) -> None:
    from workflows.references import parents

    places = {
        (type(event), event.step_id): place
        for place, event in enumerate(witness.events)
        if isinstance(event, StepStarted | StepFinished)
    }
    for step in workflow.steps:
        start = places.get((StepStarted, step.id))
        if start is not None:
            assert start < places[StepFinished, step.id]
            assert all(places[StepFinished, parent] < start for parent in parents(step))


def _the_run_ends_as_its_steps_say(witness: Witness) -> None:
    assert isinstance(witness.events[0], RunStarted)
    end = witness.events[-1]
    assert isinstance(end, RunFinished)
    statuses = {event.status for event in witness.events if isinstance(event, StepFinished)}
    if witness.scope.cancelled_caught:
        assert end.status == "cancelled"
    elif "failed" in statuses:
        assert end.status == "failed"
        assert end.error is not None
        assert end.error.message.startswith("step 's")
    else:
        assert end.status == "succeeded"
        assert statuses <= {"succeeded", "skipped"}
