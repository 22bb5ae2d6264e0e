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
    AudioPart,
    BuiltinToolPart,
    Chunk,
    Citation,
    DocumentPart,
    FinishChunk,
    ImagePart,
    Message,
    NamedTool,
    OutputSchema,
    ProviderState,
    ReasoningPart,
    RefusalPart,
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
from unified_api.wire.cohere import UNSUPPORTED, StreamDecoder, decode, encode
from unified_api.wire.cohere.request import read_request
from unified_api.wire.cohere.usage import read_usage

PLAIN = WireProfile()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
PICTURE = base64.b64encode(PNG).decode()
ADD = Tool("add", "Adds.", {"type": "object"})
SUB = Tool("sub", "", {"type": "object"})
ASK = (Message.user("hello"),)
PLAN = ProviderState("cohere", {"type": "tool_plan"})
THOUGHT = ProviderState("cohere", {"type": "thinking"})


def body(request: Request, profile: WireProfile = PLAIN, *, stream: bool = False) -> dict[str, Any]:
    return json.loads(encode(request, provider="cohere", model="m", profile=profile, stream=stream).body)


def asked(**fields: Any) -> Request:
    return Request(**{"model": "cohere/m", "messages": ASK, **fields})


def read(answer: object, profile: WireProfile = PLAIN) -> Response:
    return decode(json.dumps(answer).encode(), provider="cohere", model="m", profile=profile)


