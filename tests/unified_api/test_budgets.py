from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from unified_api.errors import (
    BudgetExceededError,
    ConfigurationError,
    GatewayError,
    LedgerError,
    RateLimitError,
    TimedOutError,
    TruncatedStreamError,
    UnknownPriceError,
)
from unified_api.gateway import Gateway
from unified_api.ledger import Account
from unified_api.models import DataPolicy, Model, Prices
from unified_api.settings import BudgetSettings, Environment, Settings
from unified_api.settings.budgets import DefaultCaps, MonthCap
from unified_api.settings.routes import Route
from unified_api.testing import ALL_CAPABILITIES, ScriptedModel, scripted_gateway
from unified_api.types import (
    Caller,
    EmbedRequest,
    ImagePart,
    Message,
    Policy,
    Request,
    Response,
    TextChunk,
    TextPart,
    Usage,
    UsageChunk,
)

PRICES = Prices(input=Decimal(1), output=Decimal(10))
"""Dollars a million tokens: with `max_tokens=1000` a call costs $0.01 at worst, and a little for its prompt."""
ALICE = Caller(user="alice", run="r1", tags=frozenset({"research"}))


@dataclass
class Home:
    """A data folder, and gateways with budgets in it."""

    path: Path

    def gateway(self, scripts: Any, budgets: Mapping[str, Any], **options: Any) -> Gateway:
        options = {"prices": PRICES, **options}
        settings = Settings(
            budgets=BudgetSettings.model_validate(budgets),
            routes=options.pop("routes", {}),
            environment=Environment({"ORCHESTRATOR_HOME": str(self.path)}),
        )
        models = scripts if isinstance(scripts, Mapping) else {"scripted/a": scripts}
        return scripted_gateway(models, settings=settings, **options)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def ask(model: str = "scripted/a", *, max_tokens: int | None = 1_000, text: str = "Hello") -> Request:
    return Request(model=model, messages=(Message.user(text),), max_tokens=max_tokens)


def by(caller: Caller = ALICE, **wishes: Any) -> Policy:
    return Policy(caller=caller, **wishes)


def answer(*, cost: str | None = None, usage: Usage = Usage(input_tokens=10, output_tokens=100)) -> Response:
    return Response(
        model="scripted/a",
        provider="scripted",
        parts=(TextPart("Done"),),
        finish_reason="stop",
        usage=usage,
        cost_usd=None if cost is None else Decimal(cost),
    )


async def standing(gateway: Gateway) -> dict[tuple[str, str], tuple[int, int]]:
    """Kind and name -> spent and held, in millionths of a dollar."""
    assert gateway._ledger is not None
    found = {Account.of_key(one.key): one for one in await gateway._ledger.balances()}
    return {(account.kind, account.name): (one.spent, one.held) for account, one in found.items()}


async def spent(gateway: Gateway) -> int:
    """By whoever is the only account there is; nothing may be held any more."""
    [(sum_, held)] = (await standing(gateway)).values()
    assert held == 0
    return sum_


ALL = {"per_user_month_usd": 1, "per_key_month_usd": 1, "per_tag_month_usd": 1, "per_run_usd": 1}


async def test_a_call_is_charged_to_its_user_its_key_its_tags_and_its_run(home: Home):
    gateway = home.gateway(answer(cost="0.0021"), {"default": ALL})
    caller = Caller(user="alice", key="ci", run="r1", tags=frozenset({"research", "night"}))
    await gateway.chat(ask(), by(caller))
    kinds = [("user", "alice"), ("key", "ci"), ("run", "r1"), ("tag", "night"), ("tag", "research")]
    assert await standing(gateway) == dict.fromkeys(kinds, (2_100, 0))
    await gateway.aclose()


async def test_a_call_without_a_deadline_is_held_and_settled_too(home: Home):
    gateway = home.gateway(answer(cost="0.001"), {"default": {"per_user_month_usd": 1}})
    await gateway.chat(ask(), by(deadline_s=math.inf))
    assert await spent(gateway) == 1_000
    await gateway.aclose()


async def test_who_has_no_cap_has_no_account(home: Home):
    gateway = home.gateway(answer(cost="0.1"), {"users": {"alice": {"month_usd": 1}}})
    await gateway.chat(ask(), by(Caller(user="bob", run="r")))
    await gateway.chat(ask(), by(Caller()))
    assert not (home.path / "data").exists()
    await gateway.aclose()


