"""Ollama's recorded answers and requests, read a second time in the plainest way that could be right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from corpus import needs_corpora
from wire_chunks import collected, fed
from wire_recordings import Recording, everything

from unified_api.errors import GatewayError, TruncatedStreamError
from unified_api.types import Chunk, FinishChunk, ReasoningPart, Response, Usage
from unified_api.wire.base import WireProfile
from unified_api.wire.ollama import StreamDecoder, decode, encode
from unified_api.wire.ollama.embeddings import decode as decode_embeddings
from unified_api.wire.ollama.request import read_request

PLAIN = WireProfile()


def recorded(*paths: str) -> list[Recording]:
    return [one for one in everything() if one.provider == "ollama" and one.path in paths]


def chunks_of(body: bytes, cuts: list[int]) -> list[Chunk]:
    decoder = StreamDecoder(provider="ollama", model="asked", profile=PLAIN)
    found = fed(decoder, body, cuts)
    assert decoder.malformed == 0
    return found


def streamed(body: bytes) -> Response:
    return collected(chunks_of(body, []), provider="ollama", model="asked")


def plain_lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.decode().splitlines() if line.strip()]


def said(line: dict[str, Any], name: str) -> str:
    return (line.get("message") or {}).get(name) or line.get({"content": "response"}.get(name, name)) or ""


def same(response: Response, lines: list[dict[str, Any]]) -> None:
    last = lines[-1]
    assert response.text == "".join(said(line, "content") for line in lines)
    thoughts = [part.text for part in response.parts if isinstance(part, ReasoningPart)]
    assert "".join(thoughts) == "".join(said(line, "thinking") for line in lines)
    calls = [call for line in lines for call in (line.get("message") or {}).get("tool_calls") or []]
    assert [(call.name, json.loads(call.arguments)) for call in response.tool_calls] == [
        (call["function"]["name"], call["function"]["arguments"]) for call in calls
    ]
    assert [call.id for call in response.tool_calls] == [call["id"] for call in calls]
    assert response.finish_reason == ("tool_calls" if calls else last["done_reason"])
    assert response.usage == Usage(input_tokens=last.get("prompt_eval_count"), output_tokens=last.get("eval_count"))
    assert response.model == f"ollama/{last['model']}"


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    read = 0
    for recording in recorded("/api/chat", "/api/generate"):
        lines = plain_lines(recording.body)
        if recording.streaming:
            same(streamed(recording.body), lines)
        else:
            response = decode(recording.body, provider="ollama", model="asked", profile=PLAIN)
            same(response, lines)
            assert streamed(recording.body) == response
        read += 1
    assert read >= 10


@needs_corpora
def test_recorded_streams_cut_anywhere_give_the_same_chunks_and_broken_off_are_no_answer() -> None:
    seeded = random.Random(7)
    for recording in recorded("/api/chat", "/api/generate"):
        body = recording.body
        whole = chunks_of(body, [])
        for count in (1, 3, 50):
            assert chunks_of(body, [seeded.randrange(len(body)) for _ in range(count)]) == whole
        end = len(body.rstrip()) - 1  # without the last brace nothing is finished
        for cut in {0, 1, end, *(seeded.randrange(end) for _ in range(40))}:
            decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
            decoder.feed(body[:cut])
            with pytest.raises(TruncatedStreamError):
                decoder.end()


def conversation(body: dict[str, Any]) -> dict[str, Any]:
    """What /api/generate is asked means the same as a conversation of its system text and its prompt."""
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    user = {"role": "user", "content": body["prompt"], "images": body.get("images") or None}
    rest = {key: value for key, value in body.items() if key not in ("system", "prompt", "images")}
    assert not any(rest.pop(key, None) for key in ("template", "context", "raw", "suffix"))
    return {**rest, "messages": [*system, user]}


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """What a body means. Alike are: null, `{}`, `[]` and `""` for a top-level key, and its absence; no `stream` and
    `true`; a call without an id and one with the next of `call_0`, `call_1` ...; a result without the id of its call
    and one with the id of the first call that waits, likewise its name; no `function.index`; no `content` and "".
    """
    body = conversation(body) if "messages" not in body else body
    meant = {key: value for key, value in body.items() if value not in (None, {}, [], "")}
    meant["stream"] = body.get("stream", True)
    waiting: list[tuple[str, str]] = []
    made = 0
    messages = []
    for message in body["messages"]:
        kept = {"content": "", **{key: value for key, value in message.items() if value not in (None, [])}}
        for call in kept.get("tool_calls", []):
            waiting.append((call.get("id", f"call_{made}"), call["function"]["name"]))
            made += 1
        if "tool_calls" in kept:
            kept["tool_calls"] = [
                {"id": identity, **{key: call["function"][key] for key in ("name", "arguments")}}
                for call, (identity, _) in zip(kept["tool_calls"], waiting[-len(kept["tool_calls"]) :], strict=True)
            ]
        if kept["role"] == "tool":
            identity, name = waiting.pop(0)
            kept = {"tool_call_id": identity, "tool_name": name, **kept}
        messages.append(kept)
    return {**meant, "messages": messages}


@needs_corpora
def test_every_recorded_request_means_the_same_when_it_is_written_again() -> None:
    written = 0
    for recording in recorded("/api/chat", "/api/generate"):
        body: Any = recording.request
        request = read_request(body, provider="ollama")
        wire = encode(request, provider="ollama", model=body["model"], profile=PLAIN, stream=body.get("stream", True))
        assert (wire.method, wire.path) == ("POST", "/api/chat")
        assert plain(json.loads(wire.body)) == plain(body), recording.id
        written += 1
    assert written >= 10


@needs_corpora
def test_the_recorded_vector_is_read_as_it_stands() -> None:
    for recording in recorded("/api/embeddings", "/api/embed"):
        answer = json.loads(recording.body)
        response = decode_embeddings(recording.body, provider="ollama", model="m", profile=PLAIN, expected=1)
        assert [list(vector) for vector in response.vectors] == [answer["embedding"]]


@needs_corpora
def test_damaged_streams_end_in_an_answer_or_a_typed_error() -> None:
    seeded = random.Random(8)
    for recording in recorded("/api/chat", "/api/generate"):
        for damaged in damages(recording.body[:20_000], seeded):
            decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
            with suppress(GatewayError):
                decoder.feed(damaged)
                assert FinishChunk("error") not in decoder.end()


def damages(body: bytes, seeded: random.Random) -> Iterator[bytes]:
    for _ in range(5):
        damaged = bytearray(body)
        for _ in range(10):
            damaged[seeded.randrange(len(damaged))] = seeded.randrange(256)
        yield bytes(damaged)
