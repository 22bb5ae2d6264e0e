import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.local.chat_format import MAX_TOKENS, MAX_TOKENS_JSON, decode, encode
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    DocumentPart,
    FinishChunk,
    ImagePart,
    Message,
    OutputSchema,
    Request,
    TextChunk,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Usage,
    UsageChunk,
    VideoPart,
)

MODEL = "smollm2-135m-instruct"


def request(*messages: Message, **fields) -> Request:
    return Request(model=f"local/{MODEL}", messages=messages or (Message.user("hello"),), **fields)


def test_a_plain_request_gets_the_sampling_that_suits_a_tiny_model():
    body = encode(request(), model=MODEL)

    assert body["messages"] == [{"role": "user", "content": "hello"}]
    assert body["max_tokens"] == MAX_TOKENS
    assert body["repeat_penalty"] > 1
    assert body["temperature"] < 0.5
    assert "seed" not in body


def test_what_the_caller_sets_is_kept():
    body = encode(request(temperature=0.9, top_p=0.5, max_tokens=7, stop=("END",), seed=3), model=MODEL)

    assert (body["temperature"], body["top_p"], body["max_tokens"], body["stop"], body["seed"]) == (
        0.9,
        0.5,
        7,
        ["END"],
        3,
    )


@given(st.integers())
def test_every_seed_becomes_one_that_the_engine_honours(seed):
    body = encode(request(seed=seed % (1 << 63)), model=MODEL)

    assert 0 <= body["seed"] < 2**31
    assert body["cache_prompt"] is False


def test_structured_output_is_bounded_and_has_room():
    body = encode(request(output_schema=OutputSchema({"type": "array", "items": {"type": "string"}})), model=MODEL)

    schema = body["response_format"]["json_schema"]["schema"]
    assert "maxItems" in schema
    assert "maxLength" in schema["items"]
    assert body["max_tokens"] == MAX_TOKENS_JSON


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", (Tool("search"),)),
        ("builtin_tools", (BuiltinTool("local", {"type": "search"}),)),
        ("reasoning_effort", "low"),
        ("reasoning_budget", 9),
        ("show_reasoning", True),
        ("parallel_tool_calls", True),
        ("logprobs", 0),
        ("n", 2),
    ],
)
def test_what_the_model_would_silently_ignore_is_refused_by_name(field, value):
    with pytest.raises(UnsupportedParameterError, match=field) as caught:
        encode(request(**{field: value}), model=MODEL)

    assert caught.value.param == field


@pytest.mark.parametrize(
    "message",
    [
        Message("user", (TextPart("what is this?"), ImagePart(url="https://images.example/a.png"))),
        Message("user", (AudioPart(data=b"ID3"),)),
        Message("user", (VideoPart(url="https://videos.example/a"),)),
        Message("user", (DocumentPart(data=b"%PDF", media_type="application/pdf"),)),
        Message("assistant", (ToolCallPart("1", "search"),)),
        Message("tool", (ToolResultPart("1", "found"),)),
    ],
)
def test_parts_the_model_cannot_read_are_refused_with_their_place(message):
    with pytest.raises(UnsupportedParameterError, match=r"messages\[1\]"):
        encode(request(Message.user("hi"), message), model=MODEL)


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_tokens", 0), ("temperature", -1.0), ("top_p", 0.0), ("top_p", 1.5), ("temperature", float("nan"))],
)
def test_numbers_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(InvalidRequestError, match=field):
        encode(request(**{field: value}), model=MODEL)


def test_the_words_of_a_document_are_text_to_answer():
    body = encode(request(Message("user", (DocumentPart(text="Once upon a time"),))), model=MODEL)

    assert body["messages"] == [{"role": "user", "content": "Once upon a time"}]


def test_messages_without_any_text_are_refused():
    with pytest.raises(InvalidRequestError, match="no text"):
        encode(request(Message.user("  \n")), model=MODEL)


def test_pieces_become_chunks():
    def pieces(**delta):
        return {"choices": [{"index": 0, "finish_reason": None, "delta": delta}]}

    assert list(decode(pieces(role="assistant", content=None), model=MODEL)) == []
    assert list(decode(pieces(content="Hi"), model=MODEL)) == [TextChunk("Hi")]
    end = {"choices": [{"index": 0, "finish_reason": "length", "delta": {}}]}
    assert list(decode(end, model=MODEL)) == [FinishChunk("length")]


def test_the_usage_piece_is_read_with_its_cached_tokens():
    raw = {"prompt_tokens": 34, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 5}}

    usage = Usage(input_tokens=34, output_tokens=12, cached_input_tokens=5)
    assert list(decode({"choices": [], "usage": raw}, model=MODEL)) == [UsageChunk(usage, model=MODEL)]
