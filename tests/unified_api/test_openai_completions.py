"""The old text completions: every recording, and what the recordings do not hold."""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from openai_rules import openai_faults
from wire_recordings import Recording, everything

from unified_api.errors import (
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    ServerError,
    TruncatedStreamError,
    UnsupportedParameterError,
)
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    FinishChunk,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    Request,
    Response,
    TextChunk,
    TextPart,
    Tool,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.openai_completions import UNSUPPORTED, StreamDecoder, decode, encode, read_request

Body = dict[str, Any]


@cache
def recordings() -> tuple[Recording, ...]:
    """Those of the family: Portkey's prompt completions answer as a chat does, and are read as one."""
    return tuple(
        one
        for one in everything()
        if one.path.endswith("/completions")
        and not one.path.endswith("/chat/completions")
        and one.provider != "portkey"
    )


def good(*, streaming: bool) -> list[Recording]:
    return [one for one in recordings() if one.status == 200 and one.streaming is streaming]


def chunks_of(*pieces: bytes, **profile: Any) -> list[Chunk]:
    decoder = StreamDecoder(provider="p", model="m", profile=WireProfile(**profile))
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.end()
    assert decoder.malformed == 0
    return chunks


def collected(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="p", model="m")


def events(body: bytes) -> list[Body]:
    lines = (line[5:] for line in body.decode().splitlines() if line.startswith("data:"))
    return [json.loads(line) for line in lines if line.strip() != "[DONE]"]


def event(*choices: Body, **fields: Any) -> bytes:
    return f"data: {json.dumps({'model': 'm-1', 'choices': list(choices), **fields})}\n\n".encode()


def choice(text: str, *, index: int = 0, finish: str | None = None, **fields: Any) -> Body:
    return {"text": text, "index": index, "finish_reason": finish, **fields}


def same_usage(response: Response, stated: Body | None) -> None:
    assert response.usage.input_tokens == (stated or {}).get("prompt_tokens")
    assert response.usage.output_tokens == (stated or {}).get("completion_tokens")


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    for recording in good(streaming=False):
        plain = json.loads(recording.body)
        response = decode(recording.body, provider="p", model="m", profile=WireProfile())
        texts = [response.text, *(other.text for other in response.alternatives)]
        assert texts == [one["text"] for one in plain["choices"]]
        finishes = [response.finish_reason, *(other.finish_reason for other in response.alternatives)]
        assert finishes == [one.get("finish_reason") or "unknown" for one in plain["choices"]]
        told = [response.logprobs, *(other.logprobs for other in response.alternatives)]
        stated = [(one.get("logprobs") or {}) for one in plain["choices"]]
        assert [[token.token for token in tokens] for tokens in told] == [one.get("tokens", []) for one in stated]
        assert [[dict(token.top) for token in tokens] for tokens in told] == [
            one.get("top_logprobs", []) for one in stated
        ]
        same_usage(response, plain.get("usage"))
        assert (response.id, response.model) == (plain.get("id"), f"p/{plain['model']}")
    assert len(good(streaming=False)) >= 14


@needs_corpora
def test_every_recorded_stream_is_read_as_it_stands_however_it_is_cut() -> None:
    seeded = random.Random(7)
    for recording in good(streaming=True):
        plain, size = events(recording.body), len(recording.body)
        chunks = chunks_of(recording.body)
        response = collected(chunks)
        assert response.text == "".join(one["text"] for event in plain for one in event["choices"])
        ends = [one["finish_reason"] for event in plain for one in event["choices"] if one["finish_reason"]]
        assert {response.finish_reason} == set(ends)
        assert sum(isinstance(chunk, FinishChunk) for chunk in chunks) == 1  # though some say it twice
        usage = next((one["usage"] for one in plain if one.get("usage")), None)
        same_usage(response, usage)
        # The name that was echoed comes with the usage, for which alone it matters.
        assert response.model == (f"p/{plain[0]['model']}" if usage else "p/m")
        for pieces in (1, 20):
            cuts = [0, *sorted(seeded.randrange(size) for _ in range(pieces)), size]
            assert chunks_of(*(recording.body[start:stop] for start, stop in pairwise(cuts))) == chunks
        end = recording.body.find(b'"finish_reason":"')
        with pytest.raises(TruncatedStreamError):
            chunks_of(recording.body[: recording.body.rfind(b"\n\n", 0, end)])
    assert len(good(streaming=True)) >= 10


