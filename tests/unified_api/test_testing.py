from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api import testing
from unified_api.errors import ConfigurationError, RateLimitError, ServerError
from unified_api.testing import ManualClock, ScriptedModel, faults, scripted_gateway
from unified_api.types import (
    Alternative,
    AlternativeChunk,
    AudioPart,
    BuiltinToolPart,
    Citation,
    CitationChunk,
    EmbedRequest,
    FinishChunk,
    Image,
    ImagePart,
    ImageRequest,
    LogprobsChunk,
    Message,
    Moderation,
    ModerationRequest,
    ModerationResponse,
    OutputSchema,
    PartChunk,
    Policy,
    ProviderState,
    Ranked,
    ReasoningPart,
    RefusalPart,
    Request,
    RerankRequest,
    RerankResponse,
    Response,
    SentChunk,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)

ONCE = Policy(max_attempts=1)
PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")


def ask(text: str = "Hello", model: str = "s/m") -> Request:
    return Request(model=model, messages=(Message.user(text),))


async def test_one_text_answers_every_call_and_a_list_answers_one_call_each() -> None:
    always = scripted_gateway({"s/m": "same"})
    assert [(await always.chat(ask())).text for _ in range(2)] == ["same", "same"]
    script = scripted_gateway({"s/m": ["one", "two"]})
    assert [(await script.chat(ask())).text for _ in range(2)] == ["one", "two"]
    with pytest.raises(ConfigurationError, match="2 replies, and this is call 3"):
        await script.chat(ask())


async def test_functions_see_the_request_and_may_be_async_or_give_any_reply() -> None:
    async def later(request: Request) -> str:
        await anyio.lowlevel.checkpoint()
        return request.messages[0].parts[0].text.upper()

    gateway = scripted_gateway({"s/m": [lambda request: request.model, later, lambda request: ServerError("down")]})
    assert (await gateway.chat(ask())).text == "s/m"
    assert (await gateway.chat(ask("loud"))).text == "LOUD"
    with pytest.raises(ServerError):
        await gateway.chat(ask(), ONCE)


async def test_chunks_are_streamed_as_they_are_and_collected_for_a_whole_answer() -> None:
    chunks = [TextChunk("a"), ToolCallChunk(0, id="c", name="f", arguments="{}"), FinishChunk("tool_calls")]
    gateway = scripted_gateway({"s/m": chunks})
    async with gateway.stream(ask()) as stream:
        assert [chunk async for chunk in stream] == chunks
    assert (await gateway.chat(ask())).tool_calls == (ToolCallPart("c", "f", "{}"),)


async def test_a_stream_breaks_where_the_script_says() -> None:
    gateway = scripted_gateway({"s/m": [[TextChunk("a"), ServerError("broke")]]})
    async with gateway.stream(ask()) as stream:
        assert await anext(stream) == TextChunk("a")
        with pytest.raises(ServerError, match="broke"):
            await anext(stream)


async def test_a_response_is_given_whole_and_streamed_in_its_parts() -> None:
    response = Response(
        model="s/m",
        provider="s",
        parts=(TextPart("hi"), ToolCallPart("c", "f", '{"a":1}')),
        finish_reason="tool_calls",
        usage=Usage(input_tokens=1, output_tokens=2),
    )
    gateway = scripted_gateway({"s/m": response})
    assert (await gateway.chat(ask())).parts == response.parts
    async with gateway.stream(ask()) as stream:
        _ = [chunk async for chunk in stream]
    assert (stream.response.parts, stream.response.usage) == (response.parts, response.usage)


async def test_vectors_and_images_answer_their_kinds_of_request() -> None:
    gateway = scripted_gateway({"s/e": [[1.0, 2.0]], "s/i": [Image("image/png", b"1"), Image("image/png", b"2")]})
    for _ in range(2):
        assert (await gateway.embed(EmbedRequest(model="s/e", inputs=("x",)))).vectors == ((1.0, 2.0),)
    drawn = [(await gateway.image(ImageRequest(model="s/i", prompt="x"))).images[0].data for _ in range(2)]
    assert drawn == [b"1", b"2"]
    with pytest.raises(ConfigurationError, match="Image"):
        await scripted_gateway({"s/i": "text"}).image(ImageRequest(model="s/i", prompt="x"))


async def test_a_scripted_model_remembers_what_it_was_asked() -> None:
    model = ScriptedModel(["a", "b"])
    gateway = scripted_gateway({"s/m": model})
    await gateway.chat(ask("first"))
    await gateway.chat(ask("second"))
    assert model.calls == 2
    assert [request.messages[0].parts[0].text for request in model.requests] == ["first", "second"]


async def test_the_catalog_facts_are_as_told() -> None:
    gateway = scripted_gateway(
        {"s/small": "small", "s/large": "large"},
        tiers={"s/small": "economy", "s/large": "premium"},
        capabilities={"s/large": frozenset({"chat"})},
    )
    assert (await gateway.chat(ask(model="auto"), Policy(tier="premium"))).text == "large"
    assert (await gateway.chat(ask(model="auto"), Policy(tier="premium", needs=frozenset({"tools"})))).text == "small"


