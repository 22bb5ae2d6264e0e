from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st

from unified_api.call import through, through_stream
from unified_api.errors import (
    AttemptsExhaustedError,
    ConfigurationError,
    DeadlineExceededError,
    FailedGenerationError,
    GatewayError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
)
from unified_api.gateway import Gateway
from unified_api.layers.cache import Cache
from unified_api.models import Model, Prices
from unified_api.settings import CacheSettings, Route, Settings
from unified_api.testing import ALL_CAPABILITIES, ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    Caller,
    Citation,
    EmbedRequest,
    FinishChunk,
    Image,
    ImageRequest,
    Message,
    Moderation,
    ModerationRequest,
    ModerationResponse,
    OutputSchema,
    Policy,
    ReasoningPart,
    RefusalChunk,
    Request,
    RerankRequest,
    Response,
    TextChunk,
    TextPart,
    ToolCallPart,
    Usage,
    UsageChunk,
)

ASKED = Request(model="p/m", messages=(Message.user("Why is the sky blue?"),))
PRICES = Prices(input=Decimal(1), output=Decimal(10))


def gateway_of(script: Any, *, clock: ManualClock | None = None, **cache: Any) -> tuple[Gateway, ScriptedModel]:
    model = ScriptedModel(script)
    tables = Settings(cache=CacheSettings(**{"enabled": True, **cache}))
    return scripted_gateway({"p/m": model}, settings=tables, clock=clock or ManualClock(), prices=PRICES), model


class Gate:
    """A reply that waits until it is let through, and tells how many are waiting or were given up."""

    def __init__(self, reply: Any = "an answer") -> None:
        self.open = anyio.Event()
        self.entered = anyio.Event()
        self.reply = reply
        self.cancelled = 0

    async def __call__(self, request: object) -> Any:
        self.entered.set()
        try:
            await self.open.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        return self.reply


async def read(gateway: Gateway, policy: Policy = Policy()) -> Response:
    """The whole answer of a stream."""
    async with gateway.stream(ASKED, policy) as stream:
        async for _ in stream:
            pass
    return stream.response


