"""Recorded Bedrock traffic against an independent, naive reading of the same bodies."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import pytest
from aws_frames import naive_frames
from corpus import needs_corpora
from wire_recordings import Recording, everything

from unified_api.errors import ContextOverflowError, GatewayError, InvalidRequestError, NotFoundError
from unified_api.types import BuiltinToolPart, ReasoningPart, Response, TextPart, ToolCallPart, Usage
from unified_api.wire import bedrock
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock import invoke as bedrock_invoke
from unified_api.wire.collect import Collector
from unified_api.wire.errors import decode_error

NAMED: Any = {"provider": "bedrock", "model": "m", "profile": WireProfile()}
FINISH = {
    "end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length",
    "guardrail_intervened": "content_filter",
}  # fmt: skip


@cache
def recorded(operation: str) -> tuple[Recording, ...]:
    return tuple(
        one
        for one in everything()
        if one.path.endswith(f"/{operation}") and "bedrock" in one.host and one.status == 200
    )


def streamed(wire: Any, body: bytes, size: int | None = None) -> Response:
    decoder, collector = wire.StreamDecoder(**NAMED), Collector()
    for at in range(0, len(body), size or len(body)):
        for chunk in decoder.feed(body[at : at + (size or len(body))]):
            collector.add(chunk)
    for chunk in decoder.end():
        collector.add(chunk)
    assert decoder.malformed == 0
    return collector.response(provider="bedrock", model="m")


def is_ours(block: dict[str, Any]) -> bool:
    return block.get("toolUse", {"type": "server_tool_use"}).get("type") != "server_tool_use"


def text_of(block: dict[str, Any]) -> str:
    cited = block.get("citationsContent", {}).get("content", [])
    return block.get("text", "") + "".join(one["text"] for one in cited)


def assert_means(response: Response, blocks: list[dict[str, Any]], stop: str, usage: dict[str, Any] | None) -> None:
    assert response.text == "".join(map(text_of, blocks))
    thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
    parts = [part for part in response.parts if isinstance(part, ReasoningPart)]
    assert "".join(part.text for part in parts) == "".join(
        thought.get("reasoningText", {}).get("text", "") for thought in thoughts
    )
    kept = [thought.get("redactedContent") or thought["reasoningText"].get("signature") for thought in thoughts]
    assert [next(iter(part.state.content.values())) for part in parts if part.state] == [one for one in kept if one]
    calls = [block["toolUse"] for block in blocks if is_ours(block)]
    assert [(c.id, c.name, json.loads(c.arguments)) for c in response.tool_calls] == [
        (call["toolUseId"], call["name"], call["input"]) for call in calls
    ]
    steps = [block for block in blocks if "toolResult" in block or ("toolUse" in block and not is_ours(block))]
    assert [part.content for part in response.parts if isinstance(part, BuiltinToolPart)] == steps
    cited = [one for block in blocks for one in block.get("citationsContent", {}).get("citations", [])]
    assert [one.state.content for one in response.citations if one.state] == cited
    assert response.finish_reason == FINISH[stop]
    assert (response.usage == Usage()) == (usage is None)
    if usage is not None:
        # Every recorded total is the sum of all four.
        assert response.usage.input_tokens == usage.get("totalTokens", 0) - usage["outputTokens"] or (
            "totalTokens" not in usage and response.usage.input_tokens == usage["inputTokens"]
        )
        assert response.usage.output_tokens == usage["outputTokens"]
        assert response.usage.cached_input_tokens == usage.get("cacheReadInputTokenCount")
        assert response.usage.cache_write_tokens == usage.get("cacheWriteInputTokenCount")


@needs_corpora
def test_every_recorded_answer_of_converse_means_what_its_body_says() -> None:
    for recording in recorded("converse"):
        body = json.loads(recording.body)
        response = bedrock.decode(recording.body, **NAMED)
        assert_means(response, body["output"]["message"]["content"], body["stopReason"], body.get("usage"))
    assert len(recorded("converse")) > 40


def joined(events: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of a ConverseStream, put together naively."""
    blocks: dict[int, dict[str, Any]] = {}
    for kind, event in events:
        index = event.get("contentBlockIndex")
        if kind == "contentBlockStart":
            blocks[index] = json.loads(json.dumps(event["start"]))
            if "toolUse" in blocks[index]:
                blocks[index]["toolUse"]["input"] = ""
        if kind == "contentBlockDelta":
            delta, block = event["delta"], blocks.setdefault(index, {})
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            elif "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            elif "toolResult" in delta:
                block["toolResult"]["content"] = delta["toolResult"]
            else:
                thought = delta["reasoningContent"]
                held = block.setdefault("reasoningContent", {})
                if "redactedContent" in thought:
                    held["redactedContent"] = thought["redactedContent"]
                else:
                    words = held.setdefault("reasoningText", {"text": ""})
                    words["text"] += thought.get("text", "")
                    words.update({k: v for k, v in thought.items() if k == "signature"})
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return [blocks[index] for index in sorted(blocks)]


