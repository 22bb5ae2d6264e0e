"""Every wire on answers and requests of the right words and the wrong shapes: only typed errors leave it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from random import Random
from typing import Any

import orjson
import pytest
from aws_frames import frame
from corpus import needs_corpora
from good_answers import ANSWERS
from hostile_json import hostile, nested
from wire_chunks import collected, fed
from wire_recordings import Recording, everything

from unified_api.errors import GatewayError, InvalidRequestError, MalformedResponseError
from unified_api.types import Message, OutputSchema, ProviderState, Request, Response, TextPart
from unified_api.wire import families, openai_completions_request, openai_images, replicate
from unified_api.wire.anthropic import request as anthropic_request
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock import invoke as bedrock_invoke
from unified_api.wire.bedrock import request as bedrock_request
from unified_api.wire.cohere import request as cohere_request
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini import request as gemini_request
from unified_api.wire.json_text import DEEPEST, parse_json, parse_strictly
from unified_api.wire.model_list import listed_models
from unified_api.wire.object_root import unwrapped
from unified_api.wire.ollama import request as ollama_request
from unified_api.wire.openai_chat import request as openai_chat_request
from unified_api.wire.openai_responses import request as openai_responses_request
from unified_api.wire.recognition import recognise
from unified_api.wire.shown import shown

USER = Message("user", (TextPart("hello"),))
PROFILE = WireProfile()
NAMED: Any = {"provider": "p", "model": "owner/name", "profile": PROFILE}
READERS: dict[str, Callable[..., Any]] = {
    "anthropic": anthropic_request.read_request,
    "bedrock": bedrock_request.read_request,
    "bedrock_invoke": bedrock_invoke.read_request,
    "cohere": cohere_request.read_request,
    "gemini": gemini_request.read_request,
    "ollama": ollama_request.read_request,
    "openai_chat": openai_chat_request.read_request,
    "openai_completions": openai_completions_request.read_request,
    "openai_images": openai_images.read_request,
    "openai_responses": openai_responses_request.read_request,
    "replicate": replicate.read_request,
}


def read(task: str, family: str, body: bytes) -> object:
    """What the product makes of an answer."""
    if task == "chat":
        return used(families.CHAT[family], families.CHAT[family].decode(body, **NAMED))
    if task == "embed":
        return families.EMBED[family].decode(body, **NAMED, expected=2)
    if task == "rerank":
        return families.RERANK[family].decode(body, **NAMED, documents=1)
    if task == "moderate":
        return families.MODERATE[family].decode(body, **NAMED, expected=1)
    if task == "models":
        return listed_models(body)
    if family in families.POLLED:
        families.POLLED[family].pending(body, provider="p", model="owner/name")
    return families.IMAGE[family].decode(body, **NAMED)


def used(wire: families.ChatWire, response: Response) -> Response:
    """What a caller does with an answer: shows it, looks into it, sends it back."""
    repr(response)
    unwrapped(response)
    for part in response.parts:
        str(getattr(part, "text", "") or "").encode()
        str(getattr(part, "arguments", "") or "").encode()
    turns = (USER, Message("assistant", response.parts), USER)
    with suppress(InvalidRequestError):
        wire.encode(Request(model="owner/name", messages=turns), **NAMED)
    return response


def only_typed(work: Callable[[], object], of: bytes) -> bool:
    """Whether the work was done; an error that is none of ours fails the test, telling what brought it about."""
    try:
        work()
    except GatewayError as error:
        str(error)
        return False
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} leaves it for {of[:600]!r}") from error
    return True


@pytest.mark.parametrize(("task", "family"), ANSWERS)
def test_an_answer_of_wrong_shapes_is_read_or_refused_in_words(task: str, family: str) -> None:
    good = ANSWERS[task, family]
    with suppress(GatewayError):
        read(task, family, json.dumps(good).encode())
    for body in hostile(good, Random(family), tries=12):
        only_typed(lambda body=body: read(task, family, body), body)


@needs_corpora
def test_recorded_answers_of_wrong_shapes_are_read_or_refused_in_words() -> None:
    seen = [
        only_typed(lambda body=body, kind=kind: read(*kind, body), body)
        for kind, recording in sampled(streaming=False, most=10)
        for body in hostile(json.loads(recording.body), Random(recording.id), tries=3)
    ]
    assert len(seen) > 3000
    assert any(seen), "something must be readable still"


@needs_corpora
def test_recorded_streams_of_wrong_shapes_are_read_or_refused_in_words() -> None:
    seen = [
        only_typed(lambda body=body, family=family: streamed(family, body), body)
        for (_, family), recording in sampled(streaming=True, most=10)
        for body in hostile_streams(recording)
    ]
    assert len(seen) > 3000
    assert any(seen), "something must be readable still"


@needs_corpora
def test_recorded_errors_of_wrong_shapes_are_read() -> None:
    failed = [one for one in everything() if one.status >= 400 and one.body[:1] in (b"{", b"[")]
    for recording in failed[:: max(len(failed) // 60, 1)]:
        for body in hostile(json.loads(recording.body), Random(recording.id), tries=3):
            args = (recording.status, recording.headers, body)
            assert only_typed(lambda args=args: repr(decode_error(*args, provider="p", model="m")), body)


@needs_corpora
def test_recorded_requests_of_wrong_shapes_are_read_or_refused_in_words() -> None:
    count = 0
    for (_, family), recording in sampled(streaming=None, most=10):
        if family not in READERS or not isinstance(recording.request, dict):
            continue
        for body in hostile(recording.request, Random(recording.id), tries=2):
            count += 1
            only_typed(lambda body=body, family=family: written_again(family, body), body)
    assert count > 3000


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("parse", [parse_json, parse_strictly])
def test_json_is_read_to_a_depth_that_can_be_written_and_no_deeper(parse: Callable[[bytes], Any], opening: str) -> None:
    assert str(parse(nested(DEEPEST, opening).encode()))
    for depth in (DEEPEST + 1, 254, 255, 1000, 1025, 100_000):
        with pytest.raises(ValueError, match=r"deep|depth"):
            parse(nested(depth, opening).encode())


def test_many_brackets_that_are_not_nested_are_no_depth() -> None:
    wide = json.dumps({"a": [[{"b": []}]] * 1000, "text": "[{" * 1000})
    assert parse_json(wide.encode()) == json.loads(wide)


@pytest.mark.parametrize("family", families.CHAT)
def test_an_answer_that_is_nested_without_end_is_refused_in_words(family: str) -> None:
    body = b'{"status": ' + nested(1000).encode() + b"}"
    with pytest.raises(GatewayError):
        families.CHAT[family].decode(body, **NAMED)
    with pytest.raises(GatewayError):
        fed(families.CHAT[family].StreamDecoder(**NAMED), body)


def test_a_chunk_that_is_nested_without_end_is_passed_over_and_counted() -> None:
    good = b'data: {"choices": [{"delta": {"content": "hello"}, "finish_reason": "stop"}]}\n\n'
    decoder = families.CHAT["openai_chat"].StreamDecoder(**NAMED)
    chunks = fed(decoder, b'data: {"choices": ' + nested(300).encode() + b"}\n\n" + good)
    assert collected(chunks, provider="p", model="m").text == "hello"
    assert decoder.malformed == 1


@pytest.mark.parametrize("content", [None, [], "x", 5])
def test_a_state_that_is_no_object_is_refused_where_it_is_made(content: Any) -> None:
    with pytest.raises(InvalidRequestError, match="give back the object"):
        ProviderState("anthropic", content)


def test_a_value_is_shown_short_however_deep_wide_or_long_it_is() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, {"a": deep}, list(range(10_000)), "x" * 10_000, {str(key): "y" * 999 for key in range(999)}):
        assert len(shown(value)) <= 200
    assert shown({"a": [1, "x"]}) == "{'a': [1, 'x']}"
    assert "digits" in shown(10**5000)


def test_a_place_of_endless_digits_in_streamed_arguments_is_damage() -> None:
    piece = {"jsonPath": f"$.a[{'9' * 5000}]", "stringValue": "x"}
    call = {"functionCall": {"name": "f", "willContinue": True, "partialArgs": [piece]}}
    body = {"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]}
    with pytest.raises(MalformedResponseError):
        families.CHAT["gemini"].decode(json.dumps(body).encode(), **NAMED)


def test_a_tool_that_google_is_allowed_by_what_is_no_name_forces_no_tool() -> None:
    calling = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [{}]}}
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    body = {"contents": [{"parts": [{"text": "x"}]}], "tools": tools, "toolConfig": calling}
    assert gemini_request.read_request(body, provider="google").tool_choice == "required"


@pytest.mark.parametrize("family", families.CHAT)
def test_a_schema_nested_too_deep_to_be_written_is_refused_in_words(family: str) -> None:
    schema = {"type": "object", "default": orjson.loads(nested(300))}
    request = Request(model="m", messages=(USER,), output_schema=OutputSchema(schema))
    with pytest.raises(InvalidRequestError):
        families.CHAT[family].encode(request, **NAMED)


def streamed(family: str, body: bytes) -> object:
    wire = families.CHAT[family]
    chunks = fed(wire.StreamDecoder(**NAMED), body, [len(body) // 3])
    return used(wire, collected(chunks, provider="p", model="m"))


def written_again(family: str, text: bytes) -> object:
    with suppress(orjson.JSONDecodeError):
        body = orjson.loads(text)  # deeper than the product reads it: a caller may have made it otherwise
        if isinstance(body, dict):
            request = READERS[family](body, provider="p")
            wire = families.CHAT.get(family) or families.IMAGE[family]
            return wire.encode(request, **NAMED)
    return None


def sampled(*, streaming: bool | None, most: int) -> Iterator[tuple[tuple[str, str], Recording]]:
    """Some of the recordings of status 200 of each task and family, of different providers, none huge."""
    found = [
        ((exchange.task, exchange.family), one)
        for one in everything()
        if one.status == 200 and len(one.body) < 20_000 and streaming in (None, one.streaming)
        if (exchange := recognise(one.host, one.path)).task is not None
        if one.streaming or one.body.lstrip()[:1] in (b"{", b"[")
    ]
    found.sort(key=lambda pair: (*pair[0], pair[1].provider, pair[1].id))
    for _, pairs in groupby(found, key=lambda pair: pair[0]):
        held = list(pairs)
        yield from held[:: max(len(held) // most, 1)][:most]


def hostile_streams(recording: Recording) -> Iterator[bytes]:
    """The stream with one of its events changed, for an event of each kind."""
    for start, text, end in events(recording.body):
        for body in hostile(json.loads(text), Random(text), tries=1, most=40):
            yield start(body) + end if callable(start) else start + body + end


def events(body: bytes) -> Iterator[tuple[Any, bytes, bytes]]:
    """What stands before an event's JSON, the JSON, and what stands after it; one event for each set of keys."""
    seen: set[tuple[str, ...]] = set()
    found = aws_events(body) if body[:1] == b"\0" else text_events(body)
    for start, text, end in found:
        with suppress(ValueError):
            value = json.loads(text)
            kind = (*value, str(value.get("type"))) if isinstance(value, dict) else ()
            if kind not in seen and len(seen) < 12:
                seen.add(kind)
                yield start, text, end


def text_events(body: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    for found in re.finditer(rb"^(?:data: ?)?([\[{].*)$", body, re.MULTILINE):
        yield body[: found.start(1)], found[1], body[found.end(1) :]


def aws_events(body: bytes) -> Iterator[tuple[Callable[[bytes], bytes], bytes, bytes]]:
    at = 0
    while at < len(body):
        total, size = (int.from_bytes(body[at + place : at + place + 4], "big") for place in (0, 4))
        before, headers = body[:at], body[at + 12 : at + 12 + size]
        payload, at = body[at + 12 + size : at + total - 4], at + total
        yield lambda text, before=before, headers=headers: before + frame(headers, text), payload, body[at:]
