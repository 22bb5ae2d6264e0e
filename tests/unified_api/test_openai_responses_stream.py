"""Responses streams of servers that leave things out, run them together or fail."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    GatewayError,
    MalformedResponseError,
    RateLimitError,
    ServerError,
    TruncatedStreamError,
)
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    FinishChunk,
    ImagePart,
    LogprobsChunk,
    ProviderState,
    ReasoningChunk,
    ReasoningPart,
    RefusalPart,
    Response,
    TextChunk,
    TextPart,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.openai_responses import StreamDecoder, decode

Body = dict[str, Any]

MESSAGE: Body = {
    "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
    "content": [{"type": "output_text", "text": "Hello you", "annotations": [], "logprobs": []}],
}  # fmt: skip
CALL: Body = {
    "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_a", "name": "look",
    "arguments": '{"at": 1}',
}  # fmt: skip
OTHER_CALL = {**CALL, "id": "fc_2", "call_id": "call_b", "arguments": '{"at": 2}'}
THOUGHT: Body = {
    "id": "rs_1", "type": "reasoning", "encrypted_content": "gAAA",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
}  # fmt: skip
USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def added(place: int, item: Body) -> bytes:
    empty = {"content": [], "arguments": "", "summary": [], "status": "in_progress"}
    begun = {key: empty.get(key, value) for key, value in item.items() if key != "encrypted_content"}
    return event("response.output_item.added", output_index=place, item=begun)


def done(place: int, item: Body) -> bytes:
    return event("response.output_item.done", output_index=place, item=item)


def text(place: int, delta: str, **more: Any) -> bytes:
    return event(
        "response.output_text.delta", output_index=place, content_index=0, item_id="msg_1", delta=delta, **more
    )


def arguments(place: int, delta: str) -> bytes:
    return event("response.function_call_arguments.delta", output_index=place, delta=delta)


def answer(*output: Body, **fields: Any) -> Body:
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "m-1", "error": None,
            "output": list(output), "usage": USAGE, **fields}  # fmt: skip


def completed(*output: Body, **fields: Any) -> bytes:
    return event("response.completed", response=answer(*output, **fields))


def chunks_of(*events: bytes, malformed: int = 0) -> list[Chunk]:
    decoder = StreamDecoder(provider="p", model="m", profile=WireProfile())
    chunks = decoder.feed(b"".join(events)) + decoder.end()
    assert decoder.malformed == malformed
    return chunks


def collected(*events: bytes, malformed: int = 0) -> Response:
    collector = Collector()
    for chunk in chunks_of(*events, malformed=malformed):
        collector.add(chunk)
    return collector.response(provider="p", model="m")


def whole(*output: Body, **fields: Any) -> Response:
    body = json.dumps({**answer(*output, **fields), "id": None}).encode()
    return decode(body, provider="p", model="m", profile=WireProfile())


@pytest.mark.parametrize(
    "events",
    [
        [added(0, CALL), arguments(0, '{"at"'), arguments(0, ": 1}"), done(0, CALL)],
        [added(0, CALL), event("response.function_call_arguments.done", output_index=0, arguments='{"at": 1}')],
        [added(0, CALL), arguments(0, '{"at"'), event("response.function_call_arguments.done", output_index=0,
                                                     arguments='{"at": 1}'), done(0, CALL)],
        [added(0, CALL), arguments(0, '{"at"')],
        [added(0, CALL), done(0, CALL)],
        [done(0, CALL)],
        [arguments(0, '{"at": 1}'), done(0, CALL)],
        [arguments(0, '{"at"')],
        [],
    ],
)  # fmt: skip
def test_arguments_are_told_once_wherever_they_come_from(events: list[bytes]) -> None:
    assert collected(*events, completed(CALL)) == whole(CALL)


@pytest.mark.parametrize(
    "events",
    [
        [added(0, MESSAGE), text(0, "Hello "), text(0, "you"), done(0, MESSAGE)],
        [added(0, MESSAGE), event("response.output_text.done", output_index=0, content_index=0, text="Hello you")],
        [added(0, MESSAGE), text(0, "Hel"), event("response.output_text.done", output_index=0, content_index=0,
                                                  text="Hello you"), done(0, MESSAGE)],
        [added(0, MESSAGE), event("response.content_part.done", output_index=0, content_index=0,
                                  part=MESSAGE["content"][0])],
        [text(0, "Hello "), text(0, "you"), event("response.output_text.done", output_index=0, text="Hello you")],
        [added(0, MESSAGE), text(0, "Hello")],
        [done(0, MESSAGE)],
        [],
    ],
)  # fmt: skip
def test_text_is_told_once_wherever_it_comes_from(events: list[bytes]) -> None:
    assert collected(*events, completed(MESSAGE)) == whole(MESSAGE)


def test_what_comes_after_the_end_of_an_item_is_not_told_again() -> None:
    late = [event("response.output_text.done", output_index=0, content_index=0, text="Hello you"),
            event("response.function_call_arguments.done", output_index=1, arguments='{"at": 1}')]  # fmt: skip
    assert collected(done(0, MESSAGE), done(1, CALL), *late, completed(MESSAGE, CALL)) == whole(MESSAGE, CALL)


def test_pieces_are_told_as_they_come() -> None:
    assert chunks_of(added(0, MESSAGE), text(0, "Hello "), text(0, "you"), done(0, MESSAGE), completed(MESSAGE)) == [
        TextChunk("Hello "),
        TextChunk("you"),
        TextChunk("", ProviderState("p", {"id": "msg_1", "status": "completed"})),
        FinishChunk("stop"),
        UsageChunk(Usage(input_tokens=3, output_tokens=4), "m-1"),
    ]


def test_parallel_calls_whose_pieces_are_mixed_stay_apart() -> None:
    pieces = [arguments(0, '{"at"'), arguments(1, '{"at": '), arguments(0, ": 1}"), arguments(1, "2}")]
    events = [added(0, CALL), added(1, OTHER_CALL), *pieces, done(1, OTHER_CALL), done(0, CALL)]
    assert collected(*events, completed(CALL, OTHER_CALL)) == whole(CALL, OTHER_CALL)


def test_items_that_came_in_no_event_come_from_the_last_one() -> None:
    streamed = collected(added(1, MESSAGE), text(1, "Hello you"), done(1, MESSAGE), completed(THOUGHT, MESSAGE, CALL))
    assert {type(part) for part in streamed.parts} == {TextPart, ReasoningPart, ToolCallPart}
    assert streamed.text == "Hello you"
    assert streamed.finish_reason == "tool_calls"


def test_items_that_end_under_other_ids_are_not_told_twice() -> None:
    events = [added(0, THOUGHT), done(0, THOUGHT), added(1, MESSAGE), text(1, "Hello you"), done(1, MESSAGE),
              added(2, CALL), arguments(2, '{"at": 1}'), done(2, CALL)]  # fmt: skip
    renamed = [{**item, "id": f"other_{item['id']}"} for item in (THOUGHT, MESSAGE, CALL)]
    assert collected(*events, completed(*renamed)) == whole(THOUGHT, MESSAGE, CALL)


def test_a_last_event_without_the_output_ends_what_was_begun() -> None:
    events = [added(0, THOUGHT), done(0, THOUGHT), added(1, MESSAGE), text(1, "Hello you"), added(2, CALL),
              arguments(2, '{"at": 1}')]  # fmt: skip
    streamed = collected(*events, completed())
    assert streamed.text == "Hello you"
    assert [(call.id, call.name, call.arguments) for call in streamed.tool_calls] == [("call_a", "look", '{"at": 1}')]
    assert streamed.finish_reason == "tool_calls"
    assert [getattr(part, "state", None) is not None for part in streamed.parts] == [True, True, True]


def test_events_without_a_place_belong_to_the_item_of_their_id_or_to_the_latest() -> None:
    def unplaced(piece: bytes) -> bytes:
        return piece.replace(b'"output_index": 0, ', b"").replace(b'"output_index": 1, ', b"")

    events = [added(0, MESSAGE), text(0, "Hello you"), done(0, MESSAGE), added(1, CALL), arguments(1, '{"at": 1}'),
              done(1, CALL)]  # fmt: skip
    assert collected(*map(unplaced, events), completed(MESSAGE, CALL)) == whole(MESSAGE, CALL)


def test_paragraphs_of_thinking_are_kept_apart_and_end_with_their_state() -> None:
    def summary(index: int, delta: str) -> bytes:
        return event("response.reasoning_summary_text.delta", output_index=0, summary_index=index, delta=delta)

    part = event("response.reasoning_summary_part.done", output_index=0, summary_index=0, part=THOUGHT["summary"][0])
    chunks = chunks_of(added(0, THOUGHT), summary(0, "Fir"), summary(0, "st."), part, summary(1, "Then."),
                       done(0, THOUGHT), completed(THOUGHT))  # fmt: skip
    assert chunks[:4] == [
        ReasoningChunk("Fir"),
        ReasoningChunk("st."),
        ReasoningChunk("\n\nThen."),
        ReasoningChunk("", ProviderState("p", THOUGHT)),
    ]


def test_thinking_that_is_shown_and_summed_up_is_told_once() -> None:
    both = {**THOUGHT, "content": [{"type": "reasoning_text", "text": "Hm."}]}
    shown = event("response.reasoning_text.delta", output_index=0, content_index=0, delta="Hm.")
    summed = event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="First.")
    assert collected(added(0, both), shown, summed, done(0, both), completed(both)) == whole(both)
    assert whole(both).parts == (ReasoningPart("Hm.", ProviderState("p", both)),)


def test_citations_belong_to_the_text_that_has_them() -> None:
    def cited(url: str) -> Body:
        return {"type": "url_citation", "url": url, "title": "T", "start_index": 0, "end_index": 3}

    parts = [{"type": "output_text", "text": word, "annotations": [cited(f"https://{word}")], "logprobs": []}
             for word in ("one", "two")]  # fmt: skip
    item = {**MESSAGE, "content": parts}
    events = [
        piece
        for place, part in enumerate(parts)
        for piece in (
            event("response.output_text.delta", output_index=0, content_index=place, delta=part["text"]),
            event("response.output_text.annotation.added", output_index=0, content_index=place,
                  annotation_index=0, annotation=part["annotations"][0]),
        )
    ]  # fmt: skip
    streamed = collected(added(0, item), *events, done(0, item), completed(item))
    assert streamed == whole(item)
    assert [[one.url for one in part.citations] for part in streamed.parts if isinstance(part, TextPart)] == [
        ["https://one"],
        ["https://two"],
    ]
    # A server may never repeat them where the text ends.
    bare = {**item, "content": [{**part, "annotations": []} for part in parts]}
    assert len(collected(added(0, item), *events, done(0, bare), completed(bare)).citations) == 2


def test_probabilities_come_with_the_pieces_or_with_the_end_of_the_text_but_once() -> None:
    tokens = [{"token": "Hello you", "logprob": -0.5, "top_logprobs": [{"token": "Hi", "logprob": -1}]}]
    likely = {**MESSAGE, "content": [{"type": "output_text", "text": "Hello you", "logprobs": tokens}]}
    end = event("response.output_text.done", output_index=0, content_index=0, text="Hello you", logprobs=tokens)
    for pieces in ([text(0, "Hello you", logprobs=tokens), end], [text(0, "Hello you"), end], [text(0, "Hello you")]):
        chunks = chunks_of(added(0, likely), *pieces, done(0, likely), completed(likely))
        assert [chunk.tokens for chunk in chunks if isinstance(chunk, LogprobsChunk)] == [whole(likely).logprobs]
    assert whole(likely).logprobs[0].top == (("Hi", -1.0),)


def test_a_refusal_is_an_answer() -> None:
    item = {**MESSAGE, "content": [{"type": "refusal", "refusal": "I will not."}]}
    pieces = [
        event("response.refusal.delta", output_index=0, content_index=0, delta=one) for one in ("I will", " not.")
    ]
    end = event("response.refusal.done", output_index=0, content_index=0, refusal="I will not.")
    assert collected(added(0, item), *pieces, end, done(0, item), completed(item)) == whole(item)
    assert whole(item).parts == (RefusalPart("I will not."),)
    assert whole(item).finish_reason == "stop"


def test_steps_of_built_in_tools_come_whole_and_an_image_as_an_image() -> None:
    search = {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    drawn = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "output_format": "png",
             "result": "iVBORw0KGgo="}  # fmt: skip
    working = event("response.web_search_call.searching", output_index=0, item_id="ws_1")
    partial = event("response.image_generation_call.partial_image", output_index=1, partial_image_b64="AAAA")
    streamed = collected(added(0, search), working, done(0, search), added(1, drawn), partial, done(1, drawn),
                         completed(search, drawn))  # fmt: skip
    assert streamed == whole(search, drawn)
    step, image = streamed.parts
    assert step == BuiltinToolPart("p", "web_search_call", search)
    assert isinstance(image, ImagePart)
    assert (image.data, image.media_type) == (b"\x89PNG\r\n\x1a\n", "image/png")


@pytest.mark.parametrize(
    ("kind", "details", "reason"),
    [
        ("response.incomplete", {"reason": "max_output_tokens"}, "length"),
        ("response.incomplete", {"reason": "content_filter"}, "content_filter"),
        ("response.incomplete", {"reason": "tired"}, "unknown"),
        ("response.incomplete", None, "unknown"),
        ("response.completed", None, "stop"),
        ("response.done", None, "stop"),
    ],
)
def test_the_last_event_says_why_the_answer_ended(kind: str, details: Body | None, reason: str) -> None:
    stated = answer(MESSAGE, incomplete_details=details)
    del stated["status"]
    chunks = chunks_of(event(kind, response=stated))
    assert [chunk.finish_reason for chunk in chunks if isinstance(chunk, FinishChunk)] == [reason]


def test_a_provider_may_have_words_of_its_own_for_why_an_answer_is_not_complete() -> None:
    decoder = StreamDecoder(provider="p", model="m", profile=WireProfile(finish_reasons={"max_turns": "length"}))
    chunks = decoder.feed(event("response.incomplete", response=answer(incomplete_details={"reason": "max_turns"})))
    assert FinishChunk("length") in chunks


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (event("error", code="rate_limit_exceeded", message="Slow down", param=None), RateLimitError),
        (event("error", error={"type": "server_error", "message": "Oops", "code": None}), ServerError),
        (b'data: {"error": {"message": "Oops", "type": "server_error"}}\n\n', ServerError),
        (b"event: error\ndata: overloaded\n\n", ServerError),
        (event("response.failed", response=answer(error={"code": "rate_limit_exceeded"})), RateLimitError),
        (event("response.failed", response=answer(MESSAGE, status="failed")), ServerError),
        (event("response.cancelled", response=answer(MESSAGE, status="cancelled")), ServerError),
    ],
)  # fmt: skip
def test_an_error_is_raised_after_what_came_before_it(failure: bytes, error: type[GatewayError]) -> None:
    decoder = StreamDecoder(provider="p", model="m", profile=WireProfile())
    assert decoder.feed(added(0, MESSAGE) + text(0, "Hello ") + failure)[0] == TextChunk("Hello ")
    with pytest.raises(error):
        decoder.end()


def test_an_error_after_the_end_hurts_nobody() -> None:
    assert collected(completed(MESSAGE), event("error", code="server_error", message="late")) == whole(MESSAGE)


def test_a_stream_that_ends_without_its_last_event_is_cut_short() -> None:
    decoder = StreamDecoder(provider="p", model="m", profile=WireProfile())
    decoder.feed(added(0, MESSAGE) + text(0, "Hello you") + done(0, MESSAGE) + b"data: [DONE]\n\n")
    with pytest.raises(TruncatedStreamError):
        decoder.end()


def test_a_damaged_event_is_passed_over_and_counted() -> None:
    events = [b"data: {oops\n\n", added(0, MESSAGE), b"data: 7\n\n", text(0, "Hello you"),
              event("response.output_item.done", output_index=0), event("response.unheard_of", x=1),
              b": ping\n\n", event("keepalive"), completed(MESSAGE), b"data: [DONE]\n\n"]  # fmt: skip
    assert collected(*events, malformed=3) == whole(MESSAGE)


def test_a_whole_answer_in_place_of_a_stream_is_read() -> None:
    assert collected(json.dumps(answer(THOUGHT, MESSAGE, CALL), indent=1).encode()) == whole(THOUGHT, MESSAGE, CALL)


@pytest.mark.parametrize(
    "body", [b'{"error": {"code": "rate_limit_exceeded", "message": "Slow"}}', b'{"a": 1}', b"<html>"]
)
def test_another_document_in_place_of_a_stream_is_an_error(body: bytes) -> None:
    with pytest.raises((RateLimitError, MalformedResponseError, TruncatedStreamError)):
        chunks_of(body)


keys = ["type", "id", "name", "content", "summary", "arguments", "text", "output", "status", "annotations", "role"]
words = st.sampled_from(["", "msg_1", "message", "function_call", "reasoning", "output_text", "x"])
shapes = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4),
    max_leaves=8,
)
kinds = st.sampled_from([
    "response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta",
    "response.output_text.done", "response.content_part.done", "response.refusal.delta", "response.completed",
    "response.output_text.annotation.added", "response.reasoning_summary_text.delta", "response.incomplete",
    "response.reasoning_text.done", "response.function_call_arguments.delta", "response.function_call_arguments.done",
])  # fmt: skip
names = st.sampled_from(["item", "output_index", "content_index", "item_id", "delta", "text", "part", "response",
                         "summary_index", "annotation", "arguments", "logprobs", "refusal"])  # fmt: skip


@given(st.lists(st.tuples(kinds, st.dictionaries(names, shapes, max_size=6)), max_size=8))
def test_events_of_any_shape_end_in_chunks_or_a_typed_error(events: list[tuple[str, Body]]) -> None:
    decoder, collector = StreamDecoder(provider="p", model="m", profile=WireProfile()), Collector()
    try:
        for chunk in decoder.feed(b"".join(event(kind, **fields) for kind, fields in events)) + decoder.end():
            collector.add(chunk)
    except GatewayError:
        return
    assert collector.response(provider="p", model="m").finish_reason != "error"


def test_many_items_and_repeated_ends_cost_no_more_than_their_bytes() -> None:
    def seconds(size: int) -> float:
        items = [{"id": f"x{number}", "type": "tool", "status": "completed"} for number in range(size)]
        again = event("response.output_text.done", output_index=0, content_index=0, text="")
        events = [text(0, "word ") for _ in range(size)] + [again] * size
        events += [b"".join(done(number + 1, item) for number, item in enumerate(items)), completed(*reversed(items))]
        start = time.process_time()
        chunks_of(*events)
        return time.process_time() - start

    def best(size: int) -> float:
        return min(seconds(size) for _ in range(3))

    assert best(4000) < 40 * max(best(400), 0.01)


def test_a_call_that_never_gets_a_name_is_no_call() -> None:
    nameless = {key: value for key, value in CALL.items() if key != "name"}
    streamed = collected(added(0, nameless), arguments(0, "{}"), done(0, nameless), completed(nameless))
    assert streamed.tool_calls == whole(nameless).tool_calls == ()
    assert streamed.finish_reason == "stop"


def test_a_call_is_named_before_its_arguments() -> None:
    first = next(chunk for chunk in chunks_of(added(0, CALL), completed(CALL)) if isinstance(chunk, ToolCallChunk))
    assert first == ToolCallChunk(0, "call_a", "look")
