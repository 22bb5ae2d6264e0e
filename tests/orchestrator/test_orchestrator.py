from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from executors.events import Event, RunFinished, RunStarted, StepFinished, StepStarted, StepToken
from executors.inputs import InputError
from orchestrator import Orchestrator
from orchestrator.limits import Limits
from planner.types import TaskError
from unified_api.errors import NoCandidateError, ServerError
from unified_api.models import Prices
from unified_api.settings import Settings
from unified_api.testing import Script, scripted_gateway
from unified_api.types import Request, Response, TextPart
from workflows.findings import WorkflowError
from workflows.model import Workflow
from workflows.parse import from_json

Make = Callable[..., Orchestrator]
PLAN = {
    "workflow": "1",
    "name": "tides",
    "steps": [
        {"id": "one", "kind": "llm", "model": "scripted/writer", "prompt": "first part"},
        {"id": "two", "kind": "llm", "model": "scripted/writer", "prompt": "second part"},
        {
            "id": "both",
            "kind": "llm",
            "model": "scripted/writer",
            "prompt": "join {{ steps.one.output }} and {{ steps.two.output }}",
        },
    ],
    "outputs": {"text": "{{ steps.both.output }}"},
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path)})

    def orchestrator(replies: dict[str, Script] | None = None, **options: object) -> Orchestrator:
        gateway = scripted_gateway(replies or {"scripted/writer": echo}, settings=settings)
        return Orchestrator(gateway=gateway, **options)  # type: ignore[arg-type]

    return orchestrator


def asked(request: object) -> str:
    """The text of everything a request says."""
    assert isinstance(request, Request)
    return "\n".join(part.text for message in request.messages for part in message.parts if isinstance(part, TextPart))


def echo(request: object) -> str:
    return f"<{asked(request)}>"


def workflow(**changes: object) -> Workflow:
    return from_json({**PLAN, **changes})


async def test_a_task_is_planned_by_the_model_and_run(make: Make):
    def reply(request: object) -> str:
        return json.dumps(PLAN) if "about the sea" in asked(request) else echo(request)

    async with make({"scripted/writer": reply}, model="scripted/writer") as orchestrator:
        plan = await orchestrator.plan("Write two parts about the sea and join them")
        assert plan.planner == "model"
        assert plan.model == "scripted/writer"
        result = await orchestrator.run(plan)
    assert result.status == "succeeded"
    assert result.outputs == {"text": "<join <first part> and <second part>>"}


async def test_what_planning_costs_is_part_of_the_budget(tmp_path: Path):
    steps = [{"id": "one", "kind": "llm", "model": "scripted/writer", "prompt": "first part", "max_tokens": 1000}]
    planned = Response(
        model="scripted/writer",
        provider="scripted",
        parts=(TextPart(json.dumps({**PLAN, "steps": steps, "outputs": {"text": "{{ steps.one.output }}"}})),),
        finish_reason="stop",
        cost_usd=Decimal("0.495"),
    )
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path)})
    prices = Prices(input=Decimal(1), output=Decimal(10))
    for budget, status in ((0.5, "failed"), (0.6, "succeeded")):
        gateway = scripted_gateway({"scripted/writer": [planned, "done"]}, settings=settings, prices=prices)
        async with Orchestrator(gateway=gateway, model="scripted/writer") as orchestrator:
            result = await orchestrator.run("Write about the sea", limits=Limits(budget_usd=budget))
        assert result.status == status
        assert result.error is None or result.error.code == "budget_exceeded"


async def test_the_rules_plan_when_they_are_asked_to_and_say_so(make: Make):
    async with make(planner="rules") as orchestrator:
        plan = await orchestrator.plan("Describe the tides, then describe the moon")
        result = await orchestrator.run("Describe the tides, then describe the moon")
    assert plan.planner == "rules"
    assert plan.notes
    assert result.status == "succeeded"
    assert all(step.model == "scripted/writer" for step in result.steps)


