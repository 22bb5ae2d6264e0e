from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import asked, failure, gateway_of, llm, workflow_of

from executors.budget import Budget, OverBudgetError
from executors.events import Event, RunFinished
from executors.runner import run
from unified_api.errors import (
    ConnectionFailedError,
    ProviderError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.models import DataPolicy, Model, Prices
from unified_api.settings import Environment, Settings
from unified_api.settings.routes import Route
from unified_api.testing import ALL_CAPABILITIES, ScriptedModel, scripted_gateway
from unified_api.types import Response, TextChunk, TextPart, Usage


async def test_a_step_whose_worst_cost_would_break_the_budget_is_not_asked():
    model = ScriptedModel("cheap")
    steps = [llm("a", max_tokens=10), llm("b", max_tokens=1_000_000, after=["a"])]
    result = await asked(model, *steps, policy={"budget_usd": 0.01})
    code, message = failure(result)
    assert (code, model.calls) == ("budget_exceeded", 1)
    assert message.startswith("step 'b': ")
    assert result.cost_usd is not None
    assert 0 < result.cost_usd < Decimal("0.01")


async def test_under_a_budget_an_unknown_price_is_refused():
    gateway = gateway_of("x", prices=None)
    workflow = workflow_of(llm(max_tokens=1), policy={"budget_usd": 5})
    assert failure(await run(workflow, {}, gateway=gateway))[0] == "unknown_price"
    free = workflow_of(llm(max_tokens=1))
    assert (await run(free, {}, gateway=gateway)).cost_usd is None


async def test_under_a_budget_a_route_is_served_by_its_models_of_known_price():
    models = [replace(_model("scripted/a", 10), prices=None), _model("scripted/b", 10)]
    routes = {"main": Route(models=("scripted/a", "scripted/b"))}
    gateway = scripted_gateway(
        {"scripted/a": "one", "scripted/b": "two"},
        models=models,
        settings=Settings(routes=routes, environment=Environment()),
    )
    workflow = workflow_of(llm(max_tokens=1, model="route/main"), policy={"budget_usd": 5})
    result = await run(workflow, {}, gateway=gateway)
    assert (result.status, result.steps[0].model) == ("succeeded", "scripted/b")


async def test_no_number_of_parallel_steps_overspends_and_none_fails_that_would_fit_after_another():
    open_calls = 0

    async def reply(_: Any) -> str:
        nonlocal open_calls
        open_calls += 1
        # Each may cost $0.0101 at worst, and the budget is $0.025: a third one must not be on its way beside two.
        assert open_calls <= 2
        for _turn in range(3):
            await anyio.lowlevel.checkpoint()
        open_calls -= 1
        return "ok"

    steps = [llm(f"s{i}", max_tokens=1000) for i in range(20)]
    result = await asked(reply, *steps, policy={"budget_usd": 0.025, "max_parallel": 20})
    assert result.status == "succeeded"
    assert result.cost_usd is not None
    assert result.cost_usd < Decimal("0.025")


async def test_a_cancelled_call_costs_nobody_knows_what():
    events: list[Event] = []

    async def hang(_: Any) -> str:
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.CancelScope() as scope:
        await asked(hang, llm(), on_event=events.append)
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.status, end.cost_usd) == ("cancelled", None)


async def test_a_call_that_may_have_been_paid_for_counts_at_its_worst():
    steps = [llm("a", max_tokens=1000, on_error="skip"), llm("b", max_tokens=1000, after=["a"])]
    result = await asked([TimedOutError("silent"), "never"], *steps, policy={"budget_usd": 0.015})
    assert failure(result)[0] == "budget_exceeded"
    assert result.cost_usd is None
    assert result.steps[0].cost_usd is None


async def test_every_attempt_that_may_have_been_paid_for_counts():
    # A call costs $0.0101 at worst. The first answers only at its third attempt, and the two before may be billed.
    steps = [llm("a", max_tokens=1000), llm("b", max_tokens=4000, after=["a"])]
    script = [TruncatedStreamError("cut"), TruncatedStreamError("cut"), "short", "short"]
    result = await asked(script, *steps, policy={"budget_usd": 0.0515})
    assert failure(result)[0] == "budget_exceeded"
    assert result.steps[0].status == "succeeded"
    assert result.cost_usd is None


async def test_an_attempt_that_the_budget_has_no_room_for_is_not_made():
    model = ScriptedModel([TruncatedStreamError("cut")] * 3 + ["too late"])
    result = await asked(model, llm("a", max_tokens=1000), policy={"budget_usd": 0.025})
    assert failure(result)[0] == "truncated_stream"
    assert model.calls * Decimal("0.0101") <= Decimal("0.025")
    busy = ScriptedModel([RateLimitError("busy", retry_after=0)] * 3 + ["at last"])
    assert (await asked(busy, llm("a", max_tokens=1000), policy={"budget_usd": 0.025})).status == "succeeded"


