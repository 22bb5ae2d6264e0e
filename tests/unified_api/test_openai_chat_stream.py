from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    AuthenticationError,
    ContextOverflowError,
    FailedGenerationError,
    GatewayError,
    MalformedResponseError,
    ProviderError,
    RateLimitError,
    ServerError,
    TruncatedStreamError,
)
from unified_api.types import (
    Chunk,
    FinishChunk,
    ReasoningChunk,
    RefusalChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat import StreamDecoder

PLAIN = WireProfile()
DONE = b"data: [DONE]\n\n"
COUNTS = {"prompt_tokens": 5, "completion_tokens": 3}


def event(value: object, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(finish: object = None, /, **fields: object) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]})


def call(index: object = 0, finish: object = None, /, **fields: object) -> bytes:
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    where = {} if index is None else {"index": index}
    return delta(finish, tool_calls=[{**where, **fields, "function": function}])


def decoder(profile: WireProfile = PLAIN) -> StreamDecoder:
    return StreamDecoder(provider="p", model="asked", profile=profile)


def read(stream: bytes, profile: WireProfile = PLAIN) -> list[Chunk]:
    reader = decoder(profile)
    return reader.feed(stream) + reader.end()


def outcome(stream: bytes, cuts: list[int]) -> tuple[list[Chunk], str | None, int]:
    """Chunks, error and malformed count of a stream fed in pieces."""
    reader, chunks = decoder(), list[Chunk]()
    places = [0, *sorted({cut for cut in cuts if cut < len(stream)}), len(stream)]
    try:
        for start, stop in pairwise(places):
            chunks += reader.feed(stream[start:stop])
        chunks += reader.end()
    except ProviderError as error:
        return chunks, repr(error), reader.malformed
    return chunks, None, reader.malformed


