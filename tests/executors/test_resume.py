from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import anyio
from running import gateway_of, llm, value, workflow_of

from executors.events import RunResumed
from executors.journal.entries import Approval, Decision, Intent, Journal, JournalError, Past
from executors.journal.memory import MemoryJournal
from executors.preview import Preview, preview
from executors.result import RunResult
from executors.resumption import Resumption
from executors.runner import run
from executors.tools import ToolRegistry
from unified_api.errors import InvalidRequestError
from unified_api.types import Caller, Request, TextPart
from workflows.model import Workflow

RUN = "r1"
AT = datetime(2026, 11, 1, tzinfo=UTC)


class Model:
    """Answers a prompt by a word made of it, or as told; fails those it is told to, and counts what it is asked."""

    def __init__(self, **answers: str) -> None:
        self.asked: Counter[str] = Counter()
        self.answers = answers
        self.failing: set[str] = set()
        self.hanging: set[str] = set()

    async def __call__(self, request: Request) -> str:
        prompt = "".join(part.text for part in request.messages[-1].parts if isinstance(part, TextPart))
        self.asked[prompt] += 1
        if prompt in self.hanging:
            await anyio.sleep_forever()
        if prompt in self.failing:
            raise InvalidRequestError("it would not")
        return self.answers.get(prompt, f"<{prompt}>")


class Numbered(Model):
    """Never says the same twice."""

    async def __call__(self, request: Request) -> str:
        said = await super().__call__(request)
        return f"{said} {next(self.numbers)}"

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count()


async def go(
    workflow: Workflow,
    model: Model,
    *,
    journal: Journal,
    past: Any = None,
    given: Any = None,
    caller: Caller | None = None,
    workflows: Any = None,
) -> RunResult:
    async with gateway_of(model) as gateway:
        return await run(
            workflow,
            given or {},
            gateway=gateway,
            journal=journal,
            past=past,
            caller=caller or Caller(run=RUN),
            workflows=workflows,
        )


async def resumed(
    workflow: Workflow, model: Model, *, journal: Any, workflows: Any = None, **changes: Any
) -> RunResult:
    """The next pass; counts anew."""
    model.asked.clear()
    found = await journal.past(RUN)
    assert found is not None
    past: Past = replace(found, **changes)
    return await go(workflow, model, journal=journal, past=past, given=dict(past.inputs), workflows=workflows)


def chain(*prompts: str) -> Workflow:
    """Steps s1, s2 ... of which each asks with what the one before it answered."""
    steps = [
        llm(f"s{place}", prompt if place == 1 else f"{prompt} {{{{ steps.s{place - 1}.output }}}}")
        for place, prompt in enumerate(prompts, 1)
    ]
    return workflow_of(*steps)


async def test_a_finished_run_that_is_taken_up_again_asks_nothing_and_gives_the_same() -> None:
    workflow, model, journal = chain("a", "b", "c"), Model(), MemoryJournal()
    first = await go(workflow, model, journal=journal)
    assert sum(model.asked.values()) == 3
    again = await resumed(workflow, model, journal=journal)
    assert not model.asked
    assert again.outputs == first.outputs
    assert again.cost_usd == first.cost_usd
    assert all(step.reused for step in again.steps)
    assert [step.cost_usd for step in again.steps] == [step.cost_usd for step in first.steps]
    assert again.steps[0].model == first.steps[0].model


async def test_a_failed_run_asks_again_only_what_failed_and_what_comes_after() -> None:
    workflow, model, journal = chain("a", "b", "c"), Model(), MemoryJournal()
    model.failing = {"b <a>"}
    assert (await go(workflow, model, journal=journal)).status == "failed"
    model.failing.clear()
    result = await resumed(workflow, model, journal=journal)
    assert result.status == "succeeded"
    assert model.asked == {"b <a>": 1, "c <b <a>>": 1}


async def test_a_failure_that_the_run_went_on_without_is_found_again() -> None:
    steps = (llm("a", "a", on_error="skip"), llm("b", "b", on_error={"output": "?"}), llm("c", "c"))
    workflow, model, journal = workflow_of(*steps), Model(), MemoryJournal()
    model.failing = {"a", "b"}
    first = await go(workflow, model, journal=journal)
    model.failing.clear()
    again = await resumed(workflow, model, journal=journal)
    assert not model.asked
    assert again.outputs == first.outputs == {"a": None, "b": "?", "c": "<c>"}
    assert [step.error for step in again.steps] == [step.error for step in first.steps]