def test_a_scripted_model_needs_a_provider_in_its_name() -> None:
    with pytest.raises(ValueError, match="provider/name"):
        scripted_gateway({"alone": "x"})


async def test_a_sleep_moves_the_manual_clock_and_takes_no_time() -> None:
    clock = ManualClock(start=5)
    await clock.sleep(1e6)
    assert clock.now() == 5 + 1e6
    assert clock.sleeps == [1e6]


async def test_a_manual_deadline_cancels_the_sleep_it_falls_into_at_its_own_time() -> None:
    clock = ManualClock(start=0)
    with clock.scope(50) as outer:
        with clock.scope(10) as inner:
            await clock.sleep(30)
        assert inner.cancelled_caught
        assert clock.now() == 10
        await clock.sleep(30)
        assert clock.now() == 40
        outer.deadline = 35
        await clock.sleep(1)
    assert outer.cancelled_caught


async def test_a_manual_deadline_in_the_past_or_never_reached_behaves() -> None:
    clock = ManualClock(start=0)
    with clock.scope(-1) as past:
        await anyio.lowlevel.checkpoint()
        pytest.fail("the deadline had passed")
    assert past.cancelled_caught
    with clock.scope(10) as future:
        clock.advance(5)
        await anyio.lowlevel.checkpoint()
    clock.advance(100)
    assert not future.cancelled_caught


async def test_waits_of_a_scripted_gateway_take_no_time_on_a_manual_clock() -> None:
    clock = ManualClock()
    gateway = scripted_gateway({"s/m": [RateLimitError("busy", retry_after=120), "ok"]}, clock=clock)
    assert (await gateway.chat(ask())).text == "ok"
    assert clock.sleeps == [120.25]


_state = st.none() | st.just(ProviderState("s", {"signature": "x"}))
_word = st.text(min_size=1, max_size=4)
_answer_parts = st.lists(
    st.one_of(
        st.builds(TextPart, _word, st.lists(st.builds(Citation, _word), max_size=2).map(tuple), _state),
        st.builds(ReasoningPart, _word, st.just(ProviderState("s", {}))),
        st.builds(RefusalPart, _word),
        st.builds(ToolCallPart, _word, _word, st.just('{"a":1}'), _state),
        st.builds(ImagePart, st.just("https://x.example")),
        st.builds(AudioPart, data=st.just(b"x"), transcript=_word),
        st.builds(BuiltinToolPart, st.just("s"), st.just("search"), st.just({"q": "x"})),
    ),
    max_size=5,
)


def _apart(parts: list) -> tuple:
    """Two texts or refusals in a row, which a stream cannot tell apart from one, are not made."""
    return tuple(
        part
        for place, part in enumerate(parts)
        if not place or type(part) is not type(parts[place - 1]) or not isinstance(part, TextPart | RefusalPart)
    )


@given(_answer_parts, _answer_parts)
async def test_a_response_is_streamed_part_by_part_and_nothing_of_it_is_lost(first: list, second: list) -> None:
    token = TokenLogprob("a", -0.5, (("a", -0.5),))
    response = Response(
        model="s/m-2026",
        provider="s",
        parts=_apart(first),
        finish_reason="length",
        usage=Usage(input_tokens=3, output_tokens=4),
        cost_usd=Decimal("0.5"),
        logprobs=(token,),
        alternatives=(Alternative(parts=_apart(second), finish_reason="stop", logprobs=(token,)),),
    )
    gateway = scripted_gateway({"s/m": response})
    async with gateway.stream(ask()) as stream:
        chunks = [chunk async for chunk in stream]
    told = stream.response
    assert replace(told, attempts=()) == response
    assert (await scripted_gateway({"s/m": chunks}).chat(ask())).parts == response.parts


async def test_chunks_of_every_kind_are_a_reply_and_no_script() -> None:
    kinds = [
        PartChunk(ImagePart(url="https://x.example")),
        CitationChunk(Citation(url="https://x.example")),
        LogprobsChunk((TokenLogprob("a", -1.0),)),
        AlternativeChunk(1, TextChunk("other")),
        SentChunk("words"),
        UsageChunk(Usage()),
    ]
    for chunk in kinds:
        response = await scripted_gateway({"s/m": [chunk]}).chat(ask())
        assert response.finish_reason == "unknown"


