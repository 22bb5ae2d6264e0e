"""What a workflow means does not depend on where it is executed: each test holds for every executor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import pytest
from conformance import Embedded, Executor, OnWorkers, Place, place, worker
from postgres import Unavailable, postgres

from executors.events import RunFinished, StepFinished, StepRetrying
from executors.journal.entries import Decision
from executors.result import RunResult
from unified_api.gateway import Gateway
from workflows.model import Workflow

OPEN, SEALED = "open/scripted", "sealed/scripted"


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if find_spec("dbos") is None:
        pytest.skip("dbos is not installed")
    with ExitStack() as stack:
        try:
            database = stack.enter_context(postgres())
        except Unavailable as error:
            pytest.skip(str(error))
        where = stack.enter_context(place(tmp_path_factory.mktemp("machines"), database))
        for _ in range(2):
            stack.enter_context(worker(where))
        yield where


@pytest.fixture(params=["embedded", "distributed"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "distributed":
        shared: Place = request.getfixturevalue("workers")
        shared.server.requests.clear()
        yield shared
        return
    with place(tmp_path) as own:
        yield own


@pytest.fixture
async def executor(where: Place, request: pytest.FixtureRequest) -> AsyncIterator[Executor]:
    if "distributed" in request.node.name:
        from executors.distributed.executor import DistributedExecutor

        async with DistributedExecutor(where.settings) as shared:
            with anyio.fail_after(20):
                while len(await shared.workers()) < 2:  # noqa: ASYNC110  # other programs do it
                    await anyio.sleep(0.05)
            yield OnWorkers(shared)
        return
    async with Gateway(where.settings) as gateway, anyio.create_task_group() as tasks:
        own = Embedded(where, gateway, tasks)
        yield own
        tasks.cancel_scope.cancel()
    own.journal.close()


def flow(*steps: dict[str, Any], **fields: Any) -> Workflow:
    return Workflow.model_validate({"workflow": "1", "name": "conforming", "steps": steps, **fields})


def llm(step_id: str, prompt: str, model: str = OPEN, **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "llm", "prompt": prompt, "model": model, **fields}


def tool(step_id: str, name: str, **fields: Any) -> dict[str, Any]:
    arguments = fields.pop("arguments", {})
    return {"id": step_id, "kind": "tool", "tool": name, "arguments": arguments, **fields}


def value(step_id: str, value: Any, **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "set", "value": value, **fields}


async def ended(
    executor: Executor, workflow: Workflow, given: dict[str, Any] | None = None, **options: Any
) -> RunResult:
    with anyio.fail_after(20):
        return await executor.result(await executor.start(workflow, given or {}, **options))


def statuses(result: RunResult) -> dict[str, str]:
    return {step.step_id: step.status for step in result.steps}


async def test_each_step_sees_what_the_steps_before_it_gave(executor: Executor) -> None:
    workflow = flow(
        llm("first", "say {{ inputs.word }}"),
        llm("second", "and {{ steps.first.output }}"),
        value("both", ["{{ steps.first.output }}", "{{ steps.second.output }}"]),
        inputs={"word": {"type": "string"}},
        outputs={"both": "{{ steps.both.output }}"},
    )
    result = await ended(executor, workflow, {"word": "tide"})
    assert result.outputs == {"both": ["say tide", "and say tide"]}
    assert statuses(result) == {"first": "succeeded", "second": "succeeded", "both": "succeeded"}


async def test_no_step_starts_before_what_it_waits_for_has_ended(
    executor: Executor, where: Place, tmp_path: Path
) -> None:
    note = {"folder": str(tmp_path)}
    workflow = flow(
        tool("last", "noted", arguments={**note, "word": "last"}, after=["middle"]),
        tool("middle", "noted", arguments={**note, "word": "middle"}, after=["first"]),
        tool("first", "noted", arguments={**note, "word": "first"}),
    )
    assert (await ended(executor, workflow)).status == "succeeded"
    assert where.calls(tmp_path) == ["first", "middle", "last"]


async def test_a_step_whose_condition_is_false_is_skipped(executor: Executor, where: Place) -> None:
    workflow = flow(
        llm("never", "never", when="{{ false }}"),
        value("end", "{{ steps.never.output | default('nothing') }}"),
        outputs={"end": "{{ steps.end.output }}"},
    )
    result = await ended(executor, workflow)
    assert result.outputs == {"end": "nothing"}
    assert statuses(result)["never"] == "skipped"
    assert where.asked() == []


async def test_a_failure_ends_the_run_by_its_code_and_cancels_the_rest(executor: Executor) -> None:
    result = await ended(executor, flow(tool("bad", "broken"), llm("next", "{{ steps.bad.output }}")))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "tool_failed"
    assert "'bad'" in result.error.message
    assert "out of order" in result.error.message
    assert statuses(result) == {"bad": "failed", "next": "cancelled"}


async def test_a_failure_that_is_skipped_or_given_a_stand_in_does_not_end_the_run(executor: Executor) -> None:
    workflow = flow(
        tool("left", "broken", on_error="skip"),
        tool("mended", "broken", on_error={"output": "stand-in"}),
        outputs={"left": "{{ steps.left.output | default('none') }}", "mended": "{{ steps.mended.output }}"},
    )
    result = await ended(executor, workflow)
    assert result.outputs == {"left": "none", "mended": "stand-in"}
    assert statuses(result) == {"left": "skipped", "mended": "succeeded"}


async def test_a_step_is_tried_as_often_as_it_says_and_each_try_is_told(
    executor: Executor, where: Place, tmp_path: Path
) -> None:
    arguments = {"folder": str(tmp_path), "word": "again", "times": 2}
    retry = {"attempts": 3, "backoff_s": 0.01}
    run_id = await executor.start(flow(tool("flaky", "failing", arguments=arguments, retry=retry)), {})
    result = await executor.result(run_id)
    assert result.status == "succeeded"
    assert where.calls(tmp_path) == ["again"] * 3
    told = [event for event in await executor.events(run_id) if isinstance(event, StepRetrying)]
    assert [event.attempt for event in told] == [2, 3]


async def test_a_step_that_takes_longer_than_its_timeout_fails(executor: Executor, tmp_path: Path) -> None:
    arguments = {"folder": str(tmp_path), "word": "slow", "seconds": 30}
    result = await ended(executor, flow(tool("slow", "slow", arguments=arguments, timeout_s=0.2)))
    assert result.error is not None
    assert result.error.code == "timed_out"


async def test_a_run_ends_at_its_deadline(executor: Executor) -> None:
    result = await ended(executor, flow(llm("hang", "hang"), policy={"deadline_s": 1.0}))
    assert result.error is not None
    assert result.error.code == "deadline_exceeded"
    assert statuses(result) == {"hang": "cancelled"}


async def test_json_that_is_asked_for_is_checked(executor: Executor) -> None:
    schema = {"type": "object", "properties": {"depth": {"type": "integer"}}, "required": ["depth"]}
    workflow = flow(llm("ask", 'json {"depth": 12}', output=schema), outputs={"depth": "{{ steps.ask.output.depth }}"})
    assert (await ended(executor, workflow)).outputs == {"depth": 12}


async def test_a_branch_runs_the_first_case_that_holds(executor: Executor, where: Place) -> None:
    workflow = flow(
        {
            "id": "route",
            "kind": "branch",
            "cases": [
                {"when": "{{ inputs.size > 10 }}", "steps": [llm("large", "large {{ inputs.size }}")]},
                {"when": "{{ inputs.size > 1 }}", "steps": [llm("middle", "middle {{ inputs.size }}")]},
            ],
            "else": {"steps": [llm("small", "small {{ inputs.size }}")]},
        },
        inputs={"size": {"type": "integer"}},
        outputs={"told": "{{ steps.route.output }}"},
    )
    assert (await ended(executor, workflow, {"size": 5})).outputs == {"told": "middle 5"}
    assert where.asked() == ["middle 5"]


async def test_maps_inside_of_maps_keep_the_order_of_their_lists(executor: Executor, where: Place) -> None:
    inner = {
        "id": "cells",
        "kind": "map",
        "over": "{{ row }}",
        "as": "cell",
        "steps": [llm("ask", "{{ row_index }}.{{ cell_index }} {{ cell }}")],
    }
    workflow = flow(
        {"id": "rows", "kind": "map", "over": "{{ inputs.rows }}", "as": "row", "steps": [inner]},
        inputs={"rows": {"type": "array"}},
        outputs={"rows": "{{ steps.rows.output }}"},
    )
    result = await ended(executor, workflow, {"rows": [["a", "b"], [], ["c"]]})
    assert result.outputs == {"rows": [["0.0 a", "0.1 b"], [], ["2.0 c"]]}
    assert sorted(where.asked()) == ["0.0 a", "0.1 b", "2.0 c"]


@pytest.mark.parametrize("rule", ["keep", "drop"])
async def test_an_item_that_fails_is_kept_or_dropped_as_the_map_says(executor: Executor, rule: str) -> None:
    steps = [llm("ask", "{{ item }}")]
    workflow = flow(
        {"id": "each", "kind": "map", "over": ["yes", "refuse", "no"], "steps": steps, "on_item_error": rule},
        outputs={"told": "{{ steps.each.output }}"},
    )
    told = (await ended(executor, workflow)).outputs["told"]
    assert (told[0], told[-1]) == ("yes", "no")
    assert len(told) == (3 if rule == "keep" else 2)
    assert rule == "drop" or told[1]["error"]["code"]


async def test_a_loop_sees_the_round_before_and_ends_when_its_condition_holds(executor: Executor, where: Place) -> None:
    workflow = flow(
        {
            "id": "refine",
            "kind": "loop",
            "steps": [llm("draft", "{{ round.previous }}+{{ round.number }}")],
            "initial": "0",
            "until": "{{ steps.draft.output | length > 4 }}",
            "max_rounds": 5,
        },
        outputs={"text": "{{ steps.refine.output }}"},
    )
    assert (await ended(executor, workflow)).outputs == {"text": "0+1+2"}
    assert where.asked() == ["0+1", "0+1+2"]


async def test_another_workflow_as_a_step_sees_nothing_but_its_inputs(executor: Executor) -> None:
    inner = Workflow.model_validate(
        {
            "workflow": "1",
            "name": "inner",
            "inputs": {"word": {"type": "string"}},
            "steps": [llm("say", "inner {{ inputs.word }}")],
            "outputs": {"said": "{{ steps.say.output }}"},
        }
    )
    step = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0", "inputs": {"word": "tide"}}
    workflow = flow(step, outputs={"said": "{{ steps.sub.output.said }}"})
    result = await ended(executor, workflow, workflows={"inner@1.0.0": inner})
    assert result.outputs == {"said": "inner tide"}


async def test_an_approval_waits_for_a_person(executor: Executor, where: Place) -> None:
    workflow = flow(
        llm("draft", "draft"),
        {"id": "ask", "kind": "approval", "message": "Send {{ steps.draft.output }}?"},
        llm("send", "send", when="{{ steps.ask.output.approved }}"),
        outputs={"by": "{{ steps.ask.output.by }}"},
    )
    run_id = await executor.start(workflow, {})
    with anyio.fail_after(20):
        [question] = await executor.questions(run_id)
        assert question.message == "Send draft?"
        assert "send" not in where.asked()
        await executor.decide(run_id, question.path, Decision(approved=True, by="ada"))
        result = await executor.result(run_id)
    assert result.outputs == {"by": "ada"}
    assert where.asked() == ["draft", "send"]


async def test_a_question_that_nobody_answers_expires_to_its_default(executor: Executor) -> None:
    ask = {"id": "ask", "kind": "approval", "message": "Now?", "expires_s": 0.3, "default": "reject"}
    workflow = flow(
        ask, outputs={"approved": "{{ steps.ask.output.approved }}", "expired": "{{ steps.ask.output.expired }}"}
    )
    assert (await ended(executor, workflow)).outputs == {"approved": False, "expired": True}


async def test_what_is_made_of_labelled_values_reaches_no_provider_without_clearance(
    executor: Executor, where: Place
) -> None:
    workflow = flow(
        llm("trusted", "secret {{ inputs.secret }}", SEALED),
        llm("leak", "tell {{ steps.trusted.output }}", OPEN, on_error="skip"),
        inputs={"secret": {"type": "string", "sensitivity": "confidential"}},
    )
    result = await ended(executor, workflow, {"secret": "canary"})
    assert statuses(result) == {"trusted": "succeeded", "leak": "skipped"}
    assert where.asked() == ["secret canary"]


async def test_a_declassified_output_may_go_where_it_says(executor: Executor, where: Place) -> None:
    workflow = flow(
        llm("trusted", "secret {{ inputs.secret }}", SEALED, declassify="public"),
        llm("tell", "tell {{ steps.trusted.output }}", OPEN),
        inputs={"secret": {"type": "string", "sensitivity": "confidential"}},
    )
    assert (await ended(executor, workflow, {"secret": "x"})).status == "succeeded"
    assert where.asked() == ["secret x", "tell secret x"]


async def test_a_run_spends_no_more_than_its_budget(executor: Executor, where: Place) -> None:
    # 7 output tokens at 10 dollars a million and 11 of input at 1 cost 81 millionths; one call reserves at least
    # 100 tokens of output, which is a thousand.
    steps = [llm(f"s{number}", f"call {number}", max_tokens=100, on_error="skip") for number in range(30)]
    result = await ended(executor, flow(*steps, policy={"budget_usd": 0.0015, "max_parallel": 10}))
    assert result.cost_usd is not None
    assert 0 < float(result.cost_usd) <= 0.0015
    assert len(where.asked()) == round(float(result.cost_usd) / 0.000081)
    refused = [step.error.code for step in result.steps if step.error is not None]
    assert set(refused) == {"budget_exceeded"}


async def test_a_step_whose_worst_cost_is_over_the_budget_is_not_asked(executor: Executor, where: Place) -> None:
    result = await ended(executor, flow(llm("dear", "x" * 4_000), policy={"budget_usd": 0.0001}))
    assert result.error is not None
    assert result.error.code == "budget_exceeded"
    assert where.asked() == []


async def test_cancelling_ends_a_run_and_the_calls_that_are_under_way(executor: Executor, where: Place) -> None:
    where.server.left.clear()
    run_id = await executor.start(flow(llm("hang", "hang"), llm("after", "{{ steps.hang.output }}")), {})
    with anyio.fail_after(20):
        while not where.asked():  # noqa: ASYNC110  # other programs do it
            await anyio.sleep(0.02)
        assert await executor.cancel(run_id)
        result = await executor.result(run_id)
        while not where.server.left.is_set():  # noqa: ASYNC110  # other programs do it
            await anyio.sleep(0.02)
    assert result.status == "cancelled"
    assert statuses(result) == {"hang": "cancelled", "after": "cancelled"}


async def test_a_resumed_run_pays_for_nothing_that_is_recorded(
    executor: Executor, where: Place, tmp_path: Path
) -> None:
    arguments = {"folder": str(tmp_path), "word": "later", "times": 1}
    workflow = flow(
        llm("first", "first"),
        {"id": "each", "kind": "map", "over": ["a", "b"], "steps": [llm("ask", "{{ item }} {{ steps.first.output }}")]},
        tool("later", "failing", arguments=arguments, after=["each"]),
        outputs={"each": "{{ steps.each.output }}", "later": "{{ steps.later.output }}"},
    )
    run_id = await executor.start(workflow, {})
    with anyio.fail_after(20):
        assert (await executor.result(run_id)).status == "failed"
        paid = sorted(where.asked())
        result = await executor.resume(run_id)
    assert result.outputs == {"each": ["a first", "b first"], "later": "later"}
    assert sorted(where.asked()) == paid == ["a first", "b first", "first"]
    assert where.calls(tmp_path) == ["later", "later"]


async def test_the_events_of_a_run_tell_every_step_once_and_the_end_last(executor: Executor) -> None:
    workflow = flow(
        llm("first", "first"),
        {"id": "each", "kind": "map", "over": [1, 2, 3], "steps": [llm("ask", "{{ item }}")]},
    )
    run_id = await executor.start(workflow, {})
    await executor.result(run_id)
    events = await executor.events(run_id)
    paths = [event.step_id for event in events if isinstance(event, StepFinished)]
    assert sorted(paths) == ["each", "each[0]/ask", "each[1]/ask", "each[2]/ask", "first"]
    assert isinstance(events[-1], RunFinished)


async def test_large_values_and_odd_letters_come_through_unchanged(executor: Executor) -> None:
    long = "\u0000 \U0001f30a tide " * 20_000
    workflow = flow(
        {"id": "each", "kind": "map", "over": [1, 2], "steps": [llm("ask", "{{ item }} {{ inputs.text }}")]},
        inputs={"text": {"type": "string"}},
        outputs={"lengths": ["{{ steps.each.output[0] | length }}", "{{ steps.each.output[1] | length }}"]},
    )
    result = await ended(executor, workflow, {"text": long})
    assert result.outputs == {"lengths": [len(long) + 2] * 2}