STREAMS = [
    delta(content="") + delta(content="a") + delta("stop", content="é😀") + DONE,
    b": ping\r\n\r\n" + (delta(content="a") + delta("length")).replace(b"\n", b"\r\n") + DONE,
    b"\xef\xbb\xbf\n"
    + delta(content="a")
    + b"data: {broken\n\n"
    + delta("stop")
    + event({"choices": [], "usage": {"prompt_tokens": 1}}),
    delta(content="a") + event({"error": {"message": "boom", "code": 429}}) + delta("stop"),
    delta(content="a") + b"event: error\ndata: no more\n\n",
    delta(content="a") + DONE,
    call(id="c1", name="f", arguments="")
    + call(arguments='{"a"')
    + call(1, id="c2", name="g")
    + call(arguments=":1}")
    + delta("tool_calls"),
    json.dumps(
        {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    ).encode(),
    b'\n {"error": {"message": "bad key", "code": "invalid_api_key"}}',
    b"<html><body>Bad gateway</body></html>",
    b"",
    b"data: [DONE]",
]


@pytest.mark.parametrize("stream", STREAMS)
def test_cuts_anywhere_give_the_same_chunks_errors_and_counts(stream: bytes) -> None:
    whole = outcome(stream, [])
    assert outcome(stream, list(range(len(stream)))) == whole
    for cut in range(len(stream)):
        assert outcome(stream, [cut]) == whole


def test_text_comes_as_it_is_written_and_empty_pieces_make_no_chunk() -> None:
    stream = delta(role="assistant", content="") + delta(content="Hel") + delta(content="lo") + delta("stop") + DONE
    assert read(stream) == [TextChunk("Hel"), TextChunk("lo"), FinishChunk("stop")]


def test_one_event_gives_its_chunks_at_once() -> None:
    reader = decoder()
    assert reader.feed(delta(content="a")) == [TextChunk("a")]
    assert reader.feed(delta("stop")) == [FinishChunk("stop")]
    assert reader.end() == []


def test_thinking_refusals_and_lists_of_parts_are_told_apart() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    stream = (
        delta(reasoning_content="one", content=None)
        + delta(reasoning="two")
        + delta(content=thinking)
        + delta(refusal="no")
        + delta("stop")
    )
    assert read(stream) == [
        ReasoningChunk("one"),
        ReasoningChunk("two"),
        ReasoningChunk("hm"),
        TextChunk("a"),
        RefusalChunk("no"),
        FinishChunk("stop"),
    ]


def test_tool_calls_grow_by_index() -> None:
    stream = (
        call(0, id="c1", name="f", arguments="")
        + call(0, arguments='{"a":')
        + call(1, id="c2", name="g", arguments="{}")
        + call(0, arguments="1}")
        + delta("tool_calls")
    )
    assert read(stream) == [
        ToolCallChunk(0, "c1", "f", ""),
        ToolCallChunk(0, arguments='{"a":'),
        ToolCallChunk(1, "c2", "g", "{}"),
        ToolCallChunk(0, arguments="1}"),
        FinishChunk("tool_calls"),
    ]


@pytest.mark.parametrize(
    "later", [{"id": ""}, {"id": None}, {"id": "null"}, {"id": "c1"}, {}, {"id": "", "name": None}]
)
def test_a_later_piece_never_overwrites_the_id_or_the_name(later: dict[str, object]) -> None:
    stream = call(id="c1", name="f", arguments="{") + call(**later, arguments="}") + delta("tool_calls")
    assert read(stream)[:2] == [ToolCallChunk(0, "c1", "f", "{"), ToolCallChunk(0, arguments="}")]


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    stream = (
        call(None, id="a", name="f", arguments="{")
        + call(None, arguments="}")
        + call(None, id="b", name="f", arguments="{}")
        + delta("tool_calls")
    )
    assert [chunk.index for chunk in read(stream) if isinstance(chunk, ToolCallChunk)] == [0, 0, 1]


def test_parallel_calls_that_all_claim_index_0_are_told_apart_by_their_ids() -> None:
    stream = (
        call(0, id="a", name="f", arguments="{}") + call(0, id="b", name="f", arguments="{") + call(0, arguments="}")
    )
    chunks = read(stream + delta("stop"))
    assert [chunk.index for chunk in chunks if isinstance(chunk, ToolCallChunk)] == [0, 1, 1]
    assert chunks[-1] == FinishChunk("tool_calls")


def test_arguments_may_be_absent_null_or_parsed() -> None:
    stream = (
        call(0, id="a", name="f")
        + call(1, id="b", name="g", arguments=None)
        + call(2, id="c", name="h", arguments={"a": 1})
    )
    arguments = [chunk.arguments for chunk in read(stream + delta("tool_calls")) if isinstance(chunk, ToolCallChunk)]
    assert arguments == ["", "", '{"a":1}']


def test_the_old_function_call_streams_too() -> None:
    stream = delta(function_call={"name": "f", "arguments": ""}) + delta(function_call={"arguments": "{}"})
    assert read(stream + delta("function_call")) == [
        ToolCallChunk(0, None, "f", ""),
        ToolCallChunk(0, arguments="{}"),
        FinishChunk("tool_calls"),
    ]


def usage(prompt: int | None, completion: int | None, **choice: object) -> bytes:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return event({"model": "m-1", "choices": [{"index": 0, "delta": {}, **choice}] if choice else [], "usage": counts})


def last_usage(stream: bytes) -> UsageChunk:
    return [chunk for chunk in read(stream) if isinstance(chunk, UsageChunk)][-1]


@pytest.mark.parametrize(
    "stream",
    [
        delta("stop") + usage(5, 3),
        usage(5, 3) + delta("stop"),
        usage(5, 3, finish_reason="stop"),
        delta("stop") + usage(5, 3, finish_reason=None) + DONE,
        delta("stop") + usage(5, 3, finish_reason="stop"),
        usage(5, 1, delta={"content": "a"})
        + usage(5, 2, delta={"content": "b"})
        + usage(5, 3, finish_reason="stop")
        + usage(5, 3),
        usage(5, None, delta={"content": "a"}) + usage(None, 3, finish_reason="stop"),
        event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": COUNTS}], "model": "m-1"}),
        event(
            {
                "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "model": "m-1",
                "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 3}},
            }
        ),
    ],
)
def test_usage_is_cumulative_wherever_it_comes(stream: bytes) -> None:
    chunks = read(stream)
    assert last_usage(stream) == UsageChunk(Usage(input_tokens=5, output_tokens=3), "m-1")
    assert [chunk for chunk in chunks if isinstance(chunk, FinishChunk)] == [FinishChunk("stop")]


def test_usage_that_says_nothing_new_makes_no_chunk() -> None:
    assert len([chunk for chunk in read(usage(5, 3) * 4 + delta("stop")) if isinstance(chunk, UsageChunk)]) == 1


def test_a_stated_cost_goes_with_the_usage() -> None:
    stream = delta("stop") + event({"choices": [], "usage": {"prompt_tokens": 1, "cost": 0.25}})
    assert last_usage(stream).cost_usd == Decimal("0.25")


def test_a_second_choice_is_not_mixed_into_the_first() -> None:
    other = event({"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}]})
    assert read(delta(content="a") + other + delta("length")) == [TextChunk("a"), FinishChunk("length")]


def test_a_missing_end_mark_after_a_finish_is_a_success() -> None:
    assert read(delta("stop", content="a")) == [TextChunk("a"), FinishChunk("stop")]


def test_nothing_after_the_end_mark_is_read() -> None:
    assert read(delta("stop") + DONE + delta(content="late")) == [FinishChunk("stop")]


@pytest.mark.parametrize(
    "stream",
    [b"", b": ping\n\n", delta(content="a"), delta(content="a") + DONE, delta("", content="a"), delta("not_finished")],
)
def test_a_stream_without_a_finish_reason_is_truncated(stream: bytes) -> None:
    with pytest.raises(TruncatedStreamError, match="'asked' ended without a finish reason"):
        read(stream)


def test_the_end_mark_alone_is_enough_for_a_profile_that_says_so() -> None:
    profile = WireProfile(done_is_finish=True)
    assert read(delta(content="a") + DONE, profile) == [TextChunk("a"), FinishChunk("unknown")]
    with pytest.raises(TruncatedStreamError):
        read(delta(content="a"), profile)


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert read(delta("stop", content="a").rstrip()) == [TextChunk("a"), FinishChunk("stop")]


@pytest.mark.parametrize("damage", [b'data: {"choices": [{\n\n', b"data: 17\n\n", b"data: hello\n\n", b"data: [1]\n\n"])
def test_one_malformed_event_is_skipped_and_counted(damage: bytes) -> None:
    reader = decoder()
    assert reader.feed(delta(content="a") + damage + delta("stop")) == [TextChunk("a"), FinishChunk("stop")]
    assert reader.malformed == 1


def test_events_run_together_without_blank_lines_are_all_read() -> None:
    reader = decoder()
    stream = (delta(content="a") + delta("stop") + DONE).replace(b"\n\n", b"\n")
    assert reader.feed(stream) + reader.end() == [TextChunk("a"), FinishChunk("stop")]
    assert reader.malformed == 0


def test_padding_and_unknown_fields_do_no_harm() -> None:
    noise = event({"choices": [], "object": "", "prompt_filter_results": [{}]}) + event({"type": "ping"})
    noise += event({"status": "queued", "message": "position 3"}) + event({"code": 0, "message": "ok"})
    padded = event(
        {"choices": [{"index": 0, "delta": {"content": "a", "channel": "x"}}], "obfuscation": "zz", "error": None}
    )
    reader = decoder()
    assert reader.feed(noise + padded + delta("stop")) == [TextChunk("a"), FinishChunk("stop")]
    assert reader.malformed == 0


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (
            event(
                {
                    "error": {
                        "message": "x",
                        "type": "invalid_request_error",
                        "code": "tool_use_failed",
                        "status_code": 400,
                    }
                },
                "error",
            ),
            FailedGenerationError,
        ),
        (
            event(
                {
                    "error": {"code": 502, "message": "upstream"},
                    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
                }
            ),
            ServerError,
        ),
        (event({"error": {"code": 429, "message": "x"}, "choices": []}), RateLimitError),
        (event({"type": "error", "error": {"type": "overloaded_error"}}, "error"), ServerError),
        (event({"error": "out of memory"}), ServerError),
        (event({"object": "error", "message": "prompt too long", "code": 40302}), ContextOverflowError),
        (event({"message": "no"}, "error"), ServerError),
        (event({"status": 503, "message": "no"}), ServerError),
        (event({"code": "Throttling", "message": "no"}), RateLimitError),
        (b"event: error\ndata: gone\n\n", ServerError),
        (b"event: error\n\n", ServerError),
        (event(["gone"], "error"), ServerError),
        (event({"choices": [{"index": 0, "delta": {}, "error": {"code": 401, "message": "x"}}]}), AuthenticationError),
        (delta("error"), ServerError),
        (
            event(
                {
                    "choices": [
                        {"index": 0, "delta": {}, "finish_reason": "stop", "native_finish_reason": "network_error"}
                    ]
                }
            ),
            ServerError,
        ),
    ],
)
def test_an_error_inside_the_stream_is_raised_after_the_chunks_before_it(
    failure: bytes, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind):
        decoder().feed(failure)
    reader = decoder()
    assert reader.feed(delta(content="a") + failure) == [TextChunk("a")]
    with pytest.raises(kind):
        reader.feed(b"data: {}\n\n")
    with pytest.raises(kind) as caught:
        reader.end()
    assert (caught.value.provider, caught.value.model) == ("p", "p/asked")


def test_the_usage_on_an_error_is_still_given_for_the_bill() -> None:
    reader = decoder()
    chunks = reader.feed(event({"choices": [], "error": {"code": 502}, "usage": {"prompt_tokens": 7}}))
    assert chunks == [UsageChunk(Usage(input_tokens=7))]
    with pytest.raises(ServerError):
        reader.end()


def test_an_error_after_the_finish_leaves_the_whole_answer_standing() -> None:
    reader = decoder()
    chunks = reader.feed(
        delta("length", content="a") + event({"error": {"code": 400, "message": "Token limit reached"}})
    )
    assert chunks + reader.end() == [TextChunk("a"), FinishChunk("length")]
    assert reader.late_error is not None


def test_a_whole_answer_instead_of_a_stream_becomes_chunks() -> None:
    message = {
        "content": "a",
        "reasoning": "hm",
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
    }
    body = {"model": "m-1", "choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    assert read(json.dumps(body, indent=1).encode()) == [
        ReasoningChunk("hm"),
        TextChunk("a"),
        ToolCallChunk(0, "1", "f", "{}"),
        FinishChunk("tool_calls"),
        UsageChunk(Usage(input_tokens=1), "m-1"),
    ]


def test_an_error_body_instead_of_a_stream_is_raised() -> None:
    with pytest.raises(AuthenticationError):
        read(b'[{"error": {"code": 401, "message": "no key"}}]')
    with pytest.raises(MalformedResponseError, match="Bad gateway"):
        read(b"<html>Bad gateway</html>")


@pytest.mark.parametrize("start", [b"data: ", b"{"])
def test_an_endless_event_or_document_is_given_up(start: bytes) -> None:
    reader = decoder()
    reader.feed(start)
    with pytest.raises(MalformedResponseError, match="cannot be read"):
        [reader.feed(b"x" * (1 << 20)) for _ in range(65)]


def test_chunks_one_a_line_without_event_framing_are_read() -> None:
    stream = (delta(content="a") + delta("stop")).replace(b"data: ", b"").replace(b"\n\n", b"\n")
    assert read(stream) == [TextChunk("a"), FinishChunk("stop")]


KEYS = [
    *("choices", "delta", "content", "tool_calls", "function", "name", "arguments", "index", "id", "usage", "error"),
    *("finish_reason", "reasoning", "function_call", "x_groq", "message", "cost", "model"),
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "stop", "null", "error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JUNK, max_size=4), JUNK)
def test_no_shape_of_event_makes_the_decoder_crash(values: list[object], inner: object) -> None:
    shaped = [{"choices": [{"delta": inner, "finish_reason": inner}]}, {"choices": [{"delta": {"tool_calls": inner}}]}]
    with suppress(GatewayError):
        read(b"".join(event(value) for value in [*values, *shaped]) + delta("stop"))
    with suppress(GatewayError):
        read(b"".join(event(value) for value in shaped) + delta("stop"))


@given(
    st.lists(
        st.sampled_from([b"\xef", b"\xbb\xbf", b"\xef\xbb\xbf", b" ", b"\r", b"\n", b"data: {}\n\n", b"{", b"}"]),
        max_size=12,
    )
)
def test_whatever_comes_first_is_read_the_same_when_cut(pieces: list[bytes]) -> None:
    stream = b"".join(pieces) + delta("stop", content="a")
    assert outcome(stream, list(range(len(stream)))) == outcome(stream, [])


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_crash(stream: bytes) -> None:
    with suppress(GatewayError):
        read(stream)
    with suppress(GatewayError):
        read(b"data: " + stream)
