"""Answers that another model goes on with, because a person has read their beginning."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from broken_streams import STEP, ask, begun, broken, over_the_wire, read, scripted, tries

from unified_api.errors import (
    ServerError,
    TruncatedStreamError,
)
from unified_api.response_stream import ResponseStream
from unified_api.testing import (
    HttpAnswer,
    ScriptedModel,
    stream_answer,
)
from unified_api.types import (
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
)


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


@pytest.mark.parametrize("given", ["Once upon a time there was", " was", "was", "Once upon a time there  was"])
async def test_nothing_is_said_twice(given: str) -> None:
    stream, _ = await continuation(ask(), begun(TextChunk("Once upon a time there ")), given)
    assert stream.response.text.replace("  ", " ") == "Once upon a time there was"


@pytest.mark.parametrize(("repeats", "text"), [(True, "Haha!"), (False, "HaHaha!")])
async def test_a_short_beginning_is_taken_out_where_the_server_is_known_to_repeat_it(repeats: bool, text: str) -> None:
    gateway = scripted(prefill=True, repeats=repeats, a=[begun(TextChunk("Ha"))], b="Haha!")
    async with gateway.stream(ask()) as stream:
        await read(stream)
    assert stream.response.text == text


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