@needs_corpora
def test_every_recorded_stream_of_converse_means_what_its_events_say() -> None:
    for recording in recorded("converse-stream"):
        events = list(naive_frames(recording.body))
        stop = next(event["stopReason"] for kind, event in events if kind == "messageStop")
        usage = next(event["usage"] for kind, event in events if kind == "metadata")
        assert_means(streamed(bedrock, recording.body), joined(events), stop, usage)
    assert len(recorded("converse-stream")) > 12


@needs_corpora
def test_a_streamed_answer_has_the_same_parts_as_the_whole_one() -> None:
    """Each recorded answer is sent again the other way: whole ones as events, streams as a body."""
    for recording in recorded("converse-stream"):
        events = list(naive_frames(recording.body))
        body = {
            "output": {"message": {"role": "assistant", "content": joined(events)}},
            "stopReason": next(event["stopReason"] for kind, event in events if kind == "messageStop"),
            "usage": next(event["usage"] for kind, event in events if kind == "metadata"),
        }
        whole, pieces = bedrock.decode(json.dumps(body).encode(), **NAMED), streamed(bedrock, recording.body)
        assert plain(whole) == plain(pieces), recording.id


def plain(response: Response) -> list[object]:
    """The parts, with arguments as the value that their text means."""
    return [
        (part.id, part.name, json.loads(part.arguments)) if isinstance(part, ToolCallPart) else part
        for part in response.parts
    ] + [response.finish_reason, response.usage]


def naive_invoke(events: list[dict[str, Any]]) -> tuple[str, str, int | None]:
    """Text, stop word and output tokens of an invoke stream, by the words of three publishers."""
    text, stop, output = "", "", None
    for event in events:
        delta = event.get("delta", {})
        text += delta.get("text", "") if event.get("type") == "content_block_delta" else ""
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") + event.get("outputText", "")
        stop = delta.get("stop_reason") or event.get("messageStop", {}).get("stopReason") or stop
        stop = event.get("completionReason") or stop
        counts = event.get("usage") or event.get("metadata", {}).get("usage") or {}
        output = counts.get("output_tokens") or counts.get("outputTokens") or output
        output = event.get("totalOutputTextTokenCount") or output
    return text, stop, output


@needs_corpora
def test_every_recorded_invoke_stream_means_what_its_events_say() -> None:
    for recording in recorded("invoke-with-response-stream"):
        events = [json.loads(base64.b64decode(event["bytes"])) for _, event in naive_frames(recording.body)]
        text, stop, output = naive_invoke(events)
        response = streamed(bedrock_invoke, recording.body, size=701)
        assert (response.text, response.usage.output_tokens) == (text, output), recording.id
        assert response.finish_reason == {**FINISH, "LENGTH": "length"}[stop]
        counted = events[-1]["amazon-bedrock-invocationMetrics"]
        assert response.usage.input_tokens == counted["inputTokenCount"] + counted.get("cacheReadInputTokenCount", 0)
    assert len(recorded("invoke-with-response-stream")) > 9


