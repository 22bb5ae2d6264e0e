from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    ContentRefusedError,
    GatewayError,
    MalformedResponseError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from unified_api.types import ImagePart, ReasoningPart, RefusalPart, Response, TextPart, ToolCallPart, Usage
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat import decode

PLAIN = WireProfile()


def read(answer: object, profile: WireProfile = PLAIN) -> Response:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return decode(body, provider="p", model="asked", profile=profile)


def answer(message: object, finish: object = "stop", **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def call(**fields: object) -> dict[str, object]:
    return {"role": "assistant", "content": None, "tool_calls": [fields]}


def test_a_plain_answer_is_text_with_the_echoed_model() -> None:
    response = read(
        answer({"content": "hi"}, id="x1", model="m-2024", usage={"prompt_tokens": 3, "completion_tokens": 1})
    )
    assert response == Response(
        model="p/m-2024",
        provider="p",
        parts=(TextPart("hi"),),
        finish_reason="stop",
        usage=Usage(input_tokens=3, output_tokens=1),
        id="x1",
    )
    assert read(answer({"content": "hi"})).model == "p/asked"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ()),
        ("", ()),
        ([{"type": "text", "text": "a"}, "b"], (TextPart("a"), TextPart("b"))),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}],
            (ReasoningPart("hm"), TextPart("a")),
        ),
        ([{"type": "refusal", "refusal": "no"}], (RefusalPart("no"),)),
        ([{"type": "image_url", "image_url": {"url": "data:,x"}}], (ImagePart(url="data:,x"),)),
        ({"answer": 42}, (TextPart('{"answer":42}'),)),
        (False, (TextPart("false"),)),
        ([{"type": "mystery"}, 7, None], ()),
    ],
)
def test_content_comes_in_many_forms(content: object, parts: tuple[object, ...]) -> None:
    assert read(answer({"role": "assistant", "content": content})).parts == parts


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": None, "reasoning_details": [{"text": "h"}, {"summary": "m"}, {"data": "opaque"}]},
    ],
)
def test_thinking_is_read_once_from_whichever_field_has_it(fields: dict[str, object]) -> None:
    assert read(answer({"content": "a", **fields})).parts == (ReasoningPart("hm"), TextPart("a"))


def test_a_refusal_is_an_answer() -> None:
    response = read(answer({"content": None, "refusal": "I cannot"}))
    assert (response.text, response.refusal, response.finish_reason) == ("", "I cannot", "stop")


def test_an_answer_that_the_filter_emptied_has_no_message_at_all() -> None:
    response = read({"choices": [{"index": 0, "finish_reason": "content_filter"}]})
    assert (response.parts, response.finish_reason) == ((), "content_filter")


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"id": "c9", "function": {"name": "f", "arguments": '{"a":1}'}}, ToolCallPart("c9", "f", '{"a":1}')),
        ({"id": "", "function": {"name": "f", "arguments": ""}}, ToolCallPart("call_0", "f", "{}")),
        ({"function": {"name": "f"}}, ToolCallPart("call_0", "f", "{}")),
        ({"id": None, "index": None, "function": {"name": "f", "arguments": None}}, ToolCallPart("call_0", "f", "{}")),
        ({"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}, ToolCallPart("c1", "f", '{"a":1}')),
    ],
)
def test_a_tool_call_is_read_though_its_fields_are_absent_or_parsed(fields: dict[str, object], part: object) -> None:
    response = read(answer(call(**fields), "tool_calls"))
    assert response.parts == (part,)


def test_calls_without_ids_get_different_ones() -> None:
    calls = [{"function": {"name": "f"}}, {"function": {"name": "g"}}]
    assert [part.id for part in read(answer({"tool_calls": calls})).tool_calls] == ["call_0", "call_1"]


def test_the_old_function_call_is_a_tool_call_and_an_empty_one_is_none() -> None:
    old = read(answer({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "function_call"))
    assert (old.tool_calls, old.finish_reason) == ((ToolCallPart("call_0", "f"),), "tool_calls")
    empty = read(answer({"content": "a", "function_call": {"name": "", "arguments": ""}, "audio": {}}))
    assert empty.parts == (TextPart("a"),)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"), ("eos", "stop"), ("COMPLETE", "stop"), ("length", "length"), ("model_length", "length"),
        ("maximum_tokens", "length"), ("content_filter", "content_filter"), ("strange", "unknown"), (None, "unknown"),
        ("", "unknown"), (1, "unknown"),
    ],
)  # fmt: skip
def test_finish_reasons_are_translated(word: object, reason: str) -> None:
    assert read(answer({"content": "a"}, word)).finish_reason == reason