def framed(events: list[Any]) -> bytes:
    return b"".join(f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def chunks_of(events: list[Any]) -> list[Chunk]:
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    return decoder.feed(framed(events)) + decoder.end()


def together(chunks: list[Chunk]) -> Response:
    return collected(chunks, provider="cohere", model="m")


def delta(kind: str, index: int | None = None, **message: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {"type": kind, **place, "delta": {"message": message}}


def end(word: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": word, **more}}


def test_the_family_is_known_and_says_what_it_has_no_words_for() -> None:
    assert families.CHAT["cohere"].UNSUPPORTED == UNSUPPORTED
    for name, value in {"n": 2, "user": "u", "parallel_tool_calls": True, "show_reasoning": True}.items():
        with pytest.raises(UnsupportedParameterError, match=name) as refused:
            body(asked(**{name: value}))
        assert refused.value.param == name


def test_what_is_wished_goes_by_coheres_words() -> None:
    request = asked(
        temperature=0.5, top_p=0.9, top_k=40, max_tokens=100, seed=7, frequency_penalty=0.1, presence_penalty=0.2,
        stop=("END",), tools=(ADD,), tool_choice="required", output_schema=OutputSchema({"type": "object"}),
        reasoning_budget=500, logprobs=0,
        extra={"cohere": {"safety_mode": "STRICT", "citation_options": {"mode": "fast"}}, "openai": {"store": True}},
    )  # fmt: skip
    function = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
    assert body(request, stream=True) == {
        "model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True,
        "temperature": 0.5, "p": 0.9, "k": 40, "max_tokens": 100, "seed": 7, "frequency_penalty": 0.1,
        "presence_penalty": 0.2, "stop_sequences": ["END"], "logprobs": True,
        "tools": [{"type": "function", "function": function}], "tool_choice": "REQUIRED",
        "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
        "thinking": {"type": "enabled", "token_budget": 500},
        "safety_mode": "STRICT", "citation_options": {"mode": "fast"},
    }  # fmt: skip


def test_an_event_stream_is_asked_for_only_when_streaming() -> None:
    headers = {
        stream: encode(asked(), provider="cohere", model="m", profile=PLAIN, stream=stream).headers["accept"]
        for stream in (True, False)
    }
    assert headers == {True: "text/event-stream", False: "application/json"}


@pytest.mark.parametrize(
    ("choice", "names", "word"),
    [
        (None, ["add", "sub"], None),
        ("auto", ["add", "sub"], None),
        ("none", ["add", "sub"], "NONE"),
        ("required", ["add", "sub"], "REQUIRED"),
        (NamedTool("sub"), ["sub"], "REQUIRED"),
    ],
)
def test_a_tool_choice_is_a_word_and_a_named_tool_is_offered_alone(choice: Any, names: list[str], word: str) -> None:
    sent = body(asked(tools=(ADD, SUB), tool_choice=choice))
    assert [tool["function"]["name"] for tool in sent["tools"]] == names
    assert sent.get("tool_choice") == word


@pytest.mark.parametrize(
    ("stricts", "word"),
    [((None, None), None), ((True, True), True), ((True, None), True), ((False, None), False)],
)
def test_tools_are_strict_together(stricts: tuple[bool | None, ...], word: bool | None) -> None:
    tools = tuple(Tool(name, strict=strict) for name, strict in zip("ab", stricts, strict=True))
    assert body(asked(tools=tools)).get("strict_tools") is word


@pytest.mark.parametrize(
    ("wish", "thinking"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_budget": 0}, {"type": "disabled"}),
        ({"reasoning_budget": 9}, {"type": "enabled", "token_budget": 9}),
        ({}, None),
    ],
)
def test_thinking_is_on_off_or_so_many_tokens(wish: dict[str, Any], thinking: Any) -> None:
    assert body(asked(**wish)).get("thinking") == thinking


def test_an_effort_may_have_a_word_by_the_profile() -> None:
    low = {"thinking": {"type": "enabled", "token_budget": 1000}}
    profile = WireProfile(efforts={"*": {"low": low, "high": "high"}})
    assert body(asked(reasoning_effort="low"), profile)["thinking"]["token_budget"] == 1000
    assert body(asked(reasoning_effort="high"), profile)["reasoning_effort"] == "high"


def test_a_schema_that_is_no_object_is_asked_for_inside_one() -> None:
    wanted = body(asked(output_schema=OutputSchema({"type": "string"})))["response_format"]["json_schema"]
    assert wanted["properties"]["value"] == {"type": "string"}


def test_a_conversation_keeps_its_parts() -> None:
    messages = (
        Message("system", (TextPart("a"), TextPart("b"))),
        Message("user", (TextPart("see"), ImagePart(data=PNG), ImagePart(url="https://x/y.png", detail="low"))),
        Message(
            "assistant",
            (
                ReasoningPart("first ", PLAN),
                ReasoningPart("then", PLAN),
                ReasoningPart("deep", ProviderState("cohere", {"type": "thinking", "sig": 1})),
                ReasoningPart("foreign", ProviderState("google", {})),
                BuiltinToolPart("cohere", "widget", {"type": "widget"}),
                BuiltinToolPart("google", "search", {}),
                TextPart("done", (Citation(state=ProviderState("cohere", {"start": 0})), Citation(url="u"))),
                ToolCallPart("c1", "add", ""),
            ),
        ),
        Message("tool", (ToolResultPart("c1", "3"), ToolResultPart("c2", (TextPart("4"), DocumentPart(text="d"))))),
        Message("assistant", (RefusalPart("no"),)),
        Message("assistant", (ReasoningPart("foreign"),)),
    )
    assert body(asked(messages=messages))["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "sig": 1, "thinking": "deep"},
                {"type": "widget"},
                {"type": "text", "text": "done"},
            ],
            "tool_plan": "first then",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
            "citations": [{"start": 0}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        {
            "role": "tool",
            "tool_call_id": "c2",
            "content": [{"type": "text", "text": "4"}, {"type": "document", "document": {"data": {"text": "d"}}}],
        },
        {"role": "assistant", "content": "no"},
        {"role": "assistant", "content": ""},
    ]


def test_documents_to_read_stand_beside_the_conversation() -> None:
    kept = ProviderState("cohere", {"id": "doc:0", "data": {"snippet": "s"}})
    parts = (
        TextPart("what?"),
        DocumentPart(text="one", name="one.txt"),
        DocumentPart(data=b"two", media_type="text/markdown"),
        DocumentPart(text="three", state=kept),
        DocumentPart(text="four", state=ProviderState("other", {})),
    )
    sent = body(asked(messages=(Message("user", parts),)))
    assert sent["messages"] == [{"role": "user", "content": "what?"}]
    assert sent["documents"] == [
        {"data": {"title": "one.txt", "text": "one"}},
        {"data": {"text": "two"}},
        {"id": "doc:0", "data": {"snippet": "s"}},
        {"data": {"text": "four"}},
    ]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"logprobs": 3}, "logprobs", "no alternatives"),
        ({"reasoning_effort": "high"}, "reasoning_effort", "reasoning_budget"),
        ({"tools": (Tool("a", strict=True), Tool("b", strict=False))}, "tools", "alike"),
        ({"messages": (Message("user", (DocumentPart(url="https://x/y.pdf"),)),)}, "messages", "as text alone"),
        ({"messages": (Message("user", (DocumentPart(data=b"%PDF", media_type="application/pdf"),)),)}, "messages",
         "application/pdf"),
        ({"messages": (Message("user", (AudioPart(data=b"x", media_type="audio/wav"),)),)}, "messages", "AudioPart"),
        ({"messages": (Message("assistant", (ImagePart(data=PNG),)),)}, "messages", "ImagePart"),
        ({"messages": (Message("user", (TextPart("t"),), name="Ann"),)}, "messages", "who speaks"),
        ({"messages": (Message("tool", (ToolResultPart("c", (ImagePart(data=PNG),)),)),)}, "messages", "documents"),
    ],
)  # fmt: skip
def test_what_cohere_has_no_words_for_is_refused_with_its_name(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(UnsupportedParameterError, match=words) as refused:
        body(asked(**fields))
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": ()}, "at least one message"),
        ({"top_p": float("inf")}, "finite"),
        ({"reasoning_budget": -1}, "0 or more"),
        ({"reasoning_budget": 5, "reasoning_effort": "none"}, "not both"),
        ({"tools": (ADD, ADD)}, "two tools"),
        ({"tools": (ADD,), "tool_choice": NamedTool("x")}, "not among the tools"),
        ({"messages": (Message("system", (ToolCallPart("c", "add"),)),)}, "cannot hold ToolCallPart"),
        ({"messages": (Message("tool", (TextPart("t"),)),)}, "cannot hold TextPart"),
        ({"messages": (Message("user", (ImagePart(data=b"??"),)),)}, "media_type"),
        ({"messages": (Message("user", (DocumentPart(data=b"\xff", media_type="text/plain"),)),)}, "UTF-8"),
        ({"max_tokens": 5, "extra": {"cohere": {"max_tokens": 9}}}, "extra sets 'max_tokens'"),
        ({"extra": {"cohere": {"stream": True}}}, "extra sets 'stream'"),
    ],
)
def test_what_no_server_could_take_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        body(asked(**fields))


