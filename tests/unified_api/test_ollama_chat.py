from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_chunks import collected, fed

from unified_api.errors import (
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    ProviderError,
    ServerError,
    TruncatedStreamError,
    UnsupportedParameterError,
)
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    DocumentPart,
    FinishChunk,
    ImagePart,
    JsonObject,
    LogprobsChunk,
    Message,
    NamedTool,
    OutputSchema,
    ProviderState,
    ReasoningPart,
    Request,
    Response,
    TextChunk,
    TextPart,
    TokenLogprob,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.ollama import UNSUPPORTED, StreamDecoder, decode, encode
from unified_api.wire.ollama.request import read_request

PLAIN = WireProfile()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
ADD = Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
ASK = (Message.user("hello"),)


def body(request: Request, profile: WireProfile = PLAIN, *, stream: bool = False) -> dict[str, Any]:
    return json.loads(encode(request, provider="ollama", model="m", profile=profile, stream=stream).body)


def asked(**fields: Any) -> Request:
    return Request(**{"model": "ollama/m", "messages": ASK, **fields})


def read(answer: object, profile: WireProfile = PLAIN) -> Response:
    return decode(json.dumps(answer).encode(), provider="ollama", model="m", profile=profile)


def streamed(lines: list[object]) -> tuple[list[Chunk], StreamDecoder]:
    decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
    chunks = decoder.feed(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return chunks + decoder.end(), decoder


def together(chunks: list[Chunk]) -> Response:
    return collected(chunks, provider="ollama", model="m")


def test_the_family_is_known_and_says_what_it_has_no_words_for() -> None:
    assert families.CHAT["ollama"].UNSUPPORTED == UNSUPPORTED
    for name, value in {"n": 2, "user": "u", "parallel_tool_calls": False, "metadata": {"a": "b"}}.items():
        with pytest.raises(UnsupportedParameterError, match=name) as refused:
            body(asked(**{name: value}))
        assert refused.value.param == name


def test_what_is_wished_goes_where_ollama_looks_for_it() -> None:
    request = asked(
        temperature=0.5, top_p=0.9, top_k=40, max_tokens=100, seed=7, frequency_penalty=0.1, presence_penalty=0.2,
        stop=("END",), tools=(ADD,), output_schema=OutputSchema({"type": "object"}), reasoning_effort="high",
        logprobs=2, extra={"ollama": {"keep_alive": "5m", "options": {"num_ctx": 4096}}, "openai": {"store": True}},
    )  # fmt: skip
    function = {"name": "add", "description": "Adds.", "parameters": ADD.parameters}
    assert body(request, stream=True) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "tools": [{"type": "function", "function": function}],
        "format": {"type": "object"},
        "think": "high",
        "logprobs": True,
        "top_logprobs": 2,
        "keep_alive": "5m",
        "options": {
            "temperature": 0.5, "top_p": 0.9, "top_k": 40, "num_predict": 100, "seed": 7, "frequency_penalty": 0.1,
            "presence_penalty": 0.2, "stop": ["END"], "num_ctx": 4096,
        },
    }  # fmt: skip


def test_a_whole_answer_is_asked_for_in_words_because_ollama_streams_by_default() -> None:
    assert body(asked())["stream"] is False
    assert body(asked(logprobs=0)) | {"messages": []} == {
        "model": "m", "messages": [], "stream": False, "logprobs": True,
    }  # fmt: skip


@pytest.mark.parametrize(("effort", "think"), [("none", False), ("low", "low"), ("medium", "medium"), ("high", "high")])
def test_an_effort_is_how_hard_to_think(effort: str, think: object) -> None:
    assert body(asked(reasoning_effort=effort))["think"] == think


def test_an_effort_may_be_called_otherwise_by_the_profile() -> None:
    assert body(asked(reasoning_effort="xhigh"), WireProfile(efforts={"*": {"xhigh": "max"}}))["think"] == "max"


def test_a_schema_goes_as_it_is_unless_its_answer_could_be_taken_for_one_inside_an_object() -> None:
    numbers: JsonObject = {"type": "array", "items": {"type": "integer"}}
    assert body(asked(output_schema=OutputSchema(numbers)))["format"] == numbers
    for loose in ({"anyOf": [{"type": "object"}, {"type": "null"}]}, {"type": ["object", "null"]}):
        wanted = body(asked(output_schema=OutputSchema(loose)))["format"]
        assert wanted["properties"]["value"] == loose


def test_no_tool_may_be_called_when_none_is_sent() -> None:
    assert "tools" not in body(asked(tools=(ADD,), tool_choice="none"))
    assert "tools" in body(asked(tools=(ADD,), tool_choice="auto"))


