"""The cache between the layers that lie around it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from unified_api.errors import BudgetExceededError
from unified_api.gateway import Gateway
from unified_api.models import Prices
from unified_api.settings import (
    BudgetSettings,
    CacheSettings,
    Environment,
    PrivacySettings,
    RecordSettings,
    SafetySettings,
    Settings,
)
from unified_api.testing import ScriptedModel, scripted_gateway
from unified_api.types import Caller, FinishChunk, Message, Policy, Request, Response, TextChunk

PRICES = Prices(input=Decimal(1), output=Decimal(10))


def asked(text: str) -> Request:
    return Request(model="p/m", messages=(Message.user(text),), max_tokens=1_000)


def gateway_of(
    script: Any, home: Path, *, others: dict[str, Any] | None = None, **tables: Any
) -> tuple[Gateway, ScriptedModel]:
    model = ScriptedModel(script)
    cache = CacheSettings(enabled=True, clearance=tables.pop("clearance", "public"))
    environment = Environment({"ORCHESTRATOR_HOME": str(home)})
    settings = Settings(cache=cache, environment=environment, **tables)
    return scripted_gateway({"p/m": model, **(others or {})}, settings=settings, prices=PRICES), model


async def test_who_found_personal_data_keeps_it_from_a_cache_that_is_not_cleared(tmp_path: Path) -> None:
    gateway, model = gateway_of("an answer", tmp_path, privacy=PrivacySettings(detect=True))
    for _ in range(2):
        await gateway.chat(asked("Write to ann.lee@example.org."))
        await gateway.chat(asked("Write a poem."))
    assert model.calls == 3


async def test_placeholders_are_kept_and_each_caller_gets_its_own_values_back(tmp_path: Path) -> None:
    def answer(request: Any) -> str:
        text: str = request.messages[0].parts[0].text
        return text

    gateway, model = gateway_of(answer, tmp_path, privacy=PrivacySettings(redact="placeholders"))
    texts = [(await gateway.chat(asked(f"Write to {name}@example.org now"))).text for name in ("ann.lee", "bob.ray")]
    assert texts == ["Write to ann.lee@example.org now", "Write to bob.ray@example.org now"]
    assert model.calls == 1
    assert "ann.lee" not in str(model.requests)


@pytest.mark.parametrize(("verdict", "calls"), [(False, 1), (True, 2)])
async def test_an_answer_that_was_judged_unsafe_is_not_kept_and_a_safe_one_is(
    tmp_path: Path, verdict: bool, calls: int
) -> None:
    safety = SafetySettings(backend="moderation", model="p/guard", action="flag")
    gateway, model = gateway_of("an answer", tmp_path, others={"p/guard": lambda _: [verdict]}, safety=safety)
    for _ in range(2):
        await gateway.chat(asked("Why?"))
    assert model.calls == calls


async def test_a_blocked_answer_is_not_kept_streamed_or_not(tmp_path: Path) -> None:
    safety = SafetySettings(backend="moderation", model="p/guard", action="block")
    gateway, model = gateway_of("an answer", tmp_path, others={"p/guard": lambda _: [True]}, safety=safety)
    for _ in range(2):
        assert (await gateway.chat(asked("Why?"))).finish_reason == "content_filter"
        async with gateway.stream(asked("Why?")) as stream:
            async for _ in stream:
                pass
        assert stream.response.finish_reason == "content_filter"
    assert model.calls == 4


async def test_who_joins_a_flagged_answer_is_told_that_it_was(tmp_path: Path) -> None:
    entered, release = anyio.Event(), anyio.Event()

    async def answer(request: object) -> str:
        entered.set()
        await release.wait()
        return "an answer"

    safety = SafetySettings(backend="moderation", model="p/guard", action="flag")
    gateway, model = gateway_of(answer, tmp_path, others={"p/guard": lambda _: [True]}, safety=safety)
    got: list[Response] = []

    async def ask() -> None:
        got.append(await gateway.chat(asked("Why?")))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
        await entered.wait()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        release.set()
    assert model.calls == 1
    assert all(any(one.error == "unsafe" for one in response.attempts) for response in got)


async def test_a_kept_answer_is_paid_by_nobody_and_a_budget_of_one_is_not_anothers(tmp_path: Path) -> None:
    budgets = BudgetSettings.model_validate(
        {"users": {"poor": {"month_usd": 0.001}, "rich": {"month_usd": 5}}, "wait_s": 0}
    )
    gateway, model = gateway_of("an answer", tmp_path, budgets=budgets)
    poor, rich = (Policy(caller=Caller(user=user)) for user in ("poor", "rich"))
    outcomes: list[str] = []

    async def ask(policy: Policy) -> None:
        try:
            outcomes.append((await gateway.chat(asked("Why?"), policy)).text)
        except BudgetExceededError:
            outcomes.append("exceeded")

    async with gateway:
        async with anyio.create_task_group() as group:
            for policy in (poor, rich, rich):
                group.start_soon(ask, policy)
        assert sorted(outcomes) == ["an answer", "an answer", "exceeded"]
        assert model.calls == 1
        kept = await gateway.chat(asked("Why?"), poor)
    assert kept.cost_usd == 0


async def test_all_layers_together_answer_and_keep(tmp_path: Path) -> None:
    tables = {
        "record": RecordSettings(file=tmp_path / "calls.jsonl"),
        "privacy": PrivacySettings(detect=True),
        "safety": SafetySettings(backend="moderation", model="p/guard"),
        "budgets": BudgetSettings.model_validate({"default": {"per_user_month_usd": 5}}),
    }
    chunks = (TextChunk("an "), TextChunk("answer"), FinishChunk("stop"))
    gateway, model = gateway_of(lambda _: chunks, tmp_path, others={"p/guard": lambda _: [False]}, **tables)
    policy = Policy(caller=Caller(user="ann"))
    async with gateway:
        for _ in range(2):
            assert (await gateway.chat(asked("Why?"), policy)).text == "an answer"
            async with gateway.stream(asked("Why?"), policy) as stream:
                async for _ in stream:
                    pass
            assert stream.text == "an answer"
    assert model.calls == 1
    assert len((tmp_path / "calls.jsonl").read_text("utf-8").splitlines()) == 5  # four answers and one judgement