async def test_a_gateway_without_caps_has_no_ledger(home: Home):
    gateway = home.gateway("hi", {"lease_s": 100})
    await gateway.chat(ask(), by())
    assert gateway._ledger is None


async def test_a_name_has_the_cap_of_its_own_table_and_a_tenant_the_cap_of_its_own(home: Home):
    caps = BudgetSettings.model_validate(
        {
            "default": {"per_user_month_usd": 1},
            "users": {"alice": {"month_usd": 2}, "acme/alice": {"month_usd": 3}},
            "tags": {"night": {"month_usd": 4}},
        }
    )
    assert [caps.cap("user", name) for name in ("alice", "bob")] == [2, 1]
    assert [caps.cap("user", "alice", tenant=tenant) for tenant in ("acme", "other")] == [3, 2]
    assert [caps.cap("tag", name) for name in ("night", "day")] == [4, None]
    assert caps.cap("run", "r") is None


async def test_two_tenants_users_of_one_name_have_an_account_each(home: Home):
    gateway = home.gateway(answer(cost="0.01"), {"default": {"per_user_month_usd": 1}})
    for tenant in ("", "acme", "acme"):
        await gateway.chat(ask(), by(Caller(tenant=tenant, user="alice")))
    assert gateway._ledger is not None
    found = {Account.of_key(one.key).tenant: one.spent for one in await gateway._ledger.balances()}
    assert found == {"": 10_000, "acme": 20_000}
    await gateway.aclose()


async def test_a_call_that_may_cost_more_than_is_left_is_not_made(home: Home):
    model = ScriptedModel(answer(cost="0.009"))
    gateway = home.gateway(model, {"users": {"alice": {"month_usd": 0.012}}})
    await gateway.chat(ask(), by())
    with pytest.raises(BudgetExceededError) as caught:
        await gateway.chat(ask(), by())
    assert model.calls == 1
    said = str(caught.value)
    for words in ("user 'alice' in 2", "$0.003 of its budget of $0.012 left", "$0.009 spent", "[budgets.users]"):
        assert words in said
    await gateway.aclose()


async def test_an_answer_of_any_length_is_held_to_what_there_is_room_for(home: Home):
    model = ScriptedModel(answer(cost="0.001"))
    gateway = home.gateway(model, {"default": {"per_user_month_usd": 0.05}})
    response = await gateway.chat(ask(max_tokens=None), by())
    assert [one.max_tokens for one in model.requests] == [4_096]
    assert any(one.outcome == "noted" and one.error == "shortened" for one in response.attempts)
    await gateway.aclose()


async def test_who_has_a_cap_cannot_ask_a_model_of_unknown_price_and_others_can(home: Home):
    model = ScriptedModel("hi")
    gateway = home.gateway(model, {"users": {"alice": {"month_usd": 5}}}, prices=None)
    with pytest.raises(UnknownPriceError, match=r"nobody knows what 'scripted/a'.*user 'alice'"):
        await gateway.chat(ask(), by())
    await gateway.chat(ask(), by(Caller(user="bob")))
    assert model.calls == 1
    await gateway.aclose()


async def test_of_a_route_who_has_a_cap_is_served_by_the_models_of_known_price(home: Home):
    unpriced = replace(_priced("scripted/a", 1), prices=None)
    models = [unpriced, _priced("scripted/b", 1)]
    routes = {"main": Route(models=("scripted/a", "scripted/b"))}
    scripts = {"scripted/a": "one", "scripted/b": "two"}
    gateway = home.gateway(scripts, {"users": {"alice": {"month_usd": 5}}}, models=models, routes=routes)
    for wishes in ({}, {"fallback": False}):
        response = await gateway.chat(ask("route/main"), by(**wishes))
        assert response.model == "scripted/b"
        assert [(one.model, one.error) for one in response.attempts if one.outcome == "dropped"] == [
            ("scripted/a", "unknown_price")
        ]
    assert (await gateway.chat(ask("route/main"), by(Caller(user="bob")))).model == "scripted/a"
    await gateway.aclose()


async def test_what_costs_nothing_is_asked_whatever_was_spent(home: Home):
    free = Prices(input=Decimal(0), output=Decimal(0))
    gateway = home.gateway("hi", {"default": {"per_user_month_usd": 0.000001}}, prices=free)
    assert (await gateway.chat(ask(), by())).cost_usd == 0
    assert not (home.path / "data").exists()


