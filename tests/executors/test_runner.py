from __future__ import annotations

import math
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from running import outcome, statuses, tool, value, workflow_of

from executors.events import Event, RunFinished, RunStarted, StepFinished, StepRetrying, StepStarted
from executors.inputs import InputError
from unified_api.testing import ManualClock
from unified_api.types import Caller
from workflows.findings import WorkflowError


class Gate:
    """Tools that wait for each other, so that an order is forced instead of slept for."""

    def __init__(self) -> None:
        self.opened = anyio.Event()
        self.waiting = 0
        self.cancelled = 0

    async def open(self) -> str:
        self.opened.set()
        return "opened"

    async def wait(self) -> str:
        self.waiting += 1
        try:
            await self.opened.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        return "waited"

    async def fail(self) -> None:
        raise ValueError("broken")


async def test_values_flow_from_inputs_through_steps_to_outputs():
    workflow = workflow_of(
        value("list", ["{{ steps.twice.output.number }}", "{{ steps.twice.output.text }}"]),
        value("twice", {"number": "{{ inputs.number * 2 }}", "text": "<{{ inputs.number }}>"}),
        inputs={"number": {"type": "integer"}},
        outputs={"all": "{{ steps.list.output }}", "nested": {"n": ["{{ steps.twice.output.number }}"]}},
    )
    result = await outcome(workflow, given={"number": 21})
    assert (result.status, result.error) == ("succeeded", None)
    assert result.outputs == {"all": [42, "<21>"], "nested": {"n": [42]}}
    assert result.cost_usd == 0


async def test_without_outputs_the_last_steps_give_theirs():
    result = await outcome(workflow_of(value("a"), value("b", after=["a"]), value("c", 3, when="{{ false }}")))
    assert result.outputs == {"b": 1, "c": None}


async def test_independent_steps_run_at_the_same_time():
    gate = Gate()
    result = await outcome(workflow_of(tool("a", "wait"), tool("b", "open")), gate.wait, gate.open)
    assert result.outputs == {"a": "waited", "b": "opened"}


async def test_steps_come_out_in_the_order_of_the_file_and_events_in_the_order_of_time():
    events: list[Event] = []
    workflow = workflow_of(value("b", "{{ steps.a.output }}"), value("a"))
    result = await outcome(workflow, on_event=events.append, caller=Caller(run="r"))
    assert [step.step_id for step in result.steps] == ["b", "a"]
    assert [(type(event), getattr(event, "step_id", None)) for event in events] == [
        (RunStarted, None),
        (StepStarted, "a"),
        (StepFinished, "a"),
        (StepStarted, "b"),
        (StepFinished, "b"),
        (RunFinished, None),
    ]
    assert {event.run_id for event in events} == {"r"}


async def test_a_false_condition_skips_a_step_and_those_after_it_still_run():
    workflow = workflow_of(
        value("a", when="{{ inputs.on }}"),
        value("b", "ran", after=["a"]),
        value("c", "{{ steps.a.output | default('nothing') }}"),
        inputs={"on": {"type": "boolean"}},
    )
    result = await outcome(workflow, given={"on": False})
    assert statuses(result) == {"a": "skipped", "b": "succeeded", "c": "succeeded"}
    assert result.outputs == {"b": "ran", "c": "nothing"}


async def test_using_a_skipped_step_without_a_default_fails_naming_both():
    result = await outcome(workflow_of(value("a", when="{{ false }}"), value("b", "{{ steps.a.output }}")))
    assert result.error is not None
    assert result.error.code == "absent_value"
    assert "'b'" in result.error.message
    assert "steps.a.output" in result.error.message


async def test_a_condition_that_is_no_expression_fails_the_step():
    result = await outcome(workflow_of(value("a", when="steps.b.output == 1")))
    assert result.error is not None
    assert (result.error.code, statuses(result)) == ("invalid_expression", {"a": "failed"})


async def test_a_failure_cancels_what_runs_and_starts_nothing_more():
    gate = Gate()

    async def fail_once_others_wait() -> None:
        while gate.waiting < 2:
            await anyio.lowlevel.checkpoint()
        raise ValueError("broken")

    workflow = workflow_of(
        tool("a", "wait"), tool("b", "wait"), tool("c", "fail_once_others_wait"), value("d", after=["c"])
    )
    result = await outcome(workflow, gate.wait, fail_once_others_wait)
    assert result.status == "failed"
    assert statuses(result) == {"a": "cancelled", "b": "cancelled", "c": "failed", "d": "cancelled"}
    assert gate.cancelled == 2
    assert result.outputs == {}
    assert result.error is not None
    assert result.error.code == "tool_failed"
    assert result.error.message == "step 'c': tool 'fail_once_others_wait' raised ValueError: broken"