def test_a_conversation_keeps_its_calls_results_images_and_own_thinking() -> None:
    own, foreign = ProviderState("ollama", {"type": "thinking"}), ProviderState("anthropic", {"signature": "x"})
    messages = (
        Message("system", (TextPart("a"), TextPart("b"))),
        Message("user", (TextPart("see"), ImagePart(data=PNG))),
        Message("user", (ImagePart(url=f"data:image/png;base64,{base64.b64encode(PNG).decode()}"),)),
        Message(
            "assistant",
            (
                ReasoningPart("mine", own),
                ReasoningPart("theirs", foreign),
                ReasoningPart("nobody's"),
                BuiltinToolPart("anthropic", "web_search", {}),
                TextPart("I "),
                TextPart("add"),
                ToolCallPart("c1", "add", '{"a": 1}'),
                ToolCallPart("c2", "add", ""),
            ),
        ),
        Message("tool", (ToolResultPart("c2", "3"), ToolResultPart("c1", (TextPart("4"),)))),
    )
    picture = base64.b64encode(PNG).decode()
    assert body(asked(messages=messages))["messages"] == [
        {"role": "system", "content": "a\nb"},
        {"role": "user", "content": "see", "images": [picture]},
        {"role": "user", "content": "", "images": [picture]},
        {
            "role": "assistant",
            "content": "I add",
            "thinking": "mine",
            "tool_calls": [
                {"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}},
                {"id": "c2", "function": {"name": "add", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "3", "tool_call_id": "c2", "tool_name": "add"},
        {"role": "tool", "content": "4", "tool_call_id": "c1", "tool_name": "add"},
    ]


def test_the_thinking_of_an_answer_goes_back_to_its_own_provider_alone() -> None:
    answer = read({"message": {"thinking": "hm", "content": "4"}, "done": True})
    again = asked(messages=(*ASK, Message("assistant", answer.parts)))
    assert body(again)["messages"][1] == {"role": "assistant", "content": "4", "thinking": "hm"}
    elsewhere = json.loads(encode(again, provider="other", model="m", profile=PLAIN).body)
    assert elsewhere["messages"][1] == {"role": "assistant", "content": "4"}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tools": (ADD,), "tool_choice": "required"}, "tool_choice", "cannot be made to call"),
        ({"tools": (ADD,), "tool_choice": NamedTool("add")}, "tool_choice", "cannot be made to call"),
        ({"tools": (Tool("t", strict=True),)}, "tools", "strict"),
        ({"reasoning_effort": "xhigh"}, "reasoning_effort", "xhigh"),
        ({"messages": (Message("user", (ImagePart(url="https://x/y.png"),)),)}, "messages", "fetches no images"),
        ({"messages": (Message("user", (ImagePart(data=PNG, detail="low"),)),)}, "messages", "detail"),
        ({"messages": (Message("user", (DocumentPart(text="t"),)),)}, "messages", "DocumentPart"),
        ({"messages": (Message("user", (TextPart("t"),), name="Ann"),)}, "messages", "who speaks"),
        ({"messages": (Message("tool", (ToolResultPart("c", (ImagePart(data=PNG),)),)),)}, "messages", "text alone"),
    ],
)
def test_what_ollama_has_no_words_for_is_refused_with_its_name(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(UnsupportedParameterError, match=words) as refused:
        body(asked(**fields))
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": ()}, "at least one message"),
        ({"temperature": float("nan")}, "finite"),
        ({"max_tokens": -1}, "0 or more"),
        ({"tools": (ADD, ADD)}, "two tools"),
        ({"tools": (), "tool_choice": "required"}, "no tools"),
        ({"messages": (Message("user", (ToolCallPart("c", "add"),)),)}, "cannot hold ToolCallPart"),
        ({"messages": (Message("tool", (TextPart("t"),)),)}, "cannot hold TextPart"),
        ({"messages": (Message("assistant", (ToolCallPart("c", "add", "{"),)),)}, "no JSON"),
        ({"messages": (Message("assistant", (ToolCallPart("c", "add", "[]"),)),)}, "no JSON object"),
        ({"messages": (Message("user", (ImagePart(),)),)}, "either a url or data"),
        ({"messages": (Message("user", (ImagePart(url="data:image/png;base64,??"),)),)}, "no base64"),
        ({"extra": {"ollama": {"messages": []}}}, "extra sets 'messages'"),
        ({"temperature": 0.1, "extra": {"ollama": {"options": {"temperature": 1}}}}, "extra sets 'options'"),
    ],
)
def test_what_no_server_could_take_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        body(asked(**fields))


def test_calls_without_ids_are_numbered_and_arguments_may_be_missing() -> None:
    calls = [{"function": {"name": "a"}}, {"function": {"index": 0, "name": "b", "arguments": {"x": "é"}}}, {"x": 1}]
    response = read({"message": {"content": "", "tool_calls": calls}, "done": True, "done_reason": "stop"})
    assert response.tool_calls == (ToolCallPart("call_0", "a", "{}"), ToolCallPart("call_1", "b", '{"x":"é"}'))
    assert response.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        ({"done": True}, "stop"),
        ({"done": True, "done_reason": "length"}, "length"),
        ({"done": True, "done_reason": "load"}, "stop"),
        ({"done": True, "done_reason": "unload"}, "stop"),
        ({"done": True, "done_reason": "tired"}, "unknown"),
        ({"done": True, "done_reason": 7}, "unknown"),
        ({"done": False}, "unknown"),
    ],
)
def test_finish_words_become_ours(answer: dict[str, object], finish: str) -> None:
    assert read({"message": {"content": "x"}, **answer}).finish_reason == finish


