"""The Messages family against recorded traffic, read a second time in the plainest way that could be right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from corpus import needs_corpora, rows
from wire_recordings import Recording, everything

from unified_api.errors import (
    AuthenticationError,
    ContextOverflowError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
)
from unified_api.providers import builtin_rows
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    FinishChunk,
    Message,
    ReasoningPart,
    Request,
    Response,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.anthropic import StreamDecoder, decode, decode_error, encode, read_request
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector

FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}


@cache
def messages(*, streaming: bool | None = None, good: bool = True) -> tuple[Recording, ...]:
    found = [one for one in everything() if one.provider == "anthropic" and one.path.endswith("/messages")]
    found = [one for one in found if (one.status == 200) is good]
    return tuple(one for one in found if streaming is None or one.streaming is streaming)


@cache
def profile() -> WireProfile:
    """What the built-in row says of Claude models."""
    return builtin_rows()["anthropic"].profile.for_wire()


def feed(body: bytes, cuts: list[int]) -> tuple[list[Chunk], str]:
    decoder = StreamDecoder(provider="anthropic", model="m", profile=WireProfile())
    chunks: list[Chunk] = []
    try:
        for start, stop in pairwise([0, *sorted(cuts), len(body)]):
            chunks += decoder.feed(body[start:stop])
        chunks += decoder.end()
    except GatewayError as error:
        return chunks, type(error).__name__
    assert decoder.malformed == 0
    return chunks, ""


def collect(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="anthropic", model="m")


def read(recording: Recording) -> Response:
    if not recording.streaming:
        return decode(recording.body, provider="anthropic", model="m", profile=WireProfile())
    chunks, error = feed(recording.body, [])
    assert not error, recording.id
    assert sum(isinstance(chunk, FinishChunk) for chunk in chunks) == 1
    return collect(chunks)


def plain_message(recording: Recording) -> dict[str, Any]:
    """The message that a recording holds; for a stream, put together from its events as the documentation tells."""
    if not recording.streaming:
        return dict(json.loads(recording.body))
    message: dict[str, Any] = {}
    for line in recording.body.decode().splitlines():
        event = json.loads(line[5:]) if line.startswith("data:") else {"type": ""}
        kind, delta = event["type"], event.get("delta", {})
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            message["content"].append({**event["content_block"], "json": ""})
        elif kind == "message_delta":
            message["usage"] = {**message["usage"], **event["usage"]}
            message = {**message, **delta}
        elif kind == "content_block_delta":
            block = message["content"][event["index"]]
            if delta["type"] == "citations_delta":
                block["citations"].append(delta["citation"])
            elif delta["type"] == "input_json_delta":
                block["json"] += delta["partial_json"]
            else:
                name = delta["type"].removesuffix("_delta")
                name = "content" if name == "compaction" else name
                block[name] = (block.get(name) or "") + delta[name]
    for block in message["content"]:
        pieces = block.pop("json")
        if pieces:
            block["input"] = json.loads(pieces)
    return message


def joined(blocks: list[dict[str, Any]], kind: str) -> str:
    return "".join(block.get(kind) or "" for block in blocks if block["type"] == kind)


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    assert len(messages(streaming=False)) > 100
    assert len(messages(streaming=True)) > 50
    for recording in messages():
        plain, response = plain_message(recording), read(recording)
        blocks = plain["content"]
        assert response.text == joined(blocks, "text"), recording.id
        thoughts = [part for part in response.parts if isinstance(part, ReasoningPart)]
        assert "".join(part.text for part in thoughts) == joined(blocks, "thinking")
        calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
        assert [(call.id, call.name, json.loads(call.arguments)) for call in response.tool_calls] == calls
        assert response.finish_reason == FINISHES[plain["stop_reason"]]
        assert response.model == f"anthropic/{plain['model']}"
        if not recording.streaming:
            assert response.id == plain["id"]


@needs_corpora
def test_every_recorded_usage_contains_what_the_cache_held() -> None:
    cached = 0
    for recording in messages():
        stated, usage = plain_message(recording)["usage"], read(recording).usage
        aside = (stated.get("cache_read_input_tokens") or 0) + (stated.get("cache_creation_input_tokens") or 0)
        assert usage.input_tokens == stated["input_tokens"] + aside, recording.id
        assert usage.output_tokens == stated["output_tokens"]
        assert usage.cached_input_tokens == stated.get("cache_read_input_tokens")
        assert usage.cache_write_tokens == stated.get("cache_creation_input_tokens")
        assert usage.cache_write_1h_tokens == stated.get("cache_creation", {}).get("ephemeral_1h_input_tokens")
        assert usage.reasoning_tokens == stated.get("output_tokens_details", {}).get("thinking_tokens")
        assert usage.web_searches == (stated.get("server_tool_use") or {}).get("web_search_requests")
        cached += bool(aside)
    assert cached > 10


@needs_corpora
def test_every_recorded_citation_quotes_its_source_and_spans_what_it_supports() -> None:
    seen = 0
    for recording in messages():
        blocks = plain_message(recording)["content"]
        expected = [(block["text"], one) for block in blocks for one in block.get("citations") or []]
        found = [(part.text[one.start : one.end], one) for part in read(recording).parts
                 for one in getattr(part, "citations", ())]  # fmt: skip
        assert [(text, one.state.content) for text, one in found if one.state] == expected, recording.id
        for _, one in found:
            assert one.state is not None
            assert one.quote == one.state.content["cited_text"]
            assert one.url == one.state.content.get("url")
            seen += 1
    assert seen > 40


@needs_corpora
def test_a_stream_gives_the_parts_of_the_whole_answer_that_it_makes() -> None:
    for recording in messages(streaming=True):
        whole = json.dumps(plain_message(recording)).encode()
        answer = decode(whole, provider="anthropic", model="m", profile=WireProfile())
        streamed = read(recording)
        assert parsed(streamed) == parsed(answer), recording.id
        assert (streamed.finish_reason, streamed.usage) == (answer.finish_reason, answer.usage)


@needs_corpora
def test_a_server_that_ignores_the_wish_for_a_stream_is_read_all_the_same() -> None:
    for recording in messages(streaming=False):
        chunks, error = feed(recording.body, [1, 7, len(recording.body) // 2])
        assert not error
        whole = read(recording)
        collected = collect(chunks)
        assert (collected.parts, collected.finish_reason) == (whole.parts, whole.finish_reason), recording.id
        assert (collected.usage, collected.model) == (whole.usage, whole.model)


def parsed(response: Response) -> list[object]:
    """The parts, with calls by what their arguments mean: their white space is the model's in a stream only."""
    return [
        (part.id, part.name, json.loads(part.arguments), part.state) if isinstance(part, ToolCallPart) else part
        for part in response.parts
    ]


