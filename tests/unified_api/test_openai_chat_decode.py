from __future__ import annotations

import base64
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
from unified_api.types import (
    Alternative,
    AudioPart,
    BuiltinToolPart,
    Citation,
    ImagePart,
    JsonObject,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Response,
    TextPart,
    TokenLogprob,
    ToolCallPart,
    Usage,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat import decode

PLAIN = WireProfile()
MARK = ProviderState("p", {})
"""Says of plain thinking whose it is."""


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
        ([{"type": "text", "text": "a"}, "b"], (TextPart("ab"),)),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}],
            (ReasoningPart("hm", MARK), TextPart("a")),
        ),
        ([{"type": "refusal", "refusal": "no"}], (RefusalPart("no"),)),
        ([{"type": "image_url", "image_url": {"url": "data:,x"}}], (ImagePart(url="data:,x"),)),
        ({"answer": 42}, (TextPart('{"answer":42}'),)),
        (False, (TextPart("false"),)),
        (
            [{"type": "mystery", "x": 1}, {"x": 2}, 7, None],
            (BuiltinToolPart("p", "mystery", {"type": "mystery", "x": 1}),),
        ),
    ],
)
def test_content_comes_in_many_forms(content: object, parts: tuple[object, ...]) -> None:
    assert read(answer({"role": "assistant", "content": content})).parts == parts


DETAILS = [
    {"type": "reasoning.summary", "summary": "h", "index": 0},
    {"type": "reasoning.text", "text": "m", "signature": "s1", "index": 1},
    {"type": "reasoning.encrypted", "data": "opaque", "id": "r1", "index": 2},
]


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"reasoning_content": "hm"}, {}),
        ({"reasoning": "hm"}, {}),
        ({"reasoning": "hm", "reasoning_details": DETAILS}, {"reasoning_details": DETAILS}),
        ({"reasoning": None, "reasoning_details": DETAILS}, {"reasoning_details": DETAILS}),
        ({"reasoning": "hm", "extra_content": {"google": {"thought": True}}}, {}),
        (
            {"reasoning": "hm", "extra_content": {"google": {"thought_signature": "s"}}},
            {"extra_content": {"google": {"thought_signature": "s"}}},
        ),
    ],
)
def test_thinking_is_read_once_from_whichever_field_has_it(fields: dict[str, object], state: JsonObject) -> None:
    thought = ReasoningPart("hm", ProviderState("p", state))
    assert read(answer({"content": "a", **fields})).parts == (thought, TextPart("a"))


def test_thinking_that_is_only_encrypted_is_a_part_without_words() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    parts = read(answer({"content": "a", "reasoning_details": details})).parts
    assert parts == (ReasoningPart("", ProviderState("p", {"reasoning_details": details})), TextPart("a"))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "s", "closed": True},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "s"}]},
    ],
)
def test_a_signed_thinking_part_is_kept_as_it_came(block: JsonObject) -> None:
    parts = read(answer({"content": [block, {"type": "text", "text": "a"}]})).parts
    assert parts == (ReasoningPart("hm", ProviderState("p", {"content_part": block})), TextPart("a"))


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


def test_of_several_choices_the_first_is_the_answer_and_the_others_are_alternatives() -> None:
    tokens = {"content": [{"token": "b", "logprob": -0.5}]}
    choices = [
        {"index": 2, "message": call(id="c", function={"name": "f"}), "finish_reason": "stop"},
        {"index": 1, "message": {"content": "b"}, "finish_reason": "length", "logprobs": tokens},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
        {"index": 3, "message": {"content": "d"}, "finish_reason": "error"},
        {"index": 4, "finish_reason": "content_filter"},
    ]
    response = read({"choices": choices})
    assert (response.text, response.finish_reason) == ("a", "stop")
    assert response.alternatives == (
        Alternative(parts=(TextPart("b"),), finish_reason="length", logprobs=(TokenLogprob("b", -0.5),)),
        Alternative(parts=(ToolCallPart("c", "f"),), finish_reason="tool_calls"),
        Alternative(parts=(TextPart("d"),), finish_reason="error"),
        Alternative(parts=(), finish_reason="content_filter"),
    )


def test_choices_that_are_not_numbered_keep_their_order() -> None:
    choices = [{"message": {"content": text}, "finish_reason": "stop"} for text in "abc"]
    response = read({"choices": choices})
    assert [response.text, *(one.text for one in response.alternatives)] == ["a", "b", "c"]