async def test_a_named_model_runs_every_llm_step_of_a_plan(make: Make):
    replies: dict[str, Script] = {"scripted/writer": echo, "scripted/other": echo}
    async with make(replies, planner="rules", model="scripted/other") as orchestrator:
        result = await orchestrator.run("Describe the tides, then describe the moon")
    assert {step.model for step in result.steps if step.kind == "llm"} == {"scripted/other"}


async def test_a_model_that_must_plan_but_may_not_is_an_error(make: Make, tmp_path: Path):
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path)})
    async with Orchestrator(settings=settings, planner="model") as orchestrator:
        with pytest.raises(NoCandidateError, match="No model planned"):
            await orchestrator.plan("Describe the tides")


async def test_the_events_of_a_stream_tell_the_whole_run(make: Make):
    async with make() as orchestrator:
        events = [event async for event in orchestrator.stream(workflow())]
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status == "succeeded"
    assert [event.step_id for event in events if isinstance(event, StepFinished)][-1] == "both"
    text = "".join(event.text for event in events if isinstance(event, StepToken) and event.step_id == "both")
    assert text == events[-1].outputs["text"]


async def test_a_stream_that_is_left_cancels_its_run_and_the_record_says_so(make: Make):
    blocked = anyio.Event()

    async def wait(_: object) -> str:
        blocked.set()
        await anyio.sleep_forever()
        return ""

    async with make({"scripted/writer": wait}) as orchestrator:
        async with aclosing(orchestrator.stream(workflow())) as events:
            async for event in events:
                if isinstance(event, StepStarted):
                    break
        (run,) = orchestrator.runs.list_runs()
    assert run.status == "cancelled"


async def test_a_slow_reader_misses_no_event(make: Make):
    async with make() as orchestrator:
        received: list[Event] = []
        async for event in orchestrator.stream(workflow()):
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            received.append(event)
    assert sum(isinstance(event, StepStarted) for event in received) == 3
    assert sum(isinstance(event, StepFinished) for event in received) == 3


async def test_an_error_before_the_run_reaches_the_reader_of_the_stream(make: Make):
    async with make() as orchestrator:
        with pytest.raises(TaskError, match="empty"):
            await anext(orchestrator.stream("   "))


async def test_a_failed_run_is_a_result_and_not_an_exception(make: Make):
    async with make({"scripted/writer": ServerError("broken")}) as orchestrator:
        result = await orchestrator.run(workflow())
    assert result.status == "failed"
    assert result.error is not None


async def test_a_workflow_that_does_not_pass_the_checks_is_never_started(make: Make):
    seen: list[Event] = []
    bad = workflow(steps=[{"id": "a", "kind": "llm", "model": "scripted/writer", "prompt": "{{ steps.b.output }}"}])
    async with make() as orchestrator:
        with pytest.raises(WorkflowError, match="unknown_step"):
            await orchestrator.run(bad.model_copy(update={"outputs": {}}), on_event=seen.append)
        assert orchestrator.runs.list_runs() == []
    assert seen == []


async def test_a_model_without_a_key_is_a_warning_to_check_and_an_error_to_run(tmp_path: Path):
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path)})
    steps = [{"id": "a", "kind": "llm", "model": "openai/gpt-5.1", "prompt": "hello"}]
    asks = from_json({"workflow": "1", "name": "asks", "steps": steps})
    async with Orchestrator(settings=settings) as orchestrator:
        (finding,) = orchestrator.check(asks)
        assert (finding.code, finding.severity) == ("no_credentials", "warning")
        assert "OPENAI_API_KEY" in finding.message
        with pytest.raises(WorkflowError, match="OPENAI_API_KEY"):
            await orchestrator.run(asks)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ({"model": "scripted/nobody"}, "unknown_model"),
        ({"model": "scripted/writer", "images": ["https://a.example/b.png"]}, None),
        ({"model": {"tier": "premium", "needs": ["reasoning"]}}, None),
    ],
)
async def test_what_a_step_asks_of_models_is_checked_against_the_catalog(
    make: Make, step: dict[str, object], code: str | None
):
    asks = from_json({"workflow": "1", "name": "asks", "steps": [{"id": "a", "kind": "llm", "prompt": "x", **step}]})
    async with make() as orchestrator:
        assert [finding.code for finding in orchestrator.check(asks)] == ([code] if code else [])


