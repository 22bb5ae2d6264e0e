"""Steps that ask a person: answered from anywhere, in time or never."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from running import NO_GATEWAY, failure, value, workflow_of

from executors.events import Event, StepWaiting
from executors.journal.entries import Approval, Decision, JournalError
from executors.journal.memory import MemoryJournal
from executors.journal.store import SqlJournal
from executors.result import RunResult
from executors.runner import run
from unified_api.types import Caller
from workflows.model import Workflow

START = datetime(2026, 1, 1, tzinfo=UTC)


def ask(step_id: str = "ask", message: str = "Send {{ inputs.text }}?", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "approval", "message": message, **fields}


def asking(**fields: Any) -> Workflow:
    send = value("send", "sent: {{ inputs.text }}", when="{{ steps.ask.output.approved }}")
    outputs = {"answer": "{{ steps.ask.output }}", "sent": "{{ steps.send.output | default('no') }}"}
    inputs = {"text": {"type": "string"}}
    return workflow_of(ask(show={"text": "{{ inputs.text }}"}, **fields), send, inputs=inputs, outputs=outputs)


async def going(workflow: Workflow, journal: Any = None, **options: Any) -> RunResult:
    """A run that the journal knows, as an Orchestrator begins it."""
    if journal is not None:
        await journal.begin(
            "r1",
            definition=workflow,
            workflows={},
            inputs={"text": "it"},
            caller=Caller(),
            at=datetime.now(UTC),
            resumed=await journal.past("r1") is not None,
        )
    return await run(workflow, {"text": "it"}, gateway=NO_GATEWAY, journal=journal, caller=Caller(run="r1"), **options)


@pytest.fixture(params=["memory", "file"])
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """Each call opens the same journal anew."""
    if request.param == "memory":
        kept = MemoryJournal()
        return lambda: kept
    return lambda: SqlJournal(tmp_path / "runs.sqlite")


class Desk:
    """Hears what a run tells, and whether somebody is asked."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.asked = anyio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StepWaiting):
            self.asked.set()

    @property
    def questions(self) -> list[StepWaiting]:
        return [event for event in self.events if isinstance(event, StepWaiting)]


@pytest.mark.parametrize("approved", [True, False])
async def test_a_run_waits_for_the_answer_that_somebody_else_writes_into_the_journal(
    journals: Callable[[], Any], approved: bool
) -> None:
    journal, desk, results = journals(), Desk(), []

    async def work() -> None:
        results.append(await going(asking(), journal, on_event=desk))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await desk.asked.wait()
        waiting = await journal.waiting_approvals()
        assert [(one.run_id, one.path, one.message, one.show) for one in waiting] == [
            ("r1", "ask", "Send it?", {"text": "it"})
        ]
        await journal.decide("r1", "ask", Decision(approved=approved, by="ada", comment="well", at=datetime.now(UTC)))
    answer = {"approved": approved, "by": "ada", "comment": "well", "expired": False}
    assert results[0].outputs == {"answer": answer, "sent": "sent: it" if approved else "no"}
    assert [(one.message, one.expires) for one in desk.questions] == [("Send it?", None)]
    assert await journal.waiting_approvals() == []


async def test_a_question_and_its_answer_outlive_the_run_that_asked(journals: Callable[[], Any]) -> None:
    journal, desk = journals(), Desk()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(going, asking(), journal)
        while not await journal.waiting_approvals():  # noqa: ASYNC110  # as another program would look
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await journal.begin(
        "r1", definition=asking(), workflows={}, inputs={"text": "it"}, caller=Caller(), at=START, resumed=True
    )
    await journal.decide("r1", "ask", Decision(approved=True, at=datetime.now(UTC)))
    if isinstance(journal, SqlJournal):
        journal.close()  # else it has the run
    result = await going(asking(), journals(), on_event=desk)
    assert result.outputs["sent"] == "sent: it"
    assert desk.questions == []


