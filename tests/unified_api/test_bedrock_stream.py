from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from aws_frames import chunk_frame, event_frame, exception_frame, frame, raw_header
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    ContextOverflowError,
    FailedGenerationError,
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    NotFoundError,
    ProviderError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    FinishChunk,
    ImagePart,
    ProviderState,
    ReasoningPart,
    Response,
    TextChunk,
    TextPart,
    ToolCallPart,
    UsageChunk,
)
from unified_api.wire import bedrock
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock import invoke as bedrock_invoke
from unified_api.wire.collect import Collector
from unified_api.wire.errors import decode_error

NAMED: Any = {"provider": "bedrock", "model": "m", "profile": WireProfile()}
USAGE = {
    "inputTokens": 5,
    "outputTokens": 2,
    "totalTokens": 107,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 40,
}


def delta(index: int, **what: Any) -> bytes:
    return event_frame("contentBlockDelta", {"contentBlockIndex": index, "delta": what, "p": "abc"})


def start(index: int, **what: Any) -> bytes:
    return event_frame("contentBlockStart", {"contentBlockIndex": index, "start": what, "p": "ab"})


def stop(index: int) -> bytes:
    return event_frame("contentBlockStop", {"contentBlockIndex": index, "p": "a"})


def message_stop(reason: str = "end_turn") -> bytes:
    return event_frame("messageStop", {"stopReason": reason})


HELLO = delta(0, text="Hel") + delta(0, text="lo") + stop(0)
METADATA = event_frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 3}})
IMAGE = {"format": "png"}


def chunks_of(*pieces: bytes, wire: Any = bedrock) -> list[Chunk]:
    decoder = wire.StreamDecoder(**NAMED)
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.end()


def collected(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="bedrock", model="m")


def decode(*content: Any, **more: Any) -> Response:
    body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn", **more}
    return bedrock.decode(json.dumps(body).encode(), **NAMED)