async def test_sensitive_data_is_not_sent_where_it_may_not_go(tmp_path: Path):
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path), "OPENAI_API_KEY": "sk-test"})
    steps = [{"id": "a", "kind": "llm", "model": "openai/gpt-5.1", "prompt": "hello"}]
    asks = from_json({"workflow": "1", "name": "asks", "steps": steps})
    async with Orchestrator(settings=settings) as orchestrator:
        with pytest.raises(WorkflowError, match="insufficient_clearance"):
            await orchestrator.run(asks, limits=Limits(sensitivity="restricted"))


async def test_limits_raise_a_label_and_never_lower_it(make: Make):
    started: list[Event] = []
    secret = workflow(policy={"sensitivity": "confidential"})
    async with make() as orchestrator:
        await orchestrator.run(secret, limits=Limits(sensitivity="public", max_parallel=1), on_event=started.append)
    assert isinstance(started[0], RunStarted)
    assert started[0].definition is not None
    assert started[0].definition.policy.sensitivity == "confidential"
    assert started[0].definition.policy.max_parallel == 1


async def test_a_file_a_library_name_and_a_model_are_workflows(make: Make, tmp_path: Path):
    path = tmp_path / "tides.json"
    path.write_text(json.dumps(PLAN))
    async with make() as orchestrator:
        for subject in (path, str(path), workflow()):
            assert (await orchestrator.run_workflow(subject)).status == "succeeded"
        brief = await orchestrator.run_workflow("draft-critique-revise", {"task": "a toast"})
        assert brief.status in {"succeeded", "failed"}
        with pytest.raises(LookupError, match="did you mean 'research-brief'"):
            await orchestrator.run_workflow("reserch-brief")


async def test_inputs_that_do_not_fit_are_refused_before_anything_runs(make: Make):
    needs = workflow(inputs={"size": {"type": "integer"}}, outputs={"size": "{{ inputs.size }}"})
    async with make() as orchestrator:
        with pytest.raises(InputError, match="size"):
            await orchestrator.run(needs, inputs={"size": "big"})


async def test_functions_become_tools_of_workflows(make: Make):
    def double(number: int) -> int:
        """Twice the number."""
        return 2 * number

    steps = [{"id": "a", "kind": "tool", "tool": "double", "arguments": {"number": 21}}]
    calls = from_json({"workflow": "1", "name": "doubling", "steps": steps})
    async with make(tools=[double]) as orchestrator:
        result = await orchestrator.run(calls)
        unknown = calls.model_copy(update={"steps": (calls.steps[0].model_copy(update={"tool": "dobule"}),)})
        codes = [finding.code for finding in orchestrator.check(unknown)]
    assert result.outputs == {"a": 42}
    assert codes == ["unknown_tool"]


async def test_every_run_is_on_record_with_its_outputs(make: Make):
    async with make() as orchestrator:
        result = await orchestrator.run(workflow())
        run = orchestrator.runs.get_run(result.run_id)
    assert run.status == "succeeded"
    assert run.outputs == result.outputs
    assert {step.step_id for step in run.finished} == {"one", "two", "both"}


async def test_the_callers_own_error_comes_out_as_it_is(make: Make):
    async def fail() -> None:
        async with make() as orchestrator:
            await orchestrator.run(workflow())
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail()


async def test_leaving_the_orchestrator_ends_streams_that_nobody_finished(make: Make):
    async with make() as orchestrator:
        events = orchestrator.stream(workflow())
        await anext(events)
    assert orchestrator.runs.list_runs()[0].status in {"cancelled", "succeeded"}
    await events.aclose()