async def test_scores_rank_documents_and_verdicts_judge_inputs() -> None:
    gateway = scripted_gateway({"s/r": [0.1, 0.9, 0.5], "s/g": [[True, False], [False]]})
    ranked = await gateway.rerank(RerankRequest(model="s/r", query="q", documents=("a", "b", "c"), top_n=2))
    assert [(one.index, one.score) for one in ranked.results] == [(1, 0.9), (2, 0.5)]
    judged = await gateway.moderate(ModerationRequest(model="s/g", inputs=("a", "b")))
    assert [one.flagged for one in judged.results] == [True, False]
    with pytest.raises(ConfigurationError, match="a score a document: 2, not 3"):
        await gateway.rerank(RerankRequest(model="s/r", query="q", documents=("a", "b")))
    with pytest.raises(ConfigurationError, match="not str"):
        await scripted_gateway({"s/g": "fine"}).moderate(ModerationRequest(model="s/g", inputs=("a",)))


async def test_responses_of_their_own_answer_every_kind_of_call() -> None:
    verdict = Moderation(flagged=True, categories={"x": True}, scores={"x": 1.0})
    judged = ModerationResponse(model="s/g", provider="s", results=(verdict,))
    ranked = RerankResponse(model="s/r", provider="s", results=(Ranked(0, 1.0),))
    gateway = scripted_gateway({"s/g": judged, "s/r": ranked})
    assert (await gateway.moderate(ModerationRequest(model="s/g", inputs=("a",)))).results == (verdict,)
    assert (await gateway.rerank(RerankRequest(model="s/r", query="q", documents=("a",)))).results == ranked.results


async def test_a_scripted_model_without_schemas_sees_the_tool_and_its_call_becomes_the_answer() -> None:
    chat = frozenset({"chat", "tools"})
    model = ScriptedModel([[ToolCallChunk(0, id="c", name="output", arguments='{"a":1}'), FinishChunk("tool_calls")]])
    gateway = scripted_gateway({"s/m": model}, capabilities=chat)
    request = Request(model="s/m", messages=(Message.user("x"),), output_schema=OutputSchema({"type": "object"}))
    response = await gateway.chat(request)
    assert (response.text, response.structured_by) == ('{"a":1}', "tool")
    assert [tool.name for tool in model.requests[0].tools] == ["output"]


async def test_sleepers_wake_in_the_order_of_time_whoever_slept_first() -> None:
    clock = ManualClock(start=0)
    woke: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woke.append((name, clock.now()))

    async with anyio.create_task_group() as group:
        group.start_soon(sleeper, "long", 10)
        group.start_soon(sleeper, "short", 1, 2, 3)
        group.start_soon(sleeper, "middle", 4.5)
    assert woke == [("short", 1), ("short", 3), ("middle", 4.5), ("short", 6), ("long", 10)]


@given(st.lists(st.lists(st.floats(0.001, 100), min_size=1, max_size=4), min_size=1, max_size=5))
async def test_time_never_runs_back_and_everybody_wakes_when_their_naps_are_over(naps: list[list[float]]) -> None:
    clock = ManualClock(start=0)
    woke: list[float] = []

    async def sleeper(own: list[float]) -> None:
        due = 0.0
        for nap in own:
            await clock.sleep(nap)
            due += nap
            woke.append(clock.now())
        assert clock.now() == pytest.approx(due)

    async with anyio.create_task_group() as group:
        for own in naps:
            group.start_soon(sleeper, own)
    assert woke == sorted(woke)


async def test_a_sleeper_that_is_cancelled_no_longer_holds_back_the_others() -> None:
    clock = ManualClock(start=0)
    async with anyio.create_task_group() as group:
        with clock.scope(5) as scope:
            group.start_soon(clock.sleep, 20)
            await clock.sleep(7)
        assert scope.cancelled_caught
        assert clock.now() == 5
    assert clock.now() == 20


async def test_a_deadline_ends_the_wait_of_its_own_task_alone() -> None:
    clock = ManualClock(start=0)
    ended: list[tuple[str, float]] = []

    async def hung() -> None:
        with clock.scope(3):
            await clock.sleep(1e9)
        ended.append(("hung", clock.now()))

    async def patient() -> None:
        await clock.sleep(8)
        ended.append(("patient", clock.now()))

    async with anyio.create_task_group() as group:
        group.start_soon(hung)
        group.start_soon(patient)
    assert ended == [("hung", 3), ("patient", 8)]


async def test_whoever_a_deadline_frees_goes_on_before_the_clock_does() -> None:
    clock = ManualClock(start=0)
    seen: list[float] = []

    async def freed() -> None:
        with clock.scope(3):
            await clock.sleep(1e9)
        for _ in range(4):
            await anyio.lowlevel.checkpoint()
            seen.append(clock.now())

    async with anyio.create_task_group() as group:
        group.start_soon(clock.sleep, 8)
        group.start_soon(freed)
    assert seen == [3, 3, 3, 3]


def test_the_page_on_testing_names_every_fault_and_every_fake() -> None:
    assert [name for name in faults.__all__ if f"{name}(" not in PAGE and f"`faults.{name}`" not in PAGE] == []
    fakes = set(testing.__all__) - {"ALL_CAPABILITIES", "ByForm", "Fault", "Reply", "Script", "chat_answer"}
    assert [name for name in fakes if name not in PAGE] == []