async def test_on_error_skip_leaves_the_step_without_an_output_but_with_its_error():
    gate = Gate()
    workflow = workflow_of(tool("a", "fail", on_error="skip"), value("b", "{{ steps.a.output | default('none') }}"))
    result = await outcome(workflow, gate.fail)
    assert (result.status, result.outputs) == ("succeeded", {"b": "none"})
    assert (result.steps[0].status, result.steps[0].error is not None) == ("skipped", True)


async def test_on_error_output_stands_in_and_is_never_rendered():
    gate = Gate()
    result = await outcome(workflow_of(tool("a", "fail", on_error={"output": "{{ 1 }}"})), gate.fail)
    assert result.outputs == {"a": "{{ 1 }}"}
    assert (result.steps[0].status, result.steps[0].error is not None) == ("succeeded", True)


async def test_a_step_is_tried_again_with_growing_jittered_waits():
    calls: list[int] = []
    events: list[Event] = []
    clock = ManualClock()

    async def third_time_lucky() -> int:
        calls.append(1)
        if len(calls) < 4:
            raise ValueError("not yet")
        return len(calls)

    workflow = workflow_of(tool("a", "third_time_lucky", retry={"attempts": 5, "backoff_s": 2}))
    result = await outcome(workflow, third_time_lucky, on_event=events.append, clock=clock, random=Random(1))
    assert result.outputs == {"a": 4}
    expected = Random(1)
    assert clock.sleeps == [expected.uniform(0, 2), expected.uniform(0, 4), expected.uniform(0, 8)]
    retries = [event for event in events if isinstance(event, StepRetrying)]
    assert [(event.attempt, event.delay_s) for event in retries] == list(zip((2, 3, 4), clock.sleeps, strict=True))
    assert retries[0].error.code == "tool_failed"


async def test_what_would_fail_the_same_way_is_not_tried_again():
    clock = ManualClock()
    retry = {"attempts": 5}
    for step in (
        tool("a", "unknown", retry=retry),
        tool("a", "fail", {"extra": 1}, retry=retry),
        value("a", "{{ inputs.missing }}", retry=retry),
        value("a", "text", output={"type": "integer"}, retry=retry),
    ):
        result = await outcome(workflow_of(step), Gate().fail, clock=clock)
        assert result.status == "failed"
    assert clock.sleeps == []


async def test_a_try_that_takes_too_long_is_cancelled_and_tried_again():
    gate = Gate()
    workflow = workflow_of(tool("a", "wait", timeout_s=0.01, retry={"attempts": 3, "backoff_s": 0}))
    result = await outcome(workflow, gate.wait)
    assert result.error is not None
    assert (result.error.code, gate.cancelled) == ("timed_out", 3)
    assert "step 'a'" in result.error.message
    assert "0.01" in result.error.message


async def test_a_timeout_error_of_the_tool_itself_is_the_tool_s_failure():
    async def late() -> None:
        raise TimeoutError("the database is slow")

    result = await outcome(workflow_of(tool("a", "late", timeout_s=60)), late)
    assert result.error is not None
    assert result.error.code == "tool_failed"


async def test_a_sync_tool_that_hangs_does_not_hold_up_its_timeout():
    import threading

    release = threading.Event()

    def stuck() -> None:
        release.wait(30)

    try:
        result = await outcome(workflow_of(tool("a", "stuck", timeout_s=0.02)), stuck)
    finally:
        release.set()
    assert result.error is not None
    assert result.error.code == "timed_out"


async def test_the_deadline_of_a_run_cancels_what_is_unfinished():
    clock = ManualClock()

    async def linger() -> None:
        clock.advance(59)
        await anyio.lowlevel.checkpoint()
        clock.advance(1)
        await anyio.sleep_forever()

    workflow = workflow_of(
        value("a"), tool("b", "linger", after=["a"]), value("c", after=["b"]), policy={"deadline_s": 60}
    )
    result = await outcome(workflow, linger, clock=clock)
    assert result.error is not None
    assert (result.status, result.error.code, result.seconds) == ("failed", "deadline_exceeded", 60)
    assert statuses(result) == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}
    assert "2 of 3 steps" in result.error.message


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (3, 3), (100, 20)])
async def test_no_more_steps_run_at_once_than_allowed(limit: int, most: int):
    running = peak = 0

    async def work() -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        running -= 1

    steps = [tool(f"s{i}", "work") for i in range(20)]
    result = await outcome(workflow_of(*steps, policy={"max_parallel": limit}), work)
    assert (result.status, peak, running) == ("succeeded", most, 0)