async def test_a_cap_counts_the_dearest_candidate_that_may_serve(home: Home):
    cheap, dear = (_priced(name, output) for name, output in (("scripted/a", 1), ("scripted/b", 100)))
    scripts = {"scripted/a": "hi", "scripted/b": "hi"}
    routes = {"main": Route(models=("scripted/a", "scripted/b"))}
    gateway = home.gateway(scripts, {"default": {"per_user_month_usd": 0.05}}, models=[cheap, dear], routes=routes)
    with pytest.raises(BudgetExceededError):
        await gateway.chat(ask("route/main"), by())
    await gateway.chat(ask("route/main"), by(fallback=False))
    await gateway.aclose()


def _priced(name: str, output: int) -> Model:
    return Model(
        id=name,
        provider="scripted",
        name=name.partition("/")[2],
        wire="scripted",
        capabilities=ALL_CAPABILITIES,
        prices=Prices(input=Decimal(1), output=Decimal(output)),
        data_policy=DataPolicy(clearance="restricted"),
    )


UNKNOWN = Usage()


@pytest.mark.parametrize(
    ("reply", "least", "most"),
    [
        (answer(usage=UNKNOWN), 1, 10_500),
        (answer(usage=Usage(input_tokens=0, output_tokens=0)), 1, 10_500),
        ([TimedOutError("silent")], 1, 10_500),
        ([RateLimitError("busy")], 0, 0),
    ],
    ids=["usage unknown", "usage not counted", "billable failure", "unbilled failure"],
)
async def test_what_nobody_told_the_cost_of_is_settled_by_an_estimate(home: Home, reply: Any, least: int, most: int):
    gateway = home.gateway(reply, {"default": {"per_user_month_usd": 1}})
    with suppress(GatewayError):
        await gateway.chat(ask(text="word " * 100), by(max_attempts=1))
    assert least <= await spent(gateway) <= most
    await gateway.aclose()


async def test_an_answer_whose_usage_nobody_told_is_settled_by_its_length(home: Home):
    long = replace(answer(usage=UNKNOWN), parts=(TextPart("word " * 320),))
    gateway = home.gateway(long, {"default": {"per_user_month_usd": 1}})
    await gateway.chat(ask(), by())
    assert 4_000 <= await spent(gateway) <= 4_100  # 400 tokens at $10 a million, and the prompt
    await gateway.aclose()


async def test_a_cancelled_call_is_settled_by_an_estimate(home: Home):
    asked = anyio.Event()

    async def hang(_: object) -> str:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    gateway = home.gateway(hang, {"default": {"per_user_month_usd": 1}})
    async with anyio.create_task_group() as group:
        group.start_soon(gateway.chat, ask(text="word " * 100), by())
        await asked.wait()
        group.cancel_scope.cancel()
    assert 100 <= await spent(gateway) <= 10_500
    await gateway.aclose()


async def test_a_stream_is_settled_at_its_end(home: Home):
    usage = UsageChunk(Usage(input_tokens=10, output_tokens=100))
    gateway = home.gateway([[TextChunk("One "), TextChunk("two"), usage]], {"default": {"per_user_month_usd": 1}})
    async with gateway.stream(ask(), by()) as stream:
        [(first, held)] = (await standing(gateway)).values()
        assert (first, held >= 10_000) == (0, True)
        async for _ in stream:
            pass
    assert await spent(gateway) == 1_010
    await gateway.aclose()


async def test_a_stream_that_its_reader_leaves_is_settled_by_what_had_come(home: Home):
    chunks = [TextChunk("word " * 80) for _ in range(20)]
    gateway = home.gateway([chunks], {"default": {"per_user_month_usd": 1}})
    async with gateway.stream(ask(), by()) as stream, aclosing(stream._chunks):  # type: ignore[type-var]
        async for _ in stream:
            break
    assert 900 <= await spent(gateway) <= 2_500
    await gateway.aclose()


PICTURES = Request(
    model="scripted/a",
    messages=(Message("user", tuple(ImagePart(url=f"https://x.example/{number}.png") for number in range(10))),),
    max_tokens=500,
)


