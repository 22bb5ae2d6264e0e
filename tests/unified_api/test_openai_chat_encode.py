from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    BuiltinTool,
    ImagePart,
    JsonObject,
    Message,
    NamedTool,
    OutputSchema,
    Part,
    ReasoningPart,
    RefusalPart,
    Request,
    Role,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat import UNSUPPORTED, encode

PNG = b"\x89PNG\r\n\x1a\n...."
PLAIN = WireProfile()
HELLO = Request(model="p/m", messages=(Message.user("hello"),))
WEATHER = Tool("weather", "The weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
EVERYTHING = replace(
    HELLO,
    tools=(WEATHER,),
    tool_choice="auto",
    parallel_tool_calls=False,
    output_schema=OutputSchema(CLOSED),
    temperature=0.0,
    top_p=0.5,
    max_tokens=10,
    stop=("END",),
    seed=0,
    reasoning_effort="low",
    user="u1",
    top_k=5,
    frequency_penalty=0.0,
    presence_penalty=-1.0,
    logprobs=0,
    n=2,
    metadata={"team": "a"},
    builtin_tools=(BuiltinTool("p", {"type": "browser_search"}),),
)


def body(request: Request, *, profile: WireProfile = PLAIN, stream: bool = False) -> dict[str, object]:
    wire = encode(request, provider="p", model="m", profile=profile, stream=stream)
    assert (wire.method, wire.path) == ("POST", "/chat/completions")
    assert wire.headers["content-type"] == "application/json"
    return json.loads(wire.body)


def messages(*given: Message) -> object:
    return body(replace(HELLO, messages=given))["messages"]


def test_a_plain_request_holds_the_model_and_the_messages_only() -> None:
    assert body(HELLO) == {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def test_every_parameter_is_sent_zeros_and_false_included() -> None:
    sent = body(EVERYTHING)
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": WEATHER.description, "parameters": WEATHER.parameters},
        },
        {"type": "browser_search"},
    ]
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": CLOSED, "strict": True},
    }
    simple = {name: sent[name] for name in sent if name not in {"tools", "response_format", "messages", "model"}}
    assert simple == {
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 10,
        "stop": ["END"],
        "seed": 0,
        "reasoning_effort": "low",
        "user": "u1",
        "top_k": 5,
        "frequency_penalty": 0.0,
        "presence_penalty": -1.0,
        "logprobs": True,
        "n": 2,
        "metadata": {"team": "a"},
    }
    assert body(replace(HELLO, logprobs=3)) == {**body(HELLO), "logprobs": True, "top_logprobs": 3}


def test_the_profile_chooses_the_field_of_the_token_limit() -> None:
    sent = body(EVERYTHING, profile=WireProfile(max_tokens_field="max_completion_tokens"))
    assert sent["max_completion_tokens"] == 10
    assert "max_tokens" not in sent


def test_the_profile_renames_fields() -> None:
    sent = body(EVERYTHING, profile=WireProfile(renamed={"seed": "random_seed"}))
    assert sent["random_seed"] == 0
    assert "seed" not in sent


def test_the_profile_may_put_the_chat_elsewhere() -> None:
    profile = WireProfile(paths={"/chat/completions": "/chat"})
    assert encode(HELLO, provider="p", model="m", profile=profile).path == "/chat"
    deployment = WireProfile(paths={"/chat/completions": "/deployments/{model}/chat/completions"})
    wire = encode(HELLO, provider="p", model="my model", profile=deployment)
    assert wire.path == "/deployments/my%20model/chat/completions"
    assert "model" not in json.loads(wire.body)


def test_a_stream_asks_for_its_usage_unless_the_provider_cannot() -> None:
    assert body(HELLO, stream=True)["stream_options"] == {"include_usage": True}
    assert body(HELLO, stream=True)["stream"] is True
    assert "stream_options" not in body(HELLO, stream=True, profile=WireProfile(stream_usage=False))
    assert encode(HELLO, provider="p", model="m", profile=PLAIN, stream=True).headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    "name",
    [
        "tools", "tool_choice", "parallel_tool_calls", "output_schema", "temperature", "top_p", "max_tokens", "stop",
        "seed", "reasoning_effort", "user", "top_k", "frequency_penalty", "presence_penalty", "logprobs", "n",
        "metadata", "builtin_tools",
    ],
)  # fmt: skip
def test_what_the_model_cannot_take_is_refused_by_name_and_never_dropped(name: str) -> None:
    profile = WireProfile(unsupported=frozenset({name}))
    with pytest.raises(UnsupportedParameterError, match=f"'m' cannot take the parameter '{name}'") as caught:
        encode(EVERYTHING, provider="p", model="m", profile=profile)
    assert caught.value.param == name
    assert body(HELLO, profile=profile)["model"] == "m"


