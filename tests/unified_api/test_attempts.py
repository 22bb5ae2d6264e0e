"""The attempt engine under faults, with a network that fails on purpose and a clock that is turned by hand."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate
from math import inf, nan

import anyio
import anyio.lowlevel
import httpx
import pytest

from unified_api.attempts import Attempts, Judged
from unified_api.call import Call
from unified_api.errors import (
    AttemptsExhaustedError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    ProviderError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.gateway import Gateway
from unified_api.health import Health
from unified_api.models import Escalation, Model, RouteRules, Selection
from unified_api.providers import ProviderRow
from unified_api.settings import Environment, Route, Settings
from unified_api.testing import (
    FaultyTransport,
    HttpAnswer,
    ManualClock,
    ScriptedModel,
    chat_answer,
    scripted_gateway,
    stream_answer,
)
from unified_api.types import Caller, Chunk, FinishChunk, Message, Policy, RefusalChunk, Request, TextChunk

MODELS = {"routes": {"main": Route(models=("a/m", "b/m"))}}
BAD_KEY = HttpAnswer(status=401, pieces=(b'{"error":{"message":"bad key","code":"invalid_api_key"}}',))


def ask(model: str = "route/main") -> Request:
    return Request(model=model, messages=(Message.user("Hello"),))


def network(*script: HttpAnswer | Exception, clock: ManualClock, by_host: dict | None = None) -> FaultyTransport:
    if by_host is None:
        return FaultyTransport(script, clock=clock)
    left = {host: list(answers) for host, answers in by_host.items()}
    return FaultyTransport(lambda request: left[request.url.host].pop(0), clock=clock)


def gateway(backend: FaultyTransport, clock: ManualClock) -> Gateway:
    rows = {name: ProviderRow(base_url=f"https://{name}.example/v1", models=("m",)) for name in ("a", "b")}
    settings = Settings(providers=rows, environment=Environment(), **MODELS)
    return Gateway(settings, backend=backend, clock=clock, random=lambda: 0.5)


async def words(stream: object) -> list[str]:
    return [chunk.text async for chunk in stream if isinstance(chunk, TextChunk)]


async def test_a_rate_limit_without_a_hint_is_waited_out_with_jitter() -> None:
    clock = ManualClock()
    backend = network(HttpAnswer(status=429), chat_answer("ok"), clock=clock)
    async with gateway(backend, clock) as made:
        response = await made.chat(ask("a/m"))
    assert response.text == "ok"
    assert clock.sleeps == [0.25]


async def test_a_rate_limit_with_retry_after_is_waited_out_fully() -> None:
    clock = ManualClock()
    backend = network(HttpAnswer(status=429, headers={"Retry-After": "7"}), chat_answer("ok"), clock=clock)
    async with gateway(backend, clock) as made:
        await made.chat(ask("a/m"))
    assert clock.sleeps == [7.25]


async def test_retry_after_beyond_the_deadline_goes_elsewhere_at_once_or_fails_at_once() -> None:
    clock = ManualClock()
    limited = HttpAnswer(status=429, headers={"Retry-After": "90"})
    backend = network(clock=clock, by_host={"a.example": [limited, limited], "b.example": [chat_answer("elsewhere")]})
    async with gateway(backend, clock) as made:
        response = await made.chat(ask(), Policy(deadline_s=10))
        assert response.text == "elsewhere"
        with pytest.raises(RateLimitError) as caught:
            await made.chat(ask("a/m"), Policy(deadline_s=10))
    assert caught.value.retry_after == 90
    assert clock.sleeps == []


async def test_retry_after_may_be_a_date() -> None:
    clock = ManualClock()
    limited = HttpAnswer(status=429, headers={"Retry-After": formatdate(time.time() + 30, usegmt=True)})
    async with gateway(network(limited, chat_answer("ok"), clock=clock), clock) as made:
        await made.chat(ask("a/m"))
    assert 28 < clock.sleeps[0] < 31


async def test_retry_after_on_a_success_means_nothing() -> None:
    clock = ManualClock()
    answer = chat_answer("ok")
    calm = HttpAnswer(headers={**answer.headers, "Retry-After": "50"}, pieces=answer.pieces)
    async with gateway(network(calm, clock=clock), clock) as made:
        await made.chat(ask("a/m"))
        await made.chat(ask("a/m"))
    assert clock.sleeps == []


async def test_a_refused_connection_moves_to_the_next_provider_and_the_trail_tells_it() -> None:
    clock = ManualClock()
    refused = httpx.ConnectError("refused")
    backend = network(clock=clock, by_host={"a.example": [refused, refused], "b.example": [chat_answer("here")]})
    async with gateway(backend, clock) as made:
        response = await made.chat(ask())
    assert response.provider == "b"
    assert [(a.number, a.model, a.outcome, a.error) for a in response.attempts] == [
        (1, "a/m", "failed", "connection_failed"),
        (2, "b/m", "succeeded", None),
    ]


async def test_a_wrong_key_is_not_tried_again_and_falls_back_when_it_may() -> None:
    clock = ManualClock()
    backend = network(clock=clock, by_host={"a.example": [BAD_KEY] * 3, "b.example": [chat_answer("ok")]})
    async with gateway(backend, clock) as made:
        assert (await made.chat(ask())).provider == "b"
        with pytest.raises(AuthenticationError) as caught:
            await made.chat(ask(), Policy(fallback=False))
        with pytest.raises(AuthenticationError):
            await made.chat(ask("a/m"))
    assert [attempt.error for attempt in caught.value.attempts] == ["authentication"]
    assert clock.sleeps == []


async def test_a_request_at_fault_fails_at_once_everywhere() -> None:
    clock = ManualClock()
    backend = network(HttpAnswer(status=400, pieces=(b'{"error":{"message":"bad"}}',)), clock=clock)
    async with gateway(backend, clock) as made:
        with pytest.raises(InvalidRequestError, match="bad"):
            await made.chat(ask())
    assert len(backend.requests) == 1


async def test_failure_for_ever_ends_after_the_attempt_budget_with_every_try_told() -> None:
    clock = ManualClock()
    backend = network(HttpAnswer(status=503), clock=clock)
    async with gateway(backend, clock) as made:
        with pytest.raises(AttemptsExhaustedError) as caught:
            await made.chat(ask(), Policy(max_attempts=3))
    assert [a.model for a in caught.value.attempts] == ["a/m", "b/m", "a/m"]
    assert "a/m" in str(caught.value)
    assert "b/m" in str(caught.value)
    assert isinstance(caught.value.__cause__, ServerError)


async def test_a_single_try_raises_its_own_error() -> None:
    clock = ManualClock()
    async with gateway(network(HttpAnswer(status=503), clock=clock), clock) as made:
        with pytest.raises(ServerError):
            await made.chat(ask(), Policy(max_attempts=1))


async def test_silence_before_the_headers_leaves_the_deployment() -> None:
    clock = ManualClock()
    backend = network(clock=clock, by_host={"a.example": [HttpAnswer(wait_s=inf)], "b.example": [chat_answer("ok")]})
    async with gateway(backend, clock) as made:
        response = await made.chat(ask())
    assert [a.error for a in response.attempts] == ["timed_out", None]
    assert response.attempts[0].seconds == pytest.approx(300)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_silent_deployment_leaves_half_of_a_short_deadline_to_the_next(streamed: bool) -> None:
    clock = ManualClock()
    answer = stream_answer("ok") if streamed else chat_answer("ok")
    answers = {"a.example": [HttpAnswer(wait_s=inf)] * 10, "b.example": [answer] * 20}
    async with gateway(network(clock=clock, by_host=answers), clock) as made:
        for _ in range(11):
            begun = clock.now()
            if streamed:
                async with made.stream(ask(), Policy(deadline_s=4)) as stream:
                    assert await words(stream) == ["ok"]
                attempts = stream.response.attempts
            else:
                attempts = (await made.chat(ask(), Policy(deadline_s=4))).attempts
        assert [(a.model, a.error) for a in attempts if a.number] == [("b/m", None)]  # the breaker of the first is open
        assert clock.now() == begun
        assert [one.state for one in made.health.conditions() if one.model == "a/m"] == ["open"]


async def test_a_model_that_is_slow_as_ever_is_waited_for_beyond_half_of_the_deadline() -> None:
    clock = ManualClock()
    slow = chat_answer("slow and good")
    backend = network(replace(slow, wait_s=30), clock=clock)
    async with gateway(backend, clock) as made:
        for _ in range(25):
            await made.chat(ask())
        response = await made.chat(ask(), Policy(deadline_s=50))
    assert [(a.model, a.outcome) for a in response.attempts] == [("a/m", "succeeded")]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Policy(max_attempts=0), "max_attempts is 0"),
        (Policy(max_billable=0), "max_billable is 0"),
        (Policy(deadline_s=nan), "deadline_s is no number"),
        (Policy(reader="stpe"), "did you mean 'step'"),  # type: ignore[arg-type]
        (Policy(sensitivity="Restricted"), "did you mean 'restricted'"),  # type: ignore[arg-type]
        (Policy(on_unsupported="dorp"), "did you mean 'drop'"),  # type: ignore[arg-type]
        (Policy(needs=frozenset({"visoin"})), "did you mean 'vision'"),  # type: ignore[arg-type]
        (Policy(max_cost_usd=0.5), "Decimal\\('0.5'\\)"),  # type: ignore[arg-type]
        (Policy(caller=Caller(tags=["a"])), "tags are \\['a'\\]"),  # type: ignore[arg-type]
        (Policy(caller=Caller(user="")), "user is empty"),
        (Policy(caller=Caller(tags=frozenset({""}))), "tags is empty"),
    ],
)
async def test_a_policy_that_no_call_can_be_made_under_is_refused_before_anything_is_sent(
    policy: Policy, words: str
) -> None:
    clock = ManualClock()
    backend = network(chat_answer("never"), clock=clock)
    async with gateway(backend, clock) as made:
        with pytest.raises(ConfigurationError, match=words):
            await made.chat(ask(), policy)
    assert backend.requests == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"n": 0}, "n is 0"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": ({"role": "user", "content": "Hello"},)}, "messages"),
    ],
)
async def test_a_request_that_no_model_can_be_asked_is_refused_before_anything_is_sent(wrong: dict, words: str) -> None:
    clock = ManualClock()
    backend = network(chat_answer("never"), clock=clock)
    async with gateway(backend, clock) as made:
        with pytest.raises(InvalidRequestError, match=words):
            await made.chat(replace(ask(), **wrong))
        with pytest.raises(InvalidRequestError, match=words):
            made.estimate(replace(ask(), **wrong))
    assert backend.requests == []


async def test_the_deadline_ends_the_call_in_the_middle_of_an_attempt() -> None:
    clock = ManualClock()
    async with gateway(network(HttpAnswer(wait_s=inf), clock=clock), clock) as made:
        with pytest.raises(DeadlineExceededError) as caught:
            await made.chat(ask("a/m"), Policy(deadline_s=3))
    assert [(a.model, a.error) for a in caught.value.attempts] == [("a/m", "deadline_exceeded")]
    assert caught.value.attempts[0].seconds == pytest.approx(3)


async def test_a_stream_that_is_silent_before_its_first_content_falls_back() -> None:
    clock = ManualClock()
    begun = stream_answer("late")
    slow = HttpAnswer(headers=begun.headers, pieces=(begun.pieces[0], b": ping\n\n", *begun.pieces[1:]), pause_s=200)
    backend = network(clock=clock, by_host={"a.example": [slow], "b.example": [stream_answer("ok")]})
    async with gateway(backend, clock) as made, made.stream(ask()) as stream:
        assert await words(stream) == ["ok"]
    assert [a.error for a in stream.response.attempts] == ["timed_out", None]
    assert backend.open == 0


async def test_content_that_comes_together_with_its_deadline_is_late_and_never_harms_the_reader() -> None:
    clock = ManualClock()

    class Late:
        """Advances the clock past the limit with the very chunk."""

        @asynccontextmanager
        async def stream(self, *_: object) -> AsyncIterator[AsyncIterator[Chunk]]:
            async def chunks() -> AsyncIterator[Chunk]:
                clock.advance(300)
                yield TextChunk("late")

            async with aclosing(chunks()) as given:
                yield given

    settings = Settings(**MODELS)
    made = scripted_gateway({"a/m": "never", "b/m": "in time"}, settings=settings, clock=clock)
    made._adapters._made["a"] = Late()
    async with made.stream(ask()) as stream:
        await anyio.lowlevel.checkpoint()
        assert await words(stream) == ["in ", "time"]
    assert [a.error for a in stream.response.attempts] == ["timed_out", None]


async def test_keep_alive_comments_are_silence() -> None:
    clock = ManualClock()
    begun = stream_answer("one", "two")
    pieces = (*begun.pieces[:2], *[b": ping\n\n"] * 5, *begun.pieces[2:])
    backend = network(HttpAnswer(headers=begun.headers, pieces=pieces, pause_s=25), clock=clock)
    async with gateway(backend, clock) as made, made.stream(ask("a/m")) as stream:
        assert (await anext(aiter(stream))).text == "one"
        with pytest.raises(TimedOutError, match="silent for 60 s"):
            await words(stream)


async def test_a_slow_reader_is_not_mistaken_for_a_silent_model() -> None:
    clock = ManualClock()
    backend = network(stream_answer("one", "two"), clock=clock)
    async with gateway(backend, clock) as made, made.stream(ask("a/m")) as stream:
        async for _ in stream:
            clock.advance(100)
    assert stream.response.text == "onetwo"


async def test_the_deadline_holds_inside_a_stream() -> None:
    clock = ManualClock()
    begun = stream_answer("one", "two", "three")
    slow = HttpAnswer(headers=begun.headers, pieces=begun.pieces, pause_s=20)
    async with gateway(network(slow, clock=clock), clock) as made:
        async with made.stream(ask("a/m"), Policy(deadline_s=50)) as stream:
            with pytest.raises(DeadlineExceededError):
                await words(stream)
        with pytest.raises(DeadlineExceededError):
            async with made.stream(ask("a/m"), Policy(deadline_s=10)):
                pytest.fail("no content came in time")


async def test_a_stream_cut_before_content_is_tried_again_and_after_it_never() -> None:
    clock = ManualClock()
    begun = stream_answer("one", "two")
    early = HttpAnswer(headers=begun.headers, pieces=begun.pieces[:1], cut=True)
    late = HttpAnswer(headers=begun.headers, pieces=begun.pieces[:2], cut=True)
    backend = network(early, late, stream_answer("never"), clock=clock)
    async with gateway(backend, clock) as made, made.stream(ask("a/m")) as stream:
        with pytest.raises(ConnectionFailedError) as caught:
            await words(stream)
    assert [a.error for a in caught.value.attempts] == ["connection_failed", "connection_failed"]
    assert len(backend.requests) == 2
    assert backend.open == 0


@pytest.mark.parametrize("before", [True, False])
async def test_an_error_inside_a_200_fails_over_only_before_content(before: bool) -> None:
    clock = ManualClock()
    begun = stream_answer("one")
    error = b'data: {"error": {"message": "overloaded", "type": "server_error", "code": 503}}\n\n'
    pieces = begun.pieces[:1] if before else begun.pieces[:2]
    broken = HttpAnswer(headers=begun.headers, pieces=(*pieces, error))
    backend = network(broken, stream_answer("fine"), clock=clock)
    async with gateway(backend, clock) as made, made.stream(ask("a/m")) as stream:
        if before:
            assert await words(stream) == ["fine"]
        else:
            with pytest.raises(ProviderError, match="overloaded"):
                await words(stream)
            assert len(backend.requests) == 1


async def test_an_error_inside_an_unstreamed_200_is_an_error() -> None:
    clock = ManualClock()
    broken = HttpAnswer(pieces=(b'{"error": {"message": "overloaded", "code": 503}}',))
    async with gateway(network(broken, chat_answer("fine"), clock=clock), clock) as made:
        response = await made.chat(ask("a/m"))
    assert [a.outcome for a in response.attempts] == ["failed", "succeeded"]


async def test_a_stream_without_finish_is_truncated_and_with_finish_but_without_done_is_whole() -> None:
    clock = ManualClock()
    whole = stream_answer("one")
    without_done = HttpAnswer(headers=whole.headers, pieces=whole.pieces[:-1])
    async with gateway(network(stream_answer("one", finish=None), without_done, clock=clock), clock) as made:
        async with made.stream(ask("a/m")) as stream:
            with pytest.raises(TruncatedStreamError):
                await words(stream)
        async with made.stream(ask("a/m")) as stream:
            assert await words(stream) == ["one"]
        assert stream.response.finish_reason == "stop"


async def test_an_answer_without_any_content_is_still_an_answer() -> None:
    made = scripted_gateway({"a/m": [[FinishChunk("stop")]]})
    async with made.stream(ask("a/m")) as stream:
        assert [chunk async for chunk in stream] == [FinishChunk("stop")]
    assert stream.response.text == ""


async def test_a_refusal_is_an_answer() -> None:
    second = ScriptedModel("should not be asked")
    made = scripted_gateway(
        {"a/m": [[RefusalChunk("I will not"), FinishChunk("stop")]] * 2, "b/m": second},
        settings=Settings(**MODELS),
    )
    response = await made.chat(ask())
    assert response.refusal == "I will not"
    async with made.stream(ask()) as stream:
        _ = [chunk async for chunk in stream]
    assert stream.response.refusal == "I will not"
    assert second.calls == 0


async def test_a_caller_that_goes_away_closes_what_is_open_upstream() -> None:
    clock = ManualClock()
    begun = stream_answer("one", "two")
    backend = network(begun, clock=clock)
    async with gateway(backend, clock) as made:
        with anyio.CancelScope() as scope:
            async with made.stream(ask("a/m")) as stream:
                async for _ in stream:
                    assert backend.open == 1
                    scope.cancel()
        assert scope.cancelled_caught
        assert backend.open == 0


async def test_a_fault_in_the_callers_own_block_is_not_taken_for_the_models() -> None:
    clock = ManualClock()
    backend = network(stream_answer("one"), clock=clock)
    async with gateway(backend, clock) as made:
        with pytest.raises(ServerError, match="mine"):
            async with made.stream(ask("a/m")):
                raise ServerError("mine")
    assert len(backend.requests) == 1
    assert backend.open == 0


async def test_many_calls_at_once_keep_their_own_trails() -> None:
    made = scripted_gateway({"a/m": lambda request: RateLimitError("busy"), "b/m": "ok"}, settings=Settings(**MODELS),
                            clock=ManualClock())  # fmt: skip
    trails: list[int] = []

    async def call() -> None:
        trails.append(len((await made.chat(ask())).attempts))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
    assert trails == [2] * 20


async def test_a_deployment_that_failed_is_come_back_to_when_its_own_wait_is_over() -> None:
    clock = ManualClock()
    limited = HttpAnswer(status=429, headers={"Retry-After": "7"})
    backend = network(
        clock=clock, by_host={"a.example": [limited], "b.example": [HttpAnswer(status=503), chat_answer("again")]}
    )
    async with gateway(backend, clock) as made:
        response = await made.chat(ask())
    assert [(a.model, a.outcome) for a in response.attempts] == [
        ("a/m", "failed"),
        ("b/m", "failed"),
        ("b/m", "succeeded"),
    ]
    assert clock.sleeps == [0.25]


async def test_a_call_whose_time_is_up_sends_nothing() -> None:
    clock = ManualClock()
    backend = network(chat_answer("never"), clock=clock)
    async with gateway(backend, clock) as made:
        with pytest.raises(DeadlineExceededError) as caught:
            await made.chat(ask(), Policy(deadline_s=0))
    assert backend.requests == []
    assert caught.value.attempts == ()


async def test_the_deadline_tells_of_the_attempts_before_it() -> None:
    clock = ManualClock()
    backend = network(
        clock=clock, by_host={"a.example": [HttpAnswer(status=503)], "b.example": [HttpAnswer(wait_s=inf)]}
    )
    async with gateway(backend, clock) as made:
        with pytest.raises(DeadlineExceededError) as caught:
            await made.chat(ask(), Policy(deadline_s=9))
    assert [(a.model, a.error) for a in caught.value.attempts] == [
        ("a/m", "server_error"),
        ("b/m", "deadline_exceeded"),
    ]


async def test_an_endless_drip_ends_with_the_deadline() -> None:
    clock = ManualClock()
    drip = HttpAnswer(headers={"content-type": "application/json"}, pieces=(b" ",) * 10_000, pause_s=20)
    async with gateway(network(drip, clock=clock), clock) as made:
        begun = clock.now()
        with pytest.raises(DeadlineExceededError):
            await made.chat(ask("a/m"))
        assert clock.now() - begun == pytest.approx(600)


async def test_an_endless_drip_of_comments_is_no_first_content() -> None:
    clock = ManualClock()
    begun = stream_answer("late")
    drip = HttpAnswer(headers=begun.headers, pieces=(b": ping\n\n",) * 10_000, pause_s=20)
    backend = network(clock=clock, by_host={"a.example": [drip], "b.example": [stream_answer("ok")]})
    async with gateway(backend, clock) as made, made.stream(ask()) as stream:
        assert await words(stream) == ["ok"]
    assert [a.error for a in stream.response.attempts] == ["timed_out", None]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_caller_that_leaves_while_nobody_has_answered_yet_is_on_record(streamed: bool) -> None:
    clock = ManualClock()
    left: list[str] = []
    asked = anyio.Event()

    async def slow(request: object) -> str:
        asked.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            left.append("left")
            raise
        return "never"

    made = scripted_gateway({"a/m": slow}, clock=clock)
    call = made._call("stream" if streamed else "chat", ask("a/m"), Policy())
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def make() -> None:
                if not streamed:
                    await made._serving.whole(call)
                async with made._serving.stream(call):
                    pytest.fail("nothing came")

            group.start_soon(make)
            await asked.wait()
            scope.cancel()
    assert left == ["left"]
    assert [(a.model, a.outcome, a.billable) for a in call.trail.records] == [("a/m", "cancelled", True)]


class Judging:
    """Attempts over models that answer with their own name, judged as it is said here."""

    def __init__(self, *, last_resort: frozenset[str] = frozenset(), **opinions: float | Exception | None) -> None:
        self.clock = ManualClock()
        self.opinions = opinions
        self.asked: list[str] = []
        candidates = tuple(Model(id=f"{name}/m", provider=name, name="m", wire="openai_chat") for name in opinions)
        rules = RouteRules(last_resort=last_resort, escalation=Escalation(evaluator="structural", threshold=0.5))
        self.call = Call(operation="chat", request=ask(), policy=Policy(), deadline=self.clock.now() + 60)
        self.call.trail.selection = Selection(candidates, (), rules)

    async def served(self) -> tuple[str, bool]:
        attempts = Attempts(clock=self.clock, random=lambda: 0.5, health=Health(clock=self.clock))
        async with attempts.first(self.call, self.ask, self.judge) as won:
            return won.result, won.rejected

    @asynccontextmanager
    async def ask(self, model: Model, deadline: float, patience: float) -> AsyncIterator[str]:
        self.asked.append(model.provider)
        opinion = self.opinions[model.provider]
        if isinstance(opinion, Exception):
            raise opinion
        yield model.provider

    async def judge(self, model: Model, result: str) -> Judged:
        opinion = self.opinions[result]
        assert not isinstance(opinion, Exception)
        return Judged(opinion, None if opinion is None else Decimal(1))


async def test_an_answer_that_is_not_good_enough_is_rejected_and_the_next_one_asked() -> None:
    judging = Judging(a=0.2, b=0.9, c=0.9)
    assert await judging.served() == ("b", False)
    (told,) = judging.call.trail.records
    assert (told.model, told.outcome, told.confidence, told.cost_usd) == ("a/m", "rejected", 0.2, Decimal(1))
    assert told.message == "structural gave it 0.20, and 0.5 is wanted"


async def test_the_last_that_may_better_it_is_not_judged() -> None:
    judging = Judging(a=0.2, b=0.1)
    assert await judging.served() == ("b", False)


async def test_an_answer_that_is_not_judged_is_taken() -> None:
    assert await Judging(a=None, b=0.9).served() == ("a", False)


@pytest.mark.parametrize("error", [TimedOutError("x"), InvalidRequestError("x"), DeadlineExceededError("x")])
async def test_the_best_rejected_answer_serves_where_nobody_gives_a_better_one(error: Exception) -> None:
    judging = Judging(a=0.2, b=0.4, c=0.3, d=error)
    assert await judging.served() == ("b", True)
    assert judging.asked == ["a", "b", "c", "d"]
    outcomes = [one.outcome for one in judging.call.trail.records]
    assert outcomes == ["rejected", "rejected", "rejected", "failed", "noted"]


async def test_a_call_that_is_cancelled_while_an_answer_is_judged_still_tells_of_the_answer() -> None:
    judging = Judging(a=0.9, b=0.9)
    with anyio.CancelScope() as scope:

        async def judge(model: Model, result: str) -> Judged:
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            return Judged(0.9)

        judging.judge = judge
        await judging.served()
    assert [one.outcome for one in judging.call.trail.records] == ["cancelled"]


async def test_a_judge_that_is_slower_than_the_deadline_is_not_waited_for() -> None:
    judging = Judging(a=0.1, b=0.9)

    async def judge(model: Model, result: str) -> Judged:
        await judging.clock.sleep(1000)
        return Judged(0.1)

    judging.judge = judge
    assert await judging.served() == ("a", False)