@pytest.mark.parametrize("end", ["left", "cut"])
async def test_pictures_cost_a_stream_without_an_end_what_they_cost_a_whole_answer(end: str, tmp_path: Path):
    cut = TruncatedStreamError("cut")
    cut.billable = True
    whole = Home(tmp_path / "whole").gateway([cut], {"default": {"per_user_month_usd": 1}})
    with pytest.raises(TruncatedStreamError):
        await whole.chat(PICTURES, by(max_attempts=1))
    streamed = Home(tmp_path / "stream").gateway([[TextChunk("x"), cut]], {"default": {"per_user_month_usd": 1}})
    with suppress(TruncatedStreamError):
        async with streamed.stream(PICTURES, by(max_attempts=1)) as stream:
            async for _ in stream:
                if end == "left":
                    break
    costs = [await spent(whole), await spent(streamed)]
    assert min(costs) > 10_000  # ten pictures of more than 1,000 tokens
    assert max(costs) - min(costs) <= 10 * 10  # of the answer
    await whole.aclose()
    await streamed.aclose()


async def test_every_kind_of_call_is_counted(home: Home):
    gateway = home.gateway([[[0.5, 0.5]]], {"default": {"per_user_month_usd": 1}})
    await gateway.embed(EmbedRequest(model="scripted/a", inputs=("some words to be counted",)), by())
    assert await spent(gateway) > 0
    await gateway.aclose()


async def test_no_more_tries_are_made_than_there_is_room_for(home: Home):
    model = ScriptedModel([TimedOutError("silent")] * 9)
    routes = {"main": Route(models=("scripted/a", "scripted/b", "scripted/c"))}
    scripts = {"scripted/a": model, "scripted/b": model, "scripted/c": model}
    gateway = home.gateway(scripts, {"users": {"alice": {"month_usd": 0.01003}}}, routes=routes)
    with pytest.raises(TimedOutError, match="nobody else was asked, as a further attempt might cost more") as caught:
        await gateway.chat(ask("route/main"), by())
    assert model.calls == 1
    assert [one.error for one in caught.value.attempts if one.model == "budget"] == ["no_room"]
    assert 0 < await spent(gateway) < 1_000
    await gateway.aclose()


async def test_what_a_failed_try_did_not_cost_is_there_for_the_next(home: Home):
    silent = ScriptedModel([TimedOutError("silent")] * 9)
    routes = {"main": Route(models=("scripted/a", "scripted/b", "scripted/c"))}
    scripts = {"scripted/a": silent, "scripted/b": silent, "scripted/c": answer(cost="0.005")}
    gateway = home.gateway(scripts, {"default": {"per_user_month_usd": 0.0115}}, routes=routes)
    response = await gateway.chat(ask("route/main"), by(Caller(user="alice")))
    assert [one.outcome for one in response.attempts if one.number] == ["failed", "failed", "succeeded"]
    assert 5_000 < await spent(gateway) < 6_000
    await gateway.aclose()


async def test_a_call_makes_no_more_tries_than_its_policy_allows_however_much_room_there_is(home: Home):
    silent = ScriptedModel([TimedOutError("silent")] * 9)
    scripts = dict.fromkeys(("scripted/a", "scripted/b", "scripted/c"), silent)
    routes = {"main": Route(models=tuple(scripts))}
    gateway = home.gateway(scripts, {"default": {"per_user_month_usd": 0.0115}}, routes=routes)
    with pytest.raises(GatewayError):
        await gateway.chat(ask("route/main"), by(max_billable=2))
    assert silent.calls == 2
    await gateway.aclose()


async def test_an_answer_that_is_rejected_is_paid_for_like_the_one_that_serves(home: Home):
    better = {"when": "low_confidence", "evaluator": "structural"}
    routes = {"main": Route.model_validate({"models": ["scripted/a", "scripted/b"], "escalate": better})}
    scripts = {"scripted/a": "", "scripted/b": "word " * 100}
    gateway = home.gateway(scripts, {"default": {"per_user_month_usd": 1}}, routes=routes)
    response = await gateway.chat(ask("route/main"), by())
    tries = [one for one in response.attempts if one.number]
    assert [one.outcome for one in tries] == ["rejected", "succeeded"]
    assert await spent(gateway) == sum(one.cost_usd or 0 for one in tries) * 1_000_000
    await gateway.aclose()