ANSWER = {
    "id": "x",
    "message": {
        "tool_plan": "I will look.",
        "content": [
            {"type": "thinking", "thinking": "Hm"},
            {"type": "text", "text": "One. "},
            {"type": "text", "text": "Two."},
            {"type": "widget", "spin": 1},
        ],
        "citations": [
            {"start": 0, "end": 3, "text": "One", "content_index": 1, "type": "TEXT_CONTENT",
             "sources": [{"type": "document", "document": {"title": "t", "url": "u", "text": "q"}}]},
            {"start": 0, "end": 3, "text": "Two", "content_index": 2, "sources": []},
            {"start": 0, "end": 2, "text": "Hm", "content_index": 0, "type": "THINKING_CONTENT"},
        ],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    "finish_reason": "TOOL_CALL",
}  # fmt: skip


def test_an_answer_is_read_with_all_its_parts() -> None:
    response = read(ANSWER)
    cited = ANSWER["message"]["citations"]  # type: ignore[index]  # an object, as written above
    texts = TextPart(
        "One. Two.",
        (
            Citation(url="u", title="t", quote="q", start=0, end=3, state=ProviderState("cohere", cited[0])),
            Citation(start=5, end=8, state=ProviderState("cohere", cited[1])),
        ),
    )
    assert response.parts == (
        ReasoningPart("I will look.", PLAN),
        ReasoningPart("Hm", THOUGHT),
        texts,
        BuiltinToolPart("cohere", "widget", {"type": "widget", "spin": 1}),
        ToolCallPart("c", "f", "{}"),
    )
    assert (response.id, response.finish_reason) == ("x", "tool_calls")


def test_citations_of_a_later_block_count_from_the_start_of_the_joined_text() -> None:
    message = {**ANSWER["message"], "content": ANSWER["message"]["content"][:3]}  # type: ignore[index, dict-item]
    response = read({"message": message, "finish_reason": "COMPLETE"})
    assert [response.text[one.start : one.end] for one in response.citations] == ["One", "Two"]


def test_citations_stay_with_their_text_where_others_follow_it() -> None:
    blocks = [
        {"type": "text", "text": "One."},
        {"type": "thinking", "thinking": "Hm"},
        {"type": "text", "text": "Two."},
    ]
    citations = [
        {"start": 0, "end": 3, "text": word, "content_index": index, "type": "TEXT_CONTENT", "sources": []}
        for index, word in ((0, "One"), (2, "Two"))
    ]
    whole = read({"message": {"content": blocks, "citations": citations}, "finish_reason": "COMPLETE"})
    events: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        kind = block["type"]
        first = {"type": kind, kind: ""}
        events += [
            {"type": "content-start", "index": index, "delta": {"message": {"content": first}}},
            {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: block[kind]}}}},
            {"type": "content-end", "index": index},
        ]
    events += [delta("citation-start", at, citations=one) for at, one in enumerate(citations)]
    events += [{"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}]
    assert together(chunks_of(events)).parts == whole.parts
    texts = [part for part in whole.parts if isinstance(part, TextPart)]
    assert [[part.text[one.start : one.end] for one in part.citations] for part in texts] == [["One"], ["Two"]]
    sent = body(asked(messages=(*ASK, Message("assistant", whole.parts))))["messages"][1]
    assert sent["citations"] == citations


def test_citations_of_joined_blocks_go_back_at_their_places_in_the_joined_text() -> None:
    message = {**ANSWER["message"], "content": ANSWER["message"]["content"][:3]}  # type: ignore[index, dict-item]
    parts = read({"message": message, "finish_reason": "COMPLETE"}).parts
    sent = body(asked(messages=(*ASK, Message("assistant", parts))))["messages"][1]
    cited = sent["citations"]
    assert [(one["content_index"], one["text"]) for one in cited] == [(1, "One"), (1, "Two")]
    for one in cited:
        assert sent["content"][one["content_index"]]["text"][one["start"] : one["end"]] == one["text"]


def test_a_stream_gives_the_parts_of_the_whole_answer() -> None:
    message: Any = ANSWER["message"]
    thinking, one, two, _ = message["content"]
    events = [
        {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant", "content": []}}},
        delta("tool-plan-delta", tool_plan="I will "),
        delta("tool-plan-delta", tool_plan="look."),
        delta("content-start", 0, content={**thinking, "thinking": ""}),
        delta("content-delta", 0, content={"thinking": "H"}),
        delta("content-delta", 0, content={"thinking": "m"}),
        {"type": "content-end", "index": 0},
        delta("content-start", 1, content={**one, "text": ""}),
        delta("content-delta", 1, content={"text": "One"}),
        delta("citation-start", 0, citations=message["citations"][0]),
        {"type": "citation-end", "index": 0},
        delta("content-delta", 1, content={"text": ". "}),
        {"type": "content-end", "index": 1},
        delta("content-start", 2, content=two),
        delta("citation-start", 1, citations=message["citations"][1]),
        delta("citation-start", 2, citations=message["citations"][2]),
        {"type": "content-end", "index": 2},
        delta("tool-call-start", 0, tool_calls={"id": "c", "function": {"name": "f", "arguments": ""}}),
        delta("tool-call-delta", 0, tool_calls={"function": {"arguments": "{"}}),
        delta("tool-call-delta", 0, tool_calls={"function": {"arguments": "}"}}),
        {"type": "tool-call-end", "index": 0},
        {"type": "debug", "prompt": "..."},
        end("TOOL_CALL", usage={"tokens": {"input_tokens": 5, "output_tokens": 2}}),
    ]
    whole = read({**ANSWER, "message": {**message, "content": message["content"][:3]}})
    streamed = together(chunks_of(events))
    assert streamed.parts == whole.parts
    assert streamed.finish_reason == whole.finish_reason
    assert streamed.usage == Usage(input_tokens=5, output_tokens=2)


@pytest.mark.parametrize("pieces", [["null"], ["nu", "ll"], [""], []])
def test_no_arguments_are_an_empty_object_however_they_are_told(pieces: list[str]) -> None:
    start = delta("tool-call-start", 0, tool_calls={"id": "c", "function": {"name": "f"}})
    more = [delta("tool-call-delta", 0, tool_calls={"function": {"arguments": piece}}) for piece in pieces]
    assert together(chunks_of([start, *more, end("TOOL_CALL")])).tool_calls == (ToolCallPart("c", "f", "{}"),)


def test_arguments_that_only_begin_like_null_are_kept() -> None:
    start = delta("tool-call-start", 0, tool_calls={"id": "c", "function": {"name": "f", "arguments": "nu"}})
    rest = delta("tool-call-delta", 0, tool_calls={"function": {"arguments": "mber"}})
    assert together(chunks_of([start, rest, end()])).tool_calls[0].arguments == "number"
    assert together(chunks_of([start, end()])).tool_calls[0].arguments == "nu"


def test_calls_without_an_index_or_an_id_are_told_apart_by_their_starts() -> None:
    events = [
        delta("tool-call-start", tool_calls={"function": {"name": "a", "arguments": "{"}}),
        delta("tool-call-delta", tool_calls={"function": {"arguments": "}"}}),
        delta("tool-call-start", tool_calls={"function": {"name": "b", "arguments": "{}"}}),
    ]
    assert together(chunks_of([*events, end()])).tool_calls == (
        ToolCallPart("call_0", "a", "{}"),
        ToolCallPart("call_1", "b", "{}"),
    )


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("ERROR_LIMIT", "length"),
        ("ERROR_TOXIC", "content_filter"),
        ("TOOL_CALL", "tool_calls"),
        ("TIRED", "unknown"),
        (None, "unknown"),
    ],
)
def test_finish_words_become_ours(word: str | None, finish: str) -> None:
    assert read({"message": {"content": "x"}, "finish_reason": word}).finish_reason == finish


@pytest.mark.parametrize("word", ["ERROR", "TIMEOUT", "USER_CANCEL"])
def test_an_answer_that_ended_in_an_error_is_raised(word: str) -> None:
    with pytest.raises(ServerError, match=word):
        read({"message": {"content": "x"}, "finish_reason": word})
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    text = delta("content-delta", 0, content={"text": "x"})
    assert decoder.feed(framed([text, end(word, error="the model broke")])) == [TextChunk("x")]
    with pytest.raises(ServerError, match="the model broke"):
        decoder.end()


def test_the_probability_of_a_piece_is_that_of_its_tokens_together() -> None:
    probabilities = {"text": "Hello", "token_ids": [1, 2], "logprobs": [-0.5, -1]}
    response = read({"message": {"content": "Hello"}, "logprobs": [probabilities, {}], "finish_reason": "COMPLETE"})
    assert response.logprobs == (TokenLogprob("Hello", -1.5),)
    event = {**delta("content-delta", 0, content={"text": "Hello"}), "logprobs": probabilities}
    assert together(chunks_of([event, end()])).logprobs == response.logprobs


def test_v1_is_read_whole_and_as_lines() -> None:
    answer = {
        "text": "I look.",
        "generation_id": "g",
        "citations": [{"start": 2, "end": 6, "text": "look", "document_ids": ["d"]}],
        "tool_calls": [{"name": "f", "parameters": {"q": 1}}],
        "finish_reason": "COMPLETE",
        "meta": {"tokens": {"input_tokens": 3, "output_tokens": 4}, "billed_units": {"input_tokens": 1}},
    }
    events = [
        {"event_type": "stream-start", "generation_id": "g"},
        {"event_type": "tool-calls-chunk", "tool_call_delta": {"text": "I "}},
        {"event_type": "tool-calls-chunk", "tool_call_delta": {"text": "look."}},
        {"event_type": "citation-generation", "citations": answer["citations"]},
        {"event_type": "tool-calls-generation", "text": "I look.", "tool_calls": answer["tool_calls"]},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"meta": answer["meta"]}},
    ]
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    chunks = decoder.feed(b"".join(json.dumps(event).encode() + b"\n" for event in events)) + decoder.end()
    whole = read(answer)
    assert whole.text == "I look."
    assert whole.tool_calls == (ToolCallPart("call_0", "f", '{"q":1}'),)
    assert [whole.text[one.start : one.end] for one in whole.citations] == ["look"]
    assert whole.usage == Usage(input_tokens=3, output_tokens=4, billed_input_tokens=1)
    assert together(chunks).parts == whole.parts
    assert together(chunks).usage == whole.usage