def naive_answer(body: dict[str, Any]) -> tuple[str, str, int | None]:
    """Text, stop word and output tokens of an invoke answer."""
    usage = body.get("usage", {})
    output = usage.get("output_tokens", usage.get("outputTokens", usage.get("completion_tokens")))
    if "output" in body:
        return "".join(b.get("text", "") for b in body["output"]["message"]["content"]), body["stopReason"], output
    if "choices" in body:
        return body["choices"][0]["message"]["content"], body["choices"][0]["finish_reason"], output
    if "generations" in body:
        return body["generations"][0]["text"], body["generations"][0]["finish_reason"], output
    if "text" in body:
        return body["text"], body["finish_reason"], output
    return "".join(b.get("text", "") for b in body["content"]), body["stop_reason"], output


@needs_corpora
def test_every_recorded_invoke_answer_means_what_its_body_says() -> None:
    seen = 0
    for recording in recorded("invoke"):
        if "rerank" in recording.path:
            continue
        body = json.loads(recording.body)
        text, stop, output = naive_answer(body)
        response = bedrock_invoke.decode(recording.body, **NAMED)
        assert (response.text, response.usage.output_tokens) == (text, output), recording.id
        assert response.finish_reason == {**FINISH, "MAX_TOKENS": "length", "stop": "stop"}[stop]
        assert len(response.alternatives) == max(len(body.get("generations", [])) - 1, 0)
        assert response.id == body.get("id", body.get("generation_id"))
        assert bool(response.tool_calls) == ("toolUse" in str(body) or '"tool_use"' in json.dumps(body))
        seen += 1
    assert seen > 15


@needs_corpora
@pytest.mark.parametrize("operation", ["converse-stream", "invoke-with-response-stream"])
def test_a_recorded_stream_is_the_same_however_it_is_cut(operation: str) -> None:
    wire = bedrock if operation == "converse-stream" else bedrock_invoke
    for recording in recorded(operation):
        whole = streamed(wire, recording.body)
        for size in (1 if len(recording.body) < 3000 else 13, 97, 1024):
            assert streamed(wire, recording.body, size) == whole


@needs_corpora
@pytest.mark.parametrize("operation", ["converse-stream", "invoke-with-response-stream"])
def test_a_recorded_stream_that_ends_early_is_no_success(operation: str) -> None:
    """Every byte of the shortest streams, every 7th of the others: only what follows the stop may be missing."""
    wire = bedrock if operation == "converse-stream" else bedrock_invoke
    errors = 0
    for recording in recorded(operation):
        whole = streamed(wire, recording.body)
        for end in range(0, len(recording.body), 1 if len(recording.body) < 1500 else 7 + len(recording.body) // 100):
            try:
                cut = streamed(wire, recording.body[:end]) if end else streamed(wire, b"\x00")
            except GatewayError:
                errors += 1
            else:
                assert (cut.parts, cut.finish_reason) == (whole.parts, whole.finish_reason), (recording.id, end)
    assert errors > 1000


@needs_corpora
def test_recorded_refusals_are_the_errors_that_they_mean() -> None:
    expected = {
        "model identifier is invalid": NotFoundError,
        "Input Tokens Exceeded": ContextOverflowError,
        "": InvalidRequestError,
    }
    seen = 0
    for recording in everything():
        if "bedrock" in recording.host and recording.status == 400:
            said = json.loads(recording.body)["message"]
            error = decode_error(400, recording.headers, recording.body, provider="p", model="m")
            assert isinstance(error, next(kind for words, kind in expected.items() if words in said)), said
            seen += 1
    assert seen > 12


@needs_corpora
def test_citations_name_the_characters_that_they_support() -> None:
    bodies = (recording.body for recording in recorded("converse") if b"documentPage" in recording.body)
    (body,) = bodies
    (part,) = (part for part in bedrock.decode(body, **NAMED).parts if isinstance(part, TextPart))
    blocks = json.loads(body)["output"]["message"]["content"]
    cited = [block["citationsContent"]["content"][0]["text"] for block in blocks if "citationsContent" in block]
    assert [part.text[one.start : one.end] for one in part.citations] == cited
    assert {one.title for one in part.citations} == {"sample"}
