"""Calls that were under way when their run was cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import pytest
from running import NO_GATEWAY, PRICES, gateway_of, llm, tool, workflow_of

from executors.journal.entries import Intent, JournalError, Past, Recorded
from executors.journal.memory import MemoryJournal
from executors.recording import MOST_CRASHES
from executors.result import RunResult
from executors.resumption import Resumption
from executors.runner import run
from executors.tools import ToolRegistry
from unified_api.models import Prices
from unified_api.types import Caller, Request, TextPart
from workflows.model import Workflow

RUN = "r1"
FREE = Prices(input=Decimal(0), output=Decimal(0))


class Model:
    """Answers a prompt, but for those that it never answers; counts what it is asked."""

    def __init__(self, *hanging: str) -> None:
        self.asked: Counter[str] = Counter()
        self.hanging = set(hanging)
        self.hangs = anyio.Event()

    async def __call__(self, request: Request) -> str:
        prompt = "".join(part.text for part in request.messages[-1].parts if isinstance(part, TextPart))
        self.asked[prompt] += 1
        if prompt in self.hanging:
            self.hangs.set()
            await anyio.sleep_forever()
        return f"<{prompt}>"


async def cut_off(
    workflow: Workflow, journal: Any, *, past: Past | None = None, prices: Prices | None = PRICES, on: str = "b"
) -> Past:
    """Runs until the model hangs, and gives what a program that died then would have left."""
    model = Model(on)
    async with gateway_of(model, prices=prices) as gateway, anyio.create_task_group() as tasks:

        async def go() -> None:
            await run(workflow, {}, gateway=gateway, journal=journal, past=past, caller=Caller(run=RUN))

        tasks.start_soon(go)
        await model.hangs.wait()
        past = await left(journal)  # before the call is settled, which a program that dies cannot
        tasks.cancel_scope.cancel()
    return past


async def left(journal: Any, status: Any = "running") -> Past:
    found = await journal.past(RUN)
    assert found is not None
    return replace(found, status=status)


async def resumed(
    workflow: Workflow,
    journal: Any,
    past: Past | Resumption,
    *,
    model: Model | None = None,
    prices: Prices | None = PRICES,
) -> RunResult:
    async with gateway_of(model or Model(), prices=prices) as gateway:
        return await run(workflow, {}, gateway=gateway, journal=journal, past=past, caller=Caller(run=RUN))


TWO = workflow_of(llm("a", "a"), llm("b", "b", after=["a"]))


async def test_what_was_under_way_is_asked_again_and_told_as_possibly_paid() -> None:
    journal, model = MemoryJournal(), Model()
    past = await cut_off(TWO, journal)
    assert [one.intent.path for one in past.unsettled] == ["b"]
    result = await resumed(TWO, journal, past, model=model)
    assert model.asked == {"b": 1}
    first, second = result.steps
    assert (first.reused, second.reused) == (True, False)
    noted = [one for one in second.attempts if one.outcome == "noted"]
    assert noted
    assert "possibly paid" in str(noted[0].message)
    assert second.cost_usd is None, "nobody knows what the first call cost"
    assert result.cost_usd is None
    assert not (await left(journal)).unsettled


async def test_a_call_that_is_free_is_free_twice() -> None:
    journal = MemoryJournal()
    past = await cut_off(TWO, journal, prices=FREE)
    result = await resumed(TWO, journal, past, prices=FREE)
    assert result.cost_usd == 0


async def test_a_call_that_is_not_asked_again_is_possibly_paid_all_the_same() -> None:
    journal = MemoryJournal()
    past = await cut_off(TWO, journal)
    result = await resumed(workflow_of(llm("a", "a")), journal, past)
    assert result.status == "succeeded"
    assert (result.cost_usd, result.earlier_usd) == (None, None)


async def test_the_same_call_is_not_asked_for_ever() -> None:
    journal = MemoryJournal()
    past = await cut_off(TWO, journal)
    for crashes in range(1, MOST_CRASHES):
        past = await cut_off(TWO, journal, past=past)
        assert [one.intent.crashes for one in past.unsettled] == [crashes]
    model = Model()
    result = await resumed(TWO, journal, past, model=model)
    assert result.error is not None
    assert (result.error.code, result.error.path) == ("crashes_every_time", "b")
    assert f"orchestrate resume {RUN} --again b" in result.error.message
    assert not model.asked
    anyway = Resumption(past=await left(journal), again={"b"})
    assert (await resumed(TWO, journal, anyway)).status == "succeeded"


async def test_a_call_that_was_cancelled_in_good_order_is_no_crash() -> None:
    journal = MemoryJournal()
    past = await cut_off(TWO, journal)
    for _ in range(MOST_CRASHES + 1):
        past = await cut_off(TWO, journal, past=replace(past, status="cancelled"))
        assert [one.intent.crashes for one in past.unsettled] == [0]


async def test_what_a_call_under_way_may_have_cost_stays_in_the_budget() -> None:
    def budgeted(dollars: float, *more: dict[str, Any]) -> Workflow:
        steps = (llm("a", "a", max_tokens=10), llm("b", "b", max_tokens=1000), *more)
        return workflow_of(*steps, policy={"budget_usd": dollars, "max_parallel": 1})

    journal = MemoryJournal()
    past = await cut_off(budgeted(1), journal)
    [unsettled] = past.unsettled
    worst = unsettled.held_usd
    assert worst >= Decimal("0.01"), "1,000 tokens at $10 a million"
    spent = Resumption(past=past).counted_usd
    assert spent > worst, "the first call is in it"
    short = float(spent) + 1e-7
    refused = await resumed(budgeted(short), journal, past)
    assert refused.error is not None
    assert refused.error.code == "budget_exceeded"
    enough = float(spent + worst)
    assert (await resumed(budgeted(enough), journal, await left(journal))).status == "succeeded"
    third = await left(journal, "failed")
    assert Resumption(past=third).counted_usd >= spent, "the call that was cut off is counted for good"


def calls() -> tuple[Counter[str], Callable[[str], str]]:
    done: Counter[str] = Counter()

    def send(text: str) -> str:
        done[text] += 1
        return f"sent {text}"

    return done, send


async def tool_run(journal: Any, past: Any, send: Any, **fields: Any) -> RunResult:
    policy = fields.pop("policy", {})
    workflow = workflow_of(tool("a", "send", {"text": "x"}, **fields), policy=policy)
    tools = ToolRegistry([send])
    return await run(workflow, {}, gateway=NO_GATEWAY, tools=tools, journal=journal, past=past, caller=Caller(run=RUN))


async def cut_tool(journal: Any) -> Past:
    async def send(text: str) -> str:
        started.set()
        await anyio.sleep_forever()
        return text

    started = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tool_run, journal, None, send)
        await started.wait()
        tasks.cancel_scope.cancel()
    return await left(journal)


async def test_a_function_that_may_not_be_called_twice_waits_for_a_persons_word() -> None:
    journal = MemoryJournal()
    past = await cut_tool(journal)
    done, send = calls()
    result = await tool_run(journal, past, send)
    assert result.error is not None
    assert (result.error.code, result.error.path) == ("unknown_outcome", "a")
    assert f"orchestrate resume {RUN} --again a" in result.error.message
    assert f"orchestrate resume {RUN} --took-place a=JSON" in result.error.message
    assert not done
    result = await tool_run(journal, Resumption(past=await left(journal, "failed"), again={"a"}), send)
    assert (result.outputs, done) == ({"a": "sent x"}, {"x": 1})


async def test_a_renamed_step_does_not_do_again_what_may_have_been_done() -> None:
    journal = MemoryJournal()
    past = await cut_tool(journal)
    done, send = calls()
    renamed = workflow_of(tool("other", "send", {"text": "x"}))
    equal = workflow_of(tool("a", "send", {"text": "y"}), tool("b", "send", {"text": "x"}))
    for workflow in (renamed, equal):
        result = await run(
            workflow, {}, gateway=NO_GATEWAY, tools=ToolRegistry([send]), past=past, caller=Caller(run=RUN)
        )
        assert result.error is not None
        assert result.error.code == "unknown_outcome"
        assert f"orchestrate resume {RUN} --again a" in result.error.message
    assert not done["x"]


async def test_an_equal_step_beside_the_one_that_was_under_way_is_done() -> None:
    journal = MemoryJournal()
    past = await cut_tool(journal)
    done, send = calls()
    both = workflow_of(tool("a", "send", {"text": "x"}, on_error="skip"), tool("b", "send", {"text": "x"}))
    result = await run(both, {}, gateway=NO_GATEWAY, tools=ToolRegistry([send]), past=past, caller=Caller(run=RUN))
    assert [step.status for step in result.steps] == ["skipped", "succeeded"]
    assert done == {"x": 1}


@pytest.mark.parametrize("said", [{"idempotent": True}, {"policy": {"idempotent": True}}])
async def test_a_function_that_may_be_called_twice_is(said: dict[str, Any]) -> None:
    journal = MemoryJournal()
    past = await cut_tool(journal)
    done, send = calls()
    assert (await tool_run(journal, past, send, **said)).outputs == {"a": "sent x"}
    assert done == {"x": 1}


async def test_a_step_says_more_than_its_workflow() -> None:
    journal = MemoryJournal()
    past = await cut_tool(journal)
    done, send = calls()
    result = await tool_run(journal, past, send, idempotent=False, policy={"idempotent": True})
    assert result.status == "failed"
    assert not done


async def test_nothing_is_paid_for_while_the_journal_does_not_work() -> None:
    class Full(MemoryJournal):
        async def intend(self, intent: Intent) -> None:
            raise JournalError(f"the disk is full; {intent.path} was not written")

    journal, model = Full(), Model()
    async with gateway_of(model) as gateway:
        result = await run(TWO, {}, gateway=gateway, journal=journal, caller=Caller(run=RUN))
    assert result.error is not None
    assert result.error.code == "journal_failed"
    assert "the disk is full" in result.error.message
    assert not model.asked


async def test_an_effect_under_way_is_not_done_again_because_its_step_or_tool_was_edited() -> None:
    journal = MemoryJournal()
    past = await cut_tool(journal)
    done: list[str] = []

    async def send(text: str) -> str:
        """Said in other words since."""
        done.append(text)
        return f"sent {text}"

    edited = workflow_of(tool("a", "send", {"text": "other"}))
    moved = workflow_of({"id": "each", "kind": "map", "over": [1], "steps": [tool("a", "send", {"text": "x"})]})
    for workflow in (workflow_of(tool("a", "send", {"text": "x"})), edited, moved):
        result = await run_tool(workflow, Resumption(past=past), send)
        assert result.error is not None
        assert (result.error.code, f"resume {RUN} --again a`" in result.error.message) == ("unknown_outcome", True)
    assert not done
    result = await run_tool(edited, Resumption(past=past, again={"a"}), send)
    assert (result.status, done) == ("succeeded", ["other"])


async def test_what_a_person_says_of_an_effect_holds_for_the_edited_step_and_from_then_on() -> None:
    journal = MemoryJournal()
    past = await cut_tool(journal)
    [cut] = past.unsettled

    async def send(text: str) -> str:
        """Said in other words since."""
        raise AssertionError(text)

    said = Recorded(
        run_id=RUN, path="a", kind="tool", key=cut.intent.key, at=cut.intent.at, status="succeeded", output="it did"
    )
    journal.record(said)
    told = replace(past, results=(said,), unsettled=())
    workflow = workflow_of(tool("a", "send", {"text": "x"}))
    result = await run_tool(workflow, Resumption(past=told, told={"a"}), send, journal=journal)
    assert result.outputs == {"a": "it did"}
    result = await run_tool(workflow, Resumption(past=await left(journal)), send, journal=journal)
    assert result.outputs == {"a": "it did"}


async def run_tool(workflow: Workflow, past: Resumption, send: Any, *, journal: Any = None) -> RunResult:
    tools = ToolRegistry([send])
    return await run(workflow, {}, gateway=NO_GATEWAY, tools=tools, journal=journal, past=past, caller=Caller(run=RUN))


async def test_what_a_call_holds_is_written_down_before_it_is_made() -> None:
    class Late(MemoryJournal):
        """Keeps what it is told only when somebody waits for it, as a program that dies would leave it."""

        def __init__(self) -> None:
            super().__init__()
            self.waiting: list[Any] = []

        def spend(self, run_id: str, path: str, *, spent: Decimal, held: Decimal) -> None:
            self.waiting.append(partial(super().spend, run_id, path, spent=spent, held=held))

        async def kept(self) -> None:
            for one in self.waiting:
                one()
            self.waiting.clear()

    async def model(_: Request) -> str:
        [one] = (await left(journal)).unsettled
        seen.append(one.held_usd)
        return "" if len(seen) < 2 else "yes"

    journal, seen = Late(), list[Decimal]()
    for step in (llm(max_tokens=100, retry={"attempts": 2}), llm(max_tokens=100, budget_usd=0.01)):
        async with gateway_of(model) as gateway:
            workflow = workflow_of(step, policy={} if "budget_usd" in step else {"budget_usd": 0.01})
            result = await run(workflow, {}, gateway=gateway, journal=journal, caller=Caller(run=RUN))
        assert result.status == "succeeded"
    assert len(seen) == 3
    assert all(one > 0 for one in seen)


async def test_a_call_whose_hold_cannot_be_written_is_not_made_and_holds_nothing() -> None:
    class Away(MemoryJournal):
        async def kept(self) -> None:
            raise JournalError("the server is away")

    journal, model = Away(), Model()
    workflow = workflow_of(llm(max_tokens=100, on_error="skip"), policy={"budget_usd": 0.01})
    async with gateway_of(model) as gateway:
        result = await run(workflow, {}, gateway=gateway, journal=journal, caller=Caller(run=RUN))
    assert result.error is not None
    assert (result.error.code, result.cost_usd, dict(model.asked)) == ("journal_failed", 0, {})
    async with gateway_of(model) as gateway:
        past = await left(journal, "failed")
        result = await run(workflow, {}, gateway=gateway, past=past, caller=Caller(run=RUN))
    assert (result.status, result.steps[0].status, sum(model.asked.values())) == ("succeeded", "succeeded", 1)


async def test_a_persons_word_for_a_step_is_for_all_its_items() -> None:
    workflow = workflow_of({"id": "each", "kind": "map", "over": ["b", "b"], "steps": [llm("say", "{{ item }}")]})
    past = await cut_off(workflow, MemoryJournal())
    often = [replace(one, intent=replace(one.intent, crashes=MOST_CRASHES)) for one in past.unsettled]
    assert len(often) == 2
    past = replace(past, unsettled=tuple(often))
    for again, status in (((), "failed"), (("each[0]/say",), "failed"), (("say",), "succeeded")):
        async with gateway_of(Model()) as gateway:
            result = await run(
                workflow, {}, gateway=gateway, past=Resumption(past=past, again=again), caller=Caller(run=RUN)
            )
        assert result.status == status