def meaning(body: Body) -> Body:
    """The body in one spelling. What counts as the same, and nothing else:

    * a key that is null, and a key that is absent; `stream: false` and no `stream`;
    * one prompt, and a list of one prompt; one `stop`, and a list of one;
    * a stream with and without its usage asked for (`stream_options.include_usage`), which is always asked.
    """
    body = {key: value for key, value in body.items() if value is not None and key != "stream_options"}
    body["stream"] = bool(body.get("stream"))
    for key in ("prompt", "stop"):
        if isinstance(body.get(key), str):
            body[key] = [body[key]]
    return body


@needs_corpora
def test_every_recorded_request_means_the_same_when_it_was_read_and_written() -> None:
    for recording in recordings():
        body = recording.request
        assert isinstance(body, dict)
        if recording.status == 400:
            continue  # prompts of token numbers, and fewer than no tokens
        request = read_request(body, provider="p")
        stream = bool(body.get("stream"))
        wire = encode(request, provider="p", model=body["model"], profile=WireProfile(), stream=stream)
        again = json.loads(wire.body)
        assert meaning(again) == meaning(body), recording.id
        if recording.provider == "openai":
            assert openai_faults(again, name="CreateCompletionRequest") == []
    assert len(recordings()) >= 28


def test_the_prompt_is_the_text_of_the_messages() -> None:
    messages = (Message.system("Be short."), Message("user", (TextPart("Once"), TextPart(" more"))),
                Message("assistant", (ReasoningPart("Hm."), TextPart("So."), RefusalPart("No."),
                                      BuiltinToolPart("other", "x", {}))))  # fmt: skip
    wire = encode(
        Request(model="p/m", messages=messages, max_tokens=5, stop=("x",), n=2, logprobs=0, seed=1, user="u",
                temperature=0.5, extra={"p": {"suffix": "end"}}),
        provider="p", model="m", profile=WireProfile(renamed={"seed": "random_seed"}), stream=True,
    )  # fmt: skip
    assert (wire.method, wire.path, wire.headers["accept"]) == ("POST", "/completions", "text/event-stream")
    assert json.loads(wire.body) == {
        "model": "m", "prompt": "Be short.\n\nOnce more\n\nSo.No.", "max_tokens": 5, "temperature": 0.5,
        "random_seed": 1, "logprobs": 0, "n": 2, "user": "u", "stop": ["x"], "suffix": "end", "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_what_is_no_text_is_refused() -> None:
    image = Message("user", (ImagePart(url="https://a/b.png"),))
    with pytest.raises(UnsupportedParameterError) as caught:
        encode(Request(model="p/m", messages=(image,)), provider="p", model="m", profile=WireProfile())
    assert caught.value.param == "messages"
    request = Request(model="p/m", messages=(Message.user("Hi"),), tools=(Tool("look"),))
    with pytest.raises(UnsupportedParameterError) as caught:
        encode(request, provider="p", model="m", profile=WireProfile())
    assert caught.value.param == "tools"
    assert {"tools", "output_schema", "reasoning_effort"} <= UNSUPPORTED


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"prompt": None}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"stop": [1]}, "stop"),
        ({"stop": 1}, "stop"),
        ({"user": 1}, "user"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"n": 1.5}, "n"),
    ],
)
def test_a_body_that_is_none_is_refused_by_its_place(change: Body, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_request({"model": "m", "prompt": "Hi", **change}, provider="p")
    assert caught.value.param == param


def test_several_answers_are_told_apart_and_all_must_end() -> None:
    begun = event(choice("a"), choice("b", index=1), choice("c", index=2, finish="stop"))
    ended = event(choice("", finish="length"), choice("!", index=1, finish="stop"))
    usage = event(usage={"prompt_tokens": 1, "completion_tokens": 4})
    response = collected(chunks_of(begun, ended, usage, b"data: [DONE]\n\n"))
    assert (response.text, response.finish_reason) == ("a", "length")
    assert [(one.text, one.finish_reason) for one in response.alternatives] == [("b!", "stop"), ("c", "stop")]
    assert (response.usage.output_tokens, response.model) == (4, "p/m-1")
    with pytest.raises(TruncatedStreamError):
        chunks_of(begun, event(choice("", finish="length")), b"data: [DONE]\n\n")


def test_a_stream_means_what_the_whole_answer_does() -> None:
    likely = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5, "b": -2}]}
    choices = (choice("a", finish="stop", logprobs=likely), choice("b", index=1, finish="stop"))
    body = event(*choices, usage={"prompt_tokens": 1, "completion_tokens": 2})
    whole = decode(body[6:], provider="p", model="m", profile=WireProfile())
    assert collected(chunks_of(body)) == collected(chunks_of(body[6:])) == whole
    assert whole.logprobs[0].top == (("a", -0.5), ("b", -2.0))