async def test_a_changed_prompt_pays_for_its_step_and_those_whose_inputs_change() -> None:
    model, journal = Model(), MemoryJournal()
    await go(chain("a", "b", "c"), model, journal=journal)
    result = await resumed(chain("a", "B", "c"), model, journal=journal)
    assert model.asked == {"B <a>": 1, "c <B <a>>": 1}
    assert result.outputs == {"s3": "<c <B <a>>>"}


async def test_a_step_that_gives_the_same_after_all_ends_what_is_paid_again() -> None:
    model, journal = Model(**{"b <a>": "same", "B <a>": "same"}), MemoryJournal()
    await go(chain("a", "b", "c", "d"), model, journal=journal)
    await resumed(chain("a", "B", "c", "d"), model, journal=journal)
    assert model.asked == {"B <a>": 1}


async def test_renamed_and_moved_steps_keep_their_results() -> None:
    model, journal = Model(), MemoryJournal()
    await go(workflow_of(llm("a", "one"), llm("b", "two")), model, journal=journal)
    result = await resumed(workflow_of(llm("y", "two"), llm("x", "one"), llm("z", "three")), model, journal=journal)
    assert model.asked == {"three": 1}
    assert result.outputs == {"y": "<two>", "x": "<one>", "z": "<three>"}


async def test_a_longer_list_pays_only_for_the_items_that_are_new() -> None:
    each = {"id": "each", "kind": "map", "over": "{{ inputs.items }}", "steps": [llm("say", "say {{ item }}")]}
    workflow = workflow_of(each, inputs={"items": {"type": "array"}})
    model, journal = Model(), MemoryJournal()
    await go(workflow, model, journal=journal, given={"items": ["b", "c"]})
    result = await resumed(workflow, model, journal=journal, inputs={"items": ["a", "b", "c", "c"]})
    assert model.asked == {"say a": 1, "say c": 1}, "the second c is another answer"
    assert result.outputs == {"each": ["<say a>", "<say b>", "<say c>", "<say c>"]}


async def test_two_equal_steps_are_two_answers_of_which_each_is_kept_once() -> None:
    workflow, journal, numbers = workflow_of(llm("a", "same"), llm("b", "same")), MemoryJournal(), iter("12345")

    class Sampled(Model):
        async def __call__(self, request: Request) -> str:
            await super().__call__(request)
            return next(numbers)

    model = Sampled()
    first = await go(workflow, model, journal=journal)
    assert first.outputs == {"a": "1", "b": "2"}
    third = workflow_of(llm("a", "same"), llm("c", "same"), llm("b", "same"))
    again = await resumed(third, model, journal=journal)
    assert again.outputs == {"a": "1", "b": "2", "c": "3"}
    assert model.asked == {"same": 1}


async def test_what_succeeded_in_a_failed_try_of_a_list_is_not_paid_again_in_the_next() -> None:
    each = {
        "id": "each",
        "kind": "map",
        "over": ["a", "b", "c"],
        "retry": {"attempts": 2, "backoff_s": 0},
        "steps": [llm("say", "say {{ item }}")],
    }

    class Shaky(Model):
        async def __call__(self, request: Request) -> str:
            self.answers = {"say c": ""} if not self.asked["say c"] else {}
            return await super().__call__(request)

    workflow, model, journal = workflow_of(each, policy={"max_parallel": 1}), Shaky(), MemoryJournal()
    async with gateway_of(model) as gateway:
        assert (await run(workflow, {}, gateway=gateway)).status == "succeeded"
    assert model.asked == {"say a": 1, "say b": 1, "say c": 2}, "without a journal, too"
    model.asked.clear()
    result = await go(workflow, model, journal=journal)
    assert result.outputs == {"each": ["<say a>", "<say b>", "<say c>"]}
    assert model.asked == {"say a": 1, "say b": 1, "say c": 2}
    again = await resumed(workflow, model, journal=journal)
    assert (again.outputs, again.cost_usd) == (result.outputs, result.cost_usd), "the answer in vain is paid, too"


