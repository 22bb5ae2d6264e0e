"""The Responses decoders against recorded traffic, read a second time in the plainest way that could be right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

from corpus import needs_corpora
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_recordings import Recording, everything

from unified_api.errors import TruncatedStreamError
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    FinishChunk,
    ImagePart,
    Message,
    ReasoningPart,
    Request,
    Response,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UsageChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.openai_responses import StreamDecoder, decode, encode

Body = dict[str, Any]
LAST = {"response.completed", "response.incomplete", "response.failed"}
ENDS_AN_ITEM = "response.output_item.done"
"""Without it the state of an item comes in the last event alone, after what followed the item."""


@cache
def answers(*, streaming: bool) -> tuple[Recording, ...]:
    every = (one for one in everything() if one.path.endswith("/responses") and one.status == 200)
    return tuple(one for one in every if one.streaming is streaming)


def events(recording: Recording) -> Iterator[Body]:
    for line in recording.body.decode().splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield json.loads(line[5:])


def last_answer(recording: Recording) -> Body:
    found: Body = next(event["response"] for event in events(recording) if event["type"] in LAST)
    return found


def whole(answer: Body | bytes) -> Response:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return decode(body, provider="p", model="m", profile=WireProfile())


def chunks_of(pieces: Iterable[bytes]) -> list[Chunk]:
    decoder = StreamDecoder(provider="p", model="m", profile=WireProfile())
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.end()
    assert decoder.malformed == 0
    return chunks


def collected(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="p", model="m")


def parts_of(answer: Body, kind: str) -> list[Body]:
    messages = (item for item in answer["output"] if item["type"] == "message")
    return [part for item in messages for part in item["content"] if part["type"] == kind]


def calls_of(answer: Body) -> list[tuple[str, str, str]]:
    return [
        (item["call_id"], item["name"], item["arguments"])
        for item in answer["output"]
        if item["type"] == "function_call"
    ]


def same(response: Response, answer: Body) -> None:
    """What the answer itself says, by its own fields."""
    assert response.text == "".join(part["text"] for part in parts_of(answer, "output_text"))
    assert (response.refusal or "") == "".join(part["refusal"] for part in parts_of(answer, "refusal"))
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == calls_of(answer)
    annotations = [one for part in parts_of(answer, "output_text") for one in part["annotations"]]
    assert [one.state.content for one in response.citations if one.state] == annotations
    assert [one.url for one in response.citations] == [one.get("url") for one in annotations]
    thoughts = [part for part in response.parts if isinstance(part, ReasoningPart)]
    assert [part.state.content["id"] for part in thoughts if part.state] == [
        item["id"] for item in answer["output"] if item["type"] == "reasoning"
    ]
    for part in thoughts:
        item = part.state.content if part.state else {}
        shown = [one["text"] for one in [*(item.get("content") or []), *item["summary"]]]
        assert part.text == "\n\n".join(shown)
    if answer["status"] == "completed":
        assert response.finish_reason == ("tool_calls" if calls_of(answer) else "stop")
    else:
        assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
        assert response.finish_reason == "length"
    same_usage(response, answer["usage"])
    assert response.model == f"p/{answer['model']}"


def same_usage(response: Response, stated: Body) -> None:
    assert response.usage.input_tokens == stated["input_tokens"]
    assert response.usage.output_tokens is not None
    assert response.usage.output_tokens + stated["input_tokens"] == stated["total_tokens"]
    assert response.usage.cached_input_tokens == stated["input_tokens_details"]["cached_tokens"]
    assert response.usage.reasoning_tokens == stated["output_tokens_details"]["reasoning_tokens"]
    assert response.usage.cache_write_tokens == stated["input_tokens_details"].get("cache_write_tokens")
    if stated.get("cost_in_usd_ticks"):
        assert response.cost_usd == Decimal(stated["cost_in_usd_ticks"]) / 10**10
    elif "cost" in stated:
        assert response.cost_usd == Decimal(str(stated["cost"]))


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    for recording in answers(streaming=False):
        answer = json.loads(recording.body)
        same(whole(recording.body), answer)
        assert whole(recording.body).id == answer["id"]
    assert len(answers(streaming=False)) > 100


@needs_corpora
def test_every_recorded_stream_is_read_as_it_stands() -> None:
    for recording in answers(streaming=True):
        chunks = chunks_of([recording.body])
        response = collected(chunks)
        same(response, last_answer(recording))
        pieces = (one["delta"] for one in events(recording) if one["type"] == "response.output_text.delta")
        assert response.text == "".join(pieces)
        ended = [one["item"] for one in events(recording) if one["type"] == "response.output_item.done"]
        assert [call.arguments for call in response.tool_calls] == [
            one["arguments"] for one in ended if one["type"] == "function_call"
        ]
        assert sum(isinstance(chunk, FinishChunk) for chunk in chunks) == 1
        assert sum(isinstance(chunk, UsageChunk) for chunk in chunks) == 1
    assert len(answers(streaming=True)) > 50


@needs_corpora
def test_no_item_of_a_recorded_answer_is_lost() -> None:
    kinds: set[str] = set()
    for recording in (*answers(streaming=False), *answers(streaming=True)):
        answer = last_answer(recording) if recording.streaming else json.loads(recording.body)
        kept = [part.content for part in whole(answer).parts if isinstance(part, BuiltinToolPart)]
        images = [part for part in whole(answer).parts if isinstance(part, ImagePart)]
        own = {"message", "reasoning", "function_call"}
        others = [item for item in answer["output"] if item["type"] not in own]
        assert kept == [item for item in others if not item.get("result")]
        assert len(images) == len(others) - len(kept)
        kinds |= {item["type"] for item in others}
    assert {"web_search_call", "code_interpreter_call", "image_generation_call", "mcp_call", "mcp_list_tools"} <= kinds


def as_encrypted_once(response: Response) -> Response:
    """Without the encrypted reasoning, which OpenAI encrypts anew for the last event, and without the id."""

    def bare(part: Any) -> Any:
        if not isinstance(part, ReasoningPart) or part.state is None:
            return part
        assert part.state.provider == "p"
        return (
            part.text,
            {**part.state.content, "encrypted_content": bool(part.state.content.get("encrypted_content"))},
        )

    return replace(response, parts=tuple(bare(part) for part in response.parts), id=None)


@needs_corpora
def test_a_stream_collected_is_the_answer_of_its_last_event() -> None:
    for recording in answers(streaming=True):
        streamed = collected(chunks_of([recording.body]))
        assert as_encrypted_once(streamed) == as_encrypted_once(whole(last_answer(recording))), recording.id


def without(recording: Recording, kinds: set[str]) -> bytes:
    left = (event for event in events(recording) if event["type"] not in kinds)
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in left)


@needs_corpora
def test_the_events_of_any_kind_but_the_last_may_be_missing() -> None:
    dropped = 0
    for recording in answers(streaming=True):
        full = as_encrypted_once(collected(chunks_of([recording.body])))
        for kind in {event["type"] for event in events(recording)} - LAST - {ENDS_AN_ITEM}:
            less = collected(chunks_of([without(recording, {kind})]))
            assert as_encrypted_once(less) == full, (recording.id, kind)
            dropped += 1
    assert dropped > 300


@needs_corpora
@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_kinds_of_events_but_the_last_may_be_missing_together(data: st.DataObject) -> None:
    recording = data.draw(st.sampled_from(answers(streaming=True)))
    kinds = sorted({event["type"] for event in events(recording)} - LAST)
    missing = data.draw(st.sets(st.sampled_from(kinds)))
    less = collected(chunks_of([without(recording, missing)]))
    full = collected(chunks_of([recording.body]))
    assert (less.text, less.refusal, less.tool_calls) == (full.text, full.refusal, full.tool_calls)
    if ENDS_AN_ITEM not in missing:
        assert as_encrypted_once(less) == as_encrypted_once(full)
    assert (less.finish_reason, less.usage, less.model) == (full.finish_reason, full.usage, full.model)


@needs_corpora
def test_recorded_streams_cut_anywhere_give_the_same_chunks() -> None:
    seeded = random.Random(5)
    for recording in answers(streaming=True):
        full, size = chunks_of([recording.body]), len(recording.body)
        for pieces in (1, 9):
            cuts = [0, *sorted(seeded.randrange(size) for _ in range(pieces)), size]
            assert chunks_of(recording.body[start:stop] for start, stop in pairwise(cuts)) == full, recording.id


@needs_corpora
def test_a_recorded_stream_without_its_last_event_is_never_a_success() -> None:
    for recording in answers(streaming=True):
        broken = recording.body[: max(recording.body.rfind(b'"type":"' + last.encode()) for last in LAST)]
        broken = broken[: broken.rfind(b"\n\n") + 2]
        decoder = StreamDecoder(provider="p", model="m", profile=WireProfile())
        told = decoder.feed(broken)
        try:
            decoder.end()
        except TruncatedStreamError:
            pass
        else:
            raise AssertionError(recording.id)
        assert chunks_of([recording.body])[: len(told)] == told


@needs_corpora
def test_every_text_call_and_thought_of_a_recorded_answer_carries_what_goes_home() -> None:
    for recording in answers(streaming=False):
        for part in whole(recording.body).parts:
            if isinstance(part, TextPart | ToolCallPart | ReasoningPart):
                assert part.state is not None
                assert part.state.provider == "p"
                assert part.state.content["id"]


@needs_corpora
def test_every_recorded_answer_goes_home_as_it_came() -> None:
    """Without the probabilities of its tokens, which say nothing to the model. A refusal has no place for an id."""
    compared = 0
    for recording in answers(streaming=False):
        output = json.loads(recording.body)["output"]
        if any(item["type"] == "message" and item["content"][0]["type"] == "refusal" for item in output):
            continue
        response = whole(recording.body)
        results = tuple(ToolResultPart(call.id, "seen") for call in response.tool_calls)
        turn = (Message("assistant", response.parts), Message("tool", results), Message.user("And?"))
        request = Request(model="p/m", messages=turn)
        body = json.loads(encode(request, provider="p", model="m", profile=WireProfile()).body)
        sent = [item for item in body["input"] if item.get("type") != "function_call_output"]
        assert sent[:-1] == [without_probabilities(item) for item in output], recording.id
        compared += 1
    assert compared > 100


def without_probabilities(item: Body) -> Body:
    if item["type"] != "message":
        return item
    return {**item, "content": [{**part, "logprobs": []} for part in item["content"]]}