def test_probabilities_of_tokens_are_told_with_the_likeliest_at_their_place() -> None:
    tops = [{"token": "Hi", "logprob": -0.1}, {"token": "Ho", "logprob": -2}, {"token": 7}, "x"]
    content = [{"token": "Hi", "logprob": -0.1, "bytes": [72], "top_logprobs": tops}, {"token": "x", "logprob": None}]
    told = {"content": content, "refusal": [{"token": "no", "logprob": -3.0}]}
    response = read({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop", "logprobs": told}]})
    assert response.logprobs == (
        TokenLogprob("Hi", -0.1, (("Hi", -0.1), ("Ho", -2.0))),
        TokenLogprob("no", -3.0),
    )


def test_citations_of_the_message_are_on_its_text() -> None:
    annotation = {
        "type": "url_citation",
        "url_citation": {
            "url": "https://x.example",
            "title": "X",
            "content": "words",
            "start_index": 0,
            "end_index": 1,
        },
    }
    cited = Citation("https://x.example", "X", "words", 0, 1, ProviderState("p", annotation))
    assert read(answer({"content": "a", "annotations": [annotation, annotation]})).parts == (TextPart("a", (cited,)),)


def test_annotations_of_other_kinds_go_back_to_their_provider() -> None:
    file = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": []}}
    parts = read(answer({"content": "a", "annotations": [file]})).parts
    assert parts == (TextPart("a", state=ProviderState("p", {"annotations": [file]})),)


def test_sources_beside_the_choices_are_citations_and_found_results_tell_more_of_them() -> None:
    results = [{"url": "https://b.example", "title": "B", "snippet": "words"}]
    response = read(
        answer({"content": "a"}, citations=["https://b.example", "https://a.example"], search_results=results)
    )
    assert response.citations == (
        Citation("https://b.example", "B", "words", state=ProviderState("p", results[0])),
        Citation("https://a.example"),
    )


def test_references_in_the_content_are_on_the_text_before_them() -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    tool = {"type": "tool_reference", "tool": "web_search", "title": "T", "url": "https://x.example"}
    content = [{"type": "text", "text": "a"}, reference, {"type": "text", "text": "b"}, tool]
    assert read(answer({"content": content})).parts == (
        TextPart(
            "ab",
            (
                Citation(state=ProviderState("p", reference)),
                Citation("https://x.example", "T", state=ProviderState("p", tool)),
            ),
        ),
    )


def test_steps_of_built_in_tools_are_parts_before_the_text() -> None:
    step = {"index": 0, "type": "search", "arguments": "{}", "output": "found"}
    parts = read(answer({"content": "a", "executed_tools": [step, {}], "reasoning": "hm"})).parts
    assert parts == (ReasoningPart("hm", MARK), BuiltinToolPart("p", "executed_tools", step), TextPart("a"))
    told = WireProfile(step_fields=("web_search_data",))
    other = read(answer({"content": "a", "web_search_data": {"sources": [1]}}), told).parts
    assert other == (BuiltinToolPart("p", "web_search_data", {"sources": [1]}), TextPart("a"))


def test_spoken_answers_are_sound_with_its_words_and_the_id_to_send_back() -> None:
    sound = b"RIFF....WAVEfmt "
    audio = {"id": "audio_1", "data": base64.b64encode(sound).decode(), "transcript": "hello", "expires_at": 1}
    parts = read(answer({"content": None, "audio": audio})).parts
    held = ProviderState("p", {"id": "audio_1"})
    assert parts == (AudioPart(data=sound, media_type="audio/wav", transcript="hello", state=held),)


def test_a_signature_on_a_call_is_kept_for_its_provider() -> None:
    extra = {"google": {"thought_signature": "s"}}
    response = read(answer(call(id="c", function={"name": "f"}, extra_content=extra)))
    assert response.parts == (ToolCallPart("c", "f", state=ProviderState("p", {"extra_content": extra})),)


def test_calls_that_share_an_id_or_an_index_are_calls_of_their_own() -> None:
    calls = [{"id": "c", "index": 0, "function": {"name": name, "arguments": "{}"}} for name in "fg"]
    assert [(part.id, part.name) for part in read(answer({"tool_calls": calls})).tool_calls] == [
        ("c", "f"),
        ("call_1", "g"),
    ]


def test_json_written_twice_is_left_for_who_reads_the_json() -> None:
    assert read(answer({"content": '{"a":1}{"a":1}'})).text == '{"a":1}{"a":1}'


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
     "finish_reason", "reasoning", "refusal", "model", "type", "text", "image_url", "code", "prompt_tokens", "cost",
     "reasoning_details", "annotations", "url_citation", "audio", "data", "executed_tools", "logprobs", "citations",
     "extra_content", "signature", "summary", "images", "url"]
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
        answer({"content": [message, whole], "audio": whole, "annotations": [message], "reasoning_details": [whole]}),
        answer({"executed_tools": message, "images": [whole]}, citations=message, search_results=[whole]),
        {"choices": [{"message": {}, "logprobs": {"content": [message]}}, whole, message]},
    ):
        with suppress(GatewayError):
            assert read(body).provider == "p"