@needs_corpora
def test_recorded_streams_cut_anywhere_give_the_same_chunks() -> None:
    seeded = random.Random(4)
    for recording in messages(streaming=True):
        whole = feed(recording.body, [])
        for pieces in (1, 3, 40):
            assert feed(recording.body, seeded.choices(range(len(recording.body)), k=pieces)) == whole, recording.id
        assert feed(recording.body, list(range(1, min(len(recording.body), 3000)))) == whole


@needs_corpora
def test_a_recorded_stream_that_breaks_off_is_never_a_success() -> None:
    """Cut at every 89th byte and at each of the last 150, where the closing events are."""
    judged = 0
    for recording in messages(streaming=True):
        whole = feed(recording.body, [])[0]
        done = recording.body.rfind(b"}") + 1
        for end in {*range(0, done, 89), *range(max(0, done - 150), done)}:
            chunks, error = feed(recording.body[:end], [])
            assert error == "TruncatedStreamError", (recording.id, end)
            assert chunks == whole[: len(chunks)]
            judged += 1
        assert not feed(recording.body[:done], [])[1]
    assert judged > 8_000


@needs_corpora
def test_what_was_answered_goes_home_block_for_block_and_to_nobody_else() -> None:
    """Equal but for nulls, empty lists, text pieces that no citation divides, and `container`, which is no block."""
    opaque = 0
    for recording in messages():
        response = read(recording)
        ask = Request(model="m", messages=(Message.user("go on"), Message("assistant", response.parts)))
        sent = turns(ask, provider="anthropic")
        stated = plain_message(recording)["content"]
        assert merged(sent) == merged(stated), recording.id
        opaque += any(block["type"] not in {"text", "tool_use"} for block in stated)
        elsewhere = turns(ask, provider="other")
        assert {block["type"] for block in elsewhere} <= {"text", "tool_use"}
        assert all(block.keys() <= {"type", "text", "id", "name", "input"} for block in elsewhere)
        assert merged(elsewhere) == merged([bare(one) for one in stated if one["type"] in {"text", "tool_use"}])
    assert opaque > 30


