"""Google's two ways of streaming, cut anywhere and broken off anywhere."""

from __future__ import annotations

import json
import time
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    FailedGenerationError,
    MalformedResponseError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TruncatedStreamError,
)
from unified_api.sse import EventTooLargeError
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    CitationChunk,
    FinishChunk,
    ProviderState,
    Response,
    TextChunk,
    TextPart,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire import gemini
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.gemini.objects import ObjectDecoder

NAMED = {"provider": "google", "model": "m"}
SIGNED = ProviderState("google", {"thoughtSignature": "c2ln"})


def decoder() -> gemini.StreamDecoder:
    return gemini.StreamDecoder(**NAMED, profile=WireProfile())


def piece(*parts: Any, finish: str | None = None, usage: dict[str, int] | None = None, **beside: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, **beside}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **({} if usage is None else {"usageMetadata": usage})}


def events(*values: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in values)


def array(*values: Any) -> bytes:
    return ("[" + "\n,\r\n".join(json.dumps(value, indent=2) for value in values) + "\n]\n").encode()


def read(body: bytes) -> list[Chunk]:
    reader = decoder()
    return [*reader.feed(body), *reader.end()]


def collect(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(**NAMED)


STORY = (
    piece({"text": "Grüße "}, usage={"promptTokenCount": 5, "totalTokenCount": 5}),
    piece({"text": 'a "{quoted}" \\ brace} [', "thought": True}),
    piece({"text": "and 🚀"}, {"functionCall": {"name": "f", "args": {"x": '}]"{'}}, "thoughtSignature": "c2ln"}),
    piece({"text": ""}, finish="STOP", usage={"promptTokenCount": 5, "candidatesTokenCount": 9, "totalTokenCount": 14}),
)


@pytest.mark.parametrize("framing", [events, array])
def test_both_framings_give_the_same_chunks(framing: Any) -> None:
    assert read(framing(*STORY)) == [
        TextChunk("Grüße "),
        UsageChunk(Usage(input_tokens=5)),
        *read(events(*STORY))[2:],
    ]
    response = collect(read(framing(*STORY)))
    assert response.text == "Grüße and 🚀"
    assert response.tool_calls == (ToolCallPart("call_0", "f", '{"x":"}]\\"{"}', SIGNED),)
    assert response.finish_reason == "tool_calls"
    assert response.usage == Usage(input_tokens=5, output_tokens=9)


@given(st.sampled_from([events, array]), st.lists(st.integers(0, 900), max_size=12))
def test_a_stream_means_the_same_however_it_is_cut(framing: Any, places: list[int]) -> None:
    body = framing(*STORY)
    edges = sorted({0, len(body), *(place for place in places if place < len(body))})
    reader = decoder()
    chunks = [chunk for start, end in pairwise(edges) for chunk in reader.feed(body[start:end])]
    assert [*chunks, *reader.end()] == read(body)


@pytest.mark.parametrize("framing", [events, array])
def test_no_cut_stream_is_taken_for_a_whole_one(framing: Any) -> None:
    body = framing(*STORY)
    for end in range(body.index(b'"finishReason"')):
        with pytest.raises(TruncatedStreamError, match="without a finish reason"):
            read(body[:end])


def test_the_finish_may_come_before_the_usage() -> None:
    body = events(piece({"text": "x"}, finish="STOP"), {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}})
    assert read(body) == [TextChunk("x"), FinishChunk("stop"), UsageChunk(Usage(input_tokens=3))]