def test_a_server_may_leave_out_why_the_answer_ended() -> None:
    """Writer's whole answers, and streams of servers whose `[DONE]` is all that ends them."""
    plain = {"model": "m-1", "choices": [{"text": "Hi", "log_probs": None}]}
    assert decode(json.dumps(plain).encode(), provider="p", model="m", profile=WireProfile()).finish_reason == "unknown"
    assert chunks_of(json.dumps(plain).encode()) == [TextChunk("Hi"), FinishChunk("unknown")]
    with pytest.raises(TruncatedStreamError):
        chunks_of(event(choice("Hi"))[6:])  # the first line of several: it says that it has not ended
    stream = event(choice("Hi")) + b"data: [DONE]\n\n"
    assert chunks_of(stream, done_is_finish=True) == [TextChunk("Hi"), FinishChunk("unknown")]
    with pytest.raises(TruncatedStreamError):
        chunks_of(stream)


def test_an_error_is_raised_unless_the_answer_is_whole() -> None:
    error = b'data: {"error": {"message": "Oops", "type": "server_error"}}\n\n'
    assert chunks_of(event(choice("Hi", finish="stop")), error)[-1] == FinishChunk("stop")
    decoder = StreamDecoder(provider="p", model="m", profile=WireProfile())
    assert decoder.feed(event(choice("Hi")) + error) == [TextChunk("Hi")]
    with pytest.raises(ServerError):
        decoder.end()
    for body in (event(choice("", finish="error")), event(choice("", finish="error"))[6:]):
        with pytest.raises(ServerError):
            chunks_of(body)
    with pytest.raises(ServerError):
        decode(event(choice("", finish="error"))[6:], provider="p", model="m", profile=WireProfile())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": "x"}}]}']
)
def test_what_is_no_text_completion_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        decode(body, provider="p", model="m", profile=WireProfile())


values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "stop", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "index", "finish_reason", "logprobs", "tokens"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["choices", "model", "usage", "error"]), values), max_size=5))
def test_events_of_any_shape_end_in_chunks_or_a_typed_error(shapes: list[Body]) -> None:
    decoder, collector = StreamDecoder(provider="p", model="m", profile=WireProfile()), Collector()
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in shapes)
    try:
        for chunk in decoder.feed(body) + decoder.end():
            collector.add(chunk)
    except GatewayError:
        return
    assert collector.response(provider="p", model="m").finish_reason != "error"