def test_what_is_told_alone_stands_for_both_counts() -> None:
    assert read_usage({"billed_units": {"input_tokens": 4.0, "search_units": 1}}) == Usage(input_tokens=4)
    assert read_usage({"tokens": {"input_tokens": -1, "output_tokens": True}, "billed_units": None}) == Usage()


@pytest.mark.parametrize("answer", [{}, {"message": 7}, [], 7, {"embeddings": {}}])
def test_what_is_no_answer_is_malformed(answer: object) -> None:
    with pytest.raises(MalformedResponseError):
        read(answer)


def test_an_error_body_under_a_good_status_is_raised_whole_and_streamed() -> None:
    error = {"id": "1", "message": "invalid request: all elements in history must have a message"}
    with pytest.raises(ProviderError, match="all elements in history"):
        read(error)
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    decoder.feed(json.dumps(error, indent=2).encode())
    with pytest.raises(ProviderError, match="all elements in history"):
        decoder.end()


def test_an_error_event_is_raised_after_what_came_before_it_and_a_late_one_is_kept() -> None:
    text, error = (
        framed([delta("content-delta", 0, content={"text": "x"})]),
        b'event: error\ndata: {"message":"oh"}\n\n',
    )
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    assert decoder.feed(text + error) == [TextChunk("x")]
    with pytest.raises(ProviderError, match="oh"):
        decoder.feed(b"")
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    decoder.feed(text + framed([end()]) + error)
    assert decoder.end() == []
    assert decoder.late_error is not None


