"""Budgets of steps inside of budgets of steps: what is spent inside counts around it, and nothing is ever overspent."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import asked, failure, gateway_of, llm, workflow_of

from executors.budget import Budget, OverBudgetError
from executors.runner import run
from unified_api.testing import ScriptedModel


def each(items: int, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "each", "kind": "map", "over": list(range(items)), "steps": steps, **fields}


async def test_a_step_s_own_budget_ends_it_although_the_run_has_more():
    model = ScriptedModel("cheap")
    steps = [llm("a", max_tokens=100_000, budget_usd=0.01, on_error="skip"), llm("b", max_tokens=1_000, after=["a"])]
    result = await asked(model, *steps, policy={"budget_usd": 5})
    assert (result.status, model.calls) == ("succeeded", 1)
    error = result.steps[0].error
    assert error is not None
    assert error.code == "budget_exceeded"
    assert "of the step's budget of $0.01" in error.message


async def test_the_items_of_a_map_share_its_budget_and_wait_for_each_other():
    now, most = 0, 0

    async def reply(_: Any) -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _turn in range(3):
            await anyio.lowlevel.checkpoint()
        now -= 1
        return "ok"

    # At worst $0.0101 a call: two have room at one time in the map, and each costs next to nothing.
    step = each(12, llm("inner", max_tokens=1_000), budget_usd=0.025)
    result = await asked(reply, step, policy={"budget_usd": 5, "max_parallel": 12})
    assert (result.status, most) == ("succeeded", 2)
    assert result.steps[0].cost_usd == result.cost_usd
    assert 0 < (result.cost_usd or 0) < Decimal("0.025")


async def test_another_workflow_keeps_its_own_budget_inside_of_that_of_the_run():
    inner = workflow_of(llm("a", max_tokens=100_000), policy={"budget_usd": 0.01})
    step = {"id": "sub", "kind": "workflow", "workflow": "test", "version": "1.0.0"}
    async with gateway_of("cheap") as gateway:
        result = await run(
            workflow_of(step, policy={"budget_usd": 5}), {}, gateway=gateway, workflows={"test@1.0.0": inner}
        )
        assert failure(result)[0] == "budget_exceeded"
        assert "of the workflow's budget of $0.01" in failure(result)[1]
        wider = inner.model_copy(update={"policy": inner.policy.model_copy(update={"budget_usd": 9})})
        result = await run(
            workflow_of(step, policy={"budget_usd": 0.5}), {}, gateway=gateway, workflows={"test@1.0.0": wider}
        )
    assert "of the run's budget of $0.5" in failure(result)[1]


async def test_what_the_tries_of_a_step_with_others_inside_cost_counts_once_each():
    calls = 0

    def reply(_: Any) -> str:
        nonlocal calls
        calls += 1
        return "no JSON" if calls <= 3 else '{"a": 1}'

    schema = {"type": "object", "required": ["a"]}
    steps = [llm("first", "Say it."), llm("second", "Give it.", output=schema, after=["first"])]
    result = await asked(lambda request: "ok" if "Say" in str(request) else reply(request), each(1, *steps))
    once = result.cost_usd
    assert failure(result)[0] == "invalid_output"
    calls = 0
    result = await asked(
        lambda request: "ok" if "Say" in str(request) else reply(request),
        each(1, *steps, retry={"attempts": 2, "backoff_s": 0}),
    )
    assert result.status == "succeeded"
    assert once is not None
    assert result.cost_usd is not None
    assert once < result.cost_usd < 2 * once  # the first step is not paid again


@given(st.integers(0, 2**32), st.integers(1, 3))
async def test_no_budget_of_a_tree_of_budgets_is_ever_overspent(seed: int, deep: int):
    source = Random(seed)
    run_budget = Budget(Decimal(source.randint(5, 30)))
    budgets = [run_budget]
    for _ in range(deep * 3):
        budgets.append(Budget(Decimal(source.randint(2, 20)), around=source.choice(budgets), whose="step"))

    async def call(budget: Budget) -> None:
        worst = Decimal(source.randint(1, 4))
        try:
            held = await budget.reserve(worst)
        except OverBudgetError:
            return
        try:
            for _turn in range(source.randrange(3)):
                await anyio.lowlevel.checkpoint()
                assert all(one.held + one.spent <= one.limit for one in budgets)
        finally:
            budget.settle(held, worst if source.random() < 0.5 else Decimal(0))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(call, source.choice(budgets))
    assert all(one.held == 0 and one.spent <= one.limit for one in budgets)


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancelled_wait_for_room_holds_nothing(turns: int):
    budget = Budget(Decimal(1))
    inner = Budget(Decimal(1), around=budget)
    held = await inner.reserve(Decimal(1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(inner.reserve, Decimal(1))
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    inner.settle(held, Decimal(0))
    assert (budget.held, inner.held) == (0, 0)
