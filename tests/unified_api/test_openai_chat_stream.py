from __future__ import annotations

import base64
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
    AlternativeChunk,
    AudioPart,
    BuiltinToolPart,
    Chunk,
    Citation,
    CitationChunk,
    FinishChunk,
    ImagePart,
    LogprobsChunk,
    Part,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.openai_chat import StreamDecoder

PLAIN = WireProfile()
MARK = ProviderState("p", {})
"""Says of plain thinking whose it is."""
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
    event(
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {"reasoning": "h", "reasoning_details": [{"type": "t", "text": "h", "index": 0}]},
                },
                {"index": 1, "delta": {"audio": {"id": "a", "data": "AAAA"}, "executed_tools": [{"index": 0}]}},
            ],
            "citations": ["https://x.example"],
        }
    )
    + event({"choices": [{"index": at, "delta": {"content": "a"}, "finish_reason": "stop"} for at in (1, 0)]}),
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
        ReasoningChunk("", MARK),
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


def other(number: int, finish: object = None, /, **fields: object) -> bytes:
    return event({"choices": [{"index": number, "delta": fields, "finish_reason": finish}]})


def test_further_choices_are_alternatives_and_never_mixed_into_the_first() -> None:
    stream = delta(content="a") + other(1, content="B") + delta("length") + other(1, "stop", content="C")
    assert read(stream) == [
        TextChunk("a"),
        AlternativeChunk(1, TextChunk("B")),
        FinishChunk("length"),
        AlternativeChunk(1, TextChunk("C")),
        AlternativeChunk(1, FinishChunk("stop")),
    ]
    both = {"choices": [{"delta": {"content": text}, "finish_reason": "stop"} for text in "ab"]}
    assert read(event(both))[-2:] == [AlternativeChunk(1, TextChunk("b")), AlternativeChunk(1, FinishChunk("stop"))]


def test_a_stream_is_whole_only_when_every_choice_has_finished() -> None:
    with pytest.raises(TruncatedStreamError):
        read(delta("stop", content="a") + other(1, content="B") + DONE)
    with pytest.raises(RateLimitError):
        read(delta("stop") + other(1, content="B") + event({"error": {"code": 429, "message": "x"}}))
    assert read(delta("stop") + other(1, "error"))[-1] == AlternativeChunk(1, FinishChunk("error"))


def whole(message: dict[str, object], **more: object) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **more}).encode()


def parts(stream: bytes) -> tuple[Part, ...]:
    collector = Collector()
    for chunk in read(stream):
        collector.add(chunk)
    return collector.response(provider="p", model="m").parts


def test_details_of_thinking_come_in_pieces_and_go_back_as_one() -> None:
    pieces = [
        {"type": "reasoning.text", "text": "h", "signature": "", "format": "x", "index": 0},
        {"type": "reasoning.text", "text": "m", "format": "x", "index": 0},
        {"type": "reasoning.text", "signature": "s", "format": "x", "index": 0},
        {"type": "reasoning.encrypted", "data": "ab", "id": "r1", "index": 1},
        {"type": "reasoning.encrypted", "data": "cd", "id": "r2", "index": 1},
    ]
    made = [
        {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "x", "index": 0},
        *pieces[3:],
    ]
    stream = b"".join(delta(content="", reasoning=piece.get("text"), reasoning_details=[piece]) for piece in pieces)
    assert read(stream + delta("stop", content="a")) == [
        ReasoningChunk("h"),
        ReasoningChunk("m"),
        ReasoningChunk("", ProviderState("p", {"reasoning_details": made})),
        TextChunk("a"),
        FinishChunk("stop"),
    ]
    assert parts(stream + delta("stop", content="a")) == parts(
        whole({"content": "a", "reasoning": "hm", "reasoning_details": made})
    )


def test_details_stay_with_the_thinking_before_a_call() -> None:
    details = [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]
    stream = delta(reasoning="hm", reasoning_details=details) + call(id="c", name="f", arguments="{}") + delta("stop")
    held = ProviderState("p", {"reasoning_details": details})
    assert parts(stream) == (ReasoningPart("hm", held), ToolCallPart("c", "f"))


def test_details_that_come_after_the_text_are_not_lost() -> None:
    late = [{"type": "reasoning.encrypted", "data": "x", "index": 0}]
    held = ProviderState("p", {"reasoning_details": late})
    assert read(delta(content="a", reasoning_details=late) + delta("stop"))[:2] == [
        ReasoningChunk("", held),
        TextChunk("a"),
    ]
    assert read(delta(content="a") + delta("stop", reasoning_details=late)) == [
        TextChunk("a"),
        ReasoningChunk("", held),
        FinishChunk("stop"),
    ]
    assert read(delta("stop", content="a") + delta(reasoning_details=late))[-1] == ReasoningChunk("", held)


def test_the_signature_of_a_thinking_part_is_for_all_its_pieces() -> None:
    first = {"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}
    last = {"type": "thinking", "thinking": [{"type": "text", "text": "m"}], "signature": "s"}
    block = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "s"}
    stream = delta(content=[first]) + delta(content=[last]) + delta("stop", content=[{"type": "text", "text": "a"}])
    assert parts(stream) == parts(whole({"content": [block, {"type": "text", "text": "a"}]}))


