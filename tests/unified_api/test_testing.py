from __future__ import annotations

import anyio
import pytest

from unified_api.errors import ConfigurationError, RateLimitError, ServerError
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    EmbedRequest,
    FinishChunk,
    Image,
    ImageRequest,
    Message,
    Policy,
    Request,
    Response,
    TextChunk,
    TextPart,
    ToolCallChunk,
    ToolCallPart,
    Usage,
)

ONCE = Policy(max_attempts=1)


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