def choice(word: str) -> dict[str, object]:
    """One of several objects, told apart by the value of its first key."""
    return {**CLOSED, "properties": {"a": {"type": "string", "enum": [word]}}}


def nested(levels: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(levels):
        schema = {**CLOSED, "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}}, True),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": CLOSED}}}, True),
        ({**CLOSED, "$defs": {"b": CLOSED}, "properties": {"a": {"$ref": "#/$defs/b"}}}, True),
        ({**CLOSED, "properties": {"a": {"type": "string", "enum": ["properties", "oneOf"]}}}, True),
        ({**CLOSED, "properties": {"a": {"type": "string", "format": "date", "pattern": "^2"}}}, True),
        ({**CLOSED, "properties": {"a": {"$ref": "#"}}}, True),
        ({**CLOSED, "properties": {"a": {"anyOf": [choice("one"), choice("two")]}}}, True),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, CLOSED]}}}, False),
        ({**CLOSED, "properties": {"a": {"enum": ["no", "type"]}}}, False),
        ({**CLOSED, "properties": {"a": {}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "text"}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "array"}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "string", "minLength": 1}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "string", "format": "uri"}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "string", "default": "x"}}}, False),
        ({**CLOSED, "properties": {"a": {"$ref": "#/$defs/b", "description": "x"}}, "$defs": {"b": CLOSED}}, False),
        ({**CLOSED, "properties": {"a": {"$ref": "https://x.example/schema"}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "integer", "enum": list(range(1001))}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "string", "enum": [f"{n:060}" for n in range(251)]}}}, False),
        (nested(10), True),
        (nested(11), False),
        ({**CLOSED, "required": []}, False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
        ({**CLOSED, "anyOf": [CLOSED]}, False),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": {"type": "object"}}}}, False),
        ({**CLOSED, "properties": {"a": {"type": ["object", "null"]}}}, False),
        ({**CLOSED, "properties": {"a": {"oneOf": [CLOSED]}}}, False),
        ({**CLOSED, "properties": {"a": True}}, False),
        ({**CLOSED, "properties": []}, False),
    ],
)
def test_strict_decoding_is_asked_only_for_schemas_that_it_takes(schema: dict[str, object], strict: bool) -> None:
    def sent(wanted: OutputSchema) -> object:
        return body(replace(HELLO, output_schema=wanted))["response_format"]

    json_schema = {"name": "output", "schema": schema, "strict": strict}
    assert sent(OutputSchema(schema)) == {"type": "json_schema", "json_schema": json_schema}
    assert sent(OutputSchema(schema, strict=False)) == {
        "type": "json_schema",
        "json_schema": {**json_schema, "strict": False},
    }


def test_a_schema_too_deep_to_be_sent_is_refused_in_words() -> None:
    schema: dict[str, object] = {}
    for _ in range(2000):
        schema = {**CLOSED, "properties": {"a": schema}}
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        encode(replace(HELLO, output_schema=OutputSchema(schema)), provider="p", model="m", profile=PLAIN)


def test_a_forced_tool_is_named() -> None:
    sent = body(replace(EVERYTHING, tool_choice=NamedTool("weather")))
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


def test_images_go_by_address_or_as_data() -> None:
    sent = messages(
        Message(
            "user",
            (
                TextPart("what is this?"),
                ImagePart(url="https://x.example/cat.jpg", detail="low"),
                ImagePart(data=b"123", media_type="image/webp"),
                ImagePart(data=PNG),
            ),
        )
    )
    encoded = base64.b64encode(PNG).decode()
    assert sent == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "https://x.example/cat.jpg", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/webp;base64,MTIz"}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}},
            ],
        }
    ]


