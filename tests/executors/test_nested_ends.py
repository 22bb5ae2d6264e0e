"""How steps inside of steps end: by failures beside them, deadlines, cancellations, and tries of what is around."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from running import NO_GATEWAY, failure, outcome, tool, value, workflow_of

from executors.events import Event, RunFinished, StepFinished, StepStarted
from executors.runner import run
from executors.tools import ToolRegistry
from unified_api.testing import ManualClock
from workflows.model import Workflow


def each(over: Any, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "each", "kind": "map", "over": over, "steps": steps, **fields}


class Hanging:
    """Steps that hang until they are cancelled, and how many do."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.started = anyio.Event()

    async def hang(self) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        self.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.running -= 1

    async def fail(self) -> None:
        await self.started.wait()
        raise ValueError("as planned")


def ends(events: list[Event]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, StepFinished):
            found.setdefault(event.step_id, []).append(event.status)
    return found


def started(events: list[Event]) -> list[str]:
    return [event.step_id for event in events if isinstance(event, StepStarted)]


NESTED = each(
    [1, 2, 3],
    {"id": "again", "kind": "loop", "max_rounds": 2, "until": "{{ true }}", "steps": [tool("wait", "hang")]},
    value("after_it", 1, after=["again"]),
)


@pytest.mark.parametrize("limit", [1, 2, 8])
@pytest.mark.parametrize("native", [False, True])
async def test_a_cancelled_run_leaves_nothing_running_and_ends_each_step_once(limit: int, native: bool):
    hanging, events = Hanging(), list[Event]()
    tools = ToolRegistry([hanging.hang])
    workflow = workflow_of(NESTED, tool("beside", "hang"))

    async def work() -> None:
        await run(workflow, {}, gateway=NO_GATEWAY, tools=tools, on_event=events.append, max_parallel=limit)

    if native:
        task = asyncio.ensure_future(work())
        await hanging.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await hanging.started.wait()
            tasks.cancel_scope.cancel()
    assert hanging.running == 0
    assert hanging.most <= limit
    told = ends(events)
    assert all(statuses == ["cancelled"] for statuses in told.values())
    assert {"each", "beside"} <= told.keys()
    assert set(started(events)) <= told.keys()
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status == "cancelled"


async def test_once_a_run_is_cancelled_nothing_that_waits_for_a_place_is_started():
    hanging, events = Hanging(), list[Event]()
    steps = [tool(f"s{number}", "hang") for number in range(5)]
    tools = ToolRegistry([hanging.hang])
    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            workflow = workflow_of(*steps, each([1, 2], tool("inner", "hang")))
            await run(workflow, {}, gateway=NO_GATEWAY, tools=tools, on_event=events.append, max_parallel=1)

        tasks.start_soon(work)
        await hanging.started.wait()
        tasks.cancel_scope.cancel()
    assert hanging.most == 1
    assert len([one for one in started(events) if one != "each"]) == 1


@pytest.mark.parametrize("wish", ["drop", "keep"])
async def test_an_item_that_fails_ends_what_is_under_way_in_it_and_gives_its_places_back(wish: str):
    hanging = Hanging()

    async def act(number: int) -> int:
        if number == 1:
            await hanging.fail()
        return number

    steps = [tool("long", "hang", when="{{ item == 1 }}"), tool("act", "act", {"number": "{{ item }}"})]
    workflow = workflow_of(each([1, 2, 3], *steps, on_item_error=wish, max_parallel=1), value("end", after=["each"]))
    events = list[Event]()
    with anyio.fail_after(5):
        result = await outcome(workflow, hanging.hang, act, max_parallel=2, on_event=events.append)
    assert result.status == "succeeded"
    assert hanging.running == 0
    told = ends(events)
    assert told["each[0]/long"] == ["cancelled"]
    assert told["each[1]/act"] == ["succeeded"]


@pytest.mark.parametrize(
    ("around", "code"),
    [
        ({"timeout_s": 5}, "timed_out"),
        ({"deadline_s": 5}, "deadline_exceeded"),
        ({"deadline_s": 5, "timeout_s": 9}, "deadline_exceeded"),
        ({"deadline_s": 9, "timeout_s": 5}, "timed_out"),
    ],
)
@pytest.mark.parametrize("steps", [1, 2])
async def test_a_step_with_others_inside_keeps_its_own_times(around: dict[str, Any], code: str, steps: int):
    clock = ManualClock()

    async def long() -> None:
        await clock.sleep(60)

    events = list[Event]()
    inner = [tool(f"inner{number}", "long") for number in range(steps)]
    result = await outcome(workflow_of(each([1, 2], *inner, **around)), long, clock=clock, on_event=events.append)
    assert failure(result)[0] == code
    assert all(statuses == ["cancelled"] for path, statuses in ends(events).items() if path != "each")
    assert clock.now() == 1_005


