"""The chat decoder against recorded traffic, read a second time in the plainest way that could be right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from corpus import needs_corpora, rows
from wire_recordings import Recording, everything, recordings

from unified_api.errors import ContentRefusedError, FailedGenerationError, GatewayError, ServerError
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    FinishChunk,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Response,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallPart,
    UsageChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.openai_chat import StreamDecoder, decode

# Recorded under status 200, and errors all the same: the filter's refusal, and generations that Groq rejected.
ERRORS_IN_GOOD_ANSWERS = {"azure": ContentRefusedError, "groq": FailedGenerationError}
FINISHES = {"stop", "length", "tool_calls", "content_filter"}


def chats(*, streaming: bool = False) -> Iterator[Recording]:
    """The good answers in the family, Writer's among them, whose chat has a path of its own."""
    yield from recordings("chat", streaming=streaming)
    for one in everything():
        if one.provider == "writer" and one.path.endswith("/v1/chat") and one.streaming is streaming:
            yield one


def profile(recording: Recording) -> WireProfile:
    return WireProfile(done_is_finish=recording.provider == "snowflake")


def feed(recording: Recording, cuts: list[int]) -> tuple[list[Chunk], str | None]:
    decoder = StreamDecoder(provider=recording.provider, model=recording.model, profile=profile(recording))
    places = [0, *cuts, len(recording.body)]
    chunks: list[Chunk] = []
    try:
        for start, stop in pairwise(places):
            chunks += decoder.feed(recording.body[start:stop])
        chunks += decoder.end()
    except GatewayError as error:
        return chunks, type(error).__name__
    assert decoder.malformed == 0, recording.id
    return chunks, None


def collect(chunks: list[Chunk], recording: Recording) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider=recording.provider, model=recording.model)


def plain_text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(item.get("text", "") for item in content if item.get("type") == "text")
    return (
        json.dumps(content, separators=(",", ":"), ensure_ascii=False) if isinstance(content, dict) else content or ""
    )


