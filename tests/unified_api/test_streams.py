"""Streams: what comes before the first content, what follows a break, and a reader that leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from math import inf

import anyio
import anyio.lowlevel
import pytest
from family_streams import FAMILIES, family_stream

from unified_api.errors import (
    AttemptsExhaustedError,
    ContentRefusedError,
    DeadlineExceededError,
    GatewayError,
    ProviderError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.gateway import Gateway
from unified_api.models import Model, Prices
from unified_api.providers import PriceRow, ProviderRow
from unified_api.response_stream import ResponseStream
from unified_api.settings import Environment, PrivacySettings, Route, SafetySettings, Settings
from unified_api.testing import (
    ALL_CAPABILITIES,
    FaultyTransport,
    HttpAnswer,
    ManualClock,
    ScriptedModel,
    scripted_gateway,
    stream_answer,
)
from unified_api.types import (
    Attempt,
    BuiltinTool,
    Chunk,
    Citation,
    CitationChunk,
    FinishChunk,
    LogprobsChunk,
    Message,
    OutputSchema,
    Policy,
    ReasoningChunk,
    RefusalChunk,
    Request,
    RestartChunk,
    TextChunk,
    Tool,
    ToolCallChunk,
    Usage,
    UsageChunk,
)

WORDS = ("Once ", "upon ", "a time")
NAME = "anthropic.claude-m"
STEP = Policy(reader="step")


def ask(model: str = "route/main", **more: object) -> Request:
    return Request(model=model, messages=(Message.user("Hello"),), **more)


def over_the_wire(
    family: str, *first: HttpAnswer, then: Sequence[HttpAnswer] = (stream_answer("fine"),)
) -> tuple[Gateway, FaultyTransport]:
    """The provider `a` speaks `family`, and `b`, the next of the route, OpenAI's chat."""
    clock, left = ManualClock(), {"a.example": list(first), "b.example": list(then)}
    prices = {"*": PriceRow(input=Decimal(1_000_000), output=Decimal(1_000_000))}
    rows = {
        "a": ProviderRow(base_url="https://a.example/v1", wire=family, models=(NAME,), prices=prices),
        "b": ProviderRow(base_url="https://b.example/v1", models=("m",), prefill=("*",), prices=prices),
    }
    backend = FaultyTransport(lambda request: left[request.url.host].pop(0), clock=clock)
    routes = {"main": Route(models=(f"a/{NAME}", "b/m"))}
    settings = Settings(providers=rows, routes=routes, environment=Environment())
    return Gateway(settings, backend=backend, clock=clock, random=lambda: 0.5), backend


def answer(family: str, *events: bytes, **more: object) -> HttpAnswer:
    content_type = family_stream(family, WORDS).content_type
    return HttpAnswer(headers={"content-type": content_type}, pieces=events, **more)


async def read(stream: ResponseStream) -> list[Chunk]:
    return [chunk async for chunk in stream]


def tries(attempts: Sequence[Attempt]) -> list[tuple[str, str, str | None, int]]:
    return [(one.model, one.outcome, one.error, one.received) for one in attempts if one.number]


# Before the first content


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


# After it


def broken(family: str, how: str) -> HttpAnswer:
    """One word, and then nothing good."""
    stream = family_stream(family, WORDS)
    begun = stream.events[: stream.lead + 1]
    if how == "error":
        return answer(family, *begun, stream.error)
    if how == "silent":
        return answer(family, b"".join(begun), stream.events[-1], pause_s=inf)
    return answer(family, *begun, cut=how == "broken")


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


# Begun anew


def scripted(*models: str, prefill: bool = False, **scripts: object) -> Gateway:
    """Models `x/NAME` in a route in their order."""
    made = [
        Model(
            id=f"x/{name}", provider="x", name=name, wire="scripted", capabilities=ALL_CAPABILITIES, prefill=prefill,
            prices=Prices(input=Decimal(1_000_000), output=Decimal(1_000_000)),
        )
        for name in scripts
    ]  # fmt: skip
    settings = Settings(routes={"main": Route(models=tuple(one.id for one in made))})
    return scripted_gateway(
        {one.id: scripts[one.name] for one in made}, models=made, settings=settings, clock=ManualClock()
    )


CUT = TruncatedStreamError("it ended too soon")


def begun(*chunks: Chunk, error: GatewayError = CUT) -> list[Chunk | GatewayError]:
    return [*(chunks or (TextChunk("Once upon "),)), error]


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


# Readers that leave


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


async def test_every_streamed_try_says_how_much_had_come() -> None:
    gateway = scripted(a=[[ReasoningChunk("abc"), ToolCallChunk(0, "i", "f", "{}"), FinishChunk("tool_calls")]])
    async with gateway.stream(ask()) as stream:
        await read(stream)
    assert stream.response.attempts[0].received == 5


# Continued


async def continuation(request: Request, *models: object, policy: Policy = Policy()) -> tuple[ResponseStream, Request]:
    second = ScriptedModel(models[1])
    gateway = scripted(prefill=True, a=[models[0]], b=second)
    async with gateway.stream(request, policy) as stream:
        await read(stream)
    return stream, second.requests[0]


