"""What a gateway remembers of its deployments, and what it makes of that: breakers, refused keys, waiting."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import anyio
import anyio.lowlevel
import pytest

from unified_api.errors import (
    AuthenticationError,
    ContentRefusedError,
    DeadlineExceededError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    RateLimitError,
    RestingError,
    ServerError,
    TimedOutError,
)
from unified_api.gateway import Gateway
from unified_api.health import Credential
from unified_api.providers import ProviderRow
from unified_api.settings import BreakerSettings, Environment, Route, Settings
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock, ScriptedModel, chat_answer, scripted_gateway
from unified_api.types import Message, Policy, Request, TextChunk

BUSY = RateLimitError("busy")
KEY = "sk-do-not-show-me-0123456789"


class Switched:
    """A model that fails while it is told to, and may be held back by an event."""

    def __init__(self, text: str = "ok") -> None:
        self.text = text
        self.error: Exception | None = None
        self.held: anyio.Event | None = None
        self.running = self.most = 0
        self.model = ScriptedModel(self.reply)

    async def reply(self, request: object) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.held is not None:
                await self.held.wait()
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return self.text


def ask(model: str = "route/main") -> Request:
    return Request(model=model, messages=(Message.user("Hello"),))


def gateway(clock: ManualClock, breaker: BreakerSettings | None = None, **models: Switched) -> Gateway:
    named = {f"{provider}/m": one.model for provider, one in models.items()}
    routes = {"main": Route(models=tuple(named))}
    settings = Settings(routes=routes, breaker=breaker or BreakerSettings())
    return scripted_gateway(named, settings=settings, clock=clock, random=lambda: 0.0)


async def fail(made: Gateway, model: Switched, error: Exception, *, times: int = 3, name: str = "a/m") -> None:
    before, model.error = model.error, error
    for _ in range(times):
        with pytest.raises(type(error)):
            await made.chat(ask(name), Policy(max_attempts=1))
    model.error = before


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_deployment_that_is_too_busy_is_passed_over_and_the_trail_says_why(clock: ManualClock) -> None:
    first, second = Switched(), Switched("elsewhere")
    made = gateway(clock, a=first, b=second)
    await fail(made, first, BUSY)
    clock.advance(18)
    response = await made.chat(ask())
    assert response.text == "elsewhere"
    skipped, served = response.attempts
    assert (skipped.number, skipped.model, skipped.outcome, skipped.error) == (0, "a/m", "skipped", "breaker_open")
    assert skipped.message == "its breaker is open for another 12 s, after 3 answers of 429 within 60 s"
    assert (served.number, served.model, served.outcome) == (1, "b/m", "succeeded")
    clock.advance(12)
    assert [a.model for a in (await made.chat(ask())).attempts] == ["a/m"]


async def test_a_stream_passes_it_over_too(clock: ManualClock) -> None:
    first, second = Switched(), Switched("elsewhere")
    made = gateway(clock, a=first, b=second)
    await fail(made, first, BUSY)
    async with made.stream(ask()) as stream:
        assert "".join([chunk.text async for chunk in stream if isinstance(chunk, TextChunk)]) == "elsewhere"


async def test_with_no_alternative_left_a_call_waits_for_the_reopening(clock: ManualClock) -> None:
    only = Switched()
    made = gateway(clock, a=only)
    await fail(made, only, RateLimitError("busy", retry_after=45))
    begun = clock.now()
    response = await made.chat(ask("a/m"))
    assert response.text == "ok"
    assert clock.now() - begun == pytest.approx(45)
    assert [(a.outcome, a.model) for a in response.attempts] == [("skipped", "a/m"), ("succeeded", "a/m")]


async def test_where_the_deadline_comes_first_the_call_ends_at_once_with_what_is_resting(clock: ManualClock) -> None:
    first, second = Switched(), Switched()
    made = gateway(clock, a=first, b=second)
    await fail(made, first, RateLimitError("busy", retry_after=45))
    await fail(made, second, RateLimitError("busy", retry_after=40), name="b/m")
    begun = clock.now()
    with pytest.raises(RestingError, match="b/m: its breaker is open for another 40 s") as caught:
        await made.chat(ask(), Policy(deadline_s=20))
    assert clock.now() == begun
    assert caught.value.resting == ("a/m", "b/m")
    assert caught.value.retry_after == pytest.approx(40)
    assert [a.outcome for a in caught.value.attempts] == ["skipped", "skipped"]
    assert first.model.calls + second.model.calls == 6


@pytest.mark.parametrize(
    "error", [InvalidRequestError("x"), ContentRefusedError("x"), NotFoundError("x"), PermissionDeniedError("x")]
)
async def test_what_is_the_requests_own_fault_never_opens_a_breaker(clock: ManualClock, error: ProviderError) -> None:
    only = Switched()
    made = gateway(clock, a=only)
    await fail(made, only, error, times=50)
    assert [(one.model, one.state) for one in made.health.conditions()] == [("a/m", "closed")]


async def test_server_errors_open_it_by_their_share(clock: ManualClock) -> None:
    only = Switched()
    made = gateway(clock, BreakerSettings(least_calls=4), a=only)
    await fail(made, only, ServerError("x"), times=4)
    (condition,) = made.health.conditions()
    assert (condition.state, condition.cause, condition.opens_in_s) == ("open", "4 of 4 calls failed", 30)


async def test_of_two_hundred_calls_at_once_one_probes_and_the_others_wait_for_it(clock: ManualClock) -> None:
    only = Switched()
    made = gateway(clock, a=only)
    await fail(made, only, BUSY)
    only.held = anyio.Event()
    only.model.requests.clear()
    clock.advance(30)
    answered: list[str] = []

    async def call() -> None:
        answered.append((await made.chat(ask("a/m"))).text)

    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(call)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert only.model.calls == 1
        (condition,) = made.health.conditions()
        assert (condition.state, condition.is_probed) == ("half_open", True)
        assert len(made.health._waiting) == 1
        only.held.set()
    assert answered == ["ok"] * 200
    assert made.health._waiting == {}


async def test_after_a_failed_probe_those_who_waited_wait_on_or_end(clock: ManualClock) -> None:
    only = Switched()
    made = gateway(clock, a=only)
    await fail(made, only, BUSY)
    only.held, only.error = anyio.Event(), ServerError("still down")
    only.model.requests.clear()
    clock.advance(30)
    ends: list[str] = []

    async def call() -> None:
        try:
            await made.chat(ask("a/m"), Policy(deadline_s=20, max_attempts=1))
        except (RestingError, ServerError) as error:
            ends.append(error.code)

    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(call)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        only.held.set()
    assert only.model.calls == 1
    assert sorted(ends) == ["resting"] * 199 + ["server_error"]


async def test_a_cancelled_probe_lets_the_next_of_those_who_wait_through(clock: ManualClock) -> None:
    only = Switched()
    made = gateway(clock, a=only)
    await fail(made, only, BUSY)
    only.held = anyio.Event()
    only.model.requests.clear()
    clock.advance(30)
    scopes: list[anyio.CancelScope] = []

    async def call() -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await made.chat(ask("a/m"))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(call)
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
        for calls in range(1, 6):
            assert only.model.calls == calls
            scopes[calls - 1].cancel()
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
    assert only.most == 1
    assert made.health.conditions()[0].state == "half_open"
    assert not made.health.conditions()[0].is_probed


@pytest.mark.parametrize("other", [False, True])
async def test_a_wait_for_a_probe_ends_with_the_deadline(clock: ManualClock, other: bool) -> None:
    only, resting = Switched(), Switched()
    made = gateway(clock, a=only, b=resting)
    await fail(made, only, BUSY)
    if other:
        await fail(made, resting, RateLimitError("busy", retry_after=900), name="b/m")
    only.held = anyio.Event()
    clock.advance(30)
    errors: list[str] = []

    async def wait() -> None:
        try:
            await made.chat(ask("route/main" if other else "a/m"), Policy(deadline_s=5))
        except DeadlineExceededError as error:
            errors.append(error.code)

    async with anyio.create_task_group() as group:
        group.start_soon(made.chat, ask("a/m"))
        await anyio.lowlevel.checkpoint()
        group.start_soon(wait)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        clock.advance(6)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert errors == ["deadline_exceeded"]
        only.held.set()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthenticationError("no"), "its key was refused"),
        (QuotaError("no"), "its account had no money or quota left"),
    ],
)
async def test_a_refused_key_is_asked_last_until_it_succeeds(
    clock: ManualClock, error: ProviderError, words: str
) -> None:
    first, second = Switched("first"), Switched("second")
    made = gateway(clock, a=first, b=second)
    await fail(made, first, error, times=1)
    response = await made.chat(ask())
    assert response.text == "second"
    assert [(a.outcome, a.error) for a in response.attempts] == [("skipped", "key_refused"), ("succeeded", None)]
    assert words in (response.attempts[0].message or "")
    assert made.health.conditions()[0].key_refused == words
    second.error = NotFoundError("gone")
    assert (await made.chat(ask())).text == "first"
    second.error = None
    assert (await made.chat(ask())).text == "first"


async def test_a_refused_key_is_tried_anew_after_its_time(clock: ManualClock) -> None:
    first, second = Switched("first"), Switched("second")
    made = gateway(clock, BreakerSettings(refused_key_s=100), a=first, b=second)
    await fail(made, first, AuthenticationError("no"), times=1)
    clock.advance(99)
    assert (await made.chat(ask())).text == "second"
    clock.advance(1)
    assert (await made.chat(ask())).text == "first"


async def test_an_only_refused_key_is_asked_all_the_same(clock: ManualClock) -> None:
    only = Switched()
    made = gateway(clock, a=only)
    await fail(made, only, AuthenticationError("no"), times=5)
    assert only.model.calls == 5
    assert (await made.chat(ask("a/m"))).text == "ok"


async def test_a_reset_closes_what_is_open_and_wakes_who_waits(clock: ManualClock) -> None:
    only = Switched()
    made = gateway(clock, a=only)
    await fail(made, only, BUSY)
    only.held = anyio.Event()
    clock.advance(30)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(made.chat, ask("a/m"))
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert only.running == 1
        made.health.reset("b/other")
        assert made.health.conditions()[0].state == "half_open"
        made.health.reset("a/m")
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert only.running == 3
        only.held.set()
    assert made.health.conditions()[0].state == "closed"


async def test_a_stream_that_breaks_in_the_midst_counts_as_a_fault() -> None:
    clock = ManualClock()
    broken = [TextChunk("half of it, "), ServerError("overloaded")]
    settings = Settings(breaker=BreakerSettings(least_calls=3))
    made = scripted_gateway({"a/m": [broken] * 3}, settings=settings, clock=clock)
    for _ in range(3):
        with pytest.raises(ServerError):
            async with made.stream(ask("a/m")) as stream:
                _ = [chunk async for chunk in stream]
    assert made.health.conditions()[0].state == "open"


async def read_and_fail(made: Gateway) -> None:
    async with made.stream(ask("a/m")) as stream:
        await anext(aiter(stream))
        raise ServerError("the reader's own")


async def test_a_reader_that_leaves_early_or_fails_says_nothing_against_the_model(clock: ManualClock) -> None:
    settings = Settings(breaker=BreakerSettings(least_calls=1))
    made = scripted_gateway({"a/m": "one two three"}, settings=settings, clock=clock)
    for _ in range(5):
        with pytest.raises(ServerError):
            await read_and_fail(made)
        with anyio.CancelScope() as scope:
            async with made.stream(ask("a/m")):
                scope.cancel()
                await anyio.lowlevel.checkpoint()
    assert made.health.conditions()[0].state == "closed"


async def test_a_short_deadline_of_the_callers_says_nothing_against_the_model(clock: ManualClock) -> None:
    settings = Settings(
        providers={"a": ProviderRow(base_url="https://a.example/v1", models=("m",))},
        breaker=BreakerSettings(least_calls=1),
    )
    backend = FaultyTransport([HttpAnswer(wait_s=100)], clock=clock)
    async with Gateway(settings, backend=backend, clock=clock) as made:
        with pytest.raises(Exception, match="deadline"):
            await made.chat(ask("a/m"), Policy(deadline_s=1))
        assert made.health.conditions()[0].state == "closed"


async def test_breakers_are_apart_by_model_and_keys_by_provider(clock: ManualClock) -> None:
    rows = {
        name: ProviderRow(base_url=f"https://{name}.example/v1", models=("m", "n"), api_key_env="SHARED_KEY")
        for name in ("a", "b")
    }
    settings = Settings(providers=rows, environment=Environment({"SHARED_KEY": KEY}))
    bad_key = HttpAnswer(status=401, pieces=(b'{"error":{"message":"bad key","code":"invalid_api_key"}}',))
    limited = [HttpAnswer(status=429)] * 3
    backend = FaultyTransport([*limited, bad_key, chat_answer("ok")], clock=clock)
    async with Gateway(settings, backend=backend, clock=clock) as made:
        for name in ("a/m", "a/m", "a/m", "a/n", "b/m"):
            with_key = made.chat(ask(name), Policy(max_attempts=1))
            if name == "b/m":
                await with_key
            else:
                with pytest.raises(ProviderError):
                    await with_key
        found = made.health.conditions()
    assert [(one.model, one.state, bool(one.key_refused), one.key) for one in found] == [
        ("a/m", "open", True, "SHARED_KEY"),
        ("a/n", "closed", True, "SHARED_KEY"),
        ("b/m", "closed", False, "SHARED_KEY"),
    ]
    assert KEY not in repr(found) + repr(made.health.__dict__)


def test_a_credential_is_told_apart_by_its_key_and_never_shows_it() -> None:
    row = ProviderRow(base_url="https://a.example/v1", api_key_env="A_KEY")
    one, same, other = (Credential.of("a", row, Environment({"A_KEY": key})) for key in (KEY, KEY, "sk-other"))
    assert one == same
    assert one != other
    assert KEY not in repr(one)
    assert Credential.of("a", row, Environment()).digest == b""


async def test_what_callers_name_does_not_fill_the_memory(clock: ManualClock) -> None:
    settings = Settings(providers={"a": ProviderRow(base_url="https://a.example/v1")})
    backend = FaultyTransport([HttpAnswer(status=404)], clock=clock)
    async with Gateway(settings, backend=backend, clock=clock) as made:
        made.health._breakers._kept = 10
        for number in range(50):
            with pytest.raises(NotFoundError):
                await made.chat(ask(f"a/made-up-{number}"))
        assert len(made.health.conditions()) == 10


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_calls_live_through_no_probe_is_left_behind_and_nobody_waits_for_ever(seed: int) -> None:
    chance, clock = Random(seed), ManualClock()
    faults = [
        None,
        None,
        BUSY,
        ServerError("x"),
        AuthenticationError("x"),
        InvalidRequestError("x"),
        TimedOutError("x"),
    ]

    async def reply(request: object) -> str:
        await clock.sleep(chance.choice((0.0, 0.1, 3.0)))
        fault = chance.choice(faults)
        if fault is not None:
            raise fault
        return "ok"

    models = {"a/m": ScriptedModel(reply), "b/m": ScriptedModel(reply)}
    settings = Settings(
        routes={"main": Route(models=tuple(models), hedge=True)}, breaker=BreakerSettings(least_calls=3)
    )
    made = scripted_gateway(models, settings=settings, clock=clock, random=chance.random)

    async def call() -> None:
        policy = Policy(deadline_s=chance.choice((1, 40, 90)), max_attempts=chance.choice((1, 4)))
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                if chance.random() < 0.3:
                    group.start_soon(leave, scope, chance.randrange(40))
                with suppress(GatewayError):
                    if chance.random() < 0.5:
                        await made.chat(ask(), policy)
                    else:
                        await read(made, policy, chance.random() < 0.3)
                group.cancel_scope.cancel()

    for _ in range(10):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(call)
        clock.advance(chance.choice((0, 1, 31)))
    assert not any(one.is_probed for one in made.health.conditions())
    assert made.health._waiting == {}
    clock.advance(1000)
    faults[:] = [None]
    for name in models:
        assert (await made.chat(ask(name))).text == "ok"
    assert {one.state for one in made.health.conditions()} == {"closed"}


async def leave(scope: anyio.CancelScope, after: int) -> None:
    for _ in range(after):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


async def read(made: Gateway, policy: Policy, leaves: bool) -> None:
    async with made.stream(ask(), policy) as stream:
        async for _ in stream:
            if leaves:
                return
