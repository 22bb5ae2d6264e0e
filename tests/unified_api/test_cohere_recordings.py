"""Cohere's recorded answers and requests, read a second time in the plainest way that could be right."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from corpus import ROOT, needs_corpora, rows
from wire_chunks import collected, fed
from wire_recordings import Recording, everything

from unified_api import pricing
from unified_api.errors import AuthenticationError, GatewayError, NotFoundError, TruncatedStreamError
from unified_api.types import Chunk, FinishChunk, Message, ReasoningPart, Request, Response
from unified_api.wire.base import WireProfile
from unified_api.wire.cohere import StreamDecoder, decode, decode_error, encode
from unified_api.wire.cohere.embeddings import decode as decode_embeddings
from unified_api.wire.cohere.request import read_request
from unified_api.wire.cohere.usage import read_usage

PLAIN = WireProfile()
COHERE = "https://api.cohere.com/v2"
FINISHES = {"COMPLETE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length", "STOP_SEQUENCE": "stop"}


def recorded() -> list[Recording]:
    return [one for one in everything() if one.provider == "cohere" and one.path.endswith("/chat")]


def good(*, streaming: bool) -> list[Recording]:
    return [one for one in recorded() if one.status == 200 and one.streaming is streaming]


def chunks_of(body: bytes, cuts: list[int]) -> list[Chunk]:
    decoder = StreamDecoder(provider="cohere", model="asked", profile=PLAIN)
    found = fed(decoder, body, cuts)
    assert decoder.malformed == 0
    return found


def streamed(body: bytes, cuts: tuple[int, ...] = ()) -> Response:
    return collected(chunks_of(body, list(cuts)), provider="cohere", model="asked")


def plain_events(body: bytes) -> list[dict[str, Any]]:
    """The events of either framing: `data:` lines, or bare lines of JSON (v1)."""
    lines = [line.removeprefix("data:").strip() for line in body.decode().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def plain_stream(body: bytes) -> dict[str, Any]:
    """A stream put together as the answer it would have been without `stream`."""
    made: dict[str, Any] = {"text": "", "thought": "", "plan": "", "calls": {}, "citations": []}
    for event in plain_events(body):
        message = (event.get("delta") or {}).get("message") or {}
        content = message.get("content") or {}
        if isinstance(content, dict):
            made["text"] += content.get("text", "")
            made["thought"] += content.get("thinking", "")
        made["text"] += event.get("text", "") if event.get("event_type") == "text-generation" else ""
        made["plan"] += message.get("tool_plan") or ""
        if event.get("type") in ("tool-call-start", "tool-call-delta"):
            function = message["tool_calls"]["function"]
            call = made["calls"].setdefault(event["index"], [message["tool_calls"].get("id"), function.get("name"), ""])
            call[2] += function["arguments"]
        if event.get("type") == "citation-start":
            made["citations"].append(message["citations"])
        end = event.get("delta") if event.get("type") == "message-end" else event
        if event.get("type") == "message-end" or event.get("event_type") == "stream-end":
            made["finish"] = end["finish_reason"]
            made["usage"] = end.get("usage") or event["response"]["meta"]
    return {**made, "calls": [tuple(call) for call in made["calls"].values()]}


def plain_answer(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    message = answer["message"]
    blocks = message.get("content") or []
    return {
        "text": "".join(block.get("text", "") for block in blocks),
        "thought": "".join(block.get("thinking", "") for block in blocks),
        "plan": message.get("tool_plan") or "",
        "calls": [
            (call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or []
        ],
        "citations": message.get("citations") or [],
        "finish": answer["finish_reason"],
        "usage": answer["usage"],
    }


def same(response: Response, stated: dict[str, Any]) -> None:
    assert response.text == stated["text"]
    thoughts = "".join(part.text for part in response.parts if isinstance(part, ReasoningPart))
    assert thoughts == stated["plan"] + stated["thought"]
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == stated["calls"]
    assert response.finish_reason == FINISHES[stated["finish"]]
    assert [one.state.content for one in response.citations if one.state] == stated["citations"]
    assert [response.text[one.start : one.end] for one in response.citations] == [
        one["text"] for one in stated["citations"]
    ]
    tokens, billed, usage = stated["usage"]["tokens"], stated["usage"]["billed_units"], response.usage
    assert (usage.input_tokens, usage.output_tokens) == (tokens["input_tokens"], tokens["output_tokens"])
    assert usage.reasoning_tokens == tokens.get("reasoning_tokens")
    assert usage.cached_input_tokens == stated["usage"].get("cached_tokens")
    assert (usage.billed_input_tokens, usage.billed_output_tokens) == (billed["input_tokens"], billed["output_tokens"])


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    for recording in good(streaming=False):
        response = decode(recording.body, provider="cohere", model="asked", profile=PLAIN)
        same(response, plain_answer(recording.body))
        assert response.id == json.loads(recording.body)["id"]
    assert len(good(streaming=False)) >= 16


@needs_corpora
def test_every_recorded_stream_is_read_as_it_stands() -> None:
    for recording in good(streaming=True):
        same(streamed(recording.body), plain_stream(recording.body))
    assert len(good(streaming=True)) >= 7


@needs_corpora
def test_recorded_streams_cut_anywhere_give_the_same_chunks_and_broken_off_are_no_answer() -> None:
    seeded = random.Random(9)
    for recording in good(streaming=True):
        body = recording.body
        whole = chunks_of(body, [])
        for count in (1, 3, 60):
            assert chunks_of(body, [seeded.randrange(len(body)) for _ in range(count)]) == whole
        # Only with the last event whole is the answer finished; its last brace comes before [DONE] and blank lines.
        end = body.rstrip().removesuffix(b"data: [DONE]").rstrip()
        for cut in {0, 1, len(end) - 1, *(seeded.randrange(len(end)) for _ in range(40))}:
            decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
            decoder.feed(body[:cut])
            with pytest.raises(TruncatedStreamError):
                decoder.end()


@needs_corpora
def test_a_recorded_answer_to_a_stream_is_read_all_the_same() -> None:
    for recording in good(streaming=False):
        whole = decode(recording.body, provider="cohere", model="asked", profile=PLAIN)
        assert streamed(recording.body, (3,)).parts == whole.parts
        spread = json.dumps(json.loads(recording.body), indent=1).encode()
        assert streamed(spread, (5,)).usage == whole.usage


@needs_corpora
def test_the_recorded_errors_are_what_they_say() -> None:
    kinds = {401: AuthenticationError, 404: NotFoundError}
    for recording in recorded():
        if recording.status != 200:
            error = decode_error(
                recording.status, recording.headers, recording.body, provider="cohere", model=recording.model
            )
            assert type(error) is kinds[recording.status]
            assert json.loads(recording.body)["message"][:30] in error.message


@needs_corpora
def test_thinking_and_plans_go_back_to_cohere_as_they_came_and_to_nobody_else() -> None:
    returned = 0
    for recording in good(streaming=False):
        message = json.loads(recording.body)["message"]
        response = decode(recording.body, provider="cohere", model="m", profile=PLAIN)
        again = Request(model="cohere/m", messages=(Message.user("hi"), Message("assistant", response.parts)))
        sent = json.loads(encode(again, provider="cohere", model="m", profile=PLAIN).body)["messages"][1]
        for name in ("tool_plan", "tool_calls", "citations"):
            assert sent.get(name) == message.get(name), recording.id
        given = sent.get("content")
        content = [{"type": "text", "text": given}] if isinstance(given, str) else given
        assert content == message.get("content")
        elsewhere = json.loads(encode(again, provider="other", model="m", profile=PLAIN).body)["messages"][1]
        assert not {"tool_plan", "citations"} & elsewhere.keys()
        assert "thinking" not in json.dumps(elsewhere.get("content"))
        returned += "tool_plan" in message or any(one["type"] == "thinking" for one in message.get("content") or [])
    assert returned >= 8


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """What a body means. Alike are: null for a key and its absence; no `stream` and `false`; a text as a string and as
    the one text block of a list; arguments of equal JSON.
    A question of v1 is the last message of the conversation in `chat_history`.
    """
    if "message" in body:
        roles = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
        turns = [
            {"role": roles[one["role"].upper()], "content": one["message"]} for one in body.get("chat_history", [])
        ]
        rest = {key: value for key, value in body.items() if key not in ("message", "chat_history")}
        body = {**rest, "messages": [*turns, {"role": "user", "content": body["message"]}]}
    messages = []
    for message in body["messages"]:
        kept = {key: value for key, value in message.items() if value is not None}
        if isinstance(kept.get("content"), str):
            kept["content"] = [{"type": "text", "text": kept["content"]}]
        for call in kept.get("tool_calls", []):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        messages.append(kept)
    meant = {key: value for key, value in body.items() if value is not None}
    return {**meant, "messages": messages, "stream": body.get("stream", False)}


@needs_corpora
def test_every_recorded_request_means_the_same_when_it_is_written_again() -> None:
    written = 0
    for recording in recorded():
        body: Any = recording.request
        request, stream = read_request(body, provider="cohere"), body.get("stream", False)
        wire = encode(request, provider="cohere", model=body["model"], profile=PLAIN, stream=stream)
        assert (wire.method, wire.path) == ("POST", "/chat")
        assert plain(json.loads(wire.body)) == plain(json.loads(json.dumps(body))), recording.id
        written += 1
    assert written >= 25


@needs_corpora
def test_recorded_vectors_are_read_as_they_stand() -> None:
    read = 0
    for recording in everything():
        if recording.provider == "cohere" and recording.path.endswith("/embed") and recording.status == 200:
            answer = json.loads(recording.body)
            response = decode_embeddings(recording.body, provider="cohere", model="m", profile=PLAIN, expected=1)
            assert [list(vector) for vector in response.vectors] == answer["embeddings"]["float"]
            assert response.usage.input_tokens == answer["meta"]["billed_units"]["input_tokens"]
            read += 1
    assert read >= 3


@needs_corpora
def test_every_usage_of_the_price_data_is_counted_and_charged_as_it_says() -> None:
    """`tokens` there is what the model read and wrote, `default` what is billed, `embeddings` the same for vectors."""
    gold = json.loads((ROOT / "misc" / "prices" / "genai_prices_usages.json").read_text("utf-8"))
    own = [row for row in gold if "billed_units" in (row["body"].get("usage") or row["body"].get("meta") or {})]
    checked = 0
    for row in own:
        for found in row["extracted"]:
            for extractor in found["extractors"]:
                if extractor["provider_id"] == "cohere":
                    same_as_gold(row["body"], found["usage"], extractor["api_flavor"])
                    checked += 1
    assert checked >= 20


def same_as_gold(body: dict[str, Any], expected: dict[str, int], flavour: str) -> None:
    usage = read_usage(body.get("usage") or body["meta"])
    if flavour == "tokens":
        assert usage.input_tokens == expected["input_tokens"]
        assert usage.cached_input_tokens == expected.get("cache_read_tokens")
        assert usage.output_tokens == expected["output_tokens"]
    elif flavour == "default":
        assert (usage.billed_input_tokens, usage.billed_output_tokens) == (
            expected["input_tokens"],
            expected["output_tokens"],
        )
        charged = pricing.cost(usage, base_url=COHERE, names=("command-a",))
        price = Decimal("2.5") * expected["input_tokens"] + 10 * Decimal(expected["output_tokens"])
        assert charged == price / 1_000_000
    else:
        assert usage.input_tokens == expected["input_tokens"]


@needs_corpora
def test_fixtures_of_another_gateway_are_read() -> None:
    read = 0
    for row in rows("misc/vercel_ai_fixtures.jsonl"):
        if row["provider"] != "cohere" or "rerank" in row["path"] or "embedding" in row["path"]:
            continue
        if "chunks" in row["form"]:
            body = b"".join(b"data: " + line.encode() + b"\n\n" for line in row["text"].splitlines() if line.strip())
            stated = plain_stream(body)
            response = streamed(body)
        else:
            stated = plain_answer(row["text"].encode())
            response = decode(row["text"].encode(), provider="cohere", model="asked", profile=PLAIN)
        # No arguments at all are none, and so is `null`.
        stated["calls"] = [(*call[:2], "{}" if call[2] in ("", "null") else call[2]) for call in stated["calls"]]
        same(response, stated)
        read += 1
    assert read >= 10


@needs_corpora
def test_damaged_streams_end_in_an_answer_or_a_typed_error() -> None:
    seeded = random.Random(10)
    for recording in good(streaming=True):
        for _ in range(4):
            damaged = bytearray(recording.body[:20_000])
            for _ in range(10):
                damaged[seeded.randrange(len(damaged))] = seeded.randrange(256)
            decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
            with suppress(GatewayError):
                decoder.feed(bytes(damaged))
                assert FinishChunk("error") not in decoder.end()
