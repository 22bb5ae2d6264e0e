"""Requests as Google takes them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Message,
    NamedTool,
    OutputSchema,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire import gemini
from unified_api.wire.base import WireProfile

PNG = b"\x89PNG\r\n\x1a\n..."
OWN = ProviderState("google", {"thoughtSignature": "c2ln"})
OTHERS = ProviderState("anthropic", {"signature": "abc"})
FORMER = "gemini-2.5-flash"


def encode(request: Request, *, model: str = "gemini-3-flash", stream: bool = False) -> Any:
    wire = gemini.encode(request, provider="google", model=model, profile=WireProfile(), stream=stream)
    return json.loads(wire.body)


def ask(*messages: Message, **fields: Any) -> Request:
    return Request(model="x", messages=messages or (Message.user("Hi"),), **fields)


def user(*parts: Part) -> Message:
    return Message("user", parts)


def model_turn(*parts: Part) -> Message:
    return Message("assistant", parts)


def shown(part: Part, model: str = "gemini-3-flash") -> Any:
    return encode(ask(user(part)), model=model)["contents"][0]["parts"]


def test_the_model_stands_in_the_path_and_the_stream_in_its_query() -> None:
    def path(model: str, *, stream: bool = False) -> str:
        return gemini.encode(ask(), provider="google", model=model, profile=WireProfile(), stream=stream).path

    assert path("gemini-3-flash") == "/models/gemini-3-flash:generateContent"
    assert path("gemini-3-flash", stream=True) == "/models/gemini-3-flash:streamGenerateContent?alt=sse"
    assert path("models/gemini-3-flash") == "/models/gemini-3-flash:generateContent"
    assert path("tunedModels/mine") == "/tunedModels/mine:generateContent"
    assert path("a/b c?d:e") == "/models/a%2Fb%20c%3Fd%3Ae:generateContent"


def test_no_key_is_in_the_headers() -> None:
    wire = gemini.encode(ask(), provider="google", model="m", profile=WireProfile(), stream=True)
    assert wire.headers == {"content-type": "application/json", "accept": "text/event-stream"}
    assert wire.method == "POST"


def test_system_messages_stand_beside_the_conversation() -> None:
    body = encode(
        ask(Message.system("Be brief."), Message.user("a"), Message.assistant("b"), Message.system("In French."))
    )
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In French."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"text": "b"}]},
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (ImagePart(data=PNG), {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}),
        (ImagePart(data=b"x", media_type="image/heic"), {"inlineData": {"mimeType": "image/heic", "data": "eA=="}}),
        (ImagePart(url="data:image/gif;base64,eA=="), {"inlineData": {"mimeType": "image/gif", "data": "eA=="}}),
        (
            ImagePart(url="https://h/a.JPG?x=1"),
            {"fileData": {"fileUri": "https://h/a.JPG?x=1", "mimeType": "image/jpeg"}},
        ),
        (ImagePart(url="https://h/a"), {"fileData": {"fileUri": "https://h/a"}}),
        (
            ImagePart(url="gs://b/a", media_type="image/png"),
            {"fileData": {"fileUri": "gs://b/a", "mimeType": "image/png"}},
        ),
        (AudioPart(data=b"x", media_type="audio/wav"), {"inlineData": {"mimeType": "audio/wav", "data": "eA=="}}),
        (AudioPart(url="https://h/a.mp3"), {"fileData": {"fileUri": "https://h/a.mp3", "mimeType": "audio/mpeg"}}),
        (VideoPart(url="https://youtu.be/abc"), {"fileData": {"fileUri": "https://youtu.be/abc"}}),
        (VideoPart(data=b"x", media_type="video/mp4"), {"inlineData": {"mimeType": "video/mp4", "data": "eA=="}}),
        (
            DocumentPart(data=b"x", media_type="application/pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": "eA=="}},
        ),
        (DocumentPart(text="x"), {"inlineData": {"mimeType": "text/plain", "data": "eA=="}}),
        (DocumentPart(url="data:,a%20b"), {"inlineData": {"mimeType": "text/plain", "data": "YSBi"}}),
        (
            VideoPart(url="gs://b/v.mp4", state=ProviderState("google", {"videoMetadata": {"fps": 2}})),
            {"fileData": {"fileUri": "gs://b/v.mp4", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2}},
        ),
        (DocumentPart(state=ProviderState("google", {"fileData": {"fileUri": "f"}})), {"fileData": {"fileUri": "f"}}),
        (
            ImagePart(data=PNG, detail="low"),
            {
                "inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()},
                "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
            },
        ),
        (AudioPart(transcript="said", state=OTHERS), {"text": "said"}),
    ],
)
def test_media_is_shown_inline_or_by_its_address(part: Part, expected: Any) -> None:
    assert shown(part) == [expected]


def test_the_name_of_a_document_stands_before_it() -> None:
    part = DocumentPart(data=b"x", name="report.pdf")
    assert shown(part) == [{"text": "report.pdf"}, {"inlineData": {"mimeType": "application/pdf", "data": "eA=="}}]


def test_media_that_another_provider_holds_is_left_out() -> None:
    body = encode(ask(user(TextPart("see"), ImagePart(state=OTHERS))))
    assert body["contents"][0]["parts"] == [{"text": "see"}]


@pytest.mark.parametrize(
    "part",
    [
        ImagePart(),
        ImagePart(data=b"what"),
        AudioPart(data=b"x"),
        DocumentPart(data=b"x"),
        ImagePart(url="ftp://h/a.png"),
        ImagePart(url="a.png"),
        ImagePart(url="https://[::1"),
        ImagePart(url="data:image/png;base64,ü"),
        ImagePart(url="data:image/png;base64,A"),
        ImagePart(url="data:image/png"),
        DocumentPart(text="\ud800"),
    ],
)
def test_media_that_nobody_could_read_is_refused_with_its_place(part: Part) -> None:
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]\.parts\[0\]") as caught:
        shown(part)
    assert caught.value.param == "messages"


def test_an_older_model_has_no_detail_for_one_image() -> None:
    assert "mediaResolution" not in shown(ImagePart(data=PNG, detail="auto"), FORMER)[0]
    with pytest.raises(UnsupportedParameterError, match="detail 'high'"):
        shown(ImagePart(data=PNG, detail="high"), FORMER)


TOOLS = (
    Tool("f", "Does f.", {"type": "object", "properties": {"a": {"type": "integer"}}}),
    Tool("g", "", {"type": "object", "properties": {}}),
)


def test_tools_are_declared_by_json_schema() -> None:
    assert encode(ask(tools=TOOLS))["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "Does f.", "parametersJsonSchema": TOOLS[0].parameters},
                {"name": "g", "parametersJsonSchema": {"type": "object", "properties": {}}},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (NamedTool("g"), {"mode": "ANY", "allowedFunctionNames": ["g"]}),
    ],
)
def test_each_tool_choice_has_its_mode(choice: Any, config: Any) -> None:
    assert encode(ask(tools=TOOLS, tool_choice=choice))["toolConfig"] == {"functionCallingConfig": config}


def test_strict_tools_are_validated_while_the_model_may_still_talk() -> None:
    strict = tuple(replace(tool, strict=True) for tool in TOOLS)
    assert encode(ask(tools=strict))["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert encode(ask(tools=strict, tool_choice="required"))["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert "toolConfig" not in encode(ask(tools=TOOLS))
    assert "toolConfig" not in encode(ask(tool_choice="auto"))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": NamedTool("h")}, "tool_choice"),
        ({"tools": (TOOLS[0], TOOLS[0])}, "tools"),
        ({"temperature": float("nan")}, "temperature"),
        ({"presence_penalty": float("inf")}, "presence_penalty"),
    ],
)
def test_what_no_model_could_take_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode(ask(**fields))
    assert caught.value.param == param


def test_built_in_tools_go_home_only() -> None:
    search = BuiltinTool("google", {"googleSearch": {}})
    assert encode(ask(tools=TOOLS[1:], builtin_tools=(search,)))["tools"][1] == {"googleSearch": {}}
    assert encode(ask(builtin_tools=(search,)))["tools"] == [{"googleSearch": {}}]
    with pytest.raises(UnsupportedParameterError) as caught:
        encode(ask(builtin_tools=(BuiltinTool("openai", {"type": "web_search"}),)))
    assert caught.value.param == "builtin_tools"


def conversation(*results: ToolResultPart, calls: tuple[ToolCallPart, ...], model: str = "gemini-3-flash") -> Any:
    turns = (Message.user("go"), model_turn(*calls), *(Message("tool", (result,)) for result in results))
    return encode(ask(*turns), model=model)["contents"]


def test_results_name_the_function_and_the_id_of_their_calls() -> None:
    calls = (ToolCallPart("a1", "f", '{"a": 1}', OWN), ToolCallPart("b2", "g"))
    contents = conversation(ToolResultPart("b2", "cold"), ToolResultPart("a1", '{"t": 20}'), calls=calls)
    assert contents[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"a": 1}, "id": "a1"}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "g", "args": {}, "id": "b2"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "g", "response": {"output": "cold"}, "id": "b2"}},
                {"functionResponse": {"name": "f", "response": {"t": 20}, "id": "a1"}},
            ],
        },
    ]


def test_calls_without_ids_are_answered_in_their_order() -> None:
    calls = (ToolCallPart("call_0", "f", state=OWN), ToolCallPart("call_1", "f"))
    contents = conversation(ToolResultPart("call_1", "two"), ToolResultPart("call_0", "one"), calls=calls)
    assert [one["functionCall"] for one in contents[1]["parts"]] == [{"name": "f", "args": {}}] * 2
    assert [one["functionResponse"]["response"] for one in contents[2]["parts"]] == [
        {"output": "one"},
        {"output": "two"},
    ]
    assert not any("id" in one["functionResponse"] for one in contents[2]["parts"])


@pytest.mark.parametrize(
    ("content", "failed", "response"),
    [
        ("plain", False, {"output": "plain"}),
        ("", False, {"output": ""}),
        ("[1, 2]", False, {"output": "[1, 2]"}),
        ('{"a": 1', False, {"output": '{"a": 1'}),
        ('{"a": 1}', False, {"a": 1}),
        ("no such file", True, {"error": "no such file"}),
        ((TextPart("a"), TextPart("b")), False, {"output": "a\nb"}),
    ],
)
def test_a_result_is_an_object(content: Any, failed: bool, response: Any) -> None:
    contents = conversation(ToolResultPart("a1", content, failed), calls=(ToolCallPart("a1", "f"),))
    assert contents[2]["parts"][0]["functionResponse"]["response"] == response


def test_a_picture_in_a_result_is_shown_to_models_that_can_look() -> None:
    result = ToolResultPart("a1", (TextPart("chart"), ImagePart(data=b"x", media_type="image/png")))
    answer = conversation(result, calls=(ToolCallPart("a1", "f"),))[2]["parts"][0]["functionResponse"]
    assert answer["response"] == {"output": "chart"}
    assert answer["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "eA=="}}]
    with pytest.raises(UnsupportedParameterError, match="takes no images or documents in a tool result") as caught:
        conversation(result, calls=(ToolCallPart("a1", "f"),), model=FORMER)
    assert caught.value.param == "messages"


def test_a_call_of_another_model_gets_what_stands_for_a_signature_where_one_is_wanted() -> None:
    calls = (ToolCallPart("a1", "f", state=OTHERS), ToolCallPart("b2", "g"))
    new, old = (conversation(calls=calls, model=model)[1]["parts"] for model in ("gemini-3-flash", FORMER))
    assert [one.get("thoughtSignature") for one in new] == ["skip_thought_signature_validator", None]
    assert [one.get("thoughtSignature") for one in old] == [None, None]


@pytest.mark.parametrize(
    "messages",
    [
        (Message("tool", (ToolResultPart("nope", "x"),)),),
        (Message.user("a"), model_turn(ToolCallPart("a", "f", "not json"))),
        (Message.user("a"), model_turn(ToolCallPart("a", "f", "[1]"))),
        (Message("system", (ImagePart(data=PNG),)),),
        (user(ToolCallPart("a", "f")),),
        (Message.system("only this"),),
        (),
    ],
)
def test_conversations_that_no_model_could_take_are_refused(messages: tuple[Message, ...]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode(Request(model="x", messages=messages))
    assert caught.value.param == "messages"


def test_names_of_speakers_are_refused() -> None:
    with pytest.raises(UnsupportedParameterError, match="names of speakers"):
        encode(ask(Message("user", (TextPart("a"),), "bob")))


def test_state_goes_back_to_its_place_and_to_its_provider_only() -> None:
    step = {"executableCode": {"code": "1", "language": "PYTHON"}}
    turn = model_turn(
        ReasoningPart("own", OWN),
        ReasoningPart("shown"),
        ReasoningPart("foreign", OTHERS),
        BuiltinToolPart("google", "executableCode", step),
        BuiltinToolPart("anthropic", "server_tool_use", {"x": 1}),
        BuiltinToolPart("google", "groundingMetadata", {"groundingChunks": []}),
        TextPart("a", state=OWN),
        TextPart("b", state=OTHERS, cache=CacheMark()),
        RefusalPart("no"),
        ImagePart(data=b"x", media_type="image/png", state=OWN),
    )
    assert encode(ask(Message.user("go"), turn))["contents"][1]["parts"] == [
        {"text": "own", "thought": True, "thoughtSignature": "c2ln"},
        step,
        {"text": "a", "thoughtSignature": "c2ln"},
        {"text": "b"},
        {"text": "no"},
        {"inlineData": {"mimeType": "image/png", "data": "eA=="}, "thoughtSignature": "c2ln"},
    ]


def test_every_setting_has_its_word() -> None:
    body = encode(
        ask(
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            frequency_penalty=0.1,
            presence_penalty=-0.1,
            max_tokens=100,
            stop=("END",),
            seed=7,
            logprobs=3,
            n=2,
            metadata={"team": "x"},
        )
    )
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "frequencyPenalty": 0.1,
        "presencePenalty": -0.1,
        "maxOutputTokens": 100,
        "stopSequences": ["END"],
        "seed": 7,
        "responseLogprobs": True,
        "logprobs": 3,
        "candidateCount": 2,
    }
    assert body["labels"] == {"team": "x"}
    assert encode(ask(logprobs=0))["generationConfig"] == {"responseLogprobs": True}
    assert encode(ask()) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_an_answer_is_held_to_its_schema() -> None:
    schema: Any = {"type": "array", "items": {"type": "string"}}
    assert encode(ask(output_schema=OutputSchema(schema, description="Names.")))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"description": "Names.", **schema},
    }


def test_a_schema_whose_answer_could_look_like_the_object_around_it_is_put_into_one() -> None:
    schema: Any = {"anyOf": [{"type": "object", "properties": {"value": {"type": "string"}}}, {"type": "null"}]}
    config = encode(ask(output_schema=OutputSchema(schema)))["generationConfig"]
    assert config["responseJsonSchema"]["properties"] == {"value": schema}
    bare: Any = {"type": ["string", "null"]}
    assert encode(ask(output_schema=OutputSchema(bare)))["generationConfig"]["responseJsonSchema"] == bare


def test_an_older_model_takes_no_schema_beside_tools() -> None:
    schema = OutputSchema({"type": "object"})
    assert "responseJsonSchema" in encode(ask(output_schema=schema, tools=TOOLS))["generationConfig"]
    with pytest.raises(UnsupportedParameterError) as caught:
        encode(ask(output_schema=schema, tools=TOOLS), model=FORMER)
    assert caught.value.param == "output_schema"


@pytest.mark.parametrize(
    ("model", "fields", "thinking"),
    [
        ("gemini-3-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "minimal"}),
        (
            "gemini-3-flash",
            {"reasoning_effort": "high", "show_reasoning": True},
            {"thinkingLevel": "high", "includeThoughts": True},
        ),
        ("gemini-3-flash", {"reasoning_budget": 100}, {"thinkingBudget": 100}),
        (FORMER, {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        (
            FORMER,
            {"reasoning_effort": "medium", "show_reasoning": False},
            {"thinkingBudget": 8192, "includeThoughts": False},
        ),
        ("models/" + FORMER, {"reasoning_budget": -1}, {"thinkingBudget": -1}),
    ],
)
def test_a_model_is_told_to_think_in_the_words_of_its_generation(model: str, fields: Any, thinking: Any) -> None:
    assert encode(ask(**fields), model=model)["generationConfig"]["thinkingConfig"] == thinking


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        ("gemini-3-flash", {"reasoning_effort": "none"}, "reasoning_effort"),
        ("gemini-3-flash", {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        (FORMER, {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        (FORMER, {"reasoning_effort": "low", "reasoning_budget": 5}, "reasoning_budget"),
        ("m", {"parallel_tool_calls": False}, "parallel_tool_calls"),
        ("m", {"user": "u"}, "user"),
    ],
)
def test_what_the_model_has_no_words_for_is_refused_by_name(model: str, fields: Any, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        encode(ask(**fields), model=model)
    assert caught.value.param == param


def test_a_profile_says_which_models_are_older_and_what_they_refuse() -> None:
    profile = WireProfile(former_models=("mine-*",), unsupported=frozenset({"seed"}))

    def body(request: Request, model: str) -> Any:
        return json.loads(gemini.encode(request, provider="google", model=model, profile=profile).body)

    assert body(ask(reasoning_effort="low"), "Mine-1")["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 1024}
    assert body(ask(reasoning_effort="low"), FORMER)["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "low"}
    with pytest.raises(UnsupportedParameterError, match="seed"):
        body(ask(seed=1), "x")


def test_extra_parameters_join_what_is_there_and_override_nothing() -> None:
    extra: Any = {
        "cachedContent": "cachedContents/1",
        "generation_config": {"response_modalities": ["TEXT"], "speechConfig": {"languageCode": "de"}},
        "toolConfig": {
            "functionCallingConfig": {"allowedFunctionNames": ["f"]},
            "includeServerSideToolInvocations": True,
        },
    }
    body = encode(
        ask(temperature=1.0, tools=TOOLS, tool_choice="required", extra={"google": extra, "openai": {"x": 1}})
    )
    assert body["cachedContent"] == "cachedContents/1"
    assert body["generationConfig"] == {
        "temperature": 1.0,
        "responseModalities": ["TEXT"],
        "speechConfig": {"languageCode": "de"},
    }
    assert body["toolConfig"] == {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]},
        "includeServerSideToolInvocations": True,
    }
    assert "x" not in body
    for wrong in (
        {"contents": []},
        {"generationConfig": {"temperature": 0}},
        {"generation_config": {"temperature": 0}},
    ):
        with pytest.raises(InvalidRequestError, match="say already") as caught:
            encode(ask(temperature=1.0, extra={"google": wrong}))
        assert caught.value.param == "extra"


def test_the_callers_own_objects_stay_as_they_were() -> None:
    schema: Any = {"type": "object", "properties": {}}
    extra: Any = {"generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}
    request = ask(output_schema=OutputSchema(schema, description="d"), metadata={"a": "b"}, extra={"google": extra})
    encode(request)
    assert schema == {"type": "object", "properties": {}}
    assert extra == {"generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}


def test_texts_that_hold_nothing_are_left_out_unless_they_carry_what_google_wants_back() -> None:
    """Vertex AI refuses them ("empty text parameter")."""
    signed = TextPart("", state=OWN)
    said = encode(ask(Message.system(""), user(TextPart(""), TextPart("Hi")), model_turn(TextPart(""), signed)))
    assert said == {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "", "thoughtSignature": "c2ln"}]},
        ]
    }
    with pytest.raises(InvalidRequestError, match="nothing to send"):
        encode(ask(Message.user("")))


def test_models_that_refuse_ids_of_calls_are_told_results_by_their_place() -> None:
    """https://github.com/vercel/ai/issues/15664"""
    profile = WireProfile(unnamed_calls=("gemini-2*",))
    calls = (ToolCallPart("toolu_1", "f", "{}"), ToolCallPart("toolu_2", "g", "{}"))
    results = (ToolResultPart("toolu_2", "two"), ToolResultPart("toolu_1", "one"))
    request = ask(Message.user("go"), model_turn(*calls), Message("tool", results))
    body = json.loads(gemini.encode(request, provider="google", model=FORMER, profile=profile).body)
    assert body["contents"][1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}} for name in ("f", "g")]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": name, "response": {"output": text}}}
                for name, text in (("f", "one"), ("g", "two"))
            ],
        },
    ]
    named = json.loads(gemini.encode(request, provider="google", model="gemini-3-flash", profile=profile).body)
    assert named["contents"][2]["parts"][0]["functionResponse"]["id"] == "toolu_2"


def test_the_words_for_efforts_are_those_of_the_profile() -> None:
    level: Any = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}}
    profile = WireProfile(
        efforts={"gemini-2*": {"low": "medium", "high": "never"}, "mine*": {"high": level, "low": "minimal"}}
    )

    def told(model: str, **fields: Any) -> Any:
        wire = gemini.encode(ask(**fields), provider="google", model=model, profile=profile)
        return json.loads(wire.body)["generationConfig"]["thinkingConfig"]

    assert told(FORMER, reasoning_effort="low") == {"thinkingBudget": 8192}
    assert told("mine-1", reasoning_effort="low") == {"thinkingLevel": "minimal"}
    assert told("models/mine-1", reasoning_effort="high", show_reasoning=True) == {
        "thinkingLevel": "high",
        "includeThoughts": True,
    }
    assert level == {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}}
    assert told("gemini-3-flash", reasoning_effort="minimal") == {"thinkingLevel": "minimal"}
    for model, effort in ((FORMER, "medium"), (FORMER, "high"), ("mine-1", "medium")):
        with pytest.raises(UnsupportedParameterError, match="give one of"):
            told(model, reasoning_effort=effort)
