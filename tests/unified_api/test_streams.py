"""Streams: what comes before the first content, how a break ends them, and readers that leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

import anyio
import anyio.lowlevel
import pytest
from broken_streams import NAME, STEP, WORDS, answer, ask, broken, over_the_wire, read, scripted, tries
from family_streams import FAMILIES, family_stream

from unified_api.errors import (
    ProviderError,
    ServerError,
)
from unified_api.gateway import Gateway
from unified_api.response_stream import ResponseStream
from unified_api.settings import BreakerSettings, Settings
from unified_api.testing import (
    HttpAnswer,
    scripted_gateway,
    stream_answer,
)
from unified_api.types import (
    FinishChunk,
    Policy,
    ReasoningChunk,
    RestartChunk,
    TextChunk,
    Tool,
    ToolCallChunk,
)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("spoken", [0, 1], ids=["at once", "after what opens the stream"])
async def test_an_error_inside_a_200_fails_over_until_content_has_come(family: str, spoken: int) -> None:
    stream = family_stream(family, WORDS)
    opened = stream.events[: stream.lead * spoken]
    gateway, backend = over_the_wire(family, answer(family, *opened, stream.error))
    async with gateway, gateway.stream(ask()) as chunks:
        await read(chunks)
    assert chunks.response.text == "fine"
    assert [one[:2] for one in tries(chunks.response.attempts)] == [(f"a/{NAME}", "failed"), ("b/m", "succeeded")]
    assert backend.open == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("more", [{}, {"cut": True}, {"pause_s": inf}], ids=["closed", "broken", "silent"])
async def test_a_stream_that_stops_before_its_first_content_fails_over(family: str, more: dict) -> None:
    stream = family_stream(family, WORDS)
    opened = (*stream.events[: stream.lead], *([stream.body] if more.get("pause_s") and stream.lead else []))
    gateway, _ = over_the_wire(family, answer(family, *opened, **more))
    async with gateway, gateway.stream(ask()) as chunks:
        await read(chunks)
    assert chunks.response.text == "fine"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["error", "closed", "broken", "silent"])
async def test_a_break_after_content_is_never_a_clean_end(family: str, how: str) -> None:
    gateway, backend = over_the_wire(family, broken(family, how))
    async with (
        gateway,
        gateway.stream(ask(tools=(Tool("f"),)) if family != "openai_completions" else ask(n=2)) as chunks,
    ):
        with pytest.raises(
            ProviderError, match="of the answer 5 characters had come, and it was not continued"
        ) as caught:
            await read(chunks)
        assert chunks.text == "Once "
        with pytest.raises(RuntimeError):
            _ = chunks.response
    (only,) = [one for one in caught.value.attempts if one.number]
    assert (only.outcome, only.received, only.billable) == ("failed", 5, True)
    assert only.cost_usd is not None
    assert only.cost_usd > 0
    assert (len(backend.requests), backend.open) == (1, 0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["error", "closed", "broken", "silent"])
async def test_an_answer_that_only_a_program_reads_is_begun_anew(family: str, how: str) -> None:
    gateway, backend = over_the_wire(family, broken(family, how))
    async with gateway, gateway.stream(ask(), STEP) as chunks:
        found = await read(chunks)
    assert RestartChunk("b/m") in found
    assert chunks.response.text == "fine"
    assert chunks.response.model == "b/scripted"
    first, second = tries(chunks.response.attempts)
    assert first[0::3] == (f"a/{NAME}", 5)
    assert second == ("b/m", "succeeded", None, 4)
    assert backend.open == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("policy", [Policy(), STEP], ids=["person", "step"])
@pytest.mark.parametrize("how", ["broken", "silent"])
async def test_a_connection_that_breaks_after_the_answer_is_complete_takes_nothing_from_it(
    family: str, policy: Policy, how: str
) -> None:
    stream = family_stream(family, WORDS)
    whole = b"".join(stream.events[: stream.terminal + 1])
    late = answer(family, whole, b" ", pause_s=inf) if how == "silent" else answer(family, whole, cut=True)
    gateway, backend = over_the_wire(family, late)
    async with gateway, gateway.stream(ask(), policy) as chunks:
        await read(chunks)
    assert (chunks.response.text, chunks.response.finish_reason) == ("Once upon a time", "stop")
    assert [one[1] for one in tries(chunks.response.attempts)] == ["succeeded"]
    assert backend.open == 0


def long_answer() -> HttpAnswer:
    return stream_answer(*["word "] * 50)


async def leaves_by_break(stream: ResponseStream) -> None:
    async for _ in stream:
        break


async def leaves_by_an_error(stream: ResponseStream) -> None:
    await anext(aiter(stream))
    raise ZeroDivisionError


@pytest.mark.parametrize("policy", [Policy(), STEP], ids=["person", "step"])
@pytest.mark.parametrize("leave", [leaves_by_break, leaves_by_an_error])
async def test_a_reader_that_leaves_ends_the_call_upstream_and_is_told_of(policy: Policy, leave: Callable) -> None:
    gateway, backend = over_the_wire("openai_chat", long_answer())
    async with gateway:
        with (
            anyio.CancelScope(),
            pytest.raises(ZeroDivisionError) if leave is leaves_by_an_error else anyio.CancelScope(),
        ):
            async with gateway.stream(ask(), policy) as stream:
                await leave(stream)
        assert backend.open == 0
    (only,) = (one for one in stream.attempts if one.number)
    assert (only.outcome, only.received, only.billable) == ("cancelled", 5, True)
    assert only.cost_usd is not None


@pytest.mark.parametrize("policy", [Policy(), STEP], ids=["person", "step"])
async def test_a_reader_that_reads_nothing_is_told_of_too(policy: Policy) -> None:
    gateway, backend = over_the_wire("openai_chat", long_answer())
    async with gateway, gateway.stream(ask(), policy) as stream:
        pass
    (only,) = (one for one in stream.attempts if one.number)
    assert (only.outcome, only.received, only.billable) == ("cancelled", 0, True)
    assert backend.open == 0


@pytest.mark.parametrize("policy", [Policy(), STEP], ids=["person", "step"])
async def test_a_reader_that_is_cancelled_ends_the_call_upstream(policy: Policy) -> None:
    silent = answer("openai_chat", b"".join(family_stream("openai_chat", WORDS).events[:2]))
    gateway, backend = over_the_wire("openai_chat", replace(silent, repeat=(b": ping\n\n",)))
    async with gateway:
        with anyio.move_on_after(0.05) as scope:
            async with gateway.stream(ask(), policy) as stream:
                await read(stream)
        assert scope.cancelled_caught
        assert backend.open == 0
    (only,) = (one for one in stream.attempts if one.number)
    assert (only.outcome, only.received) == ("cancelled", 5)


@pytest.mark.parametrize("policy", [Policy(), STEP], ids=["person", "step"])
async def test_wherever_a_reader_is_cancelled_nothing_stays_open_and_every_try_is_told_of(policy: Policy) -> None:
    """In the opening, between the chunks, and while another model is asked to go on."""
    whole = 0
    for turns in range(60):
        gateway, backend = over_the_wire("openai_chat", broken("openai_chat", "closed"))
        story: list[ResponseStream] = []
        async with gateway, anyio.create_task_group() as group:

            async def reading(made: Gateway = gateway, story: list[ResponseStream] = story) -> None:
                async with made.stream(ask(), policy) as stream:
                    story.append(stream)
                    await read(stream)

            group.start_soon(reading)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert backend.open == 0
        attempts = [one for stream in story for one in stream.attempts if one.number]
        assert [one.number for one in attempts] == list(range(1, len(attempts) + 1))
        assert not story or len(attempts) == len(backend.requests), turns
        whole += bool(attempts) and attempts[-1].outcome == "succeeded"
    assert 5 < whole < 55


async def test_a_stream_that_its_reader_leaves_counts_for_nothing_in_the_breaker() -> None:
    """Four that are left and two that break are two of two, and not two of six."""
    breaks = [TextChunk("half of it, "), ServerError("overloaded")]
    settings = Settings(breaker=BreakerSettings(least_calls=2, failure_ratio=0.5))
    made = scripted_gateway({"a/m": [*["one two three"] * 4, breaks, breaks]}, settings=settings)
    for _ in range(4):
        async with made.stream(ask("a/m")) as stream:
            await anext(stream)
    for _ in range(2):
        assert made.health.conditions()[0].state == "closed"
        async with made.stream(ask("a/m")) as stream:
            with pytest.raises(ServerError):
                await read(stream)
    assert made.health.conditions()[0].state == "open"


async def test_every_streamed_try_says_how_much_had_come() -> None:
    gateway = scripted(a=[[ReasoningChunk("abc"), ToolCallChunk(0, "i", "f", "{}"), FinishChunk("tool_calls")]])
    async with gateway.stream(ask()) as stream:
        await read(stream)
    assert stream.response.attempts[0].received == 5
