"""The chat decoder against recorded traffic, read a second time in the plainest way that could be right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from corpus import needs_corpora, rows
from wire_recordings import Recording, everything, recordings

from unified_api.errors import ContentRefusedError, FailedGenerationError, GatewayError
from unified_api.types import Chunk, FinishChunk, Response, UsageChunk
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.openai_chat import StreamDecoder, decode

# Recorded under status 200, and errors all the same: the filter's refusal, and generations that Groq rejected.
ERRORS_IN_GOOD_ANSWERS = {"azure": ContentRefusedError, "groq": FailedGenerationError}
FINISHES = {"stop", "length", "tool_calls", "content_filter"}


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
    calls: dict[Any, list[str]] = {}
    for delta in deltas:
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            found = calls.setdefault(call.get("index", call.get("id")), ["", ""])
            found[0] = found[0] or function.get("name") or ""
            found[1] += function.get("arguments") or ""
    return [(name, arguments or "{}") for name, arguments in calls.values()]


def same_usage(response: Response, stated: dict[str, Any] | None) -> None:
    stated = stated or {}
    assert response.usage.input_tokens == stated.get("prompt_tokens") or stated.get("prompt_audio_seconds")
    if stated.get("total_tokens") is not None and response.usage.input_tokens is not None:
        assert response.usage.input_tokens + (response.usage.output_tokens or 0) == stated["total_tokens"]
    cached = (stated.get("prompt_tokens_details") or {}).get("cached_tokens")
    assert cached is None or response.usage.cached_input_tokens == cached
    reasoning = (stated.get("completion_tokens_details") or {}).get("reasoning_tokens")
    assert reasoning is None or response.usage.reasoning_tokens == reasoning


def same_finish(response: Response, word: str | None, *, called: bool) -> None:
    expected = "tool_calls" if called and word == "stop" else word
    assert response.finish_reason == expected if expected in FINISHES else response.finish_reason != "error"


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    read = 0
    for recording in recordings("chat"):
        plain = json.loads(recording.body)
        if "error" in plain:
            with pytest.raises(ERRORS_IN_GOOD_ANSWERS[recording.provider]):
                decode(recording.body, provider="p", model="m", profile=profile(recording))
            continue
        response = decode(
            recording.body, provider=recording.provider, model=recording.model, profile=profile(recording)
        )
        choice = plain["choices"][0]
        message = choice.get("message") or {}
        assert response.text == plain_text(message.get("content")), recording.id
        assert response.refusal == (message.get("refusal") or None)
        calls = [
            (call["function"]["name"], call["function"].get("arguments") or "{}")
            for call in message.get("tool_calls") or []
        ]
        assert [(call.name, call.arguments) for call in response.tool_calls] == calls
        assert len({call.id for call in response.tool_calls}) == len(calls)
        same_finish(response, choice.get("finish_reason"), called=bool(calls))
        same_usage(response, plain.get("usage"))
        assert response.model == f"{recording.provider}/{plain['model']}"
        read += 1
    assert read > 100


@needs_corpora
def test_every_recorded_stream_is_read_as_it_stands() -> None:
    read = 0
    for recording in recordings("chat", streaming=True):
        chunks, error = feed(recording, [])
        if error is not None:
            assert error == ERRORS_IN_GOOD_ANSWERS[recording.provider].__name__, recording.id
            continue
        response = collect(chunks, recording)
        plain = list(events(recording.body))
        choices = [choice for event in plain for choice in event.get("choices") or [] if not choice.get("index")]
        deltas = [choice["delta"] for choice in choices if choice.get("delta")]
        assert response.text == "".join(plain_text(delta.get("content")) for delta in deltas), recording.id
        calls = plain_calls(deltas)
        assert [(call.name, call.arguments) for call in response.tool_calls] == calls, recording.id
        assert all(call.id for call in response.tool_calls)
        words = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
        same_finish(response, words[0] if words else None, called=bool(calls))
        assert sum(isinstance(chunk, FinishChunk) for chunk in chunks) == 1
        usages = [event.get("usage") or (event.get("x_groq") or {}).get("usage") for event in plain]
        same_usage(response, next((usage for usage in reversed(usages) if usage), None))
        read += 1
    assert read > 80


@needs_corpora
def test_recorded_streams_cut_anywhere_give_the_same_chunks() -> None:
    seeded = random.Random(2)
    for recording in recordings("chat", streaming=True):
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
    for recording in recordings("chat", streaming=True):
        chunks, error = feed(recording, [])
        if error is None and recording.provider != "snowflake":
            first = min(
                at
                for at in (recording.body.find(b'"finish_reason":"'), recording.body.find(b'"finish_reason": "'))
                if at > 0
            )
            broken = Recording(**{**vars(recording), "body": recording.body[:first]})
            some, failure = feed(broken, [])
            assert failure == "TruncatedStreamError", recording.id
            assert some == chunks[: len(some)]


@needs_corpora
def test_usage_on_every_chunk_is_never_summed() -> None:
    several = 0
    for recording in recordings("chat", streaming=True):
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
def test_fixtures_of_other_gateways_are_read() -> None:
    read = 0
    for row in rows("misc/vercel_ai_fixtures.jsonl"):
        compatible = '"choices"' in row["text"] and "/completion/" not in row["path"]
        if not compatible or row["provider"] == "mcp":
            continue
        lines = [line for line in row["text"].splitlines() if line.strip()]
        if "chunks" in row["form"]:
            body = b"".join(b"data: " + line.encode() + b"\n\n" for line in lines)
            assert read_stream(body).parts, row["id"]
        elif row["text"].lstrip().startswith("data:"):
            assert read_stream(row["text"].encode()).parts, row["id"]
        else:
            assert decode(row["text"].encode(), provider="p", model="m", profile=WireProfile()).parts, row["id"]
        read += 1
    assert read > 30


def read_stream(body: bytes, *, allow: int = 0) -> Response:
    decoder, collector = StreamDecoder(provider="p", model="m", profile=WireProfile()), Collector()
    for chunk in decoder.feed(body) + decoder.end():
        collector.add(chunk)
    assert decoder.malformed <= allow
    return collector.response(provider="p", model="m")