async def test_another_workflow_keeps_its_own_deadline_and_its_own_number_of_steps_at_one_time():
    clock, now, most = ManualClock(), 0, 0

    async def work(seconds: float) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            await clock.sleep(seconds)
        finally:
            now -= 1

    def inner(seconds: float) -> Workflow:
        steps = [tool(f"s{number}", "work", {"seconds": seconds}) for number in range(6)]
        return workflow_of(*steps, policy={"max_parallel": 2, "deadline_s": 10})

    async def ran(seconds: float) -> Any:
        step = {"id": "sub", "kind": "workflow", "workflow": "test", "version": "1.0.0"}
        workflows = {"test@1.0.0": inner(seconds)}
        return await outcome(workflow_of(step), work, clock=clock, workflows=workflows)

    assert (await ran(1)).status == "succeeded"
    assert most == 2
    code, message = failure(await ran(4))
    assert (code, now) == ("deadline_exceeded", 0)
    assert message == "step 'sub': the deadline of the workflow 'test' passed"


async def test_a_workflow_that_runs_itself_is_refused():
    step = {"id": "sub", "kind": "workflow", "workflow": "test", "version": "1.0.0"}
    workflow = workflow_of(step)
    assert failure(await outcome(workflow, workflows={"test@1.0.0": workflow}))[0] == "recursive_workflow"


async def test_a_step_that_is_tried_again_executes_only_what_had_not_succeeded_inside_of_it():
    calls: Counter[str] = Counter()

    def act(name: str) -> str:
        calls[name] += 1
        if name == "second" and calls[name] < 3:
            raise ValueError("not yet")
        return name

    inner = [tool("first", "act", {"name": "first"}), tool("second", "act", {"name": "second"}, after=["first"])]
    step = each([1], *inner, retry={"attempts": 3, "backoff_s": 0})
    result = await outcome(workflow_of(step), act)
    assert result.outputs == {"each": ["second"]}
    assert calls == {"first": 1, "second": 3}


@pytest.mark.parametrize(
    ("wish", "status", "given"), [("skip", "skipped", None), ({"output": 7}, "succeeded", 7)], ids=str
)
async def test_a_step_with_others_inside_is_skipped_or_recovers_as_it_says(wish: Any, status: str, given: Any):
    def fail() -> None:
        raise ValueError("never")

    step = each([1], tool("inner", "fail"), on_error=wish)
    result = await outcome(workflow_of(step), fail)
    [end] = result.steps
    assert (end.status, end.output) == (status, given)
    assert end.error is not None
    assert end.error.path == "each[0]/inner"


async def test_steps_nested_deeply_run_in_one_place():
    step: dict[str, Any] = value("deepest", "{{ v0 }}")
    for depth in range(12):
        step = {"id": f"m{depth}", "kind": "map", "over": ["{{ 1 + 1 }}", 3], "as": f"v{depth}", "steps": [step]}
        if depth % 3 == 0:
            step = {"id": f"b{depth}", "kind": "branch", "cases": [{"when": "{{ true }}", "steps": [step]}]}
    step = {**step, "max_parallel": 3}
    with anyio.fail_after(20):
        result = await outcome(workflow_of(step), max_parallel=1)
    assert result.status == "succeeded"
    assert str(result.outputs).count("2") + str(result.outputs).count("3") == 2**12


async def test_blocks_take_turns_for_the_places():
    order: list[str] = []

    async def work(name: str) -> None:
        order.append(name)
        await anyio.lowlevel.checkpoint()

    steps = [tool("inner", "work", {"name": "map"})]
    beside = [tool(f"s{number}", "work", {"name": "beside"}) for number in range(20)]
    await outcome(workflow_of(*beside, each(list(range(20)), *steps)), work, max_parallel=2)
    first = order[:30]
    assert min(first.count("map"), first.count("beside")) >= 8, order


async def test_when_the_task_of_one_step_is_cancelled_from_outside_the_run_fails_and_does_not_hang():
    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        result = await outcome(workflow_of(tool("a", "cancelled"), tool("b", "cancelled", after=["a"])), cancelled)
    assert failure(result)[0] == "tool_failed"


async def test_what_nobody_refers_to_is_not_carried_into_blocks():
    wide = [value(f"s{number}", number) for number in range(500)]
    step = each([1, 2], value("inner", "{{ steps.s7.output + item }}"), value("other", "{{ steps.inner.output }}"))
    result = await outcome(workflow_of(*wide, step, outputs={"all": "{{ steps.each.output }}"}))
    assert result.outputs == {"all": [8, 9]}


async def test_a_map_without_items_a_case_without_steps_and_a_last_step_that_is_skipped_give_something():
    steps = [
        each([], value("never", 1)),
        {"id": "empty", "kind": "branch", "cases": [{"when": "{{ true }}"}]},
        {"id": "last", "kind": "map", "over": [1], "steps": [value("skipped", 1, when="{{ false }}")]},
    ]
    assert (await outcome(workflow_of(*steps))).outputs == {"each": [], "empty": None, "last": [None]}