def test_a_turn_with_tool_calls_and_results_goes_back_in_order_without_its_thoughts() -> None:
    calls = (ToolCallPart("c1", "weather", '{"city":"Rome"}'), ToolCallPart("c2", "time", ""))
    sent = messages(
        Message("assistant", (ReasoningPart("hm"), *calls)),
        Message("tool", (ToolResultPart("c1", "sun"), ToolResultPart("c2", "noon"))),
        Message.assistant("It is sunny."),
    )
    assert sent == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
                {"id": "c2", "type": "function", "function": {"name": "time", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        {"role": "tool", "tool_call_id": "c2", "content": "noon"},
        {"role": "assistant", "content": "It is sunny."},
    ]


def test_a_refusal_goes_back_as_the_text_it_is() -> None:
    sent = messages(Message("assistant", (RefusalPart("no"),)))
    assert sent == [{"role": "assistant", "content": "no"}]


def test_several_texts_of_a_person_stay_apart() -> None:
    assert messages(Message("user", (TextPart("a"), TextPart("b")))) == [{"role": "user", "content": "a\nb"}]


def test_a_tool_choice_that_says_nothing_without_tools_is_not_sent() -> None:
    assert body(replace(HELLO, tool_choice="none", parallel_tool_calls=True)) == body(HELLO)


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("system", ImagePart(url="https://x.example/a.png")),
        ("user", ToolCallPart("1", "f")),
        ("user", ReasoningPart("hm")),
        ("assistant", ToolResultPart("1", "x")),
        ("assistant", ImagePart(url="https://x.example/a.png")),
        ("tool", TextPart("x")),
    ],
)
def test_a_part_in_the_wrong_role_is_refused_with_its_place(role: Role, part: Part) -> None:
    request = replace(HELLO, messages=(Message.user("x"), Message(role, (part,))))
    with pytest.raises(InvalidRequestError, match=rf"messages\[1\].*'{role}'.*{type(part).__name__}"):
        encode(request, provider="p", model="m", profile=PLAIN)