def test_an_error_event_without_a_word_is_one_all_the_same() -> None:
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    with pytest.raises(ProviderError, match="no reason given"):
        decoder.feed(b"event: error\n\n")


def test_a_damaged_event_is_passed_over_and_counted() -> None:
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    one, two = framed([delta("content-delta", 0, content={"text": "a"})]), framed([end()])
    chunks = (
        decoder.feed(one + b"data: {bad\n\ndata: 7\n\ndata: {}\n\n" + one + two + b"data: [DONE]\n\n") + decoder.end()
    )
    assert together(chunks).text == "aa"
    assert decoder.malformed == 3
    assert sum(isinstance(chunk, FinishChunk) for chunk in chunks) == 1


def test_a_stream_without_its_end_is_cut_short_even_after_done() -> None:
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    decoder.feed(framed([delta("content-delta", 0, content={"text": "a"})]) + b"data: [DONE]\n\n")
    with pytest.raises(TruncatedStreamError):
        decoder.end()


WORDS = st.text(max_size=6)
EVENT = st.one_of(
    st.builds(lambda text: delta("content-delta", 0, content={"text": text}), WORDS),
    st.builds(lambda text: delta("content-delta", 0, content={"thinking": text}), WORDS),
    st.builds(lambda text: delta("tool-plan-delta", tool_plan=text), WORDS),
    st.builds(lambda text: delta("tool-call-delta", 0, tool_calls={"function": {"arguments": text}}), WORDS),
    st.builds(
        lambda start: delta("citation-start", 0, citations={"start": start, "end": start + 1}), st.integers(0, 5)
    ),
    st.just({"type": "content-end", "index": 0}),
)