async def test_what_a_person_reads_is_continued_by_another_model() -> None:
    stream, sent = await continuation(
        ask(max_tokens=100), begun(TextChunk("Once "), TextChunk("upon ")), "a time, far away"
    )
    assert stream.response.text == stream.text == "Once upon a time, far away"
    assert sent.messages[1:] == (Message.assistant("Once upon"),)  # Anthropic refuses blanks at its end
    assert sent.max_tokens == 97
    assert tries(stream.response.attempts) == [
        ("x/a", "failed", "truncated_stream", 10),
        ("x/b", "succeeded", None, 16),
    ]
    first, second = (one for one in stream.response.attempts if one.number)
    assert first.billable
    assert first.cost_usd > 0
    assert (stream.response.model, stream.response.cost_usd) == ("x/b", second.cost_usd)
    assert [one.error for one in stream.response.attempts if one.outcome == "noted"] == ["continued"]


async def test_the_same_model_may_continue_where_there_is_no_other() -> None:
    model = ScriptedModel([begun(), "a time"])
    async with scripted(prefill=True, a=model).stream(ask()) as stream:
        chunks = await read(stream)
    assert stream.response.text == "Once upon a time"
    assert not any(isinstance(one, RestartChunk) for one in chunks)


async def test_a_continuation_that_breaks_too_is_continued() -> None:
    last = ScriptedModel("far away")
    gateway = scripted(prefill=True, a=[begun()], b=[begun(TextChunk("a "), TextChunk("time, "))], c=last)
    async with gateway.stream(ask(max_tokens=5)) as stream:
        await read(stream)
    assert stream.response.text == "Once upon a time, far away"
    assert last.requests[0].messages[-1] == Message.assistant("Once upon a time,")
    assert last.requests[0].max_tokens == 1
    assert [one[3] for one in tries(stream.response.attempts)] == [10, 8, 8]


@pytest.mark.parametrize("given", ["Once upon a time", " a time", "a time", "Once upon  a time"])
async def test_nothing_is_said_twice(given: str) -> None:
    stream, _ = await continuation(ask(), begun(), given)
    assert stream.response.text.replace("  ", " ") == "Once upon a time"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"tools": (Tool("f"),)}, "the request has tools"),
        ({"builtin_tools": (BuiltinTool("x", {}),)}, "the request has tools"),
        ({"output_schema": OutputSchema({"type": "object"})}, "schema"),
        ({"n": 2}, "several answers"),
        ({"logprobs": 0}, "probabilities"),
        ({"reasoning_effort": "low"}, "think first"),
        ({"reasoning_budget": 10}, "think first"),
    ],
)
async def test_a_request_for_more_than_text_is_not_continued(more: dict, why: str) -> None:
    other = ScriptedModel("never")
    async with scripted(prefill=True, a=[begun()], b=other).stream(ask(**more)) as stream:
        with pytest.raises(TruncatedStreamError, match=f"10 characters .* not continued: .*{why}"):
            await read(stream)
    assert other.calls == 0


@pytest.mark.parametrize(
    ("chunk", "why"),
    [
        (ReasoningChunk("hm"), "thinking"),
        (RefusalChunk("no"), "a refusal"),
        (ToolCallChunk(0, "i", "f", "{}"), "a tool call"),
        (CitationChunk(Citation(url="u")), "citations"),
        (LogprobsChunk(()), "probabilities"),
        (FinishChunk("stop"), "only its closing sign is missing"),
    ],
)
async def test_an_answer_that_is_more_than_text_is_not_continued(chunk: Chunk, why: str) -> None:
    other = ScriptedModel("never")
    async with scripted(prefill=True, a=[begun(TextChunk("Hi"), chunk)], b=other).stream(ask()) as stream:
        with pytest.raises(TruncatedStreamError, match=why):
            await read(stream)
    assert other.calls == 0


async def test_a_model_that_takes_no_prefill_is_not_asked_to_continue() -> None:
    other = ScriptedModel("never")
    async with scripted(a=[begun()], b=other).stream(ask()) as stream:
        with pytest.raises(TruncatedStreamError, match=r"goes on with an answer that was begun for it \(`prefill`\)"):
            await read(stream)
    assert other.calls == 0


async def test_a_model_that_refuses_the_beginning_leaves_the_first_error() -> None:
    refused = HttpAnswer(status=400, pieces=(b'{"error":{"message":"does not support assistant message prefill"}}',))
    gateway, backend = over_the_wire("openai_chat", broken("openai_chat", "error"), then=[refused])
    async with gateway, gateway.stream(ask()) as stream:
        with pytest.raises(ServerError, match=r"overloaded.* asking for the rest failed .*message prefill") as caught:
            await read(stream)
    assert [one[1:3] for one in tries(caught.value.attempts)] == [
        ("failed", "server_error"),
        ("failed", "invalid_request"),
    ]
    assert len(backend.requests) == 2


async def test_the_beginning_goes_out_as_the_family_wants_it() -> None:
    gateway, backend = over_the_wire("openai_chat", broken("openai_chat", "closed"), then=[stream_answer("upon")])
    async with gateway, gateway.stream(ask(max_tokens=9)) as stream:
        await read(stream)
    sent = json.loads(backend.requests[1].content)
    assert sent["messages"][-1] == {"role": "assistant", "content": "Once"}
    assert sent["max_tokens"] == 7
    assert stream.response.text == "Once upon"


async def test_one_permitted_attempt_is_one() -> None:
    for policy in (Policy(max_attempts=1), replace(STEP, max_attempts=1)):
        async with scripted(prefill=True, a=[begun()], b="never").stream(ask(), policy) as stream:
            with pytest.raises(TruncatedStreamError, match="max_attempts"):
                await read(stream)


# Through the layers


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