def turns(request: Request, *, provider: str) -> list[dict[str, Any]]:
    body = json.loads(encode(request, provider=provider, model="m", profile=WireProfile()).body)
    return [block for turn in body["messages"] if turn["role"] == "assistant" for block in turn["content"]]


def bare(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in {"citations", "caller", "cache_control"}}


def merged(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for given in blocks:
        block = {name: value for name, value in given.items() if value not in (None, [], "")}
        if made and block.keys() == {"type", "text"} == made[-1].keys():
            made[-1] = {"type": "text", "text": made[-1]["text"] + block["text"]}
        elif block != {"type": "text"}:
            made.append(block)
    return made


@needs_corpora
def test_every_recorded_request_written_again_means_the_same() -> None:
    for recording in (*messages(), *messages(good=False)):
        assert isinstance(recording.request, dict)
        request = read_request(recording.request, provider="anthropic")
        model = recording.request["model"]
        assert request.model == f"anthropic/{model}"
        written = encode(request, provider="anthropic", model=model, profile=profile())
        assert written.path == "/messages"
        assert meaning(json.loads(written.body)) == meaning(recording.request), recording.id


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    """A request body in one of the spellings that mean the same by the API's documentation.

    Equivalent are: text and a list of one text block; an absent field and null; `stream` (which is the caller's);
    `output_format` and `output_config.format` (renamed); neighbouring turns of one role and one turn (the server joins
    them); `is_error: false`, an empty description, an empty list of tools, an empty system prompt, an empty text, and
    their absence.
    """
    plain = without_nulls(body)
    plain.pop("stream", None)
    if "output_format" in plain:
        plain["output_config"] = {**plain.get("output_config", {}), "format": plain.pop("output_format")}
    for name in ("tools", "system"):
        if not plain.get(name, True):
            del plain[name]
    for tool in plain.get("tools", []):
        if tool.get("description") == "":
            del tool["description"]
    if "system" in plain:
        plain["system"] = blocks_of(plain["system"])
    turns: list[dict[str, Any]] = []
    for message in plain["messages"]:
        turn = {**message, "content": blocks_of(message["content"])}
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += turn["content"]
        else:
            turns.append(turn)
    return {**plain, "messages": turns}


def blocks_of(content: Any) -> list[Any]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        if block.get("is_error") is False:
            del block["is_error"]
    return [block for block in blocks if block != {"type": "text", "text": ""}]


def without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: without_nulls(one) for name, one in value.items() if one is not None}


@needs_corpora
def test_every_field_that_a_recorded_request_uses_and_ours_has_is_read_into_ours() -> None:
    used = {"system": 0, "tools": 0, "choice": 0, "results": 0, "thinking": 0, "schema": 0, "stop": 0, "builtin": 0}
    for recording in messages():
        assert isinstance(recording.request, dict)
        body, request = recording.request, read_request(recording.request, provider="anthropic")
        left = request.extra.get("anthropic", {}).keys()
        assert left <= {"cache_control", "container", "context_management", "mcp_servers", "thinking", "output_config"}
        parts = [part for message in request.messages for part in message.parts]
        used["system"] += bool(body.get("system")) and request.messages[0].role == "system"
        used["tools"] += bool(request.tools)
        used["builtin"] += bool(request.builtin_tools)
        used["choice"] += request.tool_choice is not None
        used["results"] += any(isinstance(part, ToolResultPart) for part in parts)
        used["thinking"] += bool(request.reasoning_budget or request.reasoning_effort)
        used["schema"] += request.output_schema is not None
        used["stop"] += bool(request.stop)
        assert request.max_tokens == body["max_tokens"]
    assert min(used.values()) > 8, used