async def test_a_list_that_failed_as_often_as_it_was_tried_is_found_failed() -> None:
    each = {
        "id": "each",
        "kind": "map",
        "over": ["a", "b"],
        "retry": {"attempts": 3, "backoff_s": 0},
        "on_error": "skip",
        "steps": [llm("say", "say {{ item }}")],
    }
    workflow, model, journal = workflow_of(each, llm("end", "end")), Model(), MemoryJournal()
    model.failing = {"say b"}
    await go(workflow, model, journal=journal)
    assert model.asked == {"say a": 1, "say b": 3, "end": 1}
    model.failing.clear()
    result = await resumed(workflow, model, journal=journal)
    assert [step.status for step in result.steps] == ["skipped", "succeeded"]
    assert not model.asked
    once = tuple(replace(one, times=1) for one in (await past_of(journal)).results)
    result = await resumed(workflow, model, journal=journal, results=once)
    assert model.asked == {"say b": 1}, "a program that died after the first try has two left"
    assert result.steps[0].output == ["<say a>", "<say b>"]


async def test_what_another_item_has_taken_is_not_shared() -> None:
    each = {"id": "each", "kind": "map", "over": "{{ inputs.items }}", "steps": [llm("say", "say {{ item }}")]}
    workflow = workflow_of(each, inputs={"items": {"type": "array"}}, policy={"max_parallel": 1})
    model, journal = Model(), MemoryJournal()
    await go(workflow, model, journal=journal, given={"items": ["p", "q"]})
    await resumed(workflow, model, journal=journal, inputs={"items": ["q", "q"]})
    assert model.asked == {"say q": 1}


async def past_of(journal: Any) -> Past:
    past: Past | None = await journal.past(RUN)
    assert past is not None
    return past


async def test_results_of_other_runs_are_taken_only_where_the_step_says_so() -> None:
    journal = MemoryJournal()

    async def asked(other: Caller = Caller(), **fields: Any) -> int:
        model = Model()
        for name in ("one", "two"):
            caller = replace(other if name == "two" else Caller(), run=name + str(fields) + other.tenant)
            result = await go(workflow_of(llm("a", f"say {fields}", **fields)), model, journal=journal, caller=caller)
        assert result.steps[0].reused == (sum(model.asked.values()) == 1)
        assert not result.steps[0].reused or result.cost_usd == 0
        return sum(model.asked.values())

    assert await asked() == 2
    assert await asked(temperature=0) == 2
    assert await asked(cache="deterministic") == 2
    assert await asked(cache="deterministic", temperature=0) == 1
    assert await asked(cache="always") == 1
    assert await asked(Caller(tenant="acme"), cache="always", temperature=1) == 2


async def test_samples_of_one_run_are_taken_from_other_runs_only() -> None:
    for fields, asked in (({"cache": "always"}, 2), ({"cache": "always", "temperature": 0}, 1)):
        model, journal = Model(), MemoryJournal()
        await go(
            workflow_of(llm("a", "same", **fields), llm("b", "same", after=["a"], **fields)), model, journal=journal
        )
        assert model.asked == {"same": asked}


async def test_a_resumed_run_keeps_under_the_budget_that_all_its_passes_share() -> None:
    journal, model = MemoryJournal(), Model()
    cheap = [llm(f"s{n}", f"p{n}", max_tokens=100, after=[f"s{n - 1}"] if n else []) for n in range(3)]
    first = await go(workflow_of(*cheap[:2]), model, journal=journal)
    assert first.cost_usd
    tight = workflow_of(*cheap, policy={"budget_usd": float(first.cost_usd)})
    result = await resumed(tight, model, journal=journal)
    assert result.error is not None
    assert result.error.code == "budget_exceeded"
    assert not model.asked
    wide = workflow_of(*cheap, policy={"budget_usd": float(first.cost_usd) + 0.01})
    result = await resumed(wide, model, journal=journal)
    assert result.status == "succeeded"
    assert model.asked == {"p2": 1}
    assert result.cost_usd > first.cost_usd


async def test_a_run_says_what_it_keeps_before_anything_else() -> None:
    workflow, journal, told = chain("a", "b"), MemoryJournal(), list[Any]()
    await go(workflow, Model(), journal=journal)
    past = await journal.past(RUN)
    assert past is not None
    async with gateway_of(Model()) as gateway:
        resumption = Resumption(past=past, kept=2)
        await run(workflow, {}, gateway=gateway, past=resumption, caller=Caller(run=RUN), on_event=told.append)
    assert isinstance(told[0], RunResumed)
    assert (told[0].kept, told[0].definition) == (2, workflow)