async def test_a_cancelled_caller_leaves_nothing_open(make: Make):
    async def wait(_: object) -> str:
        await anyio.sleep_forever()
        return ""

    orchestrator = make({"scripted/writer": wait})
    started = anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            async with orchestrator:
                async for _ in orchestrator.stream(workflow()):
                    started.set()

        tasks.start_soon(work)
        await started.wait()
        tasks.cancel_scope.cancel()
    assert orchestrator.runs.list_runs()[0].status == "cancelled"
    async with orchestrator:
        assert orchestrator.models()


async def test_two_tasks_cannot_open_one_orchestrator_at_once(make: Make):
    orchestrator = make()
    told: list[str] = []
    refused = anyio.Event()

    async def opened() -> None:
        try:
            async with orchestrator:
                told.append("open")
                await refused.wait()
        except RuntimeError as error:
            told.append(str(error))
            refused.set()

    async with anyio.create_task_group() as group:
        group.start_soon(opened)
        group.start_soon(opened)
    assert sorted(told) == ["open", "this Orchestrator is open already: make a second one, or share this one"]
    async with orchestrator:
        assert (await orchestrator.run(workflow())).status == "succeeded"


async def test_many_runs_share_one_orchestrator(make: Make):
    results = []

    async with make() as orchestrator, anyio.create_task_group() as tasks:

        async def one() -> None:
            results.append(await orchestrator.run(workflow()))

        for _ in range(20):
            tasks.start_soon(one)
    assert {result.status for result in results} == {"succeeded"}
    assert len({result.run_id for result in results}) == 20


def test_run_sync_needs_no_event_loop_and_may_be_called_again(make: Make):
    orchestrator = make()
    for _ in range(2):
        assert orchestrator.run_sync(workflow()).outputs == {"text": "<join <first part> and <second part>>"}


async def test_run_sync_inside_an_event_loop_says_what_to_call(make: Make):
    with pytest.raises(RuntimeError, match=r"await run"):
        make().run_sync(workflow())


async def test_an_orchestrator_that_is_not_open_says_how_to_open_it(make: Make):
    with pytest.raises(RuntimeError, match="async with"):
        await make().run(workflow())
    with pytest.raises(RuntimeError, match="async with"):
        await anext(make().stream(workflow()))


async def test_a_record_that_cannot_be_written_is_a_warning_and_the_result_stays(tmp_path: Path):
    (tmp_path / "data").write_text("a file where a folder should be")
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path)})
    orchestrator = Orchestrator(gateway=scripted_gateway({"scripted/writer": echo}, settings=settings))
    with pytest.warns(RuntimeWarning, match="the journal at"):
        async with orchestrator:
            result = await orchestrator.run(workflow())
    assert result.status == "succeeded"


ECHO = {
    "workflow": "1",
    "name": "echo",
    "inputs": {"word": {"type": "string"}},
    "steps": [{"id": "a", "kind": "set", "value": "{{ inputs.word }}"}],
}


async def test_a_workflow_may_be_given_as_a_json_object(make: Make):
    async with make() as orchestrator:
        result = await orchestrator.run_workflow(ECHO, {"word": "tides"})
        assert result.outputs == {"a": "tides"}
        with pytest.raises(WorkflowError, match="missing_key"):
            await orchestrator.run_workflow({"name": "echo"})


async def test_arguments_of_a_wrong_type_are_refused_in_words(make: Make):
    for options in ({"model": 5}, {"planner": "magic"}):
        with pytest.raises((TypeError, ValueError), match=f"{next(iter(options))} must be"):
            make(**options)
    async with make() as orchestrator:
        with pytest.raises(TypeError, match="can be run, not dict"):
            await orchestrator.run(ECHO)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not int"):
            await orchestrator.run_workflow(5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="inputs must be a mapping"):
            await orchestrator.run_workflow(ECHO, ["tides"])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="planner must be"):
            await orchestrator.plan("Name a colour", planner="magic")  # type: ignore[arg-type]