def test_steps_of_built_in_tools_are_told_once_with_their_output() -> None:
    begun = {"index": 0, "type": "search", "arguments": "{}"}
    done = {**begun, "output": "found"}
    stream = (
        delta(reasoning="h")
        + delta(executed_tools=[begun])
        + delta(reasoning="m")
        + delta(executed_tools=[done])
        + delta(content="a")
        + delta("stop", executed_tools=[done])
    )
    assert parts(stream) == (ReasoningPart("hm", MARK), BuiltinToolPart("p", "executed_tools", done), TextPart("a"))
    assert parts(stream) == parts(whole({"content": "a", "reasoning": "hm", "executed_tools": [done]}))


def test_sound_comes_in_pieces_and_is_one_part() -> None:
    sound = bytes(range(200))
    encoded = base64.b64encode(sound).decode()
    stream = delta(audio={"id": "a1", "transcript": "he"}) + delta(audio={"transcript": "llo"})
    apart = [base64.b64encode(sound[at : at + 50]).decode() for at in range(0, 200, 50)]
    for pieces in (apart, [encoded[at : at + 37] for at in range(0, len(encoded), 37)]):
        spoken = stream + b"".join(delta(audio={"data": piece}) for piece in pieces)
        made = parts(spoken + delta("stop", audio={"expires_at": 1}))
        assert made == (AudioPart(data=sound, transcript="hello", state=ProviderState("p", {"id": "a1"})),)
        assert made == parts(whole({"content": None, "audio": {"id": "a1", "data": encoded, "transcript": "hello"}}))


def test_images_citations_and_probabilities_come_as_they_are_made() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://x.example", "start_index": 0, "end_index": 1}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    likely = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": []}]}
    stream = event({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": likely}]})
    stream += delta(annotations=[cited]) + delta(annotations=[cited]) + delta("stop", images=[image])
    assert read(stream) == [
        TextChunk("a"),
        LogprobsChunk((TokenLogprob("a", -0.5),)),
        CitationChunk(Citation("https://x.example", start=0, end=1, state=ProviderState("p", cited))),
        PartChunk(ImagePart(url="data:image/png;base64,AA==")),
        FinishChunk("stop"),
    ]
    assert parts(stream) == parts(whole({"content": "a", "annotations": [cited], "images": [image]}))


def test_sources_named_with_every_piece_are_given_once_before_the_finish() -> None:
    named = ["https://a.example", "https://b.example"]
    piece = {"choices": [{"index": 0, "delta": {"content": "a"}}], "citations": named[:1]}
    end = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], "citations": named}
    cited = [CitationChunk(Citation(url)) for url in named]
    assert read(event(piece) + event(piece) + event(end) + event(end)) == [
        TextChunk("a"), TextChunk("a"), *cited, FinishChunk("stop"),
    ]  # fmt: skip


def test_a_signature_on_a_call_comes_with_its_piece() -> None:
    extra = {"google": {"thought_signature": "s"}}
    chunks = read(call(id="c", name="f", arguments="{}", extra_content=extra) + delta("stop"))
    assert chunks[0] == ToolCallChunk(0, "c", "f", "{}", ProviderState("p", {"extra_content": extra}))


def test_calls_of_custom_tools_stream_their_plain_input() -> None:
    first = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": "select "}}
    stream = (
        delta(tool_calls=[first]) + delta(tool_calls=[{"index": 0, "custom": {"input": "1"}}]) + delta("tool_calls")
    )
    made = ToolCallPart("c", "sql", "select 1", ProviderState("p", {"type": "custom"}))
    whole_call = {**first, "custom": {"name": "sql", "input": "select 1"}}
    assert parts(stream) == parts(whole({"content": None, "tool_calls": [whole_call]})) == (made,)


def test_sound_without_end_is_given_up() -> None:
    reader = decoder()
    piece = delta(audio={"data": "A" * (8 << 20)})
    with pytest.raises(MalformedResponseError, match="bytes of sound"):
        [reader.feed(piece) for _ in range(9)]


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


def test_a_whole_answer_instead_of_a_stream_becomes_chunks() -> None:
    message = {
        "content": "a",
        "reasoning": "hm",
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
    }
    body = {"model": "m-1", "choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    assert read(json.dumps(body, indent=1).encode()) == [
        ReasoningChunk("hm"),
        ReasoningChunk("", MARK),
        TextChunk("a"),
        ToolCallChunk(0, "1", "f", "{}"),
        FinishChunk("tool_calls"),
        UsageChunk(Usage(input_tokens=1), "m-1"),
    ]


def test_a_whole_answer_in_one_event_is_read_once() -> None:
    message = {"content": "a", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}
    one = event({"choices": [{"message": message, "finish_reason": None}]})
    last = event({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert read(one + last + DONE) == [TextChunk("a"), ToolCallChunk(0, "1", "f", "{}"), FinishChunk("tool_calls")]
    beside = event({"choices": [{"delta": {"content": "a"}, "message": {"content": "a"}, "finish_reason": "stop"}]})
    assert read(beside) == [TextChunk("a"), FinishChunk("stop")]


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