def test_a_finish_word_may_mean_an_error_by_the_profile() -> None:
    profile = WireProfile(finish_reasons={"aborted": "error"})
    with pytest.raises(ServerError, match="aborted"):
        read({"message": {"content": "x"}, "done": True, "done_reason": "aborted"}, profile)


def test_probabilities_are_read_with_their_alternatives() -> None:
    tops = [{"token": "Hi", "logprob": -0.1}, {"token": "Ho", "logprob": -3}]
    entry = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": tops}
    response = read({"message": {"content": "Hi"}, "logprobs": [entry, {"bad": 1}], "done": True})
    assert response.logprobs == (TokenLogprob("Hi", -0.1, (("Hi", -0.1), ("Ho", -3.0))),)
    chunks, _ = streamed([{"message": {"content": "Hi"}, "logprobs": [entry]}, {"done": True}])
    assert LogprobsChunk(response.logprobs) in chunks


def test_an_absent_prompt_count_is_not_said_rather_than_none() -> None:
    response = read({"message": {"content": "x"}, "done": True, "eval_count": 3})
    assert response.usage == Usage(input_tokens=None, output_tokens=3)


@pytest.mark.parametrize("answer", [{}, {"message": "text"}, [], 7, {"models": []}])
def test_what_is_no_answer_is_malformed(answer: object) -> None:
    with pytest.raises(MalformedResponseError):
        read(answer)


def test_an_error_under_a_good_status_is_raised() -> None:
    with pytest.raises(ProviderError, match="model is loading"):
        read({"error": "model is loading"})


def test_an_error_line_is_raised_after_what_came_before_it() -> None:
    decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
    lines = b'{"message":{"content":"He"},"done":false}\n{"error":"llama runner process has terminated"}\n'
    assert decoder.feed(lines) == [TextChunk("He")]
    with pytest.raises(ProviderError, match="runner process"):
        decoder.end()


def test_a_damaged_line_is_passed_over_and_counted() -> None:
    decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
    first = b'{"message":{"content":"He"},"done":false}\n{"message":{"con\n[1]\n{"x":1}\n'
    chunks = decoder.feed(first + b'{"message":{"content":"llo"},"done":true}\n') + decoder.end()
    assert together(chunks).text == "Hello"
    assert decoder.malformed == 3


def test_a_stream_without_done_is_cut_short() -> None:
    decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
    decoder.feed(b'{"message":{"content":"He"},"done":false}\n')
    with pytest.raises(TruncatedStreamError):
        decoder.end()


def test_nothing_after_done_changes_the_answer() -> None:
    chunks, decoder = streamed([{"response": "a", "done": True}, {"response": "b", "done": True}, {"error": "late"}])
    assert together(chunks).text == "a"
    assert sum(isinstance(chunk, FinishChunk) for chunk in chunks) == 1
    assert decoder.late_error is not None


def test_a_web_page_in_place_of_a_stream_is_malformed() -> None:
    decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
    decoder.feed(b"<html>\n<body>not found</body>\n</html>")
    with pytest.raises(MalformedResponseError, match="neither events nor JSON"):
        decoder.end()


def test_an_error_document_over_several_lines_is_the_error_it_says() -> None:
    decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
    decoder.feed(b'{\n  "error": "model \\"x\\" not found"\n}\n')
    with pytest.raises(ProviderError, match="not found"):
        decoder.end()