def test_a_picture_that_a_model_made_is_refused_as_what_other_families_can_be_sent() -> None:
    turn = Message("assistant", (ImagePart(url="https://x.example/a.png"),))
    with pytest.raises(UnsupportedParameterError, match="show it in a message of the user") as caught:
        messages(turn)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (replace(HELLO, messages=()), "at least one message"),
        (replace(HELLO, temperature=float("nan")), "temperature is nan"),
        (replace(HELLO, top_p=float("inf")), "top_p is inf"),
        (replace(HELLO, presence_penalty=float("nan")), "presence_penalty is nan"),
        (replace(HELLO, n=0), "n is 0: give 1 or more"),
        (replace(HELLO, logprobs=-1), "logprobs is -1"),
        (replace(HELLO, extra={"p": {"model": "other"}}), "extra sets 'model'"),
        (replace(HELLO, extra={"p": {"stream": True}}), "extra sets 'stream'"),
        (replace(HELLO, temperature=1.0, extra={"p": {"temperature": 2}}), "extra sets 'temperature'"),
        (replace(HELLO, tool_choice="required"), "has no tools"),
        (replace(EVERYTHING, tool_choice=NamedTool("wether")), "'wether'.*'weather'"),
        (replace(HELLO, messages=(Message.user("half \ud83d an emoji"),)), "Unicode"),
        (replace(HELLO, seed=2**70), "64 bits"),
        (replace(HELLO, messages=(Message("user", (ImagePart(),)),)), "either a url or data"),
        (replace(HELLO, messages=(Message("user", (ImagePart(data=b"??"),)),)), "media_type"),
    ],
)
def test_what_no_server_could_take_is_refused_in_words(request_: Request, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        encode(request_, provider="p", model="m", profile=PLAIN)


def test_a_tool_may_be_strict_or_say_nothing_of_it() -> None:
    sent = body(replace(HELLO, tools=(replace(WEATHER, strict=True), Tool("f", strict=False), Tool("g"))))["tools"]
    assert [tool["function"].get("strict") for tool in sent] == [True, False, None]


def test_the_description_of_a_schema_is_sent() -> None:
    sent = body(replace(HELLO, output_schema=OutputSchema(CLOSED, description="a city")))["response_format"]
    assert sent["json_schema"]["description"] == "a city"


def test_a_built_in_tool_of_another_provider_is_refused_by_name() -> None:
    request = replace(HELLO, builtin_tools=(BuiltinTool("other", {"type": "web_search"}),))
    with pytest.raises(UnsupportedParameterError, match="a built-in tool of 'other'") as caught:
        encode(request, provider="p", model="m", profile=PLAIN)
    assert caught.value.param == "builtin_tools"
    own = replace(request, builtin_tools=(BuiltinTool("p", {"type": "web_search"}),), tool_choice="required")
    assert body(own) == {**body(HELLO), "tools": [{"type": "web_search"}], "tool_choice": "required"}


def test_extra_parameters_go_to_their_provider_alone() -> None:
    extra = {"p": {"web_search_options": {"search_context_size": "low"}}, "other": {"x": 1}}
    assert body(replace(HELLO, extra=extra)) == {**body(HELLO), **extra["p"]}
    wish = {"p": {"stream_options": {"include_obfuscation": False}}}
    assert body(replace(HELLO, extra=wish), stream=True)["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }


OPENROUTER = WireProfile(
    renamed={
        "reasoning_effort": "reasoning.effort",
        "reasoning_budget": "reasoning.max_tokens",
        "show_reasoning": "!reasoning.exclude",
    }
)


def test_how_much_to_think_goes_where_the_provider_wants_it() -> None:
    asked = replace(HELLO, reasoning_budget=99, show_reasoning=True)
    assert body(asked, profile=OPENROUTER)["reasoning"] == {"max_tokens": 99, "exclude": False}
    asked = replace(
        HELLO, reasoning_effort="xhigh", show_reasoning=False, extra={"p": {"reasoning": {"enabled": True}}}
    )
    assert body(asked, profile=OPENROUTER)["reasoning"] == {"effort": "xhigh", "exclude": True, "enabled": True}
    qwen = WireProfile(renamed={"reasoning_budget": "thinking_budget"})
    assert body(replace(HELLO, reasoning_budget=99), profile=qwen)["thinking_budget"] == 99


@pytest.mark.parametrize(("name", "value"), [("reasoning_budget", 99), ("show_reasoning", False)])
def test_what_the_provider_has_no_word_for_is_refused_by_name(name: str, value: object) -> None:
    assert name in UNSUPPORTED
    with pytest.raises(UnsupportedParameterError, match=f"has no word for '{name}'") as caught:
        body(replace(HELLO, **{name: value}))
    assert caught.value.param == name


def test_efforts_are_said_in_the_providers_words_and_others_refused() -> None:
    profile = WireProfile(efforts={"*": {"none": {"thinking": {"type": "disabled"}}, "high": "max"}})
    assert body(replace(HELLO, reasoning_effort="none"), profile=profile) == {
        **body(HELLO),
        "thinking": {"type": "disabled"},
    }
    assert body(replace(HELLO, reasoning_effort="high"), profile=profile)["reasoning_effort"] == "max"
    with pytest.raises(
        UnsupportedParameterError, match="takes the reasoning efforts none, high and not 'low'"
    ) as caught:
        body(replace(HELLO, reasoning_effort="low"), profile=profile)
    assert caught.value.param == "reasoning_effort"
    assert profile.efforts["*"]["none"] == {"thinking": {"type": "disabled"}}


def test_the_first_pattern_that_a_model_fits_names_its_efforts() -> None:
    profile = WireProfile(efforts={"m-2*": {"high": "deep"}, "m-3*": {}, "m*": {"low": "low"}})

    def sent(model: str, effort: str) -> object:
        asked = replace(HELLO, reasoning_effort=effort)
        wire = encode(asked, provider="p", model=model, profile=profile)
        return json.loads(wire.body)["reasoning_effort"]

    assert (sent("M-2.1", "high"), sent("m-1", "low"), sent("other", "high")) == ("deep", "low", "high")
    for model, effort, known in (("m-2.1", "low", "high"), ("m-1", "high", "low"), ("m-3", "low", "none at all")):
        with pytest.raises(UnsupportedParameterError, match=f"takes the reasoning efforts {known} and not '{effort}'"):
            sent(model, effort)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_arrives_as_it_was(text: str) -> None:
    assert messages(Message.user(text)) == [{"role": "user", "content": text}]


def test_what_a_model_takes_only_while_it_does_not_think_is_refused_beside_an_effort() -> None:
    profile = WireProfile(refused_while_thinking={"temperature": ("m*",), "logprobs": ("other",)})
    cool = replace(HELLO, temperature=0.5, logprobs=0)
    assert body(cool, profile=profile)["temperature"] == 0.5
    assert body(replace(cool, reasoning_effort="none"), profile=profile)["reasoning_effort"] == "none"
    with pytest.raises(UnsupportedParameterError, match="'temperature' beside reasoning_effort='low'") as caught:
        body(replace(cool, reasoning_effort="low"), profile=profile)
    assert caught.value.param == "temperature"
    assert body(replace(HELLO, logprobs=0, reasoning_effort="low"), profile=profile)["logprobs"] is True


@pytest.mark.parametrize("extra", [{}, {"p": {"store": False}}, {"q": {"store": True}}])
def test_metadata_that_is_taken_only_of_stored_calls_is_refused_and_says_what_to_set(extra: JsonObject) -> None:
    profile = WireProfile(needs_extra={"metadata": "store"})
    noted = replace(HELLO, metadata={"team": "a"}, extra=extra)
    with pytest.raises(UnsupportedParameterError, match=r"extra\['p'\]\['store'\] is True: set that, or") as caught:
        body(noted, profile=profile)
    assert caught.value.param == "metadata"
    stored = body(replace(noted, extra={"p": {"store": True}}), profile=profile)
    assert (stored["metadata"], stored["store"]) == ({"team": "a"}, True)
    assert "metadata" not in body(HELLO, profile=profile)