async def seen(workflow: Workflow, journal: Any, **changes: Any) -> Preview:
    past = replace(await journal.past(RUN), **changes)
    return await preview(Resumption(past=past), workflow, workflows={}, tools=ToolRegistry())


async def test_a_preview_tells_what_is_kept_paid_again_and_perhaps_paid_again() -> None:
    model, journal = Model(), MemoryJournal()
    await go(chain("a", "b", "c", "d"), model, journal=journal)
    before = Counter(model.asked)
    assert await seen(chain("a", "b", "c", "d"), journal) == Preview(kept=("s1", "s2", "s3", "s4"))
    assert await seen(chain("a", "B", "c", "d"), journal) == Preview(kept=("s1",), again=("s2",), perhaps=("s3", "s4"))
    assert await seen(chain("a", "b", "c", "d", "e"), journal) == Preview(kept=("s1", "s2", "s3", "s4"), first=("s5",))
    assert model.asked == before


async def test_a_preview_goes_through_lists_cases_and_rounds() -> None:
    def workflow(prompt: str) -> Workflow:
        return workflow_of(
            {"id": "each", "kind": "map", "over": ["x", "y"], "steps": [llm("say", prompt + " {{ item }}")]},
            {
                "id": "route",
                "kind": "branch",
                "cases": [{"when": "{{ steps.each.output | length > 1 }}", "steps": [llm("many", "many")]}],
            },
            {
                "id": "refine",
                "kind": "loop",
                "max_rounds": 2,
                "until": "{{ false }}",
                "steps": [llm("draft", "draft {{ round.number }}")],
            },
        )

    journal = MemoryJournal()
    await go(workflow("say"), Model(), journal=journal)
    same = await seen(workflow("say"), journal)
    assert set(same.kept) == {"each[0]/say", "each[1]/say", "route/many", "refine[1]/draft", "refine[2]/draft"}
    assert not same.repeats
    other = await seen(workflow("tell"), journal)
    assert other.again == ("each[0]/say", "each[1]/say")
    assert other.perhaps == ("route/many",)


async def test_a_preview_knows_what_people_have_answered() -> None:
    ask = {"id": "ask", "kind": "approval", "message": "Go on?"}
    after = llm("after", "after {{ steps.ask.output.approved }}")
    workflow, journal = workflow_of(ask, after), MemoryJournal()

    async def agree(_: Approval) -> Decision:
        return Decision(approved=True)

    async with gateway_of(Model()) as gateway:
        await run(workflow, {}, gateway=gateway, journal=journal, caller=Caller(run=RUN), approve=agree)
    assert await seen(workflow, journal) == Preview(kept=("after",))
    assert await seen(workflow, journal, approvals=()) == Preview(perhaps=("after",))


def test_costs_of_a_past_are_summed_with_what_is_possibly_paid() -> None:
    assert Resumption(past=Past(run_id=RUN, status="running")).counted_usd == Decimal(0)


async def test_a_recorded_result_keeps_the_label_that_it_came_to_have() -> None:
    """Of what it was made from, or more: the gateway may have found something secret in what was sent."""
    workflow, journal = workflow_of(llm("a", "a"), llm("b", "b {{ steps.a.output }}")), MemoryJournal()
    await go(workflow, Model(), journal=journal)
    past = await journal.past(RUN)
    assert past is not None
    secret = tuple(replace(one, label="restricted") if one.path == "a" else one for one in past.results)
    result = await resumed(workflow, Model(), journal=journal, results=secret)
    assert [step.label for step in result.steps] == ["restricted", "restricted"]


async def test_a_result_taken_from_another_run_keeps_the_label_that_it_came_to_have_there() -> None:
    journal = MemoryJournal()
    workflow = workflow_of(llm("a", "a", cache="always"), llm("b", "b {{ steps.a.output }}"))
    await go(workflow, Model(), journal=journal)
    past = await journal.past(RUN)
    assert past is not None
    [first, _] = past.results
    journal.record(replace(first, run_id="r2", at=first.at + timedelta(seconds=1), label="confidential"))
    result = await go(workflow, Model(), journal=journal, caller=Caller(run="r3"))
    assert [step.label for step in result.steps] == ["confidential", "confidential"]