CASES: dict[str, tuple[list[bytes], list[Any], list[Any]]] = {
    "text": ([HELLO], [{"text": "Hello"}], [TextPart("Hello")]),
    "signed thinking": (
        [
            delta(0, reasoningContent={"text": "h"}), delta(0, reasoningContent={"text": "m"}),
            delta(0, reasoningContent={"signature": "si"}), delta(0, reasoningContent={"signature": "g"}), stop(0),
            delta(1, text="Hi"), stop(1),
        ],
        [{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}}, {"text": "Hi"}],
        [ReasoningPart("hm", ProviderState("bedrock", {"signature": "sig"})), TextPart("Hi")],
    ),
    "redacted thinking in pieces": (
        [delta(0, reasoningContent={"redactedContent": "QQ=="}), delta(0, reasoningContent={"redactedContent": "Qg=="}),
         stop(0)],
        [{"reasoningContent": {"redactedContent": "QUI="}}],
        [ReasoningPart("", ProviderState("bedrock", {"redactedContent": "QUI="}))],
    ),
    "calls, one without arguments": (
        [
            start(0, toolUse={"toolUseId": "a", "name": "f"}), delta(0, toolUse={"input": ""}),
            delta(0, toolUse={"input": '{"x":'}), delta(0, toolUse={"input": "1}"}), stop(0),
            start(1, toolUse={"toolUseId": "b", "name": "g", "type": "tool_use"}), stop(1),
        ],
        [
            {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1}}},
            {"toolUse": {"toolUseId": "b", "name": "g", "input": {}, "type": "tool_use"}},
        ],
        [ToolCallPart("a", "f", '{"x":1}'), ToolCallPart("b", "g", "{}")],
    ),
    "a tool that the provider runs": (
        [
            start(0, toolUse={"toolUseId": "a", "name": "s", "type": "server_tool_use"}),
            delta(0, toolUse={"input": '{"q":'}), delta(0, toolUse={"input": '"x"}'}), stop(0),
            start(1, toolResult={"toolUseId": "a", "type": "s_result", "status": "success"}),
            delta(1, toolResult=[{"text": "fo"}]), delta(1, toolResult=[{"text": "und"}, {"json": {"n": 1}}]), stop(1),
        ],
        [
            {"toolUse": {"toolUseId": "a", "name": "s", "type": "server_tool_use", "input": {"q": "x"}}},
            {"toolResult": {"toolUseId": "a", "type": "s_result", "status": "success",
                            "content": [{"text": "found"}, {"json": {"n": 1}}]}},
        ],
        [
            BuiltinToolPart("bedrock", "server_tool_use", {"toolUse": {
                "toolUseId": "a", "name": "s", "type": "server_tool_use", "input": {"q": "x"}}}),
            BuiltinToolPart("bedrock", "s_result", {"toolResult": {
                "toolUseId": "a", "type": "s_result", "status": "success",
                "content": [{"text": "found"}, {"json": {"n": 1}}]}}),
        ],
    ),
    "an image in pieces": (
        [start(0, image=IMAGE), delta(0, image={"source": {"bytes": "QQ=="}}),
         delta(0, image={"source": {"bytes": "Qg=="}}), stop(0)],
        [{"image": {"format": "png", "source": {"bytes": "QUI="}}}],
        [ImagePart(data=b"AB", media_type="image/png")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_blocks_mean_the_same_in_pieces_and_whole(name: str) -> None:
    pieces, blocks, parts = CASES[name]
    streamed = collected(chunks_of(*pieces, message_stop(), METADATA))
    whole = decode(*blocks, usage=USAGE)
    assert list(streamed.parts) == list(whole.parts) == parts
    assert (streamed.finish_reason, streamed.usage) == (whole.finish_reason, whole.usage)


def test_citations_come_after_their_text_with_the_characters_that_they_support() -> None:
    citation = {"title": "T", "source": "https://x.example/", "sourceContent": [{"text": "qu"}, {"text": "ote"}]}
    web = {"location": {"web": {"url": "https://y.example/", "domain": "y.example"}}}
    pieces = [delta(0, text="So "), stop(0), delta(1, citation=citation), delta(1, text="it is"), stop(1)]
    pieces += [delta(2, citation=web), stop(2)]
    blocks = [
        {"text": "So "},
        {"citationsContent": {"content": [{"text": "it "}, {"text": "is"}], "citations": [citation]}},
        {"citationsContent": {"citations": [web]}},
    ]
    streamed = collected(chunks_of(*pieces, message_stop()))
    assert streamed.parts == decode(*blocks).parts
    (part,) = streamed.parts
    assert isinstance(part, TextPart)
    first, second = part.citations
    assert (part.text, first.start, first.end, first.quote) == ("So it is", 3, 8, "quote")
    assert (first.url, first.title, second.url) == ("https://x.example/", "T", "https://y.example/")
    assert (second.start, second.end) == (None, None)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
        ("model_context_window_exceeded", "length"), ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"), ("something_new", "unknown"),
    ],
)  # fmt: skip
def test_stop_reasons_are_put_into_our_words(word: str, finish: str) -> None:
    assert FinishChunk(finish) in chunks_of(HELLO, message_stop(word))  # type: ignore[arg-type]  # one of ours
    assert decode({"text": "x"}, stopReason=word).finish_reason == finish