WORDS = st.text(max_size=8)
LINE = st.one_of(
    st.builds(lambda text: {"message": {"content": text}, "done": False}, WORDS),
    st.builds(lambda text: {"message": {"content": "", "thinking": text}, "done": False}, WORDS),
    st.builds(lambda text: {"response": text, "done": False}, WORDS),
    st.builds(
        lambda name: {"message": {"tool_calls": [{"function": {"name": name}}]}}, st.text(min_size=1, max_size=4)
    ),
)


@given(st.lists(LINE, max_size=8), st.lists(st.integers(0, 2000), max_size=8))
def test_any_cutting_gives_the_same_chunks(lines: list[object], cuts: list[int]) -> None:
    whole = b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, {"message": {}, "done": True}])
    expected, _ = streamed([*lines, {"message": {}, "done": True}])
    decoder = StreamDecoder(provider="ollama", model="m", profile=PLAIN)
    assert fed(decoder, whole, cuts) == expected


@given(st.lists(LINE, max_size=6))
def test_a_stream_adds_up_to_the_whole_answer_of_the_same_words(lines: list[dict[str, Any]]) -> None:
    chunks, _ = streamed([*lines, {"message": {}, "done": True, "eval_count": 3}])
    said = "".join((line.get("message") or {}).get("content") or line.get("response", "") for line in lines)
    assert together(chunks).text == said
    assert together(chunks).usage.output_tokens == 3


@given(st.binary(max_size=80))
def test_no_bytes_make_the_decoders_crash(junk: bytes) -> None:
    with suppress(GatewayError):
        decode(junk, provider="p", model="m", profile=PLAIN)
    decoder = StreamDecoder(provider="p", model="m", profile=PLAIN)
    with suppress(GatewayError):
        decoder.feed(junk)
        decoder.end()


def test_a_request_is_read_with_what_it_says_and_keeps_the_rest() -> None:
    request = read_request(
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "see", "images": [base64.b64encode(PNG).decode()]},
                {"role": "assistant", "thinking": "hm", "tool_calls": [
                    {"function": {"name": "a", "arguments": {"x": 1}}}, {"function": {"name": "b"}}]},
                {"role": "tool", "tool_name": "b", "content": "2"},
                {"role": "tool", "content": "1"},
            ],
            "options": {"temperature": 0, "stop": "x", "num_ctx": 9, "num_predict": -1},
            "think": True, "format": "json", "keep_alive": 0, "logprobs": True, "truncate": False,
        },
        provider="ollama",
    )  # fmt: skip
    assert request.messages == (
        Message("user", (TextPart("see"), ImagePart(data=PNG, media_type="image/png"))),
        Message(
            "assistant",
            (
                ReasoningPart("hm", ProviderState("ollama", {"type": "thinking"})),
                ToolCallPart("call_0", "a", '{"x":1}'),
                ToolCallPart("call_1", "b", "{}"),
            ),
        ),
        Message("tool", (ToolResultPart("call_1", "2"),)),
        Message("tool", (ToolResultPart("call_0", "1"),)),
    )
    assert (request.temperature, request.stop, request.logprobs, request.max_tokens) == (0, ("x",), 0, None)
    rest = {"keep_alive": 0, "truncate": False, "options": {"num_ctx": 9, "num_predict": -1}, "format": "json"}
    assert request.extra == {"ollama": {**rest, "think": True}}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"model": ""}, "model"),
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, r"messages\[0\]"),
        ({"messages": [{"role": "robot"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": [1]}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "user", "images": ["?"]}]}, r"messages\[0\].images\[0\]"),
        ({"messages": [{"role": "user", "images": ["é"]}]}, r"messages\[0\].images\[0\]"),
        ({"messages": [{"role": "tool", "images": ["aa"]}]}, r"messages\[0\].images"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, r"messages\[0\].tool_calls\[0\]"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"function": {}}]}, r"tools\[0\]"),
        ({"options": {"seed": "x"}}, "options.seed"),
        ({"options": {"stop": [1]}}, "options.stop"),
    ],
)
def test_a_bad_request_body_is_refused_with_the_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequestError, match=place):
        read_request({"model": "m", "messages": [{"role": "user", "content": "hi"}], **change}, provider="ollama")


@pytest.mark.parametrize("only", [{"raw": True}, {"suffix": "x"}, {"template": "x"}, {"context": [1]}])
def test_what_only_a_completion_can_do_is_refused(only: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="no part of a conversation"):
        read_request({"model": "m", "prompt": "hi", **only}, provider="ollama")


def test_arguments_nested_beyond_what_json_is_written_with_are_refused() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    call = {"function": {"name": "f", "arguments": {"x": deep}}}
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        read_request({"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]}, provider="ollama")
    with pytest.raises(MalformedResponseError, match="nested more than"):
        read({"message": {"tool_calls": [call]}, "done": True})