@given(st.lists(EVENT, max_size=8), st.lists(st.integers(0, 5000), max_size=8))
def test_any_cutting_gives_the_same_chunks(events: list[Any], cuts: list[int]) -> None:
    whole = framed([*events, end()])
    decoder = StreamDecoder(provider="cohere", model="m", profile=PLAIN)
    assert fed(decoder, whole, cuts) == chunks_of([*events, end()])


@given(st.binary(max_size=80))
def test_no_bytes_make_the_decoders_crash(junk: bytes) -> None:
    for start in (b"", b'data: {"type":"content-delta","delta":', b'{"message":'):
        with suppress(GatewayError):
            decode(start + junk, provider="p", model="m", profile=PLAIN)
        decoder = StreamDecoder(provider="p", model="m", profile=PLAIN)
        with suppress(GatewayError):
            decoder.feed(start + junk)
            decoder.end()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    ["content-start", "content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta", "citation-start",
     "message-end", "text-generation", "citation-generation", "tool-calls-chunk", "tool-calls-generation", "stream-end"]
)  # fmt: skip
PARTS = st.sampled_from(["content", "tool_plan", "tool_calls", "citations", "finish_reason", "usage", "text"])


@given(KINDS, st.dictionaries(PARTS, JSON), JSON)
def test_events_of_the_wrong_shape_are_no_crash(kind: str, message: dict[str, Any], other: Any) -> None:
    events = [{"type": kind, **message, "delta": {**message, "message": message}}, {"type": kind, "delta": other}]
    with suppress(GatewayError):
        chunks_of([*events, end()])
    with suppress(GatewayError):
        read({"message": message, **message})


