"""Streams of the Messages API that nobody has recorded, and what holds for all of them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import GatewayError, MalformedResponseError, RateLimitError, ServerError, TruncatedStreamError
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    CitationChunk,
    FinishChunk,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Response,
    TextChunk,
    TextPart,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.anthropic import EventReader, StreamDecoder, decode
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector

Event = dict[str, Any]
PROFILE = WireProfile()
START: Event = {
    "type": "message_start",
    "message": {"model": "claude-x", "usage": {"input_tokens": 5, "output_tokens": 1}},
}
STOP: Event = {"type": "message_stop"}


def end(reason: str | None = "end_turn", **more: object) -> Event:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": {"output_tokens": 9}}


def block(index: int, start: Event, *deltas: Event, stop: bool = True) -> list[Event]:
    begun = {"type": "content_block_start", "index": index, "content_block": start}
    pieces = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [begun, *pieces, *([{"type": "content_block_stop", "index": index}] if stop else [])]


def said(text: str, index: int = 0) -> list[Event]:
    return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})


def sse(*events: Event) -> bytes:
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events)


def fed(*events: Event, profile: WireProfile = PROFILE) -> tuple[list[Chunk], int]:
    decoder = StreamDecoder(provider="anthropic", model="m", profile=profile)
    return decoder.feed(sse(*events)) + decoder.end(), decoder.malformed


def answer(*events: Event, malformed: int = 0, profile: WireProfile = PROFILE) -> Response:
    chunks, passed_over = fed(*events, profile=profile)
    assert passed_over == malformed
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="anthropic", model="m")


def whole(message: Event, profile: WireProfile = PROFILE) -> Response:
    return decode(json.dumps(message).encode(), provider="anthropic", model="m", profile=profile)


def state(**content: Any) -> ProviderState:
    return ProviderState("anthropic", content)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("compaction", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a_word_of_tomorrow", "unknown"),
        (None, "unknown"),
    ],
)
def test_every_stop_reason_has_a_finish_reason(word: str | None, reason: str) -> None:
    assert answer(START, *said("a"), end(word), STOP).finish_reason == reason
    assert whole({"type": "message", "content": [], "stop_reason": word}).finish_reason == reason


def test_the_profile_knows_words_that_the_family_does_not() -> None:
    profile = WireProfile(finish_reasons={"sensitive": "content_filter"})
    assert answer(START, end("sensitive"), STOP, profile=profile).finish_reason == "content_filter"


@pytest.mark.parametrize("word", ["end_turn", None])
def test_an_answer_that_calls_a_tool_ends_in_tool_calls_whatever_it_says(word: str | None) -> None:
    call = block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {}})
    assert answer(START, *call, end(word), STOP).finish_reason == "tool_calls"
    assert answer(START, *call, end("max_tokens"), STOP).finish_reason == "length"


def test_an_empty_answer_is_an_answer() -> None:
    response = whole({"type": "message", "id": "msg_1", "model": "x", "content": [], "stop_reason": "end_turn"})
    assert (response.parts, response.finish_reason, response.id) == ((), "stop", "msg_1")
    assert response.usage == Usage()


def test_the_arguments_of_a_call_are_empty_pieces_whole_or_damaged() -> None:
    def called(given: object, *pieces: str) -> str:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        made = answer(
            START, *block(0, {"type": "tool_use", "id": "t", "name": "f", "input": given}, *deltas), end(), STOP
        )
        return made.tool_calls[0].arguments

    assert called({}) == called({}, "") == called(None) == "{}"
    assert called({}, "", '{"a"', ": 1}") == '{"a": 1}'
    assert called({"a": 1}) == '{"a":1}'
    assert called({"a": 1}, '{"a": 2}') == '{"a": 2}'
    assert called({}, '{"a": "never en') == '{"a": "never en'


def test_a_call_without_an_id_is_numbered_and_its_caller_kept() -> None:
    first = block(0, {"type": "tool_use", "name": "f", "input": {}, "caller": {"type": "direct"}})
    second = block(1, {"type": "tool_use", "id": "t2", "name": "g", "input": {}})
    calls = answer(START, *first, *second, end("tool_use"), STOP).tool_calls
    assert calls == (
        ToolCallPart("call_0", "f", "{}", state(caller={"type": "direct"})),
        ToolCallPart("t2", "g", "{}"),
    )


def test_blocks_may_be_streamed_side_by_side() -> None:
    one, two = (block(index, {"type": "tool_use", "id": f"t{index}", "name": "f", "input": {}},
                      {"type": "input_json_delta", "partial_json": '{"n":'},
                      {"type": "input_json_delta", "partial_json": f"{index}}}"}) for index in (0, 1))  # fmt: skip
    woven = [event for pair in zip(one, two, strict=True) for event in pair]
    calls = answer(START, *woven, end("tool_use"), STOP).tool_calls
    assert [(call.id, call.arguments) for call in calls] == [("t0", '{"n":0}'), ("t1", '{"n":1}')]


def test_usage_is_cumulative_and_the_last_count_holds() -> None:
    delta = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4}}
    last = {**end(), "usage": {"input_tokens": 70, "cache_read_input_tokens": 30, "output_tokens": 11,
                               "server_tool_use": {"web_search_requests": 2}}}  # fmt: skip
    chunks, _ = fed(START, *said("a"), delta, last, STOP)
    usages = [chunk for chunk in chunks if isinstance(chunk, UsageChunk)]
    assert [one.usage.output_tokens for one in usages] == [1, 4, 11]
    assert [one.usage.input_tokens for one in usages] == [5, 5, 100]
    assert {one.model for one in usages} == {"claude-x"}
    assert usages[-1].usage == Usage(input_tokens=100, output_tokens=11, cached_input_tokens=30, web_searches=2)


def test_a_count_that_is_null_later_is_not_forgotten() -> None:
    last = {**end(), "usage": {"input_tokens": None, "output_tokens": 11}}
    assert answer(START, *said("a"), last, STOP).usage == Usage(input_tokens=5, output_tokens=11)


def test_thinking_keeps_its_signature_and_redacted_thinking_its_data() -> None:
    shown = block(0, {"type": "thinking", "thinking": "", "signature": ""},
                  {"type": "thinking_delta", "thinking": "so "}, {"type": "thinking_delta", "thinking": "be it"},
                  {"type": "signature_delta", "signature": "SIG"})  # fmt: skip
    hidden = block(1, {"type": "redacted_thinking", "data": "XXX"})
    unshown = block(2, {"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": "S2"})
    expected = (
        ReasoningPart("so be it", state(signature="SIG")),
        ReasoningPart("", state(data="XXX")),
        ReasoningPart("", state(signature="S2")),
        TextPart("a"),
    )
    assert answer(START, *shown, *hidden, *unshown, *said("a", 3), end(), STOP).parts == expected
    blocks = [{"type": "thinking", "thinking": "so be it", "signature": "SIG"},
              {"type": "redacted_thinking", "data": "XXX"},
              {"type": "thinking", "thinking": "", "signature": "S2"}, {"type": "text", "text": "a"}]  # fmt: skip
    assert whole({"content": blocks, "stop_reason": "end_turn"}).parts == expected


def test_a_step_of_a_built_in_tool_comes_whole_at_its_end() -> None:
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result"}]}
    pieces = [{"type": "input_json_delta", "partial_json": one} for one in ("", '{"query"', ': "x"}')]
    parts = answer(START, *said("a"), *block(1, use, *pieces), *block(2, result), *said("b", 3), end(), STOP).parts
    assert parts == (
        TextPart("a"),
        BuiltinToolPart("anthropic", "server_tool_use", {**use, "input": {"query": "x"}}),
        BuiltinToolPart("anthropic", "web_search_tool_result", result),
        TextPart("b"),
    )


def test_blocks_and_deltas_of_tomorrow_are_kept_as_they_grow() -> None:
    growing = block(0, {"type": "brain_scan", "notes": None, "marks": [1], "level": 1},
                    {"type": "brain_delta", "notes": "ab"}, {"type": "brain_delta", "notes": "cd", "marks": [2]},
                    {"type": "brain_delta", "level": 2},
                    {"type": "input_json_delta", "partial_json": "{no"})  # fmt: skip
    expected = {"type": "brain_scan", "notes": "abcd", "marks": [1, 2], "level": 2, "input": "{no"}
    assert answer(START, *growing, end(), STOP).parts == (BuiltinToolPart("anthropic", "brain_scan", expected),)


def test_the_container_of_an_answer_is_kept() -> None:
    container = {"id": "container_1", "expires_at": "2026-06-30T23:59:30Z"}
    expected = (TextPart("a"), BuiltinToolPart("anthropic", "container", container))
    assert answer(START, *said("a"), end(container=container), STOP).parts == expected
    assert whole({"content": [{"type": "text", "text": "a"}], "container": container}).parts == expected


CITATIONS = [
    {"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": "T", "start_char_index": 0},
    {"type": "page_location", "cited_text": "q", "document_index": 0, "document_title": "T", "start_page_number": 1},
    {"type": "content_block_location", "cited_text": "q", "document_title": "T", "start_block_index": 0},
    {"type": "search_result_location", "cited_text": "q", "title": "T", "source": "https://a.example", "start": 0},
    {"type": "web_search_result_location", "cited_text": "q", "title": "T", "url": "https://a.example", "index": "E"},
]  # fmt: skip


@pytest.mark.parametrize("given", CITATIONS)
def test_a_citation_of_any_kind_spans_the_text_of_its_block(given: Event) -> None:
    cited = block(1, {"type": "text", "text": "", "citations": []}, {"type": "citations_delta", "citation": given},
                  {"type": "text_delta", "text": "known"}, {"type": "text_delta", "text": " fact"})  # fmt: skip
    streamed = answer(START, *said("It is a "), *cited, *said(", so", 2), end(), STOP)
    blocks = [{"type": "text", "text": "It is a "}, {"type": "text", "text": "known fact", "citations": [given]},
              {"type": "text", "text": ", so"}]  # fmt: skip
    assert streamed.parts == whole({"content": blocks}).parts
    (citation,) = streamed.citations
    assert streamed.text[citation.start : citation.end] == "known fact"
    assert (citation.title, citation.quote, citation.state) == ("T", "q", state(**given))
    assert citation.url == (given.get("url") or given.get("source"))


def test_a_citation_after_a_built_in_step_counts_in_its_own_text_part() -> None:
    step = block(1, {"type": "web_search_tool_result", "content": []})
    cited = block(2, {"type": "text", "text": ""}, {"type": "citations_delta", "citation": CITATIONS[0]},
                  {"type": "text_delta", "text": "fact"})  # fmt: skip
    chunks, _ = fed(START, *said("before"), *step, *cited, end(), STOP)
    (citation,) = [chunk.citation for chunk in chunks if isinstance(chunk, CitationChunk)]
    assert (citation.start, citation.end) == (0, 4)


def test_a_citation_without_text_belongs_to_no_other_text() -> None:
    step = block(1, {"type": "web_search_tool_result", "content": []})
    cited = block(2, {"type": "text", "text": "", "citations": [CITATIONS[0]]})
    parts = answer(START, *said("before"), *step, *cited, end(), STOP).parts
    assert parts[0] == TextPart("before")
    assert isinstance(parts[2], TextPart)
    assert [one.quote for one in parts[2].citations] == ["q"]


def test_a_refusal_is_an_answer_with_the_reason_that_was_given() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "This may do harm."}
    response = answer(START, *said("Well"), end("refusal", stop_details=details), STOP)
    assert response.parts == (TextPart("Well"), RefusalPart("This may do harm."))
    assert response.finish_reason == "content_filter"
    assert whole({"content": [], "stop_reason": "refusal", "stop_details": details}).refusal == "This may do harm."


def test_pings_and_unknown_events_are_no_faults_and_damaged_ones_are_counted() -> None:
    chunks, malformed = fed(START, {"type": "ping"}, {"type": "weather_report", "sun": True}, *said("a"), end(), STOP)
    assert malformed == 0
    assert TextChunk("a") in chunks
    decoder = StreamDecoder(provider="anthropic", model="m", profile=PROFILE)
    bad = b"data: {broken\n\ndata: [1]\n\n" + sse(
        {"type": "content_block_delta", "index": 7, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_start", "index": "x", "content_block": {}},
        {"type": "content_block_delta", "index": 0},
    )
    chunks = decoder.feed(sse(START) + bad + sse(*said("a"), end(), STOP)) + decoder.end()
    assert (decoder.malformed, TextChunk("a") in chunks, chunks[-1]) == (5, True, FinishChunk("stop"))


def test_servers_that_open_or_close_no_blocks_are_understood() -> None:
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
              {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}}]  # fmt: skip
    assert answer(START, *deltas, end(), STOP).parts == (ReasoningPart("hm"), TextPart("a"))
    step = {"type": "server_tool_use", "id": "s", "name": "n", "input": {"a": 1}}
    assert answer(START, *block(0, step, stop=False), end(), STOP).parts == (
        BuiltinToolPart("anthropic", "server_tool_use", step),
    )


def test_without_message_stop_a_stream_is_cut_even_after_its_stop_reason() -> None:
    decoder = StreamDecoder(provider="anthropic", model="m", profile=PROFILE)
    chunks = decoder.feed(sse(START, *said("a"), end()))
    assert not any(isinstance(chunk, FinishChunk) for chunk in chunks)
    with pytest.raises(TruncatedStreamError):
        decoder.end()


def test_what_follows_message_stop_changes_nothing() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events = (START, *said("a"), end(), STOP)
    assert fed(*events, error, *said("b", 5), end("max_tokens"), STOP) == fed(*events)


def test_an_error_amid_a_stream_is_raised_after_the_chunks_before_it() -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}, "request_id": "req_9"}
    decoder = StreamDecoder(provider="anthropic", model="m", profile=PROFILE)
    assert TextChunk("a") in decoder.feed(sse(START, *said("a"), error))
    with pytest.raises(RateLimitError, match="Slow down") as raised:
        decoder.feed(b"")
    assert raised.value.request_id == "req_9"


@pytest.mark.parametrize("framing", [b"%s", b"\n  %s\n", b"data: %s\n\n", b"event: error\ndata: %s\n\n"])
def test_an_error_in_place_of_a_stream_is_that_error(framing: bytes) -> None:
    body = framing % b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    decoder = StreamDecoder(provider="anthropic", model="m", profile=PROFILE)
    with pytest.raises(ServerError, match="Overloaded"):
        decoder.feed(body) + decoder.end()


def test_an_error_that_is_only_words_is_an_error() -> None:
    decoder = StreamDecoder(provider="anthropic", model="m", profile=PROFILE)
    with pytest.raises(ServerError, match="upstream went away"):
        decoder.feed(b"event: error\ndata: upstream went away\n\n")


def test_an_error_under_status_200_is_raised_for_what_it_means() -> None:
    with pytest.raises(ServerError):
        whole({"type": "error", "error": {"type": "api_error", "message": "Internal server error"}})


@pytest.mark.parametrize(
    "body", [b"", b"<html>gateway</html>", b"[1]", b'"x"', b"{}", b'{"type":"message","content":"a"}']
)
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError, match="Messages API"):
        decode(body, provider="anthropic", model="m", profile=PROFILE)


def read_all(reader: EventReader, events: list[Event]) -> list[Chunk]:
    return [chunk for event in events for chunk in reader.read(event)]


def test_what_open_blocks_hold_is_bounded() -> None:
    reader = EventReader(provider="anthropic", model="m", profile=PROFILE)
    reader.read(block(0, {"type": "server_tool_use", "id": "s", "name": "n", "input": {}})[0])
    piece = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": "x" * 2**20},
    }
    with pytest.raises(MalformedResponseError, match="open blocks"):
        read_all(reader, [piece] * 100)


def test_what_closed_blocks_held_is_given_back() -> None:
    reader = EventReader(provider="anthropic", model="m", profile=PROFILE)
    for index in range(100):
        for event in block(index, {"type": "compaction"}, {"type": "compaction_delta", "content": "x" * 2**20}):
            reader.read(event)
    assert reader.read(STOP) == [FinishChunk("unknown")]
    assert reader.finished


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "id", "x"]), inner),
    max_leaves=8,
)  # fmt: skip
BLOCK_KINDS = ["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "compaction"]
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from([
        "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "ping",
    ])},
    optional={
        "index": st.integers(0, 2) | JSON,
        "message": JSON | st.fixed_dictionaries({}, optional={"usage": JSON, "model": JSON, "container": JSON}),
        "content_block": JSON | st.fixed_dictionaries({"type": st.sampled_from(BLOCK_KINDS)}, optional=dict.fromkeys(
            ("text", "thinking", "signature", "data", "id", "name", "input", "citations", "caller"), JSON)),
        "delta": JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(
            ("type", "text", "thinking", "signature", "partial_json", "citation", "stop_reason", "stop_details"),
            JSON)),
        "usage": JSON,
    },
)  # fmt: skip


@given(st.lists(EVENTS, max_size=12))
def test_events_of_any_shape_never_crash_the_reader(events: list[Event]) -> None:
    reader, collector = EventReader(provider="anthropic", model="m", profile=PROFILE), Collector()
    with suppress(GatewayError):
        for event in [*events, STOP]:
            for chunk in reader.read(event):
                collector.add(chunk)
        assert reader.finished
    assert collector.response(provider="anthropic", model="m").provider == "anthropic"


WORDS = st.text("ab \n é😀", max_size=6)
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, WORDS),
    st.builds(lambda text, n: {"type": "text", "text": text, "citations": CITATIONS[:n]}, WORDS, st.integers(0, 2)),
    st.builds(lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, WORDS, WORDS),
    st.builds(lambda text: {"type": "redacted_thinking", "data": text}, WORDS),
    st.builds(lambda text: {"type": "tool_use", "id": "t", "name": "f", "input": {"a": text} if text else {}}, WORDS),
    st.builds(lambda text: {"type": "bash_code_execution_tool_result", "content": {"stdout": text}}, WORDS),
)


def streamed_block(index: int, made: Event) -> list[Event]:
    """The block as a server streams it, a character a delta."""
    names = {"text": ("text", "text_delta"), "thinking": ("thinking", "thinking_delta")}
    if made["type"] == "tool_use":
        pieces = json.dumps(made["input"], separators=(",", ":"), ensure_ascii=False) if made["input"] else ""
        return block(
            index, {**made, "input": {}}, *({"type": "input_json_delta", "partial_json": one} for one in pieces)
        )
    if made["type"] not in names:
        return block(index, made)
    name, kind = names[made["type"]]
    deltas = [{"type": kind, name: one} for one in made[name]]
    cited = [{"type": "citations_delta", "citation": one} for one in made.get("citations", [])]
    signed = [{"type": "signature_delta", "signature": made["signature"]}] if made.get("signature") else []
    return block(index, {"type": made["type"], name: ""}, *cited, *deltas, *signed)


@given(st.lists(BLOCKS, max_size=6))
def test_whatever_an_answer_holds_its_stream_makes_the_same_parts(blocks: list[Event]) -> None:
    events = [event for index, made in enumerate(blocks) for event in streamed_block(index, made)]
    streamed = answer(START, *events, end(), STOP)
    answered = whole({"type": "message", "content": blocks, "stop_reason": "end_turn"})
    assert streamed.parts == answered.parts
    assert streamed.finish_reason == answered.finish_reason
    assert answered.text == "".join(made["text"] for made in blocks if made["type"] == "text")
    for part in answered.parts:
        if isinstance(part, TextPart):
            assert all(0 <= (one.start or 0) <= (one.end or 0) <= len(part.text) for one in part.citations)