async def _held_at_most(home: Home, route: Mapping[str, Any], **wishes: Any) -> int:
    """What is held while a call is answered by a route of three models; one try costs $0.0101 at worst."""
    seen = []

    async def reply(_: object) -> str:
        [(_, held)] = (await standing(gateway)).values()
        seen.append(held)
        return "word"

    names = ("scripted/a", "scripted/b", "scripted/c")
    routes = {"main": Route.model_validate({"models": names, **route})}
    gateway = home.gateway(dict.fromkeys(names, reply), {"default": {"per_user_month_usd": 100}}, routes=routes)
    await gateway.chat(ask("route/main"), by(Caller(user="alice"), **wishes))
    await gateway.aclose()
    return max(seen)


@pytest.mark.parametrize("route", [{}, {"hedge": True}, {"escalate": {"evaluator": "structural"}}], ids=str)
async def test_no_more_is_held_than_all_tries_may_cost(home: Home, route: Mapping[str, Any]):
    assert await _held_at_most(home, route) <= 4 * 10_100
    assert await _held_at_most(home, route, max_attempts=1) <= 10_100


async def test_an_escalation_holds_all_answers_that_may_be_rejected_and_asks_no_more(home: Home):
    assert await _held_at_most(home, {"escalate": {"evaluator": "structural"}}) >= 3 * 10_000
    better = {"when": "low_confidence", "evaluator": "structural"}
    routes = {"main": Route.model_validate({"models": ["scripted/a", "scripted/b", "scripted/c"], "escalate": better})}
    cut = TruncatedStreamError("cut")
    cut.billable = True
    models = {name: ScriptedModel(["", cut, "better"]) for name in ("scripted/a", "scripted/b", "scripted/c")}
    gateway = home.gateway(models, {"users": {"bob": {"month_usd": 0.0305}}}, routes=routes)
    with suppress(GatewayError):
        await gateway.chat(ask("route/main"), by(Caller(user="bob"), max_attempts=9))
    assert sum(one.calls for one in models.values()) <= 3
    await gateway.aclose()


async def test_a_sessions_dearer_model_is_held_for_where_it_is_asked_first(home: Home):
    cheap, dear = (_priced(name, output) for name, output in (("scripted/a", 1), ("scripted/b", 1_000)))
    scripts = {"scripted/a": [RateLimitError("busy"), "hi", "hi"], "scripted/b": "hi"}
    routes = {"main": Route(models=("scripted/a", "scripted/b"))}
    gateway = home.gateway(scripts, {"users": {"alice": {"month_usd": 0.01}}}, models=[cheap, dear], routes=routes)
    first = await gateway.chat(ask("route/main"), by(Caller(session="s")))
    assert first.model == "scripted/b"
    alone = by(Caller(user="alice", session="s"), fallback=False)
    assert (gateway.estimate(ask("route/main"), alone) or 0) > Decimal("0.5")
    with pytest.raises(BudgetExceededError):
        await gateway.chat(ask("route/main"), alone)
    other = await gateway.chat(ask("route/main"), by(Caller(user="alice", session="t"), fallback=False))
    assert other.model == "scripted/a"
    await gateway.aclose()


async def test_a_stream_is_held_for_by_the_models_that_its_route_has_for_streams(home: Home):
    cheap, dear = (_priced(name, output) for name, output in (("scripted/a", 1), ("scripted/b", 1_000)))
    when = [{"needs": ["streaming"], "models": ["scripted/b"]}]
    routes = {"main": Route.model_validate({"models": ["scripted/a"], "when": when})}
    model = ScriptedModel("hi")
    scripts = {"scripted/a": "hi", "scripted/b": model}
    gateway = home.gateway(scripts, {"default": {"per_user_month_usd": 0.01}}, models=[cheap, dear], routes=routes)
    with pytest.raises(BudgetExceededError):
        async with gateway.stream(ask("route/main"), by()):
            pass
    assert model.calls == 0
    await gateway.chat(ask("route/main"), by())
    await gateway.aclose()


async def test_a_call_that_is_cancelled_between_two_unpaid_tries_costs_nothing(home: Home):
    asked = anyio.Event()

    async def busy(_: object) -> str:
        asked.set()
        raise RateLimitError("busy", retry_after=30)

    gateway = home.gateway(busy, {"default": {"per_user_month_usd": 1}})
    async with anyio.create_task_group() as group:
        group.start_soon(gateway.chat, ask(), by(deadline_s=90))
        await asked.wait()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert await spent(gateway) == 0
    await gateway.aclose()