async def settle() -> None:
    """Let every other task run until it waits."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


def outcomes(response: Response) -> list[str]:
    return [one.outcome for one in response.attempts]


async def test_the_same_call_is_answered_from_what_was_kept_and_costs_nothing() -> None:
    clock = ManualClock()
    gateway, model = gateway_of("an answer", clock=clock)
    first = await gateway.chat(ASKED)
    clock.advance(12)
    second = await gateway.chat(ASKED)
    assert model.calls == 1
    assert first.cost_usd
    assert second == replace(first, cost_usd=Decimal(0), attempts=second.attempts)
    (kept,) = second.attempts
    assert (kept.outcome, kept.number, kept.model, kept.cost_usd) == ("cached", 0, "p/m", Decimal(0))
    assert kept.message == "kept 12.0 s ago"


async def test_nothing_is_kept_unless_it_is_set_up() -> None:
    gateway, model = gateway_of("an answer", enabled=False)
    await gateway.chat(ASKED)
    await gateway.chat(ASKED)
    assert model.calls == 2


@pytest.mark.parametrize(
    ("written", "active", "semantic"),
    [
        ("", False, False),
        ("[cache]", False, False),
        ("[cache]\nmax_age_s = 60", True, False),
        ("[cache]\nenabled = false\nmax_age_s = 60", False, False),
        ("[cache.semantic]\nthreshold = 0.9", True, True),
        ("[cache.semantic]\nenabled = false", True, False),
    ],
)
def test_a_key_of_the_table_turns_it_on(written: str, active: bool, semantic: bool, tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text(written, "utf-8")
    cache = Settings.load(path, environ={}).cache
    assert (cache.active, cache.semantic.active) == (active, semantic)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_entries", "0"),
        ("max_bytes", "10"),
        ("max_age_s", "-1"),
        ("clearance", '"secret"'),
        ("operations", '["stream"]'),
        ("semantic.threshold", "1.5"),
        ("semantic.model", '""'),
    ],
)
def test_a_value_that_means_nothing_is_an_error_that_names_its_key(key: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text(f"[cache]\n{key} = {value}\n", "utf-8")
    with pytest.raises(ConfigurationError, match=key.rpartition(".")[2]):
        Settings.load(path, environ={})


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (EmbedRequest(model="p/m", inputs=("a",)), [(1.0, 0.0)]),
        (ImageRequest(model="p/m", prompt="a cat"), Image("image/png", data=b"x")),
        (RerankRequest(model="p/m", query="q", documents=("a", "b")), [0.1, 0.9]),
        (ModerationRequest(model="p/m", inputs=("a",)), [False]),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_every_kind_of_call_is_kept_unless_it_is_left_out(request_: Any, reply: Any) -> None:
    operation = {"EmbedRequest": "embed", "ImageRequest": "image", "RerankRequest": "rerank"}.get(
        type(request_).__name__, "moderate"
    )
    for operations, calls in ((CacheSettings().operations, 1), (CacheSettings().operations - {operation}, 2)):
        gateway, model = gateway_of(lambda _: reply, operations=operations)
        call: Callable[..., Any] = getattr(gateway, operation)
        first, second = await call(request_), await call(request_)
        assert model.calls == calls
        assert replace(first, attempts=(), cost_usd=None) == replace(second, attempts=(), cost_usd=None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Policy(caller=Caller(tenant="a")), Policy(caller=Caller(tenant="b"))),
        (Policy(sensitivity="public"), Policy(sensitivity="internal")),
        (Policy(allow=frozenset({"p/*"})), Policy()),
        (Policy(), Policy(max_cost_usd=Decimal(9))),
    ],
)
async def test_tenants_labels_and_filters_never_share_an_answer(one: Policy, other: Policy) -> None:
    gateway, model = gateway_of("an answer", clearance="restricted")
    await gateway.chat(ASKED, one)
    await gateway.chat(ASKED, other)
    assert model.calls == 2


async def test_two_users_of_a_tenant_share_an_answer() -> None:
    gateway, model = gateway_of("an answer")
    for user in ("ann", "bob"):
        await gateway.chat(replace(ASKED, user=user), Policy(caller=Caller(tenant="t", user=user), deadline_s=3))
    assert model.calls == 1


@pytest.mark.parametrize(("clearance", "calls"), [("public", 2), ("internal", 1), ("restricted", 1)])
async def test_a_labelled_call_passes_by_a_cache_that_is_not_cleared_for_it(clearance: str, calls: int) -> None:
    gateway, model = gateway_of("an answer", clearance=clearance)
    for _ in range(2):
        await gateway.chat(ASKED, Policy(sensitivity="internal"))
    assert model.calls == calls


async def test_a_caller_who_wants_no_kept_answer_gets_none_and_leaves_none() -> None:
    gateway, model = gateway_of("an answer")
    await gateway.chat(ASKED, Policy(cache=False))
    await gateway.chat(ASKED)
    await gateway.chat(ASKED, Policy(cache=False))
    assert model.calls == 3


@pytest.mark.parametrize(("sampled", "calls"), [(False, 2), (True, 1)])
async def test_answers_by_chance_are_kept_only_where_that_is_wanted(sampled: bool, calls: int) -> None:
    gateway, model = gateway_of("an answer", sampled=sampled)
    for _ in range(2):
        await gateway.chat(replace(ASKED, temperature=0.9))
    assert model.calls == calls


@pytest.mark.parametrize(
    "reply",
    [
        (TextChunk("cut"), FinishChunk("length")),
        (TextChunk("blo"), FinishChunk("content_filter")),
        (RefusalChunk("No."), FinishChunk("stop")),
        Response(model="p/m", provider="p", parts=(ToolCallPart("1", "f"),), finish_reason="tool_calls"),
        Response(model="p/m", provider="p", parts=(TextPart("a"),), finish_reason="stop", skipped_events=1),
    ],
)
async def test_what_is_no_whole_plain_answer_is_asked_for_again(reply: Any) -> None:
    gateway, model = gateway_of(lambda _: reply)
    await gateway.chat(ASKED)
    async with gateway.stream(ASKED) as stream:
        assert [chunk async for chunk in stream]
    await gateway.chat(ASKED)
    assert model.calls == 3


@pytest.mark.parametrize(("reply", "calls"), [('{"a": 1}', 1), ("Sure! Here it is.", 2)])
async def test_an_answer_that_is_not_the_json_that_was_asked_for_is_not_kept(reply: str, calls: int) -> None:
    gateway, model = gateway_of(reply)
    for _ in range(2):
        await gateway.chat(replace(ASKED, output_schema=OutputSchema({"type": "object"})))
    assert model.calls == calls


async def test_what_a_model_only_thinks_is_not_kept() -> None:
    gateway, model = gateway_of("<think>a long thought that never came to its end")
    await gateway.chat(ASKED)
    await gateway.chat(ASKED)
    assert model.calls == 2


async def test_nobody_can_change_the_answer_that_others_are_given() -> None:
    result = Moderation(flagged=True, categories={"hate": True}, scores={"hate": 0.9})
    gateway, model = gateway_of(ModerationResponse(model="p/m", provider="p", results=(result,)))
    request_ = ModerationRequest(model="p/m", inputs=("x",))
    for _ in range(3):
        response = await gateway.moderate(request_)
        assert response.results[0].categories == {"hate": True}
        cast("dict[str, bool]", response.results[0].categories).clear()
    assert model.calls == 1


def weighted() -> tuple[Gateway, dict[str, ScriptedModel]]:
    models = {name: ScriptedModel(name) for name in ("p/a", "p/b")}
    route = Route(models=("p/a", "p/b"), strategy="weighted", weights={"p/a": 1, "p/b": 1})
    settings = Settings(cache=CacheSettings(enabled=True), routes={"ab": route})
    return scripted_gateway(models, settings=settings, clock=ManualClock()), models


async def test_the_sides_of_a_weighted_route_are_never_given_each_others_answers() -> None:
    gateway, models = weighted()
    request_ = replace(ASKED, model="route/ab")
    for number in range(40):
        policy = Policy(caller=Caller(user=f"u{number}"))
        side = gateway._serving.select(request_, policy).candidates[0].id
        assert (await gateway.chat(request_, policy)).text == side
        assert (await gateway.chat(request_, replace(policy, strategy="priority"))).text == "p/a"
    assert {name: model.calls for name, model in models.items()} == {"p/a": 2, "p/b": 1}


async def test_what_stood_in_for_a_callers_side_is_not_kept() -> None:
    gateway, _ = weighted()
    request_ = replace(ASKED, model="route/ab")
    policy = next(
        policy
        for number in range(99)
        if gateway._serving.select(request_, policy := Policy(caller=Caller(user=f"u{number}"))).candidates[0].id
        == "p/a"
    )
    models = {"p/a": ScriptedModel([FailedGenerationError("no"), "p/a"]), "p/b": ScriptedModel("p/b")}
    gateway = scripted_gateway(models, settings=gateway.settings, clock=ManualClock())
    assert [(await gateway.chat(request_, policy)).text for _ in range(3)] == ["p/b", "p/a", "p/a"]
    assert models["p/a"].calls == 2


async def test_a_failure_is_not_kept() -> None:
    gateway, _ = gateway_of([InvalidRequestError("no"), "an answer"])
    with pytest.raises(InvalidRequestError):
        await gateway.chat(ASKED)
    assert (await gateway.chat(ASKED)).text == "an answer"


async def test_an_answer_grows_old() -> None:
    clock = ManualClock()
    gateway, model = gateway_of("an answer", clock=clock, max_age_s=60)
    await gateway.chat(ASKED)
    clock.advance(59)
    await gateway.chat(ASKED)
    assert model.calls == 1
    clock.advance(1)
    await gateway.chat(ASKED)
    assert model.calls == 2


async def test_a_kept_answer_is_streamed_with_its_usage_and_at_no_cost() -> None:
    gateway, model = gateway_of("an answer of words")
    async with gateway.stream(ASKED) as stream:
        told = [chunk async for chunk in stream]
    async with gateway.stream(ASKED) as again:
        kept = [chunk async for chunk in again]
    assert model.calls == 1
    assert (again.model, again.text, again.response.finish_reason) == ("p/m", "an answer of words", "stop")
    (usage,) = (chunk for chunk in kept if isinstance(chunk, UsageChunk))
    assert usage.usage == next(chunk for chunk in told if isinstance(chunk, UsageChunk)).usage
    assert usage.cost_usd == Decimal(0) == again.response.cost_usd
    assert outcomes(again.response) == ["cached"]
    assert (await gateway.chat(ASKED)).text == "an answer of words"
    assert model.calls == 1


async def test_a_whole_answer_is_streamed_as_it_was_given() -> None:
    answer = Response(
        model="p/m-2", provider="p", id="x", finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=2),
        parts=(ReasoningPart("hm"), TextPart("It ", (Citation(url="u", start=0, end=2),)),
               TextPart("scatters.", (Citation(url="v", start=0, end=8),))),
    )  # fmt: skip
    gateway, model = gateway_of(answer)
    await gateway.chat(ASKED)
    response = await read(gateway)
    assert model.calls == 1
    assert (response.model, response.provider) == ("p/m-2", "p")
    assert response.parts[0] == ReasoningPart("hm")
    assert response.text == "It scatters."
    assert [response.text[one.start : one.end] for one in response.citations] == ["It", "scatters"]


async def test_a_stream_that_is_left_or_breaks_leaves_nothing() -> None:
    script = [
        (TextChunk("half"), TextChunk(" of it"), FinishChunk("stop")),
        (TextChunk("half"), ServerError("broke")),
        "whole",
    ]
    gateway, model = gateway_of(script)
    async with gateway.stream(ASKED) as stream:
        async for _ in stream:
            break
    with pytest.raises(ServerError):
        await read(gateway)
    assert (await gateway.chat(ASKED)).text == "whole"
    assert model.calls == 3


async def test_two_hundred_same_calls_are_made_once_and_paid_once() -> None:
    gate = Gate()
    gateway, model = gateway_of(gate)
    got: list[Response] = []

    async def ask(number: int) -> None:
        policy = Policy(caller=Caller(user=f"u{number}"))
        if number % 2:
            got.append(await gateway.chat(ASKED, policy))
        else:
            got.append(await read(gateway, policy))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, 1)
        await gate.entered.wait()
        for number in range(2, 201):
            group.start_soon(ask, number)
        await settle()
        gate.open.set()
    assert model.calls == 1
    assert {one.text for one in got} == {"an answer"}
    assert sum(1 for one in got if one.cost_usd) == 1
    assert sorted({tuple(outcomes(one)) for one in got}) == [("cached",), ("succeeded",)]
    assert {one.attempts[0].message for one in got[1:]} == {"joined the same call while it was made"}


async def test_streams_join_a_stream_and_are_told_its_whole_answer() -> None:
    gate = Gate("one two three")
    gateway, model = gateway_of(gate)
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await read(gateway)).text)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
        await gate.entered.wait()
        await settle()
        gate.open.set()
    assert model.calls == 1
    assert texts == ["one two three"] * 20


async def test_a_caller_who_goes_away_fails_nobody_and_one_of_the_others_takes_over() -> None:
    gates = [Gate("lost"), Gate("an answer")]
    gateway, model = gateway_of(list(gates))
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await gateway.chat(ASKED)).text)

    async with anyio.create_task_group() as group:
        leader = anyio.CancelScope()

        async def lead() -> None:
            with leader:
                await ask()

        group.start_soon(lead)
        await gates[0].entered.wait()
        for _ in range(30):
            group.start_soon(ask)
        await settle()
        leader.cancel()
        await gates[1].entered.wait()
        gates[1].open.set()
    assert (model.calls, gates[0].cancelled) == (2, 1)
    assert texts == ["an answer"] * 30


async def test_a_follower_that_goes_away_cancels_nothing() -> None:
    gate = Gate()
    gateway, model = gateway_of(gate)
    texts: list[str] = []

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            texts.append((await gateway.chat(ASKED)).text)

    async with anyio.create_task_group() as group:
        scopes = [anyio.CancelScope() for _ in range(5)]
        group.start_soon(ask, scopes[0])
        await gate.entered.wait()
        for scope in scopes[1:]:
            group.start_soon(ask, scope)
        await settle()
        for scope in scopes[2:]:
            scope.cancel()
        await settle()
        gate.open.set()
    assert (model.calls, gate.cancelled) == (1, 0)
    assert texts == ["an answer"] * 2


async def test_a_reader_who_leaves_a_stream_hands_it_to_one_who_waits() -> None:
    gateway, model = gateway_of([(TextChunk("a"), TextChunk("b"), FinishChunk("stop")), "an answer"])
    texts: list[str] = []

    async def follow() -> None:
        texts.append((await gateway.chat(ASKED)).text)

    async with anyio.create_task_group() as group, gateway.stream(ASKED) as stream:
        assert await anext(stream) == TextChunk("a")
        group.start_soon(follow)
        await settle()
        assert texts == []
    assert texts == ["an answer"]
    assert model.calls == 2


async def test_a_reader_who_holds_a_stream_up_holds_up_nobody_else() -> None:
    clock = ManualClock()
    gateway, model = gateway_of([(TextChunk("a"), TextChunk("b"), FinishChunk("stop")), "an answer"], clock=clock)
    texts: list[str] = []

    async def follow() -> None:
        texts.append((await gateway.chat(ASKED)).text)

    async with gateway.stream(ASKED) as stream:
        await anext(stream)
        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            for _ in range(3):
                await settle()
                clock.advance(2.0)
        assert texts == ["an answer"]
        assert "".join([chunk.text async for chunk in stream if isinstance(chunk, TextChunk)]) == "b"
    assert model.calls == 2


async def test_a_stream_that_is_opened_and_not_read_holds_up_nobody_not_even_its_own_task() -> None:
    clock = ManualClock()
    gateway, model = gateway_of([(TextChunk("a"), FinishChunk("stop")), "an answer"], clock=clock)

    async def pass_time() -> None:
        for _ in range(4):
            await settle()
            clock.advance(1.0)

    async with gateway.stream(ASKED) as stream, anyio.create_task_group() as group:
        group.start_soon(pass_time)
        assert (await gateway.chat(ASKED, Policy(deadline_s=60))).text == "an answer"
        assert await anext(stream) == TextChunk("a")
    assert model.calls == 2


async def test_behind_a_reader_who_holds_a_stream_up_only_the_first_who_came_waits() -> None:
    clock = ManualClock()
    gateway, model = gateway_of([(TextChunk("a"), TextChunk("b"), FinishChunk("stop")), *["one"] * 9], clock=clock)
    texts: list[str] = []

    async def follow() -> None:
        texts.append((await gateway.chat(ASKED)).text)

    async with gateway.stream(ASKED) as stream:
        await anext(stream)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(follow)
            for _ in range(3):
                await settle()
                clock.advance(2.0)
        began = clock.now()
        await follow()  # nobody turns the clock now
        assert clock.now() == began
    assert texts == ["one"] * 4
    assert model.calls == 5


async def test_a_stream_that_breaks_ends_so_for_the_streams_that_wait_and_lets_whole_calls_go_at_once() -> None:
    gate = anyio.Event()

    async def half(_: object) -> Any:
        await gate.wait()
        return (TextChunk("half"), ServerError("broke"))

    gateway, model = gateway_of([half, *["whole"] * 9])
    ends: list[str] = []

    async def stream() -> None:
        try:
            ends.append((await read(gateway)).text)
        except ServerError as error:
            ends.append(error.code)

    async def chat() -> None:
        ends.append((await gateway.chat(ASKED)).text)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(stream)
        await settle()
        for _ in range(3):
            group.start_soon(chat)
        await settle()
        gate.set()
    assert sorted(ends) == ["server_error"] * 20 + ["whole"] * 3
    assert model.calls == 4


async def test_each_who_waits_has_a_deadline_of_its_own() -> None:
    clock = ManualClock()
    gate = Gate()
    gateway, model = gateway_of(gate, clock=clock)
    failures: list[GatewayError] = []

    async def hurry() -> None:
        try:
            await gateway.chat(ASKED, Policy(deadline_s=5))
        except DeadlineExceededError as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(gateway.chat, ASKED)
        await gate.entered.wait()
        group.start_soon(hurry)
        await settle()
        clock.advance(5)
        await settle()
        assert len(failures) == 1
        gate.open.set()
    assert not failures[0].billable
    assert [one.model for one in failures[0].attempts] == ["cache"]
    assert model.calls == 1


async def test_a_deadline_of_the_first_caller_is_not_the_others() -> None:
    clock = ManualClock()
    gates = [Gate("late"), Gate("an answer")]
    gateway, model = gateway_of(list(gates), clock=clock)
    texts: list[str] = []

    async def hurry() -> None:
        with pytest.raises(DeadlineExceededError):
            await gateway.chat(ASKED, Policy(deadline_s=5))

    async def ask() -> None:
        texts.append((await gateway.chat(ASKED, Policy(deadline_s=50))).text)

    async with anyio.create_task_group() as group:
        group.start_soon(hurry)
        await gates[0].entered.wait()
        group.start_soon(ask)
        group.start_soon(ask)
        await settle()
        clock.advance(5)
        await gates[1].entered.wait()
        gates[1].open.set()
    assert texts == ["an answer"] * 2
    assert model.calls == 2


@pytest.mark.parametrize("fault", [InvalidRequestError("bad"), ServerError("down")])
async def test_a_providers_failure_reaches_all_who_wait_with_a_story_of_their_own(fault: GatewayError) -> None:
    gate = Gate(fault)
    gateway, model = gateway_of(gate)
    failures: list[GatewayError] = []

    async def ask() -> None:
        try:
            await gateway.chat(ASKED, Policy(max_attempts=1))
        except (type(fault), AttemptsExhaustedError) as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ask)
        await gate.entered.wait()
        await settle()
        gate.open.set()
    assert model.calls == 1
    assert len({id(error) for error in failures}) == 10
    assert {error.message for error in failures} == {fault.message}
    stories = [tuple(one.outcome for one in error.attempts) for error in failures]
    assert sorted(set(stories)) == [("failed",), ("noted",)]
    assert not any(error.billable for error in failures[1:])


async def test_who_waited_for_tries_in_vain_is_told_their_last_cause_too() -> None:
    gate = Gate(ServerError("down"))
    gateway, model = gateway_of([gate, ServerError("still down"), ServerError("gone")])
    causes: list[BaseException | None] = []

    async def ask() -> None:
        try:
            await gateway.chat(ASKED, Policy(max_attempts=2))
        except AttemptsExhaustedError as error:
            causes.append(error.__cause__)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
        await gate.entered.wait()
        await settle()
        gate.open.set()
    assert model.calls == 2
    assert [str(cause) for cause in causes] == ["still down"] * 3


async def test_who_may_try_more_often_tries_for_itself() -> None:
    gate = Gate(RateLimitError("busy"))
    gateway, _ = gateway_of([gate, "an answer"])
    texts: list[str] = []

    async def once() -> None:
        with pytest.raises(RateLimitError):
            await gateway.chat(ASKED, Policy(max_attempts=1))

    async def often() -> None:
        texts.append((await gateway.chat(ASKED)).text)

    async with anyio.create_task_group() as group:
        group.start_soon(once)
        await gate.entered.wait()
        group.start_soon(often)
        await settle()
        gate.open.set()
    assert texts == ["an answer"]


async def test_an_answer_that_only_its_caller_may_have_lets_the_others_go_at_once_and_together() -> None:
    gate, later = Gate((TextChunk("cu"), FinishChunk("length"))), Gate("whole")
    gateway, model = gateway_of([gate, *[later] * 5])
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await gateway.chat(ASKED)).text)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await gate.entered.wait()
        for _ in range(5):
            group.start_soon(ask)
        await settle()
        gate.open.set()
        await settle()
        assert model.calls == 6
        later.open.set()
    assert sorted(texts) == ["cu", *["whole"] * 5]


async def test_an_error_in_the_readers_own_block_is_no_failure_of_the_stream() -> None:
    gateway, _ = gateway_of([(TextChunk("a"), FinishChunk("stop")), "an answer"])
    texts: list[str] = []

    async def follow() -> None:
        texts.append((await gateway.chat(ASKED)).text)

    async def fail(group: TaskGroup) -> None:
        async with gateway.stream(ASKED):
            group.start_soon(follow)
            await settle()
            raise InvalidRequestError("the reader's own")

    async with anyio.create_task_group() as group:
        with pytest.raises(InvalidRequestError):
            await fail(group)
    assert texts == ["an answer"]


async def test_a_thousand_kept_answers_let_other_tasks_run_between() -> None:
    gateway, _ = gateway_of("an answer")
    await gateway.chat(ASKED)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        for _ in range(1_000):
            await gateway.chat(ASKED)
        group.cancel_scope.cancel()
    assert turns >= 500


async def test_a_stream_joins_no_stand_ins_answer_which_it_could_not_mark() -> None:
    gate = Gate()
    model = ScriptedModel(gate)
    demo = Model(id="p/m", provider="p", name="m", wire="scripted", capabilities=ALL_CAPABILITIES, quality="demo")
    gateway = scripted_gateway({"p/m": model}, models=[demo], settings=Settings(cache=CacheSettings(enabled=True)))
    got: list[Response] = []

    async def stream() -> None:
        got.append(await read(gateway))

    async def chat() -> None:
        got.append(await gateway.chat(ASKED))

    async with anyio.create_task_group() as group:
        group.start_soon(chat)
        await gate.entered.wait()
        group.start_soon(stream)
        group.start_soon(chat)
        await settle()
        gate.open.set()
    assert [one.quality for one in got] == ["demo"] * 3
    assert model.calls == 2


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["chat", "stream", "leave"]), st.integers(0, 12), st.none() | st.integers(0, 12)),
        min_size=1,
        max_size=14,
    ),
    st.lists(st.sampled_from(["an answer", "fail", "refuse"]), min_size=1, max_size=14),
    st.integers(0, 10),
)
def test_whatever_callers_do_everyone_who_stays_gets_an_end_and_nothing_is_left_flying(
    callers: list[tuple[str, int, int | None]], replies: list[str], pace: int
) -> None:
    """Callers come after some turns and are cancelled, if at all, after some more; the model takes `pace` turns."""

    async def run() -> None:
        given = iter(replies)

        async def answer(request: object) -> Any:
            await turns(pace)
            reply = next(given, "an answer")
            if reply == "fail":
                raise InvalidRequestError("no")
            return reply if reply == "an answer" else (RefusalChunk("No."), FinishChunk("stop"))

        gateway, _ = gateway_of(answer)
        cache = Cache(
            gateway.settings.cache, clock=ManualClock(), consult=gateway._consult, select=gateway._serving.select
        )
        whole = through([cache], gateway._serving.whole)
        streamed = through_stream([cache], gateway._serving.stream)
        ends: list[str] = []

        async def ask(kind: str, start: int, stop: int | None) -> None:
            await turns(start)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(one, kind)
                    if stop is not None:
                        await turns(stop)
                        scope.cancel()
            if scope.cancelled_caught:
                ends.append("cancelled")

        async def one(kind: str) -> None:
            try:
                if kind == "chat":
                    await whole(gateway._call("chat", ASKED, Policy()))
                else:
                    async with streamed(gateway._call("stream", ASKED, Policy())) as chunks:
                        async for _ in chunks:
                            if kind == "leave":
                                break
            except InvalidRequestError:
                ends.append("failed")
            else:
                ends.append("answered")

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for caller in callers:
                    group.start_soon(ask, *caller)
        assert len(cache._flights) == 0
        assert len(ends) >= len(callers)

    anyio.run(run)


async def turns(count: int) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()