def test_an_answer_with_a_call_that_ended_well_is_tool_calls() -> None:
    assert decode({"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}).finish_reason == "tool_calls"


@pytest.mark.parametrize("word", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_that_the_model_spoiled_is_an_error_after_its_chunks(word: str) -> None:
    decoder = bedrock.StreamDecoder(**NAMED)
    assert decoder.feed(HELLO + message_stop(word)) == [TextChunk("Hel"), TextChunk("lo")]
    with pytest.raises(FailedGenerationError, match=word):
        decoder.end()
    with pytest.raises(FailedGenerationError, match=word):
        decode({"text": "x"}, stopReason=word)


def test_usage_contains_the_cache_and_comes_after_the_finish() -> None:
    details = {**USAGE, "cacheDetails": [{"ttl": "1h", "inputTokens": 30}, {"ttl": "5m", "inputTokens": 10}]}
    *_, finish, last = chunks_of(HELLO, message_stop(), event_frame("metadata", {"usage": details}))
    assert finish == FinishChunk("stop")
    assert isinstance(last, UsageChunk)
    usage = last.usage
    assert (usage.input_tokens, usage.output_tokens) == (105, 2)
    assert (usage.cached_input_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (60, 40, 30)


def test_a_prompt_router_tells_which_model_answered() -> None:
    arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
    trace = {"promptRouter": {"invokedModelId": arn}, "guardrail": {"modelOutput": ["secret"]}}
    whole = decode({"text": "x"}, usage=USAGE, trace=trace)
    assert whole.model == "bedrock/amazon.nova-pro-v1:0"
    assert "secret" not in repr(whole)


def test_a_stream_without_usage_is_whole_and_one_without_a_stop_is_not() -> None:
    assert collected(chunks_of(HELLO, message_stop())).text == "Hello"
    for cut in (HELLO, HELLO + message_stop()[:-1], b"", event_frame("messageStart", {"role": "assistant"})):
        decoder = bedrock.StreamDecoder(**NAMED)
        decoder.feed(cut)
        with pytest.raises(TruncatedStreamError):
            decoder.end()


@pytest.mark.parametrize(
    ("kind", "body", "error", "status"),
    [
        ("throttlingException", {"message": "Too many requests"}, RateLimitError, 429),
        ("validationException", {"message": "bad field"}, InvalidRequestError, 400),
        ("validationException", {"message": "Input is too long for requested model."}, ContextOverflowError, 400),
        ("internalServerException", {"message": "oh"}, ServerError, 500),
        ("serviceUnavailableException", {"message": "busy"}, ServerError, 503),
        ("modelTimeoutException", {"message": "slow"}, TimedOutError, 408),
        ("resourceNotFoundException", {"message": "no such model"}, NotFoundError, 404),
        ("modelStreamErrorException", {"message": "it broke"}, ServerError, 424),
        ("modelStreamErrorException", {"message": "it broke", "originalStatusCode": 429}, RateLimitError, 429),
        ("modelStreamErrorException", {"originalStatusCode": 503, "originalMessage": "y"}, ServerError, 503),
        ("somethingNewException", {"message": "new"}, ServerError, 500),
        ("internalServerException", "no object", ServerError, 500),
    ],
)  # fmt: skip
def test_an_exception_in_the_stream_is_raised_after_what_came_before_it(
    kind: str, body: Any, error: type[ProviderError], status: int
) -> None:
    decoder = bedrock.StreamDecoder(**NAMED)
    assert decoder.feed(HELLO + exception_frame(kind, body)) == [TextChunk("Hel"), TextChunk("lo")]
    with pytest.raises(error) as caught:
        decoder.end()
    assert type(caught.value) is error
    assert (caught.value.status, caught.value.provider_code) == (status, kind)
    for said in body.values() if isinstance(body, dict) else [body]:
        assert isinstance(said, int) or said in str(caught.value)


@pytest.mark.parametrize(
    ("status", "name", "said", "error", "param"),
    [
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "authentication",
            None,
        ),
        (403, "", "The security token included in the request is expired", "authentication", None),
        (403, "", "Authentication failed: Please make sure your API Key is valid.", "authentication", None),
        (
            403,
            "InvalidSignatureException:http://internal",
            "The request signature we calculated ...",
            "authentication",
            None,
        ),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified ID.",
            "permission_denied",
            None,
        ),
        (429, "ThrottlingException", "Too many tokens, please wait before trying again.", "rate_limit", None),
        (400, "com.amazon#ServiceQuotaExceededException", "Your request exceeds the quota", "quota", None),
        (400, "ValidationException", "The provided model identifier is invalid.", "not_found", None),
        (
            400,
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn’t supported.",
            "not_found",
            None,
        ),
        (
            400,
            "ValidationException",
            "This model doesn't support the stopSequences field. Remove it.",
            "unsupported_parameter",
            "stopSequences",
        ),
        (
            400,
            "ValidationException",
            "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat",
            "unsupported_parameter",
            "top_k",
        ),
        (
            400,
            "ValidationException",
            "Malformed input request: #/messages/2: extraneous key [toolResult] is not permitted",
            "invalid_request",
            None,
        ),
        (424, "ModelErrorException", "The model failed", "server_error", None),
        (408, "ModelTimeoutException", "too slow", "timed_out", None),
        (503, "ServiceUnavailableException", "busy", "server_error", None),
    ],
)
def test_error_answers_mean_what_their_exception_says(
    status: int, name: str, said: str, error: str, param: str | None
) -> None:
    body = json.dumps({"message": said}).encode()
    found = decode_error(status, {"X-Amzn-ErrorType": name}, body, provider="p", model="m")
    assert (found.code, found.status, found.param) == (error, status, param)
    named = name.partition(":")[0].rpartition("#")[2]
    assert found.provider_code == (named or None)


def test_a_model_that_failed_behind_bedrock_says_with_what() -> None:
    body = b'{"message": "the model refused", "originalStatusCode": 429, "resourceName": "r"}'
    assert isinstance(decode_error(424, {}, body, provider="p", model="m"), RateLimitError)


def test_an_exception_before_everything_is_raised_at_once_and_one_after_the_finish_hurts_nobody() -> None:
    decoder = bedrock.StreamDecoder(**NAMED)
    with pytest.raises(RateLimitError):
        decoder.feed(exception_frame("throttlingException", {"message": "slow down"}))
    decoder = bedrock.StreamDecoder(**NAMED)
    decoder.feed(HELLO + message_stop() + exception_frame("internalServerException", {"message": "late"}))
    assert decoder.end() == []
    assert isinstance(decoder.late_error, ServerError)


def test_an_unmodelled_error_frame_is_an_error_too() -> None:
    def string(name: str, value: str) -> bytes:
        return raw_header(name, 7, len(value).to_bytes(2, "big") + value.encode())

    headers = string(":message-type", "error") + string(":error-code", "InternalFailure")
    decoder = bedrock.StreamDecoder(**NAMED)
    with pytest.raises(ServerError, match="it went wrong"):
        decoder.feed(frame(headers + string(":error-message", "it went wrong"), b""))


def test_what_cannot_be_read_is_passed_over_and_counted() -> None:
    damaged = bytearray(delta(0, text="lost"))
    damaged[-1] ^= 1
    decoder = bedrock.StreamDecoder(**NAMED)
    strange = [event_frame("brandNew", {"x": 1}), delta(0, brandNew={"x": 1})]
    unreadable = [bytes(damaged), frame(b"", b"{}"), event_frame("metadata", [1])]
    chunks = [c for piece in (*strange, *unreadable, HELLO, message_stop()) for c in decoder.feed(piece)]
    assert collected(chunks + decoder.end()).text == "Hello"
    assert decoder.malformed == len(unreadable)


def test_a_broken_stream_is_an_error_after_what_came_before_it() -> None:
    decoder = bedrock.StreamDecoder(**NAMED)
    assert len(decoder.feed(HELLO + b"\x00\x01" * 40)) == 2
    with pytest.raises(MalformedResponseError, match="checksum"):
        decoder.feed(message_stop())


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_a_document_in_the_place_of_frames_is_read_as_what_it_is(cut: int) -> None:
    answer = {"output": {"message": {"content": [{"text": "Hello"}]}}, "stopReason": "end_turn", "usage": USAGE}
    body = b" \n" + json.dumps(answer).encode()
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
    assert collected(chunks_of(*pieces)).parts == (TextPart("Hello"),)
    assert collected(chunks_of(*pieces, wire=bedrock_invoke)).parts == (TextPart("Hello"),)
    with pytest.raises(MalformedResponseError):
        chunks_of(b'{"message": "The model is not there"}')


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"output": {}}', b'{"output": {"message": {"content": "x"}}}', b"<html>"]
)
def test_what_is_no_answer_is_said_so(body: bytes) -> None:
    for wire in (bedrock, bedrock_invoke):
        with pytest.raises(MalformedResponseError):
            wire.decode(body, **NAMED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(["text", "toolUse", "input"]), one),
    max_leaves=6,
)  # fmt: skip
BLOCKS = st.dictionaries(
    st.sampled_from(["text", "toolUse", "toolResult", "reasoningContent", "citation", "image", "contentBlockIndex"]),
    JSON,
)