def events(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.decode().splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield json.loads(line[5:])


def plain_calls(deltas: list[dict[str, Any]]) -> list[tuple[str, str]]:
    if len(deltas) == 1:  # a whole message, where each entry is a call whatever its index
        told = [call["function"] for call in deltas[0].get("tool_calls") or []]
        return [(function["name"], function.get("arguments") or "{}") for function in told]
    calls: dict[Any, list[str]] = {}
    for delta in deltas:
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            found = calls.setdefault(call.get("index", call.get("id")), ["", ""])
            found[0] = found[0] or function.get("name") or ""
            found[1] += function.get("arguments") or ""
    return [(name, arguments or "{}") for name, arguments in calls.values()]


def plain_thoughts(deltas: list[dict[str, Any]]) -> str:
    """What the deltas (or the one message) show of the thinking."""
    told = ""
    for delta in deltas:
        words = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if not words:
            details = delta.get("reasoning_details") or []
            words = "".join(detail.get("text") or detail.get("summary") or "" for detail in details)
        told += words
        content = delta.get("content")
        for item in content if isinstance(content, list) else []:
            if item["type"] == "thinking":
                told += "".join(piece["text"] for piece in item["thinking"])
    return told


def plain_logprobs(choices: list[dict[str, Any]]) -> list[tuple[str, float]]:
    told = [token for choice in choices for token in (choice.get("logprobs") or {}).get("content") or []]
    return [(token["token"], token["logprob"]) for token in told]


def plain_sources(events: list[dict[str, Any]], deltas: list[dict[str, Any]]) -> set[str]:
    """Addresses of sources, on the message or beside the choices."""
    notes = [note for delta in deltas for note in delta.get("annotations") or [] if note["type"] == "url_citation"]
    found = {note["url_citation"]["url"] for note in notes}
    for event in events:
        found |= set(event.get("citations") or [])
        found |= {result["url"] for result in event.get("search_results") or []}
    return found


def deltas_of(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The deltas of a choice, or the one message of a whole one, beside which Perplexity puts an empty delta."""
    if len(choices) == 1 and "message" in choices[0]:
        return [choices[0]["message"]]
    return [choice.get("delta") or {} for choice in choices]


def same_answer(
    parts: tuple[Part, ...], logprobs: tuple[TokenLogprob, ...], choices: list[dict[str, Any]], finish: str, place: str
) -> None:
    """One answer against the raw deltas of its choice."""
    deltas = deltas_of(choices)
    assert "".join(part.text for part in parts if isinstance(part, TextPart)) == "".join(
        plain_text(delta.get("content")) for delta in deltas
    ), place
    thoughts = "".join(part.text for part in parts if isinstance(part, ReasoningPart))
    assert thoughts == plain_thoughts(deltas), place
    refused = "".join(delta.get("refusal") or "" for delta in deltas)
    assert "".join(part.text for part in parts if isinstance(part, RefusalPart)) == refused, place
    told = [part for part in parts if isinstance(part, ToolCallPart)]
    calls = plain_calls(deltas)
    assert [(call.name, call.arguments) for call in told] == calls, place
    assert all(call.id for call in told)
    assert len({call.id for call in told}) == len(calls)
    assert [(token.token, token.logprob) for token in logprobs] == plain_logprobs(choices), place
    images = [image for delta in deltas for image in delta.get("images") or []]
    assert len([part for part in parts if isinstance(part, ImagePart)]) == len(images), place
    steps = {step["index"] for delta in deltas for step in delta.get("executed_tools") or []}
    assert len([part for part in parts if isinstance(part, BuiltinToolPart)]) == len(steps), place
    details = [one for delta in deltas for one in delta.get("reasoning_details") or []]
    held = [one for part in parts if isinstance(part, ReasoningPart) for one in details_of(part)]
    for key in ("signature", "data"):
        assert "".join(one.get(key) or "" for one in held) == "".join(one.get(key) or "" for one in details), place
    words = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    word = words[0] if words else None
    expected = "tool_calls" if calls and word == "stop" else word
    assert finish == expected if expected in FINISHES else finish != "error", place


def details_of(part: ReasoningPart) -> list[dict[str, Any]]:
    found = part.state.content.get("reasoning_details", []) if part.state else []
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, dict)]


def same_response(response: Response, events: list[dict[str, Any]], place: str) -> None:
    """Every answer of a response against the raw events, or the one body of a whole answer."""
    by_number: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        for choice in event.get("choices") or []:
            by_number.setdefault(choice.get("index") or 0, []).append(choice)
    first, *others = (by_number[number] for number in sorted(by_number))
    same_answer(response.parts, response.logprobs, first, response.finish_reason, place)
    assert len(response.alternatives) == len(others), place
    for one, choices in zip(response.alternatives, others, strict=True):
        same_answer(one.parts, one.logprobs, choices, one.finish_reason, place)
    deltas = deltas_of(first)
    assert {cited.url for cited in response.citations if cited.url} == plain_sources(events, deltas), place


def same_usage(response: Response, stated: dict[str, Any] | None) -> None:
    stated = stated or {}
    assert response.usage.input_tokens == stated.get("prompt_tokens") or stated.get("prompt_audio_seconds")
    if stated.get("total_tokens") is not None and response.usage.input_tokens is not None:
        assert response.usage.input_tokens + (response.usage.output_tokens or 0) == stated["total_tokens"]
    cached = (stated.get("prompt_tokens_details") or {}).get("cached_tokens")
    assert cached is None or response.usage.cached_input_tokens == cached
    reasoning = (stated.get("completion_tokens_details") or {}).get("reasoning_tokens")
    assert reasoning is None or response.usage.reasoning_tokens == reasoning


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    read = 0
    for recording in chats():
        plain = json.loads(recording.body)
        if "error" in plain:
            with pytest.raises(ERRORS_IN_GOOD_ANSWERS[recording.provider]):
                decode(recording.body, provider="p", model="m", profile=profile(recording))
            continue
        response = decode(
            recording.body, provider=recording.provider, model=recording.model, profile=profile(recording)
        )
        same_response(response, [plain], recording.id)
        same_usage(response, plain.get("usage"))
        assert response.model == f"{recording.provider}/{plain['model']}"
        read += 1
    assert read > 100


@needs_corpora
def test_every_recorded_stream_is_read_as_it_stands() -> None:
    read = 0
    for recording in chats(streaming=True):
        chunks, error = feed(recording, [])
        if error is not None:
            assert error == ERRORS_IN_GOOD_ANSWERS[recording.provider].__name__, recording.id
            continue
        response = collect(chunks, recording)
        plain = list(events(recording.body))
        same_response(response, plain, recording.id)
        assert sum(isinstance(chunk, FinishChunk) for chunk in chunks) == 1
        usages = [event.get("usage") or (event.get("x_groq") or {}).get("usage") for event in plain]
        same_usage(response, next((usage for usage in reversed(usages) if usage), None))
        read += 1
    assert read > 80


def in_pieces(answer: dict[str, Any]) -> bytes:
    """A whole answer as a stream that says the same: texts and arguments letter by letter, the rest as it is."""
    made: list[dict[str, Any]] = []
    for place, choice in enumerate(answer["choices"]):
        message = dict(choice.get("message") or {})
        deltas = []
        first = ("reasoning_content", "reasoning", "reasoning_details", "extra_content", "executed_tools")
        for name in (*first, "content", "refusal"):
            value = message.pop(name, None)
            deltas += [{name: one} for one in value] if isinstance(value, str) else [{name: value}]
        for number, call in enumerate(message.pop("tool_calls", None) or []):
            function = call["function"]
            head = {**call, "index": number, "function": {"name": function["name"], "arguments": ""}}
            deltas.append({"tool_calls": [head]})
            letters = function.get("arguments") or ""
            deltas += [{"tool_calls": [{"index": number, "function": {"arguments": one}}]} for one in letters]
        number = choice.get("index") or place
        made += [{"choices": [{"index": number, "delta": delta}]} for delta in [*deltas, message]]
        made.append({"choices": [{**choice, "index": number, "delta": {}}]})
    rest = {name: value for name, value in answer.items() if name not in {"choices", "id"}}
    made[-1] = {**made[-1], **rest}
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in made)


@needs_corpora
def test_every_recorded_answer_told_in_pieces_is_the_same_answer() -> None:
    read = 0
    for recording in chats():
        plain = json.loads(recording.body)
        if "error" in plain or "choices" not in plain or not any(one.get("finish_reason") for one in plain["choices"]):
            continue
        whole = decode(recording.body, provider="p", model="m", profile=profile(recording))
        told = read_stream(in_pieces(plain))
        # The echoed name comes with the usage, which a few answers lack; a stream has no id of its own.
        assert replace(told, id=whole.id, model=whole.model) == whole, recording.id
        read += 1
    assert read > 100


@needs_corpora
def test_recorded_streams_cut_anywhere_give_the_same_chunks() -> None:
    seeded = random.Random(2)
    for recording in chats(streaming=True):
        whole = feed(recording, [])
        size = len(recording.body)
        for pieces in (1, 2, 7, 60):
            assert feed(recording, sorted(seeded.randrange(size) for _ in range(pieces))) == whole, recording.id
        # As ticks of a slow line: every event by itself, and the first events byte by byte.
        ends = [at for at in range(size) if recording.body[at - 1 : at + 1] == b"\n\n"]
        assert feed(recording, ends) == whole
        assert feed(recording, list(range(1, min(size, 3000)))) == whole


@needs_corpora
def test_a_recorded_stream_that_breaks_off_is_never_a_success() -> None:
    seeded = random.Random(4)
    for recording in chats(streaming=True):
        chunks, error = feed(recording, [])
        if error is None and recording.provider != "snowflake":
            first = min(
                at
                for at in (recording.body.find(b'"finish_reason":"'), recording.body.find(b'"finish_reason": "'))
                if at > 0
            )
            for end in (first, *(seeded.randrange(first) for _ in range(4))):
                broken = Recording(**{**vars(recording), "body": recording.body[:end]})
                some, failure = feed(broken, [])
                assert failure == "TruncatedStreamError", (recording.id, end)
                assert some == chunks[: len(some)]


@needs_corpora
def test_usage_on_every_chunk_is_never_summed() -> None:
    several = 0
    for recording in chats(streaming=True):
        usages = [chunk.usage for chunk in feed(recording, [])[0] if isinstance(chunk, UsageChunk)]
        several += len(usages) > 1
        outputs = [usage.output_tokens for usage in usages if usage.output_tokens is not None]
        assert outputs == sorted(outputs), recording.id
    assert several >= 5


@needs_corpora
def test_answers_of_any_api_and_damaged_ones_end_in_an_answer_or_a_typed_error() -> None:
    seeded = random.Random(3)
    for recording in everything():
        body = recording.body[:50_000]
        with suppress(GatewayError):
            assert decode(body, provider="p", model="m", profile=WireProfile()).provider == "p"
        damaged = bytearray(body)
        for _ in range(5 * bool(damaged)):
            damaged[seeded.randrange(len(damaged))] = seeded.randrange(256)
        for stream in (body, bytes(damaged)):
            with suppress(GatewayError):
                assert read_stream(stream, allow=100_000).finish_reason != "error"


@needs_corpora
def test_fixtures_of_other_gateways_are_read_as_they_stand() -> None:
    read = 0
    for row in rows("misc/vercel_ai_fixtures.jsonl"):
        compatible = '"choices"' in row["text"] and "/completion/" not in row["path"]
        if not compatible or row["provider"] == "mcp":
            continue
        lines = [line for line in row["text"].splitlines() if line.strip()]
        if "chunks" in row["form"]:
            plain = [json.loads(line) for line in lines]
            response = read_stream(b"".join(b"data: " + line.encode() + b"\n\n" for line in lines))
        elif row["text"].lstrip().startswith("data:"):
            plain = list(events(row["text"].encode()))
            response = read_stream(row["text"].encode())
        else:
            plain = [json.loads(row["text"])]
            response = decode(row["text"].encode(), provider="p", model="m", profile=WireProfile())
        same_response(response, plain, row["id"])
        usages = [event.get("usage") or (event.get("x_groq") or {}).get("usage") for event in plain]
        stated = next((usage for usage in reversed(usages) if usage), None)
        assert response.usage.input_tokens == (stated or {}).get("prompt_tokens"), row["id"]
        read += 1
    assert read > 30


@needs_corpora
def test_errors_that_users_met_inside_streams_are_raised_after_what_came_before() -> None:
    told = 0
    for row in rows("misc/error_shapes_from_issues.jsonl"):
        if str(row["status"]) != "200":
            continue
        name = b"event: error\n" if row["shape"].get("type") == "error" else b""
        piece = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
        decoder = StreamDecoder(provider="p", model="m", profile=WireProfile())
        assert decoder.feed(piece) == [TextChunk("a")]
        with pytest.raises(ServerError):
            decoder.feed(name + b"data: " + json.dumps(row["shape"]).encode() + b"\n\n")
        told += 1
    assert told > 2


def read_stream(body: bytes, *, allow: int = 0) -> Response:
    decoder, collector = StreamDecoder(provider="p", model="m", profile=WireProfile()), Collector()
    for chunk in decoder.feed(body) + decoder.end():
        collector.add(chunk)
    assert decoder.malformed <= allow
    return collector.response(provider="p", model="m")