@pytest.mark.parametrize(("default", "approved"), [("approve", True), ("reject", False), ("fail", None)])
async def test_nobody_answering_in_time_is_what_the_step_says(default: str, approved: bool | None) -> None:
    result = await going(asking(expires_s=0.05, default=default), MemoryJournal())
    if approved is None:
        assert failure(result)[0] == "approval_expired"
    else:
        assert result.outputs["answer"] == {"approved": approved, "by": None, "comment": None, "expired": True}


async def test_time_runs_while_no_program_does_and_an_answer_after_its_end_changes_nothing() -> None:
    journal, workflow = MemoryJournal(), asking(expires_s=3600)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(going, workflow, journal)
        while not await journal.waiting_approvals():  # noqa: ASYNC110  # as another program would look
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    [asked] = journal._runs["r1"].approvals.values()
    assert asked.expires == asked.asked + timedelta(hours=1)
    late = asked.asked + timedelta(hours=2)
    await journal.decide("r1", "ask", Decision(approved=True, by="ada", at=late))
    result = await going(workflow, journal)
    assert result.outputs["answer"] == {"approved": False, "by": None, "comment": None, "expired": True}


async def test_another_question_is_another_question_and_formatting_makes_none() -> None:
    journal = MemoryJournal()
    answers: list[str] = []

    async def approve(asked: Approval) -> Decision:
        answers.append(asked.message)
        return Decision(approved=True)

    for message in ("Send it?", "Send {{ inputs.text }}?", "Really send it?"):
        await going(asking(message=message), journal, approve=approve)
    assert answers == ["Send it?", "Really send it?"]


async def test_without_a_journal_a_function_answers_and_without_both_the_step_fails() -> None:
    async def approve(asked: Approval) -> Decision | None:
        return Decision(approved=True, by="test") if asked.show == {"text": "it"} else None

    assert (await going(asking(), approve=approve)).outputs["answer"]["by"] == "test"
    code, message = failure(await going(asking()))
    assert (code, "approve" in message) == ("nobody_to_ask", True)


async def test_a_function_that_leaves_the_question_or_breaks_down_is_told() -> None:
    async def leave(_: Approval) -> None:
        return None

    async def break_down(_: Approval) -> Decision:
        raise RuntimeError("no screen")

    assert failure(await going(asking(), approve=leave))[0] == "nobody_to_ask"
    code, message = failure(await going(asking(), approve=break_down))
    assert (code, "no screen" in message) == ("approval_failed", True)
    expiring = await going(asking(expires_s=0.05), MemoryJournal(), approve=leave)
    assert expiring.outputs["answer"]["expired"]


async def test_the_first_answer_stands_wherever_it_comes_from() -> None:
    journal = MemoryJournal()

    async def slow(asked: Approval) -> Decision:
        await journal.decide("r1", asked.path, Decision(approved=False, by="faster"))
        return Decision(approved=True, by="slower")

    assert (await going(asking(), journal, approve=slow)).outputs["answer"]["by"] == "faster"


async def test_a_journal_that_breaks_ends_the_step_in_words() -> None:
    class Broken(MemoryJournal):
        async def ask(self, approval: Approval) -> Approval:
            raise JournalError("the disk is full")

    code, message = failure(await going(asking(), Broken()))
    assert (code, "the disk is full" in message) == ("journal_failed", True)


async def test_questions_inside_of_a_map_are_told_apart_by_their_paths_and_take_no_places() -> None:
    each = {
        "id": "each",
        "kind": "map",
        "over": ["a", "b", "c"],
        "max_parallel": 3,
        "steps": [ask("ok", "Send {{ item }}?")],
        "result": "{{ steps.ok.output.approved }}",
    }
    journal, results = MemoryJournal(), []

    async def work() -> None:
        results.append(await going(workflow_of(each, inputs={"text": {"type": "string"}}), journal, max_parallel=1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        while len(await journal.waiting_approvals()) < 3:  # noqa: ASYNC110  # as another program would look
            await anyio.sleep(0.01)
        for place, approved in enumerate([True, False, True]):
            await journal.decide("r1", f"each[{place}]/ok", Decision(approved=approved))
    assert results[0].outputs == {"each": [True, False, True]}
