"""Answers that are begun anew because only a program reads them, through the layers too."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest
from broken_streams import STEP, ask, begun, broken, over_the_wire, read, scripted, tries

from unified_api.errors import (
    AttemptsExhaustedError,
    ContentRefusedError,
    DeadlineExceededError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.gateway import Gateway
from unified_api.models import Model
from unified_api.settings import PrivacySettings, Route, SafetySettings, Settings
from unified_api.testing import (
    ALL_CAPABILITIES,
    ManualClock,
    ScriptedModel,
    scripted_gateway,
)
from unified_api.types import (
    Chunk,
    FinishChunk,
    Message,
    ReasoningChunk,
    Request,
    RestartChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)


async def test_what_came_before_a_restart_is_forgotten() -> None:
    told = Usage(input_tokens=3, output_tokens=9)
    half = begun(ReasoningChunk("hm"), TextChunk("no"), ToolCallChunk(0, "i", "f", "{"), UsageChunk(told))
    gateway = scripted(a=[half], b="all of it")
    async with gateway.stream(ask(), STEP) as stream:
        chunks = await read(stream)
    assert [type(one) for one in chunks[:5]] == [ReasoningChunk, TextChunk, ToolCallChunk, UsageChunk, RestartChunk]
    response = stream.response
    assert (response.text, response.tool_calls, len(response.parts)) == ("all of it", (), 1)
    assert stream.text == "all of it"
    assert response.cost_usd == response.attempts[-1].cost_usd
    assert response.attempts[0].cost_usd == Decimal(12)  # by the usage that was told
    assert [one.error for one in response.attempts if one.outcome == "noted"] == ["restarted"]


async def test_a_restart_goes_by_the_rules_of_all_tries() -> None:
    """The free candidate first, then the broken one again; and never more tries than are permitted in all."""
    gateway = scripted(a=[begun(), "again"], b=[ServerError("down")])
    async with gateway.stream(ask(), STEP) as stream:
        await read(stream)
    assert [one[:2] for one in tries(stream.response.attempts)] == [
        ("x/a", "failed"), ("x/b", "failed"), ("x/a", "succeeded"),
    ]  # fmt: skip

    broken_always = ScriptedModel(begun())
    gateway = scripted(a=broken_always)
    async with gateway.stream(ask(), replace(STEP, max_attempts=3)) as stream:
        with pytest.raises(TruncatedStreamError, match="it was not begun anew: no further try is allowed") as caught:
            await read(stream)
    assert broken_always.calls == 3
    assert [one.number for one in caught.value.attempts if one.number] == [1, 2, 3]


async def test_a_restart_that_fails_tells_of_all_tries() -> None:
    gateway = scripted(a=[begun(), ServerError("down")], b=[ServerError("down")])
    async with gateway.stream(ask(), replace(STEP, max_attempts=3)) as stream:
        with pytest.raises(AttemptsExhaustedError) as caught:
            await read(stream)
    assert [one.model for one in caught.value.attempts if one.number] == ["x/a", "x/b", "x/a"]


async def test_without_fallback_the_same_model_begins_anew() -> None:
    gateway = scripted(a=[begun(), "again"], b="never")
    async with gateway.stream(ask(), replace(STEP, fallback=False)) as stream:
        await read(stream)
    assert stream.response.text == "again"
    gateway = scripted(a=[begun(error=TimedOutError("silent"))], b="never")
    async with gateway.stream(ask(), replace(STEP, fallback=False)) as stream:
        with pytest.raises(TimedOutError, match="nobody else may be asked"):
            await read(stream)


async def test_a_refusal_of_the_content_in_the_midst_is_not_routed_around() -> None:
    gateway = scripted(a=[begun(error=ContentRefusedError("not that"))], b="never")
    async with gateway.stream(ask(), STEP) as stream:
        with pytest.raises(ContentRefusedError):
            await read(stream)


async def test_a_budget_for_tries_that_may_be_billed_ends_the_call() -> None:
    gateway = scripted(a=[begun()], b="never")
    async with gateway.stream(ask(), replace(STEP, max_billable=1)) as stream:
        with pytest.raises(TruncatedStreamError, match="what the budget has left"):
            await read(stream)


async def test_the_deadline_of_the_call_ends_it_in_the_midst() -> None:
    gateway, _ = over_the_wire("openai_chat", broken("openai_chat", "silent"))
    async with gateway, gateway.stream(ask(), replace(STEP, deadline_s=30)) as stream:
        with pytest.raises(DeadlineExceededError, match=r"of the answer 5 characters .* no time left"):
            await read(stream)


async def test_a_stream_goes_on_inside_the_cancel_scopes_of_its_reader() -> None:
    """What is opened while somebody reads must not be entered inside the scopes that the reader leaves first."""
    gateway, backend = over_the_wire("anthropic", broken("anthropic", "closed"))
    found: list[Chunk | None] = []
    async with gateway, gateway.stream(ask(), STEP) as stream:
        while not found or found[-1] is not None:
            with anyio.CancelScope():
                async with anyio.create_task_group():
                    found.append(await anext(stream, None))
    assert RestartChunk("b/m") in found
    assert stream.response.text == "fine"
    assert backend.open == 0


async def test_a_reader_that_leaves_at_a_restart_has_paid_for_two() -> None:
    gateway, backend = over_the_wire("openai_chat", broken("openai_chat", "closed"))
    async with gateway, gateway.stream(ask(), STEP) as stream:
        async for chunk in stream:
            if isinstance(chunk, RestartChunk):
                await stream.aclose()
        assert backend.open == 0
    assert [one[1] for one in tries(stream.attempts)] == ["failed", "cancelled"]


async def fails_at_a_restart(gateway: Gateway) -> None:
    async with gateway.stream(ask(), STEP) as stream:
        async for chunk in stream:
            if isinstance(chunk, RestartChunk):
                raise ZeroDivisionError


async def test_an_error_of_the_readers_own_comes_through_as_it_is() -> None:
    gateway, backend = over_the_wire("openai_chat", broken("openai_chat", "closed"))
    async with gateway:
        with pytest.raises(ZeroDivisionError):
            await fails_at_a_restart(gateway)
    assert backend.open == 0


MAIL = "ann@example.com"


async def test_what_the_privacy_layer_holds_back_is_void_after_a_restart() -> None:
    settings = Settings(privacy=PrivacySettings(redact="placeholders"))
    scripts = {"a/m": [begun(TextChunk("to <EM"))], "b/m": "mail <EMAIL_1>"}
    settings = replace(settings, routes={"main": Route(models=tuple(scripts))})
    gateway = scripted_gateway(scripts, settings=settings, clock=ManualClock())
    request = Request(model="route/main", messages=(Message.user(f"I am {MAIL}"),))
    async with gateway.stream(request, STEP) as stream:
        chunks = await read(stream)
    assert stream.response.text == f"mail {MAIL}"
    at = chunks.index(RestartChunk("b/m"))
    assert "".join(one.text for one in chunks[at:] if isinstance(one, TextChunk)) == f"mail {MAIL}"


async def test_a_continuation_is_sent_no_private_value_either() -> None:
    other = ScriptedModel(" or call <EMAIL_1>")
    models = tuple(
        Model(id=f"{name}/m", provider=name, name="m", wire="s", capabilities=ALL_CAPABILITIES, prefill=True)
        for name in "ab"
    )
    settings = Settings(privacy=PrivacySettings(redact="placeholders"), routes={"main": Route(models=("a/m", "b/m"))})
    scripts = {"a/m": [begun(TextChunk("mail <EMAIL_1>"))], "b/m": other}
    gateway = scripted_gateway(scripts, models=models, settings=settings, clock=ManualClock())
    request = Request(model="route/main", messages=(Message.user(f"I am {MAIL}"),))
    async with gateway.stream(request) as stream:
        await read(stream)
    assert stream.response.text == f"mail {MAIL} or call {MAIL}"
    assert other.requests[0].messages[-1] == Message.assistant("mail <EMAIL_1>")
    assert MAIL not in repr(other.requests)


def guard(request: Request) -> str:
    return "unsafe\nS1" if "GRIM" in repr(request.messages) else "safe"


async def test_a_layer_that_ends_a_stream_may_do_so_inside_the_readers_cancel_scopes() -> None:
    settings = Settings(safety=SafetySettings(backend="llama_guard", model="g/llama-guard3:8b"))
    words = [TextChunk("fine " * 100), TextChunk("GRIM"), *[TextChunk("more " * 20)] * 30, FinishChunk("stop")]
    scripts = {"a/m": [words], "g/llama-guard3:8b": guard}
    found: list[Chunk | None] = []
    async with scripted_gateway(scripts, settings=settings, clock=ManualClock()).stream(ask("a/m")) as stream:
        while not found or found[-1] is not None:
            with anyio.CancelScope():
                found.append(await anext(stream, None))
            if found[-1] == FinishChunk("content_filter"):
                assert [one.outcome for one in stream.attempts if one.number] == ["cancelled"]  # already
    assert stream.response.finish_reason == "content_filter"


async def test_what_the_safety_layer_holds_back_is_void_after_a_restart() -> None:
    settings = Settings(
        safety=SafetySettings(backend="llama_guard", model="g/llama-guard3:8b"),
        routes={"main": Route(models=("a/m", "b/m"))},
    )
    scripts = {"a/m": [begun(TextChunk("GRIM"))], "b/m": "all is well", "g/llama-guard3:8b": guard}
    gateway = scripted_gateway(scripts, settings=settings, clock=ManualClock())
    async with gateway.stream(ask(), STEP) as stream:
        chunks = await read(stream)
    assert stream.response.text == "all is well"
    assert "GRIM" not in repr(chunks)
