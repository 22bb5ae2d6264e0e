"""Whole Responses answers beyond what is recorded: words of other servers, work in progress, failures."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from unified_api.errors import (
    ContentRefusedError,
    MalformedResponseError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    Citation,
    ImagePart,
    ProviderState,
    ReasoningPart,
    Response,
    TextPart,
    ToolCallPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_responses import decode

Body = dict[str, Any]


def read(*output: Body, **fields: Any) -> Response:
    body = {"status": "completed", "model": "m-1", "output": list(output), **fields}
    return decode(json.dumps(body).encode(), provider="p", model="m", profile=WireProfile())


def message(*content: Body, **fields: Any) -> Body:
    return {"type": "message", "role": "assistant", "content": list(content), **fields}


@pytest.mark.parametrize("status", ["in_progress", "queued"])
def test_an_answer_in_the_making_can_be_asked_for_by_its_id(status: str) -> None:
    response = read(status=status, id="resp_1")
    assert (response.id, response.parts, response.finish_reason) == ("resp_1", (), "unknown")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow"}}, RateLimitError),
        ({"status": "failed", "error": {"code": "server_error", "message": "Oops"}}, ServerError),
        ({"status": "failed", "error": None}, ServerError),
        ({"status": "cancelled"}, ServerError),
        ({"status": "failed", "error": {"code": "content_filter", "message": "No"}}, ContentRefusedError),
    ],
)
def test_a_failed_answer_is_the_error_it_states(fields: Body, error: type[ProviderError]) -> None:
    with pytest.raises(error) as caught:
        read(**fields)
    assert caught.value.provider_code == (fields.get("error") or {"code": "server_error"})["code"]


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{}", b'{"output": "x"}', b'{"choices": []}', b"<html>"])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        decode(body, provider="p", model="m", profile=WireProfile())


def test_an_answer_cut_by_the_filter_or_the_limit_says_so_even_with_a_call() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"a'}
    for reason, finish in {"content_filter": "content_filter", "max_output_tokens": "length"}.items():
        response = read(call, status="incomplete", incomplete_details={"reason": reason})
        assert response.finish_reason == finish


def test_an_answer_without_a_status_ended_with_its_calls_or_nobody_knows_how() -> None:
    call = {"type": "function_call", "id": "fc_1", "name": "look", "arguments": {"a": 1}}
    assert read(message({"type": "output_text", "text": "x"}), status=None).finish_reason == "unknown"
    assert read(call, status=None).finish_reason == "tool_calls"


def test_a_call_may_leave_out_its_id_and_its_arguments_or_give_them_parsed() -> None:
    bare, parsed = (
        {"type": "function_call", "name": "look"},
        {"type": "function_call", "name": "x", "arguments": {"a": 1}},
    )
    assert read(bare, bare, parsed).tool_calls == (
        ToolCallPart("call_0", "look"),
        ToolCallPart("call_1", "look"),
        ToolCallPart("call_2", "x", '{"a":1}'),
    )


def test_every_kind_of_citation_is_told_and_kept() -> None:
    annotations = [
        {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 1, "end_index": 2},
        {"type": "file_citation", "file_id": "f", "filename": "a.txt", "index": 9},
        {"type": "container_file_citation", "container_id": "c", "file_id": "f", "filename": "b.csv",
         "start_index": 0, "end_index": 3},
        {"type": "file_path", "file_id": "f", "index": 4},
    ]  # fmt: skip
    states = [ProviderState("p", one) for one in annotations]
    assert read(message({"type": "output_text", "text": "abc", "annotations": annotations})).citations == (
        Citation(url="https://a", title="A", start=1, end=2, state=states[0]),
        Citation(title="a.txt", state=states[1]),
        Citation(title="b.csv", start=0, end=3, state=states[2]),
        Citation(state=states[3]),
    )


def test_thinking_may_be_a_list_of_bare_texts_or_stand_in_the_message() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": ["Hm.", "So."]}
    said = message({"type": "reasoning_text", "text": "Well."}, {"type": "output_text", "text": "Yes."}, id="msg_1")
    assert read(thought, said).parts == (
        ReasoningPart("Hm.\n\nSo.", ProviderState("p", thought)),
        ReasoningPart("Well."),
        TextPart("Yes.", state=ProviderState("p", {"id": "msg_1"})),
    )


def test_content_may_be_a_bare_text_and_the_type_of_a_message_left_out() -> None:
    assert read({"role": "assistant", "content": "Hi", "id": "m"}).text == "Hi"


def test_how_a_message_ended_belongs_to_its_last_text() -> None:
    parts = read(
        message({"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}, id="m", status="s")
    ).parts
    assert [part.state for part in parts if isinstance(part, TextPart)] == [
        ProviderState("p", {"id": "m"}),
        ProviderState("p", {"id": "m", "status": "s"}),
    ]


def test_sound_is_sound_and_a_part_nobody_knows_is_kept_with_its_message() -> None:
    sound = {"type": "output_audio", "data": "UklGRg==", "transcript": "Hi"}
    odd = {"type": "hologram", "x": 1}
    parts = read(message(sound, odd, id="m")).parts
    assert parts == (
        AudioPart(data=b"RIFF", media_type="audio/wav", transcript="Hi"),
        BuiltinToolPart("p", "hologram", message(odd, id="m")),
    )


@pytest.mark.parametrize("result", ["https://a/b.png", "data:image/png;base64,AAAA"])
def test_a_generated_image_may_be_an_address(result: str) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": result}
    state = ProviderState("p", {"type": "image_generation_call", "id": "ig_1", "status": "completed"})
    assert read(item).parts == (ImagePart(url=result, state=state),)


@pytest.mark.parametrize("result", [None, "", "not base64!"])
def test_a_generated_image_that_is_none_stays_a_step(result: str | None) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": result}
    assert read(item).parts == (BuiltinToolPart("p", "image_generation_call", item),)


def test_items_of_any_other_kind_are_kept_whole() -> None:
    kinds = ["custom_tool_call", "computer_call", "local_shell_call", "apply_patch_call", "x_search_call", "compaction"]
    items = [{"type": kind, "id": kind, "deep": {"er": [1]}} for kind in kinds]
    assert read(*items).parts == tuple(BuiltinToolPart("p", item["type"], item) for item in items)
    assert read(*items).finish_reason == "stop"


@pytest.mark.parametrize(
    ("fields", "searches"),
    [
        ({"tool_usage": {"web_search": {"num_requests": 2}}, "usage": {"input_tokens": 1}}, 2),
        ({"usage": {"server_side_tool_usage_details": {"web_search_calls": 3}}}, 3),
        ({"usage": {"input_tokens": 1}}, None),
        ({}, None),
    ],
)
def test_searches_are_counted_where_they_are_told(fields: Body, searches: int | None) -> None:
    assert read(**fields).usage.web_searches == searches


def test_money_is_taken_where_a_provider_states_it() -> None:
    assert read(usage={"input_tokens": 1, "cost_in_usd_ticks": 3546500}).cost_usd == Decimal("0.00035465")
    assert read(usage={"input_tokens": 1, "cost": 5e-05, "is_byok": False}).cost_usd == Decimal("0.00005")
    assert read(usage={"input_tokens": 1}).cost_usd is None
