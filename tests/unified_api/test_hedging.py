"""Asking a second deployment where the first is slow, on a clock that is turned by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    AttemptsExhaustedError,
    ContentRefusedError,
    DeadlineExceededError,
    GatewayError,
    ServerError,
    TimedOutError,
)
from unified_api.gateway import Gateway
from unified_api.hedging import Allowance, Entrant, race
from unified_api.settings import Route, Settings
from unified_api.settings.routes import Escalate
from unified_api.testing import ManualClock, Script, ScriptedModel, scripted_gateway
from unified_api.types import BuiltinTool, Message, Policy, Request, TextChunk

ASK = Request(model="route/main", messages=(Message.user("Hello"),))
HEDGE = Policy(hedge=True)


class Slow:
    """A model that takes as long as it is told, and says who left it early."""

    def __init__(self, clock: ManualClock, text: str) -> None:
        self.clock, self.text, self.seconds = clock, text, 1
        self.left = 0
        self.error: Exception | None = None
        self.model = ScriptedModel(self.reply)

    async def reply(self, request: object) -> str:
        try:
            for _ in range(self.seconds):  # in pieces, so that others have time to begin meanwhile
                await self.clock.sleep(1)
        except anyio.get_cancelled_exc_class():
            self.left += 1
            raise
        if self.error is not None:
            raise self.error
        return self.text


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def heard(
    clock: ManualClock, *, calls: int = 40, more: dict[str, Script] | None = None, **route: object
) -> tuple[Gateway, Slow, Slow]:
    """A gateway whose first model has answered within a second so far, or within two, which is its 95th percentile."""
    first, second = Slow(clock, "first"), Slow(clock, "second")
    made = gateway({"a/m": first.model, "b/m": second.model, **(more or {})}, clock, **route)
    for call in range(calls):
        first.seconds, policy = (2, Policy()) if call < calls / 10 else (1, HEDGE)
        await made.chat(ASK, policy)
        async with made.stream(ASK, policy) as stream:
            _ = [chunk async for chunk in stream]
    assert second.model.calls == 0
    return made, first, second


def gateway(models: dict[str, ScriptedModel | Script], clock: ManualClock, **route: object) -> Gateway:
    ordinary = tuple(name for name in models if name not in route.get("last_resort", ()))
    settings = Settings(routes={"main": Route(models=ordinary, **route)})
    return scripted_gateway(models, settings=settings, clock=clock)


async def test_a_slow_deployment_is_raced_by_the_next_and_the_loser_is_cancelled(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.seconds, second.seconds = 100, 2
    begun = clock.now()
    response = await made.chat(ASK, HEDGE)
    assert response.text == "second"
    assert clock.now() - begun < 10
    assert [(a.model, a.outcome, a.billable) for a in response.attempts] == [
        ("a/m", "cancelled", True),
        ("b/m", "succeeded", False),
    ]
    assert first.left == 1


async def test_the_first_may_still_win(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.seconds, second.seconds = 3, 50
    response = await made.chat(ASK, HEDGE)
    assert response.text == "first"
    assert [(a.model, a.outcome) for a in response.attempts] == [("b/m", "cancelled"), ("a/m", "succeeded")]
    assert second.left == 1


async def test_a_stream_is_raced_to_its_first_content(clock: ManualClock) -> None:
    made, first, _ = await heard(clock)
    first.seconds = 100
    async with made.stream(ASK, HEDGE) as stream:
        assert "".join([chunk.text async for chunk in stream if isinstance(chunk, TextChunk)]) == "second"
    assert [(a.model, a.outcome) for a in stream.response.attempts] == [("a/m", "cancelled"), ("b/m", "succeeded")]
    assert first.left == 1


async def test_without_being_told_nothing_is_raced(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.seconds = 100
    assert (await made.chat(ASK)).text == "first"
    assert (await made.chat(ASK, Policy(hedge=False))).text == "first"
    assert second.model.calls == 0


async def test_a_route_may_say_so_and_a_call_may_forbid_it(clock: ManualClock) -> None:
    made, first, _ = await heard(clock, hedge=True)
    first.seconds = 100
    assert (await made.chat(ASK, Policy(hedge=False))).text == "first"
    assert (await made.chat(ASK)).text == "second"


async def test_too_few_answers_say_nothing_about_slowness(clock: ManualClock) -> None:
    made, first, second = await heard(clock, calls=19)
    first.seconds = 100
    assert (await made.chat(ASK, HEDGE)).text == "first"
    assert second.model.calls == 0


async def test_at_most_one_call_in_twenty_is_raced(clock: ManualClock) -> None:
    made, first, _ = await heard(clock)
    first.seconds = 100
    answers = [(await made.chat(ASK, HEDGE)).text for _ in range(4)]
    assert answers == ["second", "second", "second", "first"]  # three of the 76 that might have been


async def test_built_in_tools_are_never_run_twice(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.seconds = 100
    tools = (BuiltinTool(provider="a", definition={"type": "web_search"}),)
    request = Request(model="route/main", messages=ASK.messages, builtin_tools=tools)
    assert (await made.chat(request, HEDGE)).text == "first"
    assert second.model.calls == 0


@pytest.mark.parametrize("policy", [Policy(hedge=True, max_attempts=1), Policy(hedge=True, fallback=False),
                                    Policy(hedge=True, max_billable=1)])  # fmt: skip
async def test_a_race_needs_room_for_two_attempts(clock: ManualClock, policy: Policy) -> None:
    made, first, second = await heard(clock)
    first.seconds = 100
    assert (await made.chat(ASK, policy)).text == "first"
    assert second.model.calls == 0


async def test_a_last_resort_is_not_raced(clock: ManualClock) -> None:
    made, first, second = await heard(clock, last_resort=("b/m",))
    first.seconds = 100
    assert (await made.chat(ASK, HEDGE)).text == "first"
    assert second.model.calls == 0


async def test_a_failure_before_the_race_goes_on_as_ever(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.error, first.seconds = ServerError("broken"), 0
    response = await made.chat(ASK, HEDGE)
    assert [(a.model, a.outcome) for a in response.attempts] == [("a/m", "failed"), ("b/m", "succeeded")]
    assert second.model.calls == 1


async def test_where_one_fails_the_other_is_waited_for(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.error, first.seconds, second.seconds = ServerError("broken"), 5, 50
    response = await made.chat(ASK, HEDGE)
    assert response.text == "second"
    assert [(a.model, a.outcome) for a in response.attempts] == [("a/m", "failed"), ("b/m", "succeeded")]


async def test_where_both_fail_both_are_told_and_count_as_attempts(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.error, first.seconds = TimedOutError("silent"), 5
    second.error, second.seconds = TimedOutError("silent too"), 9
    with pytest.raises(AttemptsExhaustedError) as caught:
        await made.chat(ASK, HEDGE)
    assert [(a.model, a.outcome) for a in caught.value.attempts] == [("a/m", "failed"), ("b/m", "failed")]


async def test_the_deadline_ends_a_race_with_its_story(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.seconds = second.seconds = 1000
    with pytest.raises(DeadlineExceededError) as caught:
        await made.chat(ASK, Policy(hedge=True, deadline_s=30))
    assert {a.model for a in caught.value.attempts} == {"a/m", "b/m"}
    assert (first.left, second.left) == (1, 1)


async def test_a_caller_that_goes_away_leaves_both(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.seconds = second.seconds = 1000

    async def give_up() -> None:
        await clock.sleep(10)
        scope.cancel()

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(give_up)
            await made.chat(ASK, HEDGE)
        assert scope.cancelled_caught
    assert (first.left, second.left) == (1, 1)


async def test_a_reader_that_leaves_a_raced_stream_early_leaves_it_whole(clock: ManualClock) -> None:
    made, first, _ = await heard(clock)
    first.seconds = 100
    async with made.stream(ASK, HEDGE) as stream:
        assert isinstance(await anext(aiter(stream)), TextChunk)
    with anyio.CancelScope() as scope:
        async with made.stream(ASK, HEDGE) as stream:
            async for _ in stream:
                scope.cancel()
    assert scope.cancelled_caught
    with pytest.raises(ValueError, match="mine"):
        async with made.stream(ASK, HEDGE) as stream:
            raise ValueError("mine")


def entrant(told: list[str], name: str, work: Callable[[], object]) -> Entrant[str]:
    @asynccontextmanager
    async def ask() -> AsyncIterator[str]:
        given = work()
        if isinstance(given, BaseException):
            raise given
        await anyio.lowlevel.checkpoint()
        yield name
        await anyio.lowlevel.checkpoint()
        told.append(f"{name} closed")

    def failed(error: GatewayError) -> None:
        told.append(f"{name} failed")

    return Entrant(ask(), failed=failed, cancelled=lambda: told.append(f"{name} cancelled"))


async def test_a_fault_of_a_program_is_raised_as_it_is() -> None:
    told: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with race(entrant(told, "a", lambda: 1 // 0), lambda: None, after=1, clock=ManualClock()):
            pytest.fail("nobody answered")


async def test_what_is_asked_is_left_by_the_task_that_entered_it_and_before_the_block_ends() -> None:
    told: list[str] = []
    async with race(entrant(told, "a", lambda: None), lambda: None, after=1, clock=ManualClock()) as won:
        assert won is not None
        assert won[1] == "a"
        assert told == []
    assert told == ["a closed"]


@given(
    calls=st.lists(st.booleans(), max_size=400),
    over=st.integers(1, 120),
    share=st.sampled_from([0.05, 0.1, 0.5]),
)
def test_of_no_stretch_of_calls_more_than_the_share_is_hedged(calls: list[bool], over: int, share: float) -> None:
    allowance = Allowance(share, over=over)
    hedged = []
    for wanted in calls:
        allowance.count()
        hedged.append(wanted and allowance.has_room)
        if hedged[-1]:
            allowance.take()
        assert sum(hedged[-over:]) <= share * min(len(hedged), over)


async def test_a_refusal_ends_a_race_as_it_ends_any_call(clock: ManualClock) -> None:
    made, first, second = await heard(clock)
    first.seconds, second.seconds = 4, 50
    first.error = ContentRefusedError("the filter refused it")
    with pytest.raises(ContentRefusedError) as caught:
        await made.chat(ASK, HEDGE)
    assert {(a.model, a.outcome) for a in caught.value.attempts} == {("a/m", "failed"), ("b/m", "cancelled")}
    assert second.left == 1


async def test_a_fault_that_is_no_error_of_the_gateway_leaves_no_deployment_shut_out(clock: ManualClock) -> None:
    made, first, _ = await heard(clock)
    first.error = ServerError("down")
    for _ in range(200):
        await made.chat(ASK, Policy(hedge=False))
    assert {one.model: one.state for one in made.health.conditions()}["a/m"] == "open"
    clock.advance(10_000)
    first.error = KeyError("a bug")
    with pytest.raises(KeyError):
        await made.chat(ASK, HEDGE)
    first.error = None
    clock.advance(10_000)
    assert (await made.chat(ASK, HEDGE)).text == "first"


async def test_the_loser_of_a_race_counts_among_the_tries(clock: ManualClock) -> None:
    made, first, second = await heard(clock, escalate=Escalate(), more={"c/m": "third"})
    first.seconds, second.text = 100, ""
    response = await made.chat(ASK, Policy(hedge=True, max_attempts=2))
    assert [(a.model, a.outcome) for a in response.attempts if a.number] == [("a/m", "cancelled"), ("b/m", "rejected")]