def test_a_profile_may_teach_finish_reasons() -> None:
    assert (
        read(answer({"content": "a"}, "ran_dry"), WireProfile(finish_reasons={"ran_dry": "length"})).finish_reason
        == "length"
    )


@pytest.mark.parametrize("word", ["stop", "tool_calls", "function_call", "", None])
def test_an_answer_with_a_tool_call_finishes_with_tool_calls(word: object) -> None:
    assert read(answer(call(id="1", function={"name": "f"}), word)).finish_reason == "tool_calls"
    assert read(answer(call(id="1", function={"name": "f"}), "length")).finish_reason == "length"


def test_the_first_vision_models_say_why_they_ended_elsewhere() -> None:
    old = {"choices": [{"message": {"content": "a"}, "finish_details": {"type": "max_tokens"}}]}
    assert read(old).finish_reason == "length"


def test_of_several_choices_the_first_is_the_answer() -> None:
    choices = [
        {"index": at, "message": {"content": text}, "finish_reason": "stop"} for at, text in ((1, "b"), (0, "a"))
    ]
    assert read({"choices": choices}).text == "a"


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"<html><title>Bad gateway</title></html>", b"{", b"null", b"[]", b'"x"', b"{}", b'{"choices":[]}',
     b'{"choices":null}', b'{"choices":[7]}', b'{"choices":[{"index":0}]}', b'{"choices":{"0":1}}', b"\xff\xfe",
     b"[" * 9999],
)  # fmt: skip
def test_what_is_no_answer_is_a_malformed_response_that_shows_its_beginning(body: bytes) -> None:
    with pytest.raises(MalformedResponseError, match="'asked'") as caught:
        read(body)
    assert caught.value.provider == "p"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, RateLimitError),
        ({"error": {"message": "boom", "type": "server_error"}}, ServerError),
        ({"error": "overloaded"}, ServerError),
        ([{"error": {"code": 503, "status": "UNAVAILABLE"}}], ServerError),
        ({"object": "error", "message": "full", "code": "1300", "type": "rate_limited"}, RateLimitError),
        ({"choices": [{"error": {"code": 502, "message": "upstream"}, "finish_reason": "error"}]}, ServerError),
        ({"error": {"code": "content_filter", "status": 400, "message": "filtered"}}, ContentRefusedError),
        (answer({"content": ""}, "error"), ServerError),
        ({"choices": [{"message": {}, "finish_reason": "stop", "native_finish_reason": "network_error"}]}, ServerError),
    ],
)  # fmt: skip
def test_an_error_inside_a_good_answer_is_raised(body: object, kind: type[ProviderError]) -> None:
    with pytest.raises(kind) as caught:
        read(body)
    assert caught.value.model == "p/asked"


def test_images_beside_the_content_are_parts() -> None:
    images = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}, {"image_url": None}, 7]
    parts = read(answer({"content": "a", "images": images})).parts
    assert parts == (TextPart("a"), ImagePart(url="data:image/png;base64,AA=="))


def test_json_too_deep_to_be_written_again_is_malformed() -> None:
    deep = b'{"a":' * 400 + b"1" + b"}" * 400
    with pytest.raises(MalformedResponseError):
        read(b'{"choices":[{"message":{"content":' + deep + b"}}]}")


def test_white_space_and_a_mark_before_the_json_do_no_harm() -> None:
    text = json.dumps(answer({"content": "é"})).encode()
    assert read(b"\n   \n" + text).text == read(b"\xef\xbb\xbf" + text).text == "é"


def test_what_strict_json_forbids_and_servers_send_is_read_all_the_same() -> None:
    body = b'{"choices":[{"message":{"content":"half \\ud83d"},"logprobs":[NaN,-Infinity],"finish_reason":"stop"}]}'
    assert read(body).text == "half ?"


def test_the_cost_a_provider_states_is_kept_exactly() -> None:
    assert read(answer({"content": "a"}, usage={"cost": 0.00041})).cost_usd == Decimal("0.00041")
    assert read(answer({"content": "a"}, usage={"prompt_tokens": 1})).cost_usd is None


KEYS = st.sampled_from(
    ["choices", "message", "content", "tool_calls", "function", "name", "arguments", "index", "id", "usage", "error",
     "finish_reason", "reasoning", "refusal", "model", "type", "text", "image_url", "code", "prompt_tokens", "cost"]
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a", "stop", "{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_no_shape_of_json_makes_the_decoder_crash(whole: object, message: object) -> None:
    for body in (
        whole,
        answer(message),
        answer({"content": message, "tool_calls": whole}),
        answer("x", whole, usage=message),
    ):
        with suppress(GatewayError):
            assert read(body).provider == "p"