@given(st.lists(st.tuples(st.sampled_from(["start", "delta", "whole"]), BLOCKS | JSON), max_size=6), st.data())
def test_any_json_in_sound_frames_ends_in_chunks_or_a_typed_error(
    events: list[tuple[str, Any]], data: st.DataObject
) -> None:
    names = {"start": "contentBlockStart", "delta": "contentBlockDelta", "whole": "messageStop"}
    stream = b"".join(event_frame(names[kind], {kind: value, "contentBlockIndex": 0}) for kind, value in events)
    stream += b"".join(chunk_frame({names[kind]: {kind: value}}) for kind, value in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
    for wire in (bedrock, bedrock_invoke):
        whole, cut = outcome(wire, [stream]), outcome(wire, pieces)
        assert whole == cut
    body = {"output": {"message": {"content": [value for _, value in events]}}, "stopReason": "end_turn"}
    with suppress(GatewayError):
        bedrock.decode(json.dumps(body).encode(), **NAMED)


def outcome(wire: Any, pieces: list[bytes]) -> tuple[list[Chunk], str]:
    decoder, chunks = wire.StreamDecoder(**NAMED), []
    try:
        for piece in pieces:
            chunks += decoder.feed(piece)
        chunks += decoder.end()
    except GatewayError as error:
        return chunks, f"{type(error).__name__} {decoder.malformed}"
    return chunks, f"{decoder.malformed}"