@pytest.mark.parametrize("fault", [ConnectionFailedError("broke"), ServerError("failed"), RateLimitError("busy")])
async def test_a_stream_that_fails_after_its_first_words_costs_nobody_knows_what(fault: ProviderError):
    result = await asked(
        [[TextChunk("Once"), fault]], llm(max_tokens=1000), policy={"budget_usd": 5}, on_event=[].append
    )
    assert failure(result)[0] == fault.code
    assert result.cost_usd is None


async def test_tries_that_are_paid_together_are_held_together():
    budget = Budget(Decimal(10))
    assert (await budget.reserve(Decimal(2), tries=4, together=3)).tries == 4
    alone = Budget(Decimal(5))
    with pytest.raises(OverBudgetError, match=r"up to \$6"):
        await alone.reserve(Decimal(2), tries=4, together=3)
    assert alone.held == 0


def _model(name: str, output: int) -> Model:
    return Model(
        id=name,
        provider="scripted",
        name=name.partition("/")[2],
        wire="scripted",
        capabilities=ALL_CAPABILITIES,
        prices=Prices(input=Decimal(1), output=Decimal(output)),
        data_policy=DataPolicy(clearance="restricted"),
    )


JUDGED = {"evaluator": "judge", "judge": "scripted/judge", "threshold": 0.1}


async def test_judges_of_answers_are_paid_from_the_budget_of_the_run():
    judge = ScriptedModel(
        Response(
            model="scripted/judge",
            provider="scripted",
            parts=(TextPart('{"score": 9}'),),
            finish_reason="stop",
            usage=Usage(input_tokens=300, output_tokens=1_000),
        )
    )
    route = {"models": ["scripted/a", "scripted/b"], "escalate": JUDGED}
    gateway = scripted_gateway(
        {"scripted/a": "fine", "scripted/b": "fine", "scripted/judge": judge},
        models=[_model("scripted/a", 10), _model("scripted/b", 10), _model("scripted/judge", 75)],
        settings=Settings(routes={"main": Route.model_validate(route)}, environment=Environment()),
    )
    steps = [llm(f"s{number}", max_tokens=100, model="route/main") for number in range(20)]
    result = await run(workflow_of(*steps, policy={"budget_usd": 0.5}), {}, gateway=gateway)
    assert result.cost_usd is not None
    assert 0 < judge.calls < 20
    assert Decimal("0.075") * judge.calls < result.cost_usd <= Decimal("0.5")


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.sampled_from(["known", "unknown", "cancelled"]))),
    st.integers(0, 100),
)
@settings(deadline=None)
async def test_whatever_calls_cost_and_however_they_end_the_cap_holds(calls: list[tuple[int, int, str]], limit: int):
    budget = Budget(Decimal(limit))
    served: list[int] = []

    async def call(worst: int, cost: int, end: str) -> None:
        try:
            held = await budget.reserve(Decimal(worst), tries=3)
        except OverBudgetError:
            assert budget.spent + worst > limit
            return
        paid = worst
        try:
            with anyio.CancelScope() as scope:
                if end == "cancelled":
                    scope.cancel()
                assert 1 <= held.tries <= 3
                assert budget.spent + budget.held <= limit
                await anyio.lowlevel.checkpoint()
                paid = worst if end == "unknown" else min(cost, worst)
        finally:
            budget.settle(held, Decimal(paid))
            served.append(paid)

    async with anyio.create_task_group() as tasks:
        for worst, cost, end in calls:
            tasks.start_soon(call, worst, cost, end)
    assert budget.held == 0
    assert budget.spent == sum(served) <= limit


async def test_a_step_without_max_tokens_is_held_to_an_answer_that_the_budget_has_room_for():
    # A million tokens of answer cost $10: 16,384 of them are more than ten cents, 8,192 are less.
    model = ScriptedModel("cheap")
    result = await asked(model, llm("a"), llm("b", after=["a"]), policy={"budget_usd": 0.1})
    assert result.status == "succeeded"
    assert [request.max_tokens for request in model.requests] == [8192, 8192]
    roomy = ScriptedModel("cheap")
    await asked(roomy, llm("a"), policy={"budget_usd": 1})
    assert [request.max_tokens for request in roomy.requests] == [None]
    code, message = failure(await asked(ScriptedModel("cheap"), llm("a"), policy={"budget_usd": 0.01}))
    assert (code, "is left" in message) == ("budget_exceeded", True)
