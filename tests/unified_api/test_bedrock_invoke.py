from __future__ import annotations

import json
from typing import Any

import pytest
from aws_frames import chunk_frame, event_frame, exception_frame
from corpus import needs_corpora
from wire_recordings import everything

from unified_api.errors import (
    FailedGenerationError,
    InvalidRequestError,
    MalformedResponseError,
    RateLimitError,
    TruncatedStreamError,
)
from unified_api.types import Chunk, Response
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock import invoke as bedrock_invoke
from unified_api.wire.collect import Collector

NAMED: Any = {"provider": "bedrock", "model": "m", "profile": WireProfile()}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 2, "invocationLatency": 9}}


def decode(body: Any) -> Response:
    return bedrock_invoke.decode(json.dumps(body).encode(), **NAMED)


def streamed(*events: Any) -> Response:
    decoder, chunks = bedrock_invoke.StreamDecoder(**NAMED), list[Chunk]()
    for event in events:
        chunks += decoder.feed(chunk_frame(event))
    chunks += decoder.end()
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    assert decoder.malformed == 0
    return collector.response(provider="bedrock", model="m")


def message(**delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


PUBLISHERS: dict[str, tuple[Any, list[Any]]] = {
    "titan": (
        {"inputTextTokenCount": 5, "results": [{"tokenCount": 2, "outputText": "Hello", "completionReason": "FINISH"}]},
        [
            {"outputText": "Hel", "index": 0, "completionReason": None, "totalOutputTextTokenCount": None,
             "inputTextTokenCount": 5},
            {"outputText": "lo", "index": 0, "completionReason": "FINISH", "totalOutputTextTokenCount": 2, **METRICS},
        ],
    ),
    "llama": (
        {"generation": "Hello", "prompt_token_count": 5, "generation_token_count": 2, "stop_reason": "stop"},
        [
            {"generation": "Hel", "prompt_token_count": 5, "generation_token_count": 1, "stop_reason": None},
            {"generation": "lo", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": "stop",
             **METRICS},
        ],
    ),
    "mistral completion": (
        {"outputs": [{"text": "Hello", "stop_reason": "stop"}]},
        [{"outputs": [{"text": "Hel", "stop_reason": None}]},
         {"outputs": [{"text": "lo", "stop_reason": "stop"}], **METRICS}],
    ),
    "mistral chat": (
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "stop_reason": "stop"}]},
        [
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hel"}, "stop_reason": None}]},
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "lo"}, "stop_reason": "stop"}],
             **METRICS},
        ],
    ),
    "openai, jamba, qwen": (
        {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
        [
            {"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, **METRICS},
        ],
    ),
    "deepseek": (
        {"choices": [{"text": "Hello", "stop_reason": "stop"}]},
        [{"choices": [{"text": "Hel", "stop_reason": None}]},
         {"choices": [{"text": "lo", "stop_reason": "stop"}], **METRICS}],
    ),
    "command": (
        {"generations": [{"text": "Hello", "finish_reason": "COMPLETE", "id": "g"}], "id": "i", "prompt": "p"},
        [{"text": "Hel", "is_finished": False}, {"text": "lo", "is_finished": False},
         {"is_finished": True, "finish_reason": "COMPLETE", **METRICS}],
    ),
    "command r": (
        {"text": "Hello", "finish_reason": "COMPLETE", "generation_id": "g", "response_id": "r", "chat_history": []},
        [{"event_type": "text-generation", "text": "Hel", "is_finished": False},
         {"event_type": "text-generation", "text": "lo", "is_finished": False},
         {"event_type": "stream-end", "finish_reason": "COMPLETE", "is_finished": True, "response": {"text": "Hello"},
          **METRICS}],
    ),
    "jurassic": (
        {"id": 1, "prompt": {"text": "p"},
         "completions": [{"data": {"text": "Hello"}, "finishReason": {"reason": "endoftext"}}]},
        [],
    ),
    "claude 2": (
        {"type": "completion", "completion": "Hello", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
        [{"type": "completion", "completion": "Hel", "stop_reason": None},
         {"type": "completion", "completion": "lo", "stop_reason": "stop_sequence", **METRICS}],
    ),
    "claude": (
        {"type": "message", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn",
         "usage": {"input_tokens": 5, "output_tokens": 2}},
        [
            {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            message(type="text_delta", text="Hel"), message(type="text_delta", text="lo"),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop", **METRICS},
        ],
    ),
    "nova": (
        {"output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}, "stopReason": "end_turn",
         "usage": {"inputTokens": 5, "outputTokens": 2}},
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "Hel"}, "contentBlockIndex": 0}},
            {"contentBlockDelta": {"delta": {"text": "lo"}, "contentBlockIndex": 0}},
            {"contentBlockStop": {"contentBlockIndex": 0}}, {"messageStop": {"stopReason": "end_turn"}},
            {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2}}, **METRICS},
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_each_publishers_answer_is_told_by_its_shape(publisher: str) -> None:
    body, events = PUBLISHERS[publisher]
    whole = decode(body)
    assert (whole.text, whole.finish_reason) == ("Hello", "stop")
    if whole.usage.input_tokens is not None:
        assert (whole.usage.input_tokens, whole.usage.output_tokens) == (5, 2)
    if events:
        pieces = streamed(*events)
        assert (pieces.parts, pieces.finish_reason) == (whole.parts, "stop")
        assert (pieces.usage.input_tokens, pieces.usage.output_tokens) == (5, 2)


