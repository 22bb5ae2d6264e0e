"""Google's request bodies read as canonical requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    BuiltinTool,
    BuiltinToolPart,
    DocumentPart,
    ImagePart,
    Message,
    NamedTool,
    OutputSchema,
    ProviderState,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire import gemini
from unified_api.wire.base import WireProfile
from unified_api.wire.gemini.request import read_request

HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def read(**beside: Any) -> Request:
    return read_request({**HELLO, **beside}, provider="google", model="gemini-3-flash")


def turns(*contents: Any) -> tuple[Message, ...]:
    return read_request({"contents": list(contents)}, provider="google", model="m").messages


def test_the_smallest_body_is_one_message() -> None:
    assert read() == Request(model="gemini-3-flash", messages=(Message.user("Hi"),))
    assert turns({"parts": {"text": "Hi"}}) == (Message.user("Hi"),)
    assert read_request({**HELLO, "model": "models/x"}, provider="google").model == "models/x"


def test_both_spellings_are_understood() -> None:
    (message,) = turns(
        {
            "role": "user",
            "parts": [
                {"inline_data": {"mime_type": "image/png", "data": "QUJD"}},
                {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
                {"file_data": {"file_uri": "https://youtu.be/x"}, "video_metadata": {"fps": 1}},
            ],
        }
    )
    assert message.parts == (
        ImagePart(data=b"ABC", media_type="image/png"),
        DocumentPart(data=b"ABC", media_type="application/pdf"),
        VideoPart(url="https://youtu.be/x", state=ProviderState("google", {"videoMetadata": {"fps": 1}})),
    )


def test_a_conversation_with_tools_is_read_with_its_state() -> None:
    messages = turns(
        {"role": "user", "parts": [{"text": "go"}]},
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "f"}},
                {"executableCode": {"code": "1"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"name": "f", "response": {"error": "two"}}},
                {"text": "and?"},
            ],
        },
    )
    state = ProviderState("google", {"thoughtSignature": "c2ln"})
    assert messages[1:] == (
        Message(
            "assistant",
            (
                ReasoningPart("hm", ProviderState("google", {"thought": True})),
                ToolCallPart("call_0", "f", '{"a":1}', state),
                ToolCallPart("call_1", "f", "{}"),
                BuiltinToolPart("google", "executableCode", {"executableCode": {"code": "1"}}),
            ),
        ),
        Message("tool", (ToolResultPart("call_0", "one"), ToolResultPart("call_1", "two", failed=True))),
        Message("user", (TextPart("and?"),)),
    )


def test_a_result_finds_its_call_by_id_before_name() -> None:
    messages = turns(
        {"role": "model", "parts": [{"functionCall": {"name": "f", "id": x}} for x in ("a", "b")]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "id": "b", "response": {"x": [1]}}}]},
    )
    assert messages[1].parts == (ToolResultPart("b", '{"x":[1]}'),)


def test_media_in_a_result_is_read() -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}
    answer = {"name": "f", "response": {"output": "see"}, "parts": [blob]}
    messages = turns(
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"role": "user", "parts": [{"functionResponse": answer}]},
    )
    image = ImagePart(data=b"ABC", media_type="image/png")
    assert messages[1].parts == (ToolResultPart("call_0", (TextPart("see"), image)),)


def test_functions_are_tools_whatever_their_schema_is_written_in() -> None:
    openapi = {
        "type": "OBJECT",
        "properties": {
            "a": {"type": "STRING", "nullable": True, "enum": ["x"]},
            "b": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "1"},
            "type": {"anyOf": [{"type": "STRING", "format": "enum", "enum": ["y"]}], "nullable": True},
        },
        "property_ordering": ["a"],
    }
    request = read(
        tools=[
            {
                "function_declarations": [
                    {"name": "f", "description": "F", "parameters": openapi},
                    {"name": "g", "parameters_json_schema": {"type": "object"}},
                    {"name": "h"},
                    {"name": "i", "behavior": "NON_BLOCKING"},
                ],
                "google_search": {},
            },
            {"codeExecution": {}},
        ]
    )
    assert request.tools == (
        Tool(
            "f",
            "F",
            {
                "type": "object",
                "properties": {
                    "a": {"type": ["string", "null"], "enum": ["x", None]},
                    "b": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
                    "type": {"anyOf": [{"type": "string", "enum": ["y"]}, {"type": "null"}]},
                },
                "propertyOrdering": ["a"],
            },
        ),
        Tool("g", "", {"type": "object"}),
        Tool("h"),
    )
    assert request.builtin_tools == (
        BuiltinTool("google", {"functionDeclarations": [{"name": "i", "behavior": "NON_BLOCKING"}]}),
        BuiltinTool("google", {"google_search": {}}),
        BuiltinTool("google", {"codeExecution": {}}),
    )


FUNCTIONS = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]


@pytest.mark.parametrize(
    ("config", "choice", "left"),
    [
        ({"mode": "AUTO"}, "auto", None),
        ({"mode": "any"}, "required", None),
        ({"mode": "NONE"}, "none", None),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, NamedTool("g"), None),
        ({"mode": "ANY", "allowed_function_names": ["f", "g"]}, "required", {"allowedFunctionNames": ["f", "g"]}),
        ({"mode": "SOMETHING"}, None, {"mode": "SOMETHING"}),
    ],
)
def test_calling_is_a_choice_and_what_has_no_word_stays(config: Any, choice: Any, left: Any) -> None:
    request = read(tools=FUNCTIONS, tool_config={"function_calling_config": config})
    assert request.tool_choice == choice
    assert request.extra == ({"google": {"toolConfig": {"functionCallingConfig": left}}} if left else {})


def test_validated_calls_are_strict_tools() -> None:
    request = read(tools=FUNCTIONS, toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}})
    assert [tool.strict for tool in request.tools] == [True, True]
    assert request.tool_choice == "auto"


def test_settings_become_fields_and_the_rest_stays_for_google() -> None:
    request = read(
        systemInstruction={"role": "user", "parts": [{"text": "Be brief."}]},
        generationConfig={
            "temperature": 0,
            "topK": 40.0,
            "stop_sequences": ["X"],
            "responseLogprobs": True,
            "logprobs": 2,
            "thinkingConfig": {"thinking_level": "LOW", "includeThoughts": True},
            "responseModalities": ["TEXT"],
        },
        safetySettings=[{"category": "X"}],
        labels={"team": "y"},
    )
    assert request.messages[0] == Message.system("Be brief.")
    assert (request.temperature, request.top_k, request.stop, request.logprobs) == (0, 40, ("X",), 2)
    assert (request.reasoning_effort, request.show_reasoning) == ("low", True)
    assert request.metadata == {"team": "y"}
    assert request.extra == {
        "google": {"safetySettings": [{"category": "X"}], "generationConfig": {"responseModalities": ["TEXT"]}}
    }


def test_a_schema_is_asked_for_with_json_only() -> None:
    wanted = read(generationConfig={"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}})
    assert wanted.output_schema == OutputSchema({"type": "string"})
    assert wanted.extra == {}
    for config in (
        {"responseMimeType": "application/json"},
        {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}},
        {"responseSchema": {"type": "STRING"}},
    ):
        request = read(generationConfig=config)
        assert request.output_schema is None
        assert request.extra == {"google": {"generationConfig": config}}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "Hi"}, "contents"),
        ({"contents": [5]}, r"contents\[0\]"),
        ({"contents": [{"role": "robot", "parts": []}]}, r"contents\[0\]\.role"),
        ({"contents": [{"role": ["user"], "parts": []}]}, r"contents\[0\]\.role"),
        ({"contents": [{"parts": ["Hi"]}]}, r"contents\[0\]\.parts\[0\]"),
        ({"contents": [{"parts": [{}]}]}, r"contents\[0\]\.parts\[0\]"),
        ({"contents": [{"parts": [{"text": 5}]}]}, r"parts\[0\]\.text"),
        ({"contents": [{"parts": [{"inlineData": {"data": "QUJD"}}]}]}, r"parts\[0\] cannot be read"),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "a/b", "data": "?"}}]}]}, r"parts\[0\] cannot be read"),
        ({"contents": [{"parts": [{"fileData": 7}]}]}, r"parts\[0\]"),
        ({"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]}, "functionCall"),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}]}, "functionResponse"),
        ({**HELLO, "systemInstruction": {"parts": [{"inlineData": {}}]}}, r"systemInstruction\.parts\[0\]"),
        ({**HELLO, "systemInstruction": []}, "systemInstruction"),
        ({**HELLO, "tools": [5]}, r"tools\[0\]"),
        ({**HELLO, "tools": [{"functionDeclarations": [{}]}]}, r"functionDeclarations\[0\]"),
        ({**HELLO, "tools": [{"functionDeclarations": 5}]}, "functionDeclarations"),
        ({**HELLO, "generationConfig": []}, "generationConfig"),
        ({**HELLO, "generationConfig": {"temperature": "hot"}}, r"generationConfig\.temperature"),
        ({**HELLO, "generationConfig": {"topK": 1.5}}, r"generationConfig\.topK"),
        ({**HELLO, "generationConfig": {"stopSequences": [1]}}, r"generationConfig\.stopSequences"),
        ({**HELLO, "toolConfig": 1}, "toolConfig"),
        ({**HELLO, "labels": {"a": 1}}, "labels"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(body: Any, place: str) -> None:
    with pytest.raises(InvalidRequestError, match=place):
        read_request(body, provider="google", model="m")


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    schema: Any = {"type": "STRING"}
    for _ in range(5000):
        schema = {"type": "ARRAY", "items": schema}
    with pytest.raises(InvalidRequestError, match="too deeply"):
        read(tools=[{"functionDeclarations": [{"name": "f", "parameters": schema}]}])


def test_arguments_and_results_that_are_nested_too_deeply_are_refused() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    call = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": deep}}}]}
    with pytest.raises(InvalidRequestError, match=r"functionCall\.args cannot be written"):
        turns(call)
    with pytest.raises(InvalidRequestError, match=r"functionResponse\.response cannot be written"):
        turns(
            {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": deep}}}]},
        )


def test_an_answer_goes_back_as_it_came() -> None:
    parts = [
        {"text": "Look", "thoughtSignature": "c2ln"},
        {"executableCode": {"code": "1", "language": "PYTHON"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}, "thoughtSignature": "cGlj"},
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "i1"}, "thoughtSignature": "Y2FsbA=="},
    ]
    body = json.dumps({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}).encode()
    answer = gemini.decode(body, provider="google", model="gemini-3-flash", profile=WireProfile())
    request = Request(model="x", messages=(Message.user("go"), Message("assistant", answer.parts)))
    wire = gemini.encode(request, provider="google", model="gemini-3-flash", profile=WireProfile())
    assert json.loads(wire.body)["contents"][1] == {"role": "model", "parts": parts}


def test_texts_that_hold_nothing_are_read_as_none() -> None:
    blank: Any = {"text": ""}
    body: Any = {
        "systemInstruction": {"parts": [blank]},
        "contents": [{"role": "user", "parts": [blank, {"text": "Hi"}]}, {"role": "model", "parts": [blank]}],
    }
    assert read_request(body, provider="google", model="m").messages == (Message.user("Hi"),)