async def test_each_sample_of_another_run_is_taken_once() -> None:
    def sampled(wide: int) -> Workflow:
        steps = [llm(f"s{n}", "same", cache="always", after=[f"s{n - 1}"] if n and wide == 1 else []) for n in range(4)]
        return workflow_of(*steps)

    journal, model = MemoryJournal(), Numbered()
    first = await go(sampled(1), model, journal=journal)
    assert model.asked["same"] == 4
    for wide, run_id in ((1, "r2"), (4, "r3"), (1, "r4")):
        model.asked.clear()
        result = await go(sampled(wide), model, journal=journal, caller=Caller(run=run_id))
        assert not model.asked
        assert sorted(step.output for step in result.steps) == sorted(step.output for step in first.steps)


async def test_an_answer_that_another_run_took_is_one_sample() -> None:
    journal, model = MemoryJournal(), Numbered()
    one = workflow_of(llm("a", "same", cache="always"))
    for run_id in ("r1", "r2", "r3"):
        await go(one, model, journal=journal, caller=Caller(run=run_id))
    assert model.asked["same"] == 1
    two = workflow_of(*one.model_dump(mode="json")["steps"], llm("b", "same", cache="always", after=["a"]))
    result = await go(two, model, journal=journal, caller=Caller(run="r4"))
    assert (model.asked["same"], result.steps[0].output == result.steps[1].output) == (2, False)


async def test_a_renamed_step_keeps_its_result_beside_a_workflow_that_has_a_step_of_its_old_name() -> None:
    inner = workflow_of(llm("draft", "inner"), version="1.0.0")
    sub = {"id": "sub", "kind": "workflow", "workflow": "test", "version": "1.0.0"}

    def outer(name: str) -> Workflow:
        last = llm("last", f"last {{{{ steps.{name}.output }}}} {{{{ steps.sub.output.draft }}}}")
        return workflow_of(llm(name, "outer"), sub, last)

    journal, model, inside = MemoryJournal(), Model(), {"test@1.0.0": inner}
    model.failing.add("last <outer> <inner>")
    before = outer("draft")
    await journal.begin(RUN, definition=before, workflows=inside, inputs={}, caller=Caller(run=RUN), at=AT)
    assert (await go(before, model, journal=journal, workflows=inside)).status == "failed"
    model.failing.clear()
    result = await resumed(outer("first"), model, journal=journal, workflows=inside)
    assert (result.status, dict(model.asked)) == ("succeeded", {"last <outer> <inner>": 1})


async def test_what_is_not_begun_because_the_journal_does_not_work_ends_the_run_whatever_its_steps_say() -> None:
    class Away(MemoryJournal):
        left = 2

        async def intend(self, intent: Intent) -> None:
            self.left -= 1
            if self.left < 0:
                raise JournalError("the server is away")
            await super().intend(intent)

    inside = {"steps": [llm("say", "{{ item }}", on_error="skip")], "over": list("abcd"), "max_parallel": 1}
    for fields in (
        {"on_item_error": "drop"},
        {"on_item_error": "keep"},
        {"on_error": "skip"},
        {"on_error": {"output": "instead"}},
    ):
        journal, model = Away(), Model()
        workflow = workflow_of({"id": "each", "kind": "map", **inside, **fields})
        result = await go(workflow, model, journal=journal)
        assert result.error is not None
        assert (result.status, result.error.code, sum(model.asked.values())) == ("failed", "journal_failed", 2)
        journal.left = 10
        result = await resumed(workflow, model, journal=journal)
        assert (result.status, sum(model.asked.values())) == ("succeeded", 2)
        assert result.outputs == {"each": ["<a>", "<b>", "<c>", "<d>"]}


async def test_steps_that_nothing_is_written_down_before_let_the_journal_catch_up() -> None:
    class Slow(MemoryJournal):
        asked = 0

        async def room(self) -> None:
            self.asked += 1
            raise JournalError("the disk is full")  # which such steps go on without

    journal = Slow()
    steps = [value("n", "{{ item }}")]
    workflow = workflow_of({"id": "each", "kind": "map", "over": list(range(600)), "steps": steps})
    result = await go(workflow, Model(), journal=journal)
    assert (result.outputs["each"], journal.asked) == (list(range(600)), 2)