@pytest.mark.parametrize("publisher", [name for name, (_, events) in PUBLISHERS.items() if events])
def test_a_stream_that_ends_before_its_stop_is_cut(publisher: str) -> None:
    _, events = PUBLISHERS[publisher]
    with pytest.raises(TruncatedStreamError):
        streamed(*events[:1])


@pytest.mark.parametrize(
    ("word", "finish"),
    [("MAX_TOKENS", "length"), ("ERROR_TOXIC", "content_filter"), ("ERROR_LIMIT", "length"), ("new", "unknown")],
)
def test_the_words_for_an_end_are_put_into_ours(word: str, finish: str) -> None:
    assert decode({"text": "x", "finish_reason": word}).finish_reason == finish


def test_several_generations_are_one_answer_and_its_alternatives() -> None:
    several = [{"text": "one", "finish_reason": "COMPLETE"}, {"text": "two", "finish_reason": "MAX_TOKENS"}]
    response = decode({"generations": several, "id": "i"})
    assert (response.text, response.id) == ("one", "i")
    assert [(one.text, one.finish_reason) for one in response.alternatives] == [("two", "length")]


def test_a_call_of_command_r_is_a_tool_call() -> None:
    calls = [{"name": "f", "parameters": {"x": 1}}, {"name": "g", "parameters": {}}]
    response = decode({"text": "", "tool_calls": calls, "finish_reason": "COMPLETE"})
    assert [(one.id, one.name, one.arguments) for one in response.tool_calls] == [
        ("call_0", "f", '{"x":1}'), ("call_1", "g", "{}"),
    ]  # fmt: skip
    assert response.finish_reason == "tool_calls"


def test_a_model_that_failed_is_an_error_after_what_it_said() -> None:
    with pytest.raises(FailedGenerationError, match="ERROR"):
        decode({"text": "x", "finish_reason": "ERROR"})
    decoder = bedrock_invoke.StreamDecoder(**NAMED)
    assert len(decoder.feed(chunk_frame({"text": "x", "is_finished": False}))) == 1
    with pytest.raises(FailedGenerationError, match="ERROR"):
        decoder.feed(chunk_frame({"is_finished": True, "finish_reason": "ERROR"}))


def test_exceptions_and_errors_inside_the_stream_are_errors() -> None:
    decoder = bedrock_invoke.StreamDecoder(**NAMED)
    with pytest.raises(RateLimitError):
        decoder.feed(exception_frame("throttlingException", {"message": "slow down"}))
    decoder = bedrock_invoke.StreamDecoder(**NAMED)
    with pytest.raises(RateLimitError):
        decoder.feed(chunk_frame({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}))


def test_what_cannot_be_read_is_passed_over_and_counted() -> None:
    decoder = bedrock_invoke.StreamDecoder(**NAMED)
    for event in ({"bytes": "!"}, {"bytes": "bm8="}, {"p": "a"}, {"bytes": "WzFd"}):
        assert decoder.feed(event_frame("chunk", event)) == []
    assert decoder.feed(event_frame("brandNew", {"bytes": "e30="})) == []
    assert decoder.feed(chunk_frame({"something": "new"})) == []
    assert decoder.malformed == 6
    with pytest.raises(TruncatedStreamError):
        decoder.end()


def spelled_out(body: dict[str, Any]) -> dict[str, Any]:
    """The body in the longer of two spellings: text is a list of one text block; an empty list of tools is none."""
    made = {name: value for name, value in body.items() if (name, value) != ("tools", [])}
    if isinstance(made.get("system"), str):
        made["system"] = [{"type": "text", "text": made["system"]}]
    made["messages"] = [
        {
            **one,
            "content": [{"type": "text", "text": one["content"]}]
            if isinstance(one["content"], str)
            else one["content"],
        }
        for one in made["messages"]
    ]
    return made


@needs_corpora
def test_every_recorded_request_to_claude_means_the_same_after_being_read_and_written() -> None:
    profile = WireProfile(system_turns=("m",))
    seen = 0
    for recording in everything():
        body: Any = recording.request
        if recording.provider == "bedrock" and isinstance(body, dict) and "anthropic_version" in body:
            request = bedrock_invoke.read_request(body, provider="b", model="m")
            again = bedrock_invoke.encode(request, provider="b", model="m", profile=profile)
            assert spelled_out(json.loads(again.body)) == spelled_out(body), recording.id
            seen += 1
    assert seen > 10


def test_a_request_in_the_words_of_another_publisher_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="not for Claude"):
        bedrock_invoke.read_request({"inputText": "Hi"}, provider="b", model="m")


def test_an_answer_of_no_known_shape_is_said_so() -> None:
    with pytest.raises(MalformedResponseError, match="no shape that is known"):
        decode({"embedding": [0.5]})