def test_usage_is_cumulative_and_told_when_it_changes() -> None:
    same = {"promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 4, "totalTokenCount": 8}
    body = events(
        piece({"text": "a"}, usage=same),
        piece({"text": "b"}, usage=same),
        piece({"text": "c"}, finish="STOP", usage={**same, "candidatesTokenCount": 2, "totalTokenCount": 9}),
    )
    told = [chunk.usage for chunk in read(body) if isinstance(chunk, UsageChunk)]
    assert told == [
        Usage(input_tokens=3, output_tokens=5, reasoning_tokens=4),
        Usage(input_tokens=3, output_tokens=6, reasoning_tokens=4),
    ]


def test_a_last_usage_without_counts_takes_nothing_away() -> None:
    body = events(
        piece({"text": "a"}, usage={"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}),
        piece({"text": "b"}, finish="STOP") | {"usageMetadata": {"trafficType": "ON_DEMAND"}},
    )
    assert collect(read(body)).usage == Usage(input_tokens=3, output_tokens=1)


def test_a_signature_at_the_end_belongs_to_the_text() -> None:
    body = events(piece({"text": "a"}), piece({"text": "", "thoughtSignature": "c2ln"}, finish="STOP"))
    assert collect(read(body)).parts == (TextPart("a", state=SIGNED),)


def test_calls_in_several_pieces_of_the_stream_are_numbered_on() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    chunks = read(events(piece(call), piece(call), piece({"text": ""}, finish="STOP")))
    assert chunks[:2] == [ToolCallChunk(0, "call_0", "f", "{}"), ToolCallChunk(1, "call_1", "f", "{}")]


def test_several_answers_end_each_by_itself() -> None:
    body = events(
        piece({"text": "a"}, index=0),
        piece({"text": "b"}, index=1),
        piece({"text": "c"}, index=0, finish="STOP"),
        piece(index=1, finish="MAX_TOKENS"),
    )
    assert read(body) == [
        TextChunk("a"),
        AlternativeChunk(1, TextChunk("b")),
        TextChunk("c"),
        FinishChunk("stop"),
        AlternativeChunk(1, FinishChunk("length")),
    ]
    with pytest.raises(TruncatedStreamError):
        read(body[: body.rindex(b"data:")])


def test_a_blocked_prompt_ends_the_stream_well() -> None:
    body = events({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})
    assert read(body) == [FinishChunk("content_filter"), UsageChunk(Usage(input_tokens=3))]


def test_an_answer_that_is_blocked_on_its_way_ends_in_the_filter() -> None:
    body = events(piece({"text": "well"}), {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    assert collect(read(body)).finish_reason == "content_filter"


ERROR = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(ERROR, indent=2).encode(),
        json.dumps([ERROR]).encode(),
        events(ERROR),
        events([ERROR]),
        b"\xef\xbb\xbf\r\n " + json.dumps(ERROR).encode(),
        b"event: error\ndata: " + json.dumps(ERROR).encode() + b"\n\n",
    ],
)
def test_an_error_where_a_stream_was_expected_is_that_error(body: bytes) -> None:
    with pytest.raises(RateLimitError, match="slow down"):
        read(body)


def test_an_error_after_words_is_raised_after_them() -> None:
    for body in (events(piece({"text": "a"}), ERROR), array(piece({"text": "a"}), ERROR)):
        reader = decoder()
        assert reader.feed(body) == [TextChunk("a")]
        with pytest.raises(RateLimitError):
            reader.feed(b"data: x\r\n\r\n")
        with pytest.raises(RateLimitError):
            reader.end()


def test_an_error_after_the_finish_is_kept_but_spoils_nothing() -> None:
    reader = decoder()
    assert reader.feed(events(piece({"text": "a"}, finish="STOP"), ERROR)) == [TextChunk("a"), FinishChunk("stop")]
    assert reader.end() == []
    assert isinstance(reader.late_error, RateLimitError)


def test_a_call_that_google_cannot_read_is_raised_with_the_usage_told() -> None:
    reader = decoder()
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    chunks = reader.feed(events(piece({"text": "a"}), piece(finish="MALFORMED_FUNCTION_CALL", usage=usage)))
    assert chunks == [TextChunk("a"), UsageChunk(Usage(input_tokens=3))]
    with pytest.raises(FailedGenerationError):
        reader.end()


def test_a_web_page_or_other_json_is_no_stream() -> None:
    with pytest.raises(MalformedResponseError, match="no JSON"):
        read(b"<html><title>Bad gateway</title></html>")
    with pytest.raises(NotFoundError):
        read(b'{"message": "model not found", "code": 404}')
    with pytest.raises(TruncatedStreamError):
        read(b'{"hello": 1}')
    with pytest.raises(TruncatedStreamError):
        read(b"")


def test_a_server_that_ignores_the_wish_for_a_stream_is_read_all_the_same() -> None:
    whole = json.dumps(piece({"text": "all at once"}, finish="STOP"), indent=1).encode()
    assert read(whole) == [TextChunk("all at once"), FinishChunk("stop")]


def test_a_damaged_event_is_passed_over_and_counted() -> None:
    reader = decoder()
    body = events(piece({"text": "a"})) + b"data: {broken\r\n\r\n" + events([], 5, piece({"text": "b"}, finish="STOP"))
    assert [*reader.feed(body), *reader.end()] == [TextChunk("a"), TextChunk("b"), FinishChunk("stop")]
    assert reader.malformed == 2


def test_what_is_held_of_an_endless_answer_is_bounded() -> None:
    reader = decoder()
    text = events(piece({"text": "word " * 400_000}))
    calls = events(*(piece(index=number) for number in range(2000)))
    reader.feed(calls)
    assert reader.malformed == 1000
    tracemalloc.start()
    for _ in range(60):
        reader.feed(text)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 70 * 2**20
    source = {"citationSources": [{"startIndex": 0, "endIndex": 4, "uri": "https://w"}]}
    chunks = reader.feed(events(piece({"text": "x"}, finish="STOP", citationMetadata=source)))
    assert [(one.citation.url, one.citation.start) for one in chunks if isinstance(one, CitationChunk)] == [
        ("https://w", None)
    ]


def test_a_damaged_part_is_passed_over_and_counted() -> None:
    reader = decoder()
    bad = {"inlineData": {"mimeType": "image/png", "data": "A"}}
    reader.feed(events(piece({"text": "a"}, bad, 7, finish="STOP")))
    assert reader.end() == []
    assert reader.malformed == 2


def test_a_done_mark_and_comments_are_passed_over() -> None:
    body = b": hello\r\n\r\n" + events(piece({"text": "a"}, finish="STOP")) + b"data: [DONE]\r\n\r\n"
    assert read(body) == [TextChunk("a"), FinishChunk("stop")]


@pytest.mark.parametrize(
    "pieces",
    [
        [{"jsonPath": "a", "stringValue": "x"}],
        [{"jsonPath": "$", "stringValue": "x"}],
        [{"jsonPath": "$[0]", "stringValue": "x"}],
        [{"jsonPath": "$.a[999999999]", "stringValue": "x"}],
        [{"jsonPath": "$.a", "numberValue": 1}, {"jsonPath": "$.a.b", "numberValue": 1}],
        [{"stringValue": "x"}],
        ["x"],
        [{"jsonPath": "$" + ".a" * 5000, "stringValue": "x"}],
    ],
)
def test_pieces_of_arguments_that_fit_nowhere_are_counted(pieces: list[Any]) -> None:
    reader = decoder()
    call = {"functionCall": {"name": "f", "partialArgs": pieces, "willContinue": True}}
    chunks = reader.feed(events(piece(call), piece({"functionCall": {}}, finish="STOP")))
    assert [chunk.name for chunk in chunks if isinstance(chunk, ToolCallChunk)] == ["f"]
    assert reader.malformed == 1


def test_pieces_of_arguments_of_every_kind_are_put_in_their_places() -> None:
    pieces = [
        {"jsonPath": "$.a.b[0].c", "stringValue": "x"},
        {"jsonPath": "$.a.b[0].c", "stringValue": "y"},
        {"jsonPath": "$.a.b[1]", "numberValue": 1.5},
        {"jsonPath": "$['its']['d\\'e']", "boolValue": False},
        {"jsonPath": '$.n["k"]', "nullValue": "NULL_VALUE"},
    ]
    call = {"functionCall": {"name": "f", "id": "i", "partialArgs": pieces}, "thoughtSignature": "c2ln"}
    (made,) = collect(read(events(piece(call, finish="STOP")))).tool_calls
    assert json.loads(made.arguments) == {
        "a": {"b": [{"c": "xy"}, 1.5]},
        "its": {"d'e": False},
        "n": {"k": None},
    }
    assert (made.id, made.state) == ("i", SIGNED)


def test_a_later_piece_may_replace_what_holds_an_earlier_one() -> None:
    pieces = [{"jsonPath": "$.a.b", "stringValue": "x"}, {"jsonPath": "$.a", "numberValue": 5}]
    call = {"functionCall": {"name": "f", "partialArgs": pieces, "willContinue": True}}
    (made,) = collect(read(events(piece(call, finish="STOP")))).tool_calls
    assert json.loads(made.arguments) == {"a": 5}


def test_a_large_element_takes_linear_time_however_it_is_cut() -> None:
    body = array(piece({"text": 'x\\"{' * 500_000}, finish="STOP"))
    reader = decoder()
    start = time.process_time()
    for place in range(0, len(body), 1000):
        reader.feed(body[place : place + 1000])
    assert reader.end() == []
    assert time.process_time() - start < 3


def test_objects_are_found_in_any_pieces_and_too_large_ones_are_refused() -> None:
    body = b'[{"a": "\\\\\\"}{"},\r\n {"b": {"c": []}} , "{", 7, {"d": 1}]'
    for size in range(1, 12):
        reader = ObjectDecoder()
        found = [one for at in range(0, len(body), size) for one in reader.feed(body[at : at + size])]
        assert [json.loads(one) for one in found] == [{"a": '\\"}{'}, {"b": {"c": []}}, {"d": 1}]
        assert not reader.open
    small = ObjectDecoder(limit=20)
    with pytest.raises(EventTooLargeError):
        small.feed(b'{"a": "' + b"x" * 40)


def test_an_overloaded_server_in_the_midst_of_a_stream_may_be_asked_again() -> None:
    reader = decoder()
    reader.feed(array(piece({"text": "a"}), {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}))
    with pytest.raises(ServerError) as caught:
        reader.end()
    assert caught.value.retryable