@needs_corpora
def test_every_recorded_error_is_of_the_class_that_its_status_means() -> None:
    kinds = {400: InvalidRequestError, 401: AuthenticationError, 404: NotFoundError}
    for recording in messages(good=False):
        error = decode_error(
            recording.status, recording.headers, recording.body, provider="anthropic", model=recording.model
        )
        stated = json.loads(recording.body)
        assert isinstance(error, kinds[recording.status])
        assert isinstance(error, ContextOverflowError) == ("too long" in stated["error"]["message"])
        assert stated["error"]["message"][:100] in error.message
        assert error.provider_code == stated["error"]["type"]
        assert stated.get("request_id") in {None, error.request_id}


@needs_corpora
def test_the_errors_that_people_reported_amid_streams_are_raised() -> None:
    shapes = [row["shape"] for row in rows("misc/error_shapes_from_issues.jsonl") if row["provider"] == "anthropic"]
    assert len(shapes) >= 3
    start = next(one for one in messages(streaming=True)).body.partition(b"event: content_block_stop")[0]
    for shape in shapes:
        for framing in (b"event: error\ndata: %s\n\n", b"data: %s\n\n"):
            decoder = StreamDecoder(provider="anthropic", model="m", profile=WireProfile())
            assert decoder.feed(start + framing % json.dumps(shape).encode())
            with pytest.raises(GatewayError) as raised:
                decoder.end()
            assert raised.value.code == ("rate_limit" if "rate_limit" in str(shape) else ServerError.code)


@needs_corpora
def test_the_fixtures_of_the_official_client_are_read() -> None:
    read_ones = 0
    for row in rows("misc/anthropic_sdk_fixtures.jsonl"):
        if not row["text"].startswith("event:"):
            continue
        recording = Recording("", "", "", "", "", True, 200, {}, None, row["text"].encode())
        chunks, error = feed(recording.body, [])
        assert not error, row["path"]
        response = collect(chunks)
        if row["path"].endswith("incomplete_partial_json_response.txt"):
            with pytest.raises(json.JSONDecodeError):
                json.loads(response.tool_calls[0].arguments)
            assert response.finish_reason == "length"
        else:
            plain = plain_message(recording)
            assert response.text == joined(plain["content"], "text")
            assert response.finish_reason == FINISHES[plain["stop_reason"]]
        read_ones += 1
    assert read_ones == 6


@needs_corpora
def test_steps_of_built_in_tools_are_kept_as_they_are() -> None:
    kinds: set[str] = set()
    for recording in messages():
        stated = [one for one in plain_message(recording)["content"]
                  if one["type"] not in {"text", "thinking", "redacted_thinking", "tool_use"}]  # fmt: skip
        kept = [one for one in read(recording).parts if isinstance(one, BuiltinToolPart) and one.kind != "container"]
        assert [one.content for one in kept] == stated, recording.id
        assert [one.kind for one in kept] == [one["type"] for one in stated]
        kinds |= {one.kind for one in kept}
    assert len(kinds) >= 9


def damaged(body: bytes, seeded: random.Random) -> Iterator[bytes]:
    for _ in range(6):
        spoiled = bytearray(body[:30_000])
        for _ in range(seeded.choice([1, 4, 30])):
            spoiled[seeded.randrange(len(spoiled))] = seeded.randrange(256)
        yield bytes(spoiled)


@needs_corpora
def test_damaged_answers_end_in_an_answer_or_a_typed_error() -> None:
    seeded = random.Random(5)
    for recording in messages():
        for body in damaged(recording.body, seeded):
            for reader in (whole_or_error, stream_or_error):
                assert reader(body) in {"answer", "GatewayError"}


def whole_or_error(body: bytes) -> str:
    try:
        decode(body, provider="anthropic", model="m", profile=WireProfile())
    except GatewayError:
        return "GatewayError"
    return "answer"


def stream_or_error(body: bytes) -> str:
    decoder = StreamDecoder(provider="anthropic", model="m", profile=WireProfile())
    try:
        collect(decoder.feed(body) + decoder.end())
    except GatewayError:
        return "GatewayError"
    return "answer"