def test_a_request_is_read_with_what_it_says_and_keeps_the_rest() -> None:
    document = {"id": "d", "data": {"text": "t", "title": "n"}}
    request = read_request(
        {
            "model": "m", "stream": True,
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [
                    {"type": "text", "text": "u"},
                    {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}}]},
                {"role": "assistant", "tool_plan": "p", "content": [{"type": "thinking", "thinking": "t"}],
                 "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": [
                    {"type": "document", "document": {"data": {"text": "r"}}}]},
                {"role": "assistant", "content": "a", "citations": [{"start": 0}]},
            ],
            "documents": ["plain", document], "tools": [{"type": "function", "function": {"name": "f"}}],
            "strict_tools": True, "tool_choice": "REQUIRED", "p": 0.5, "k": 3, "stop_sequences": ["x"],
            "thinking": {"type": "enabled", "token_budget": 7}, "logprobs": True,
            "response_format": {"type": "json_object", "json_schema": {"type": "object"}}, "safety_mode": "OFF",
        },
        provider="cohere",
    )  # fmt: skip
    assert request.messages[1].parts == (
        TextPart("u"),
        ImagePart(url="https://x", detail="low"),
        DocumentPart(text="plain"),
        DocumentPart(text="t", name="n", state=ProviderState("cohere", document)),
    )
    assert request.messages[2].parts == (
        ReasoningPart("p", PLAN),
        ReasoningPart("t", THOUGHT),
        ToolCallPart("c", "f", "{}"),
    )
    assert request.messages[3].parts == (ToolResultPart("c", (DocumentPart(text="r"),)),)
    assert request.messages[4].parts == (TextPart("a", (Citation(state=ProviderState("cohere", {"start": 0})),)),)
    assert (request.tool_choice, request.top_p, request.top_k, request.stop) == ("required", 0.5, 3, ("x",))
    assert (request.reasoning_budget, request.logprobs, request.tools[0].strict) == (7, 0, True)
    assert request.output_schema == OutputSchema({"type": "object"})
    assert request.extra == {"cohere": {"safety_mode": "OFF"}}


@pytest.mark.parametrize(
    "more",
    [
        {"thinking": {"type": "enabled"}},
        {"thinking": {"type": "disabled"}},
        {"response_format": {"type": "json_object"}},
        {"tool_choice": "AUTO"},
        {"documents": ["plain"], "citation_options": {"mode": "off"}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "strict_tools": False},
    ],
)
def test_a_request_means_the_same_when_it_is_written_again(more: dict[str, Any]) -> None:
    sent = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": False, **more}
    again = body(read_request(sent, provider="cohere"))
    assert again == {**sent, "documents": [{"data": {"text": "plain"}}]} if "documents" in sent else again == sent


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": ["hi"]}, r"messages\[0\]"),
        ({"messages": [{"role": "robot"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": 7}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "user", "content": [7]}]}, r"messages\[0\].content\[0\]"),
        ({"messages": [{"role": "user", "content": [{"image_url": {}}]}]}, "image_url"),
        ({"messages": [{"role": "user", "content": [{"image_url": {"url": "x", "detail": "huge"}}]}]}, "detail"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id"),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": [7]}]}, r"content\[0\]"),
        ({"messages": [{"role": "assistant", "citations": [{}]}]}, "citations"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, r"tool_calls\[0\]"),
        ({"documents": [7]}, r"documents\[0\]"),
        ({"tools": [{}]}, r"tools\[0\]"),
        ({"k": 1.5}, "k is no whole number"),
        ({"stop_sequences": "x"}, "stop_sequences"),
    ],
)
def test_a_bad_request_body_is_refused_with_the_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequestError, match=place):
        read_request({"model": "m", "messages": [{"role": "user", "content": "hi"}], **change}, provider="cohere")


def test_a_conversation_of_v1_is_read_and_what_has_no_like_is_refused() -> None:
    sent: dict[str, Any] = {
        "model": "m", "message": "now", "preamble": "be kind", "temperature": 0.5,
        "chat_history": [{"role": "USER", "message": "hi"}, {"role": "Chatbot", "message": "ho"}],
    }  # fmt: skip
    request = read_request(sent, provider="cohere")
    assert request.messages == (
        Message.system("be kind"),
        Message.user("hi"),
        Message.assistant("ho"),
        Message.user("now"),
    )
    assert (request.temperature, request.extra) == (0.5, {})
    for more in ({"connectors": [{"id": "web-search"}]}, {"chat_history": [{"role": "TOOL"}]}, {"message": None}):
        with pytest.raises(InvalidRequestError):
            read_request({**sent, **more}, provider="cohere")