async def test_a_caller_s_limit_overrides_the_workflow_s():
    with pytest.raises(ValueError, match="max_parallel is 0"):
        await outcome(workflow_of(value("a")), max_parallel=0)


async def test_cancelling_ends_every_step_tells_of_it_and_goes_on():
    gate = Gate()
    events: list[Event] = []
    workflow = workflow_of(value("a"), tool("b", "wait", after=["a"]), value("c", after=["b"]))

    def cancel_once_b_runs(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepStarted) and event.step_id == "b":
            scope.cancel()

    with anyio.CancelScope() as scope:
        await outcome(workflow, gate.wait, on_event=cancel_once_b_runs)
    assert scope.cancelled_caught
    ends = {event.step_id: event.status for event in events if isinstance(event, StepFinished)}
    assert ends == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].status, gate.cancelled) == ("cancelled", 1)


async def test_what_a_listener_raises_ends_the_run_and_comes_out_as_it_is():
    gate = Gate()

    def listen(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step_id == "a":
            raise LookupError("the listener broke")

    with pytest.raises(LookupError, match="the listener broke"):
        await outcome(workflow_of(value("a"), tool("b", "wait")), gate.wait, on_event=listen)
    assert gate.cancelled == gate.waiting


async def test_a_long_chain_lets_others_have_their_turn():
    turns: list[int] = []
    steps = [value("s0"), *(value(f"s{i}", after=[f"s{i - 1}"]) for i in range(1, 50))]

    async def count_turns() -> None:
        while True:
            turns.append(1)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        await outcome(workflow_of(*steps))
        tasks.cancel_scope.cancel()
    assert len(turns) >= 50


async def test_outputs_that_cannot_be_rendered_fail_the_run_naming_the_output():
    result = await outcome(workflow_of(value("a", {}), outputs={"title": "{{ steps.a.output.title }}"}))
    assert result.error is not None
    assert (result.status, result.error.code, result.outputs) == ("failed", "absent_value", {})
    assert "output 'title'" in result.error.message


async def test_inputs_are_checked_before_anything_runs():
    workflow = workflow_of(
        value("a"),
        inputs={"topic": {"type": "string", "minLength": 1}, "count": {"type": "integer", "default": 3}},
    )
    with pytest.raises(InputError) as caught:
        await outcome(workflow, given={"topics": "x", "count": "many"})
    assert [(finding.code, finding.pointer) for finding in caught.value.findings] == [
        ("unknown_input", "/topics"),
        ("missing_input", "/topic"),
        ("invalid_input", "/count"),
    ]
    assert "Name it 'topic'." in str(caught.value)


async def test_an_input_s_default_is_what_steps_see():
    workflow = workflow_of(value("a", "{{ inputs.count }}"), inputs={"count": {"type": "integer", "default": 3}})
    assert (await outcome(workflow)).outputs == {"a": 3}


@pytest.mark.parametrize("bad", [math.nan, object(), {1, 2}])
async def test_an_input_that_is_no_json_is_refused(bad: Any):
    with pytest.raises(InputError, match="is no JSON"):
        await outcome(workflow_of(value("a"), inputs={"x": {}}), given={"x": bad})


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([value("a", after=["b"]), value("b", "{{ steps.a.output }}")], "cycle"),
        ([value("a", after=["a"])], "cycle"),
        ([value("a", after=["missing"])], "unknown_step"),
        ([value("a", "{{ steps.missing.output }}")], "unknown_step"),
        ([value("a"), value("a")], "duplicate_id"),
    ],
)
async def test_a_workflow_that_could_never_end_is_refused(steps: list[dict[str, Any]], code: str):
    with pytest.raises(WorkflowError) as caught:
        await outcome(workflow_of(*steps))
    assert [finding.code for finding in caught.value.findings] == [code]


async def test_a_tool_cannot_change_the_value_of_another_step():
    def spoil(values: Any) -> None:
        values["list"].append("spoiled")

    workflow = workflow_of(
        value("a", {"list": [1]}),
        tool("b", "spoil", {"values": "{{ steps.a.output }}"}),
        value("c", "{{ steps.a.output }}", after=["b"]),
    )
    assert (await outcome(workflow, spoil)).outputs["c"] == {"list": [1]}


async def test_a_result_that_does_not_satisfy_its_schema_says_where():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    result = await outcome(workflow_of(value("a", {"n": "x"}, output=schema)))
    assert result.error is not None
    assert result.error.code == "invalid_output"
    assert "/n: 'x' is not of type 'integer'" in result.error.message