async def test_many_calls_at_once_spend_a_cap_to_less_than_one_reservation(home: Home):
    model = ScriptedModel(answer(cost="0.004"))
    caps = {"default": {"per_user_month_usd": 0.2, "per_tag_month_usd": 0.3, "per_run_usd": 0.25}}
    gateway = home.gateway(model, caps)
    served = refused = 0

    async def call() -> None:
        nonlocal served, refused
        try:
            await gateway.chat(ask(), by())
            served += 1
        except BudgetExceededError:
            refused += 1

    async with anyio.create_task_group() as group:
        for _ in range(300):
            group.start_soon(call)
    found = await standing(gateway)
    assert found["user", "alice"] == (served * 4_000, 0)
    assert 200_000 - 10_100 < served * 4_000 <= 200_000
    assert (served + refused, model.calls) == (300, served)
    await gateway.aclose()


async def test_a_call_waits_no_longer_than_it_is_told_for_room_that_others_hold(home: Home):
    release = anyio.Event()

    async def slow(_: object) -> Response:
        await release.wait()
        return answer(cost="0.001")

    gateway = home.gateway(slow, {"wait_s": 0.05, "default": {"per_user_month_usd": 0.015}})
    async with anyio.create_task_group() as group:
        group.start_soon(gateway.chat, ask(), by())
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(BudgetExceededError, match=r"held by calls under way\); ask again"):
            await gateway.chat(ask(), by())
        release.set()
    await gateway.aclose()


async def test_a_ledger_that_is_lost_lets_nothing_through(home: Home):
    (home.path / "data").write_text("in the way")
    model = ScriptedModel("hi")
    gateway = home.gateway(model, {"default": {"per_user_month_usd": 1}})
    with pytest.raises(LedgerError, match="calls with a cap are refused"):
        await gateway.chat(ask(), by())
    await gateway.chat(ask(), by(Caller()))
    assert model.calls == 1
    await gateway.aclose()


FAULTS = {
    "[budgets.default]\nper_user_month_usd = 0": "a cap of zero is no budget: to forbid calls",
    "[budgets.default]\nper_run_usd = -1": "must be from 0.000001",
    "[budgets.default]\nper_tag_month_usd = nan": "must be a finite number",
    "[budgets.default]\nper_key_month_usd = inf": "must be a finite number",
    "[budgets.users.alice]\nmonth_usd = true": "must be a number of US dollars",
    '[budgets.users.alice]\nmonth_usd = "20"': "must be a number of US dollars",
    "[budgets.users.alice]": "'month_usd' in [budgets.users.alice]",
    "[budgets.users.alice]\nmonth = 3": "did you mean 'month_usd'?",
    "[budgets]\nledgers_env = 'X'": "did you mean 'ledger_env'?",
    "[budgets]\nledger_env = 'postgresql://me:hush-hush@host/db'": "'ledger_env' in [budgets]",
    "[budgets]\nlease_s = 0": "'lease_s' in [budgets]",
    "[budgets]\nwait_s = -1": "'wait_s' in [budgets]",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_wrong_table_is_an_error_that_says_where_and_why(text: str, tmp_path: Path):
    file = tmp_path / "orchestrator.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(file, {})
    assert FAULTS[text] in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_a_ledger_whose_variable_is_not_set_is_an_error_before_anything_is_sent(home: Home):
    with pytest.raises(ConfigurationError, match="NO_SUCH, which is not set"):
        home.gateway("hi", {"ledger_env": "NO_SUCH", "default": {"per_run_usd": 1}})


PAGES = Path(__file__).resolve().parents[2] / "docs"


def test_the_pages_tables_are_valid_and_every_key_is_told(tmp_path: Path):
    for number, table in enumerate(
        re.findall(r"```toml\n(.*?)```", (PAGES / "budgets.md").read_text("utf-8"), re.DOTALL)
    ):
        file = tmp_path / f"{number}.toml"
        file.write_text(table)
        Settings.load(file, {})
    page = (PAGES / "configuration.md").read_text("utf-8")
    keys = [key for kind in (DefaultCaps, MonthCap, BudgetSettings) for key in kind.model_fields]
    assert [key for key in keys if f"`{key}`" not in page and f"[budgets.{key}" not in page] == []
