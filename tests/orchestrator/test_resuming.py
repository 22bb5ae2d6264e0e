from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from running import MODEL, PRICES, llm, workflow_of

from executors.context import now
from executors.events import Event, RunResumed, StepStarted
from executors.journal.entries import Approval, JournalError
from executors.journal.errors import JournalVersionError, RunExistsError
from executors.preview import Preview
from executors.result import RunResult
from orchestrator import Orchestrator
from orchestrator.limits import Limits
from orchestrator.passes import RunUnderWayError
from orchestrator.resuming import ResumeError
from unified_api.settings import Settings
from unified_api.testing import scripted_gateway
from unified_api.types import Caller, Request, TextPart
from workflows.model import Workflow, WorkflowPolicy

TWO = workflow_of(llm("a", "a"), llm("b", "b {{ steps.a.output }}"))


class Model:
    """Answers a prompt, but for those that it never answers; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.hanging: set[str] = set()

    async def __call__(self, request: Request) -> str:
        prompt = "".join(part.text for part in request.messages[-1].parts if isinstance(part, TextPart))
        self.asked[prompt] += 1
        if prompt in self.hanging:
            await anyio.sleep_forever()
        return f"<{prompt}>"


@pytest.fixture
def model() -> Model:
    return Model()


def opened(model: Model, folder: Path, resume: Any = None, toml: str = "") -> Orchestrator:
    (folder / "orchestrator.toml").write_text(toml)
    settings = Settings.load(folder / "orchestrator.toml", environ={"ORCHESTRATOR_HOME": str(folder)})
    gateway = scripted_gateway({MODEL: model}, prices=PRICES, settings=settings)
    return Orchestrator(gateway=gateway, settings=settings, resume=resume)


async def cancelled_at(
    orchestrator: Orchestrator, step: str, *, workflow: Workflow = TWO, workflows: Any = None
) -> RunResult:
    """The end of a run that is cancelled from within its own program once the step has started."""
    started, ended = anyio.Event(), list[RunResult]()

    def listen(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step_id == step:
            started.set()

    async def go() -> None:
        ended.append(await orchestrator.run(workflow, workflows=workflows, caller=Caller(run="r1"), on_event=listen))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        await started.wait()
        assert await orchestrator.cancel("r1")
    return ended[0]


async def test_a_run_that_is_cancelled_here_ends_at_once_and_can_go_on(model: Model, tmp_path: Path) -> None:
    model.hanging = {"b <a>"}
    async with opened(model, tmp_path) as orchestrator:
        with anyio.fail_after(5):
            result = await cancelled_at(orchestrator, "b")
        assert (result.status, result.outputs) == ("cancelled", {})
        assert [step.status for step in result.steps] == ["succeeded", "cancelled"]
        assert not await orchestrator.cancel("r1")

        model.hanging = set()
        model.asked.clear()
        result = await orchestrator.resume("r1")
        assert result.outputs == {"b": "<b <a>>"}
        assert model.asked == {"b <a>": 1}
        assert result.cost_usd is None, "the call that was broken off is possibly paid"
        events = [event for _, event in await orchestrator.runs.events("r1")]
        [resumed] = [event for event in events if isinstance(event, RunResumed)]
        assert (resumed.kept, resumed.again) == (1, ("b",))
        with pytest.raises(ResumeError, match="succeeded"):
            await orchestrator.resume("r1")


async def test_a_continuation_says_what_would_be_done_and_does_nothing(model: Model, tmp_path: Path) -> None:
    async with opened(model, tmp_path) as orchestrator:
        await orchestrator.run(TWO, caller=Caller(run="r1"))
        model.asked.clear()
        edited = workflow_of(llm("a", "A"), llm("b", "b {{ steps.a.output }}"))
        found = await orchestrator.continuation("r1", edited)
        assert found.preview == Preview(again=("a",), perhaps=("b",))
        assert not model.asked
        assert orchestrator.runs.get_run("r1").status == "succeeded"
        result = await orchestrator.resume(found)
        assert result.outputs == {"b": "<b <A>>"}
        definition = orchestrator.runs.get_run("r1").definition
        assert definition is not None
        assert definition["steps"][0]["prompt"] == "A"


async def test_a_workflow_that_runs_as_a_step_is_resumed_as_it_was(model: Model, tmp_path: Path) -> None:
    inner = {"workflow": "1", "name": "inner", "steps": [llm("x", "x"), llm("y", "y {{ steps.x.output }}")]}
    step = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}
    outer = workflow_of(step)
    model.hanging = {"y <x>"}
    async with opened(model, tmp_path) as orchestrator:
        workflows = {"inner@1.0.0": Workflow.model_validate(inner)}
        await cancelled_at(orchestrator, "sub/y", workflow=outer, workflows=workflows)
        model.hanging = set()
        result = await orchestrator.resume("r1")
        assert result.outputs == {"sub": {"y": "<y <x>>"}}
        assert model.asked["x"] == 1


@pytest.mark.parametrize(("resume", "toml"), [("auto", ""), (None, '[run]\nresume = "auto"\n')])
async def test_what_was_interrupted_goes_on_by_itself_where_that_is_wanted(
    model: Model, tmp_path: Path, resume: Any, toml: str
) -> None:
    await _interrupted(model, tmp_path)
    async with opened(model, tmp_path, resume, toml) as orchestrator:
        pass
    assert model.asked == {"a": 1, "b <a>": 1}
    assert orchestrator.runs.get_run("r1").status == "succeeded"


async def test_what_was_interrupted_waits_otherwise(model: Model, tmp_path: Path) -> None:
    await _interrupted(model, tmp_path)
    async with opened(model, tmp_path) as orchestrator:
        assert await orchestrator.interrupted() == ("r1",)
    assert not model.asked


async def test_a_cancelled_run_whose_program_died_is_not_taken_up(model: Model, tmp_path: Path) -> None:
    journal = await _interrupted(model, tmp_path)
    assert await journal.request_cancel("r1")
    journal.close()
    async with opened(model, tmp_path, "auto") as orchestrator:
        pass
    assert orchestrator.runs.get_run("r1").status == "cancelled"
    assert not model.asked


async def test_who_names_a_cancelled_run_wants_it_all_the_same(model: Model, tmp_path: Path) -> None:
    journal = await _interrupted(model, tmp_path)
    assert await journal.request_cancel("r1")
    journal.close()
    async with opened(model, tmp_path) as orchestrator:
        assert (await orchestrator.resume("r1")).outputs == {"b": "<b <a>>"}


async def test_a_run_is_not_under_way_twice(model: Model, tmp_path: Path) -> None:
    model.hanging = {"b <a>"}
    async with opened(model, tmp_path) as orchestrator:
        raised: list[BaseException] = []

        def listen(event: Event) -> None:
            if isinstance(event, StepStarted) and event.step_id == "b":
                started.set()

        async def go() -> None:
            await orchestrator.run(TWO, caller=Caller(run="r1"), on_event=listen)

        started = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go)
            await started.wait()
            try:
                await orchestrator.resume("r1")
            except RunUnderWayError as error:
                raised.append(error)
            await orchestrator.cancel("r1")
        assert [str(error) for error in raised] == ["run r1 is under way in this program already"]
        assert model.asked == {"a": 1, "b <a>": 1}


async def test_a_run_that_another_orchestrator_has_is_not_done_a_second_time(model: Model, tmp_path: Path) -> None:
    model.hanging = {"a"}
    async with opened(model, tmp_path) as one, opened(model, tmp_path) as other, anyio.create_task_group() as tasks:
        started = anyio.Event()

        def listen(event: Event) -> None:
            if isinstance(event, StepStarted):
                started.set()

        async def go() -> None:
            await one.run(TWO, caller=Caller(run="r1"), on_event=listen)

        tasks.start_soon(go)
        await started.wait()
        with pytest.raises(RunUnderWayError, match="run r1 is under way in another program"):
            await other.run(TWO, caller=Caller(run="r1"))
        with pytest.raises(ResumeError, match="orchestrate resume r1 --although-held"):
            await other.resume("r1")
        await one.cancel("r1")
    assert model.asked == {"a": 1}


async def test_a_new_run_may_not_have_the_name_of_another(model: Model, tmp_path: Path) -> None:
    async with opened(model, tmp_path) as orchestrator:
        await orchestrator.run(TWO, caller=Caller(run="nightly"))
        with pytest.raises(RunExistsError, match="there is a run 'nightly' already"):
            await orchestrator.run(TWO, caller=Caller(run="nightly"))
    assert model.asked == {"a": 1, "b <a>": 1}


@pytest.mark.parametrize("also_cancelled", [False, True])
async def test_a_run_of_a_machine_that_cannot_be_asked_is_had_by_who_knows_better(
    model: Model, tmp_path: Path, also_cancelled: bool
) -> None:
    journal = await _interrupted(model, tmp_path, host="renamed")
    async with opened(model, tmp_path) as orchestrator:
        with pytest.raises(ResumeError, match="under way in another program"):
            await orchestrator.resume("r1")
        if also_cancelled:
            assert await orchestrator.cancel("r1", although_held=True)
            assert journal.get_run("r1").status == "cancelled"
        else:
            assert (await orchestrator.resume("r1", although_held=True)).outputs == {"b": "<b <a>>"}


async def test_a_journal_of_a_newer_release_is_not_done_without(model: Model, tmp_path: Path) -> None:
    async with opened(model, tmp_path) as orchestrator:
        await orchestrator.run(TWO)
    with closing(sqlite3.connect(orchestrator.runs.address)) as connection:
        connection.execute("PRAGMA user_version = 99")
    async with opened(model, tmp_path) as orchestrator:
        with pytest.raises(JournalVersionError, match="upgrade meta-orchestrator"):
            await orchestrator.run(TWO)
    assert model.asked == {"a": 1, "b <a>": 1}


async def test_an_answer_is_for_the_question_that_was_shown(model: Model, tmp_path: Path) -> None:
    first = workflow_of({"id": "ask", "kind": "approval", "message": "Pay 10 to Bob?"})
    second = workflow_of({"id": "ask", "kind": "approval", "message": "Pay 10,000 to Mallory?"})
    journal = await _interrupted(model, tmp_path, workflow=first)
    shown = Approval(run_id="r1", path="ask", key="b" * 64, asked=now(), message="Pay 10 to Bob?")
    await journal.ask(shown)
    journal.close()
    ended: list[RunResult] = []
    async with opened(model, tmp_path) as orchestrator, anyio.create_task_group() as tasks:

        async def go() -> None:
            ended.append(await orchestrator.resume("r1", second))

        tasks.start_soon(go)
        with anyio.fail_after(5):
            while (asked := (await orchestrator.approvals("r1"))[0]) == shown:  # noqa: ASYNC110  # as a terminal looks
                await anyio.sleep(0.01)
        for question in (shown.question, None):
            with pytest.raises(JournalError, match=f"question {asked.question}, which `orchestrate approvals r1`"):
                await orchestrator.approve("r1", "ask", question=question, by="alice")
        await orchestrator.approve("r1", "ask", question=asked.question, by="alice")
    assert ended[0].outputs["ask"]["approved"] is True


async def test_a_run_that_had_too_little_goes_on_with_more(model: Model, tmp_path: Path) -> None:
    tight = TWO.model_copy(update={"policy": WorkflowPolicy(budget_usd=0.02)})
    steps = [step.model_copy(update={"max_tokens": 1_500}) for step in tight.steps]
    tight = tight.model_copy(update={"steps": tuple(steps)})
    async with opened(model, tmp_path) as orchestrator:
        wide = await orchestrator.run(tight, caller=Caller(run="r1"))
        assert wide.status == "succeeded"
        edited = tight.model_copy(update={"steps": (steps[0], steps[1].model_copy(update={"prompt": "c"}))})
        nothing = Limits(budget_usd=float(wide.cost_usd or 0))
        refused = await orchestrator.resume(await orchestrator.continuation("r1", edited, limits=nothing))
        assert refused.error is not None
        assert refused.error.code == "budget_exceeded"
        result = await orchestrator.resume("r1", limits=Limits(budget_usd=0.1))
        assert result.outputs == {"a": "<a>", "b": "<c>"}


async def _interrupted(model: Model, folder: Path, *, host: str | None = None, workflow: Workflow = TWO) -> Any:
    """A run that was begun by a program that is no more."""
    from executors.context import now
    from executors.journal.store import SqlJournal

    settings = opened(model, folder).settings
    journal = SqlJournal.of(settings)
    journal.owner = "/".join([host or journal.owner.split("/")[0], "999999999", "0"])
    await journal.begin("r1", definition=workflow, workflows={}, inputs={}, caller=Caller(run="r1"), at=now())
    journal.close()
    return journal
