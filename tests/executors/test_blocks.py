"""Steps inside of steps: maps, branches, loops and other workflows."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from running import NO_GATEWAY, failure, outcome, tool, value, workflow_of

from executors.events import StepFinished
from executors.runner import run
from workflows.model import Workflow


def each(over: Any, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "each", "kind": "map", "over": over, "steps": steps, **fields}


async def test_a_map_gives_the_results_of_its_items_in_the_order_of_the_list():
    inner = each("{{ inputs.rows[item] }}", value("cell", "{{ item }}:{{ column * 2 }}"), **{"as": "column"})
    outer = {"id": "rows", "kind": "map", "over": [0, 1], "steps": [inner], "result": {"{}": "{{ item_index }}"}}
    outer["result"] = ["{{ item_index }}", "{{ steps.each.output }}"]
    result = await outcome(
        workflow_of(outer, inputs={"rows": {"type": "array"}}, outputs={"all": "{{ steps.rows.output }}"}),
        given={"rows": [[1, 2, 3], []]},
    )
    assert result.outputs == {"all": [[0, ["0:2", "0:4", "0:6"]], [1, []]]}


@pytest.mark.parametrize(("wish", "expected"), [("keep", ["ok", {"error"}, "ok"]), ("drop", ["ok", "ok"])])
async def test_a_map_keeps_or_drops_what_failed(wish: str, expected: list[Any]):
    def picky(number: int) -> str:
        if number == 1:
            raise ValueError("not one")
        return "ok"

    workflow = workflow_of(each([0, 1, 2], tool("pick", "picky", {"number": "{{ item }}"}), on_item_error=wish))
    result = await outcome(workflow, picky)
    assert [one if isinstance(one, str) else set(one) for one in result.outputs["each"]] == expected


async def test_a_failure_inside_of_a_map_ends_the_run_and_names_the_item():
    def picky(number: int) -> str:
        raise ValueError("never")

    workflow = workflow_of(each([0], tool("pick", "picky", {"number": "{{ item }}"})))
    code, message = failure(await outcome(workflow, picky))
    assert code == "tool_failed"
    assert message.startswith("step 'each[0]/pick'")


async def test_no_more_steps_run_at_one_time_than_the_policy_allows_over_all_blocks():
    now, most = 0, 0

    async def work() -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.lowlevel.checkpoint()
        now -= 1
        return most

    steps = [each(list(range(10)), tool("inner", "work")), tool("beside", "work"), tool("besides", "work")]
    assert (await outcome(workflow_of(*steps, policy={"max_parallel": 3}), work)).status == "succeeded"
    assert most == 3


async def test_a_branch_runs_the_first_case_that_holds_and_is_skipped_without_one():
    def branch(case: str) -> dict[str, Any]:
        cases = [
            {"when": "{{ inputs.n > 10 }}", "steps": [value("big", "big")]},
            {"when": "{{ inputs.n > 5 }}", "result": "middle"},
        ]
        last = {"else": {"result": "small"}} if case == "else" else {}
        return {"id": "size", "kind": "branch", "cases": cases, **last}

    async def size(number: int, case: str = "") -> Any:
        fields = {
            "inputs": {"n": {"type": "integer"}},
            "outputs": {"size": "{{ steps.size.output | default('none') }}"},
        }
        return (await outcome(workflow_of(branch(case), **fields), given={"n": number})).outputs["size"]

    assert [await size(11), await size(6), await size(1), await size(1, "else")] == ["big", "middle", "none", "small"]


async def test_a_loop_sees_the_round_before_and_ends_when_its_condition_holds():
    loop = {
        "id": "grow",
        "kind": "loop",
        "initial": "a",
        "max_rounds": 9,
        "until": "{{ steps.longer.output | length >= 4 }}",
        "steps": [value("longer", "{{ round.previous }}{{ round.number }}")],
    }
    assert (await outcome(workflow_of(loop))).outputs == {"grow": "a123"}
    limited = {**loop, "max_rounds": 2}
    assert (await outcome(workflow_of(limited))).outputs == {"grow": "a12"}
    assert failure(await outcome(workflow_of({**limited, "on_limit": "fail"})))[0] == "too_many_rounds"


async def test_another_workflow_sees_its_own_inputs_alone_and_gives_its_outputs():
    inner = Workflow.model_validate(
        {
            "workflow": "1",
            "name": "inner",
            "inputs": {"x": {"type": "integer"}, "y": {"default": 1}},
            "steps": [value("sum", "{{ inputs.x + inputs.y }}")],
            "outputs": {"sum": "{{ steps.sum.output }}"},
        }
    )
    step = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0", "inputs": {"x": "{{ inputs.z }}"}}
    outer = workflow_of(step, inputs={"z": {"type": "integer"}})
    events: list[Any] = []
    result = await run(
        outer, {"z": 2}, gateway=NO_GATEWAY, workflows={"inner@1.0.0": inner}, on_event=events.append, tokens=False
    )
    assert result.outputs == {"sub": {"sum": 3}}
    assert [event.step_id for event in events if isinstance(event, StepFinished)] == ["sub/sum", "sub"]


@pytest.mark.parametrize(
    "step",
    [
        {**value("a", 1), "when": "{{ inputs.x }}"},
        {"id": "a", "kind": "branch", "cases": [{"when": "{{ inputs.x }}", "result": 1}]},
        {"id": "a", "kind": "loop", "max_rounds": 2, "steps": [value("b", 1)], "until": "{{ inputs.x }}"},
    ],
)
@pytest.mark.parametrize("given", ["no", ["no"], {"approved": False}])
async def test_what_is_neither_true_nor_false_fails_as_a_condition(step: dict[str, Any], given: Any):
    code, message = failure(await outcome(workflow_of(step, inputs={"x": {}}), given={"x": given}))
    assert code == "invalid_condition"
    assert "must give true or false" in message
