"""What is asked of real servers for an answer that keeps to a schema, and what comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from loopback import Answer, Loopback, loopback

from unified_api.errors import (
    ContextOverflowError,
    FailedGenerationError,
    InvalidRequestError,
    NotFoundError,
    SchemaRefusedError,
    ServerError,
)
from unified_api.gateway import Gateway
from unified_api.in_words import asked_in_words, blames_schema, blames_tool, is_about_this_call
from unified_api.settings import Settings
from unified_api.testing import ScriptedModel, scripted_gateway
from unified_api.types import (
    Message,
    OutputSchema,
    Policy,
    Request,
    Response,
    TextChunk,
    TextPart,
    Tool,
    ToolResultPart,
)
from unified_api.wire.errors import decode_error
from unified_api.wire.object_root import wrapped

TITLE = {"type": "object", "properties": {"t": {"type": "string"}}, "required": ["t"], "additionalProperties": False}
WORDS = {"type": "array", "items": {"type": "string"}}

# As issues of these projects quote them: llama.cpp #9522 and #11847, ik_llama.cpp #778, llama-cpp-python, LM
# Studio, DeepSeek, Groq, and FastAPI's own for a field that does not validate.
REFUSALS = [
    (500, {"error": {"code": 500, "message": 'response_format type must be one of "text" or "json_object", but got: '
                     "json_schema", "type": "server_error"}}),
    (400, {"error": {"code": 400, "message": 'Either "json_schema" or "grammar" can be specified, but not both',
                     "type": "invalid_request_error"}}),
    (500, {"error": {"message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input "
                     "should be 'text' or 'json_object'\"}]", "type": "internal_server_error"}}),
    (400, {"error": "'response_format.type' must be 'text'"}),
    (400, {"error": {"message": "This response_format type is unavailable now", "type": "invalid_request_error",
                     "param": None, "code": "invalid_request_error"}}),
    (400, {"error": {"message": "This model does not support response format `json_schema`. See supported models at "
                     "https://example.com", "type": "invalid_request_error"}}),
    (422, {"detail": [{"type": "literal_error", "loc": ["body", "response_format", "type"], "msg": "Input should be "
                       "'text' or 'json_object'", "input": "json_schema"}]}),
]  # fmt: skip


def settings(server: Loopback, folder: Path, extra: str = "") -> Settings:
    path = folder / "orchestrator.toml"
    path.write_text(f'[providers.test]\nbase_url = "{server.url}"\n{extra}\n', "utf-8")
    return Settings.load(path, environ={})


def ask(schema: dict[str, Any], model: str = "test/scripted") -> Request:
    return Request(model=model, messages=(Message.user("Tides?"),), output_schema=OutputSchema(schema))


TOOL_REFUSALS = [
    (400, {"error": "registry.ollama.ai/library/gemma:2b does not support tools"}),
    (404, {"error": {"message": "No endpoints found that support tool use. To learn more about provider routing, visit "
                     "https://example.com", "code": 404}}),
    (400, {"object": "error", "message": 'tool_choice="required" requires --tool-call-parser to be set', "code": 400}),
    (500, {"error": {"code": 500, "message": "tools param requires --jinja flag", "type": "server_error"}}),
]  # fmt: skip


def refusing(status: int, body: dict[str, Any], *, words: str, tools: tuple[int, dict[str, Any]] | None = None) -> Any:
    """Refuses a schema with `body`, and tools with `tools`; a tool that it takes is called with `words`."""

    def script(sent: dict[str, Any]) -> Answer:
        if "response_format" in sent:
            return Answer(status=status, body=json.dumps(body).encode())
        if "tools" not in sent:
            return Answer(text=words)
        if tools is not None:
            return Answer(status=tools[0], body=json.dumps(tools[1]).encode())
        return Answer(tool_calls=((sent["tools"][-1]["function"]["name"], json.loads(words)),))

    return script


async def answered(gateway: Gateway, request: Request, *, streamed: bool) -> Response:
    if not streamed:
        return await gateway.chat(request)
    async with gateway.stream(request) as stream:
        said = "".join([chunk.text async for chunk in stream if isinstance(chunk, TextChunk)])
    assert said == stream.response.text
    return stream.response


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_a_server_that_takes_no_schema_is_made_to_call_a_tool_of_it_from_then_on(
    status: int, body: dict[str, Any], streamed: bool, tmp_path: Path
) -> None:
    with loopback(refusing(status, body, words='{"t": "x"}')) as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway:
            first = await answered(gateway, ask(TITLE), streamed=streamed)
            second = await answered(gateway, ask(TITLE), streamed=streamed)
    for response in (first, second):
        assert (response.text, response.finish_reason, response.structured_by) == ('{"t": "x"}', "stop", "tool")
    assert [attempt.error for attempt in first.attempts] == ["schema_refused", None]
    assert "by a tool" in (first.attempts[1].message or "")
    assert [attempt.error for attempt in second.attempts] == [None]
    assert [sent["messages"][0]["content"] for sent in server.requests] == ["Tides?"] * 3
    for sent in server.requests[1:]:
        assert sent["tools"][0]["function"]["parameters"] == TITLE
        assert sent["tool_choice"] == {"type": "function", "function": {"name": "output"}}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("refusal", TOOL_REFUSALS)
async def test_a_server_that_takes_neither_schema_nor_tool_is_asked_in_words_from_then_on(
    refusal: tuple[int, dict[str, Any]], streamed: bool, tmp_path: Path
) -> None:
    with loopback(refusing(*REFUSALS[0], words='{"t": "x"}', tools=refusal)) as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway:
            first = await answered(gateway, ask(TITLE), streamed=streamed)
            second = await answered(gateway, ask(TITLE), streamed=streamed)
    assert (first.text, first.structured_by) == (second.text, second.structured_by) == ('{"t": "x"}', "words")
    assert [attempt.error for attempt in first.attempts] == ["schema_refused", "schema_refused", None]
    assert [attempt.error for attempt in second.attempts] == [None]
    assert json.dumps(TITLE) in server.requests[2]["messages"][0]["content"]
    assert server.requests[3]["messages"] == server.requests[2]["messages"]


async def test_a_way_that_is_refused_beside_something_else_is_tried_again_in_the_next_call(tmp_path: Path) -> None:
    told = {"error": {"message": "Thinking may not be enabled when tool_choice forces tool use."}}
    with loopback(refusing(*REFUSALS[0], words='{"t": "x"}', tools=(400, told))) as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway:
            first = await gateway.chat(ask(TITLE))
            second = await gateway.chat(ask(TITLE))
    assert [attempt.error for attempt in first.attempts] == ["schema_refused", "schema_refused", None]
    assert [attempt.error for attempt in second.attempts] == ["schema_refused", None]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_server_that_passes_over_a_forced_tool_is_told_in_words_the_next_time(
    streamed: bool, tmp_path: Path
) -> None:
    with loopback("Well, the moon", '{"t": "x"}') as server:
        async with Gateway(settings(server, tmp_path, "capabilities = { structured_output = [] }")) as gateway:
            first = await answered(gateway, ask(TITLE), streamed=streamed)
            second = await answered(gateway, ask(TITLE), streamed=streamed)
    assert (first.text, first.structured_by) == ("Well, the moon", "tool")
    assert (second.text, second.structured_by) == ('{"t": "x"}', "words")
    assert json.dumps(TITLE) in server.requests[1]["messages"][0]["content"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_beside_tools_of_the_caller_the_model_may_call_them_or_answer(streamed: bool, tmp_path: Path) -> None:
    request = replace(ask(TITLE), tools=(Tool("moon"),))
    calls = (Answer(tool_calls=(("moon", {}),)), Answer(tool_calls=(("output", {"t": "x"}),)))
    with loopback(*calls) as server:
        async with Gateway(settings(server, tmp_path, "capabilities = { structured_output = [] }")) as gateway:
            called = await answered(gateway, request, streamed=streamed)
            told = await answered(gateway, request, streamed=streamed)
    assert ([call.name for call in called.tool_calls], called.finish_reason) == (["moon"], "tool_calls")
    assert (told.tool_calls, told.text, told.finish_reason) == ((), '{"t": "x"}', "stop")
    assert [sent["tool_choice"] for sent in server.requests] == ["required"] * 2


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("", "native"),
        ('structured_by = "grammar"', "grammar"),
        ("capabilities = { structured_output = [], tools = [] }", "words"),
    ],
)
async def test_every_answer_to_a_schema_says_how_it_was_made_to_keep_to_it(
    line: str, way: str, streamed: bool, tmp_path: Path
) -> None:
    with loopback('{"t": "x"}', "plain") as server:
        async with Gateway(settings(server, tmp_path, line)) as gateway:
            assert (await answered(gateway, ask(TITLE), streamed=streamed)).structured_by == way
            plain = Request(model="test/scripted", messages=(Message.user("x"),))
            assert (await answered(gateway, plain, streamed=streamed)).structured_by is None


async def test_one_schema_that_is_refused_is_no_word_about_the_next(tmp_path: Path) -> None:
    bad = {"error": {"message": "Invalid schema for response_format 'output': In context=(), ...", "param":
           "response_format", "type": "invalid_request_error", "code": None}}  # fmt: skip
    answers = (
        Answer(status=400, body=json.dumps(bad).encode()),
        Answer(tool_calls=(("output", {"t": "x"}),)),
        '{"t": "y"}',
    )
    with loopback(*answers) as server:
        async with Gateway(settings(server, tmp_path), random=lambda: 0.0) as gateway:
            await gateway.chat(ask(TITLE))
            await gateway.chat(ask(TITLE))
    assert ["response_format" in sent for sent in server.requests] == [True, False, True]


async def test_a_fault_that_has_nothing_to_do_with_the_schema_stays_one(tmp_path: Path) -> None:
    with loopback(Answer(status=400)) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with pytest.raises(InvalidRequestError) as caught:
                await gateway.chat(ask(TITLE))
    assert caught.value.code == "invalid_request"
    assert len(server.requests) == 1


async def test_words_that_name_the_field_mean_nothing_where_no_schema_was_sent(tmp_path: Path) -> None:
    status, body = REFUSALS[1]
    with loopback(Answer(status=status, body=json.dumps(body).encode())) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with pytest.raises(InvalidRequestError) as caught:
                await gateway.chat(Request(model="test/scripted", messages=(Message.user("x"),)))
    assert caught.value.code == "invalid_request"


async def test_one_permitted_attempt_ends_in_an_error_that_says_what_was_refused(tmp_path: Path) -> None:
    with loopback(refusing(*REFUSALS[1], words="{}")) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            with pytest.raises(SchemaRefusedError, match="json_schema"):
                await gateway.chat(ask(TITLE), Policy(max_attempts=1))


@pytest.mark.parametrize(
    "line",
    [
        "capabilities = { structured_output = [], tools = [] }",
        'profile = { unsupported = { output_schema = ["*"], tools = ["*"] } }',
        'profile = { unsupported = { output_schema = ["*"], tool_choice = ["*"] } }',
    ],
)
async def test_a_model_that_the_configuration_says_takes_no_schema_is_never_sent_one(tmp_path: Path, line: str) -> None:
    with loopback('{"t": "x"}') as server:
        async with Gateway(settings(server, tmp_path, line)) as gateway:
            response = await gateway.chat(ask(TITLE))
    assert response.text == '{"t": "x"}'
    assert "response_format" not in server.requests[0]
    assert json.dumps(TITLE) in server.requests[0]["messages"][0]["content"]


async def test_auto_asks_what_can_be_made_to_keep_to_a_schema_before_what_can_only_be_told() -> None:
    told, able = ScriptedModel("told"), ScriptedModel("able")
    gateway = scripted_gateway(
        {"s/told": told, "s/able": able}, capabilities={"s/told": frozenset({"chat"})}, random=lambda: 0.0
    )
    assert (await gateway.chat(ask(TITLE, "auto"))).text == "able"
    assert (await gateway.chat(Request(model="auto", messages=(Message.user("x"),)))).text == "told"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (WORDS, ["a", "b"]),
        ({"type": "string"}, "yes"),
        ({"enum": ["yes", "no"]}, "no"),
        ({"type": ["object", "null"], "properties": {"value": {"type": "string"}}}, {"value": "in"}),
        ({"anyOf": [TITLE, {"type": "null"}]}, None),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 3),
    ],
)
async def test_a_schema_whose_root_is_no_object_is_asked_for_inside_one(
    schema: dict[str, Any], value: Any, streamed: bool, tmp_path: Path
) -> None:
    with loopback(json.dumps({"value": value})) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            if streamed:
                async with gateway.stream(ask(schema)) as stream:
                    pieces = [chunk async for chunk in stream]
                response = stream.response
                assert "".join(one.text for one in pieces if isinstance(one, TextChunk)) == response.text
            else:
                response = await gateway.chat(ask(schema))
    assert json.loads(response.text) == value
    sent = server.requests[0]["response_format"]["json_schema"]["schema"]
    assert sent["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf"} & set(sent)
    Draft202012Validator(sent).validate({"value": value})


@pytest.mark.parametrize("text", ['["a"]', '{"value": ["a"], "more": 1}', '{"value": ["a"', "no", '{"other": 1}'])
async def test_a_text_that_is_no_such_object_is_left_as_it_is(text: str, tmp_path: Path) -> None:
    with loopback(text) as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            assert (await gateway.chat(ask(WORDS))).text == text


async def test_the_object_is_found_inside_a_fence(tmp_path: Path) -> None:
    with loopback('```json\n{"value": ["a"]}\n```') as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            assert (await gateway.chat(ask(WORDS))).text == '["a"]'


_leaf = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"enum": ["$ref", 1]},
        {"const": {"$ref": "#"}},
        {"$ref": "#/$defs/d"},
        {},
    ]
)
_schemas = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda group: {"type": "object", "properties": group},
            st.dictionaries(st.sampled_from(["a", "$ref", "enum", "value"]), inner, max_size=3),
        ),
    ),
    max_leaves=8,
)
_record = {"type": "object", "properties": {"a": {"$ref": "#"}, "enum": {"$ref": "#"}, "value": {"type": "null"}}}
_tree = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]}
_values = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "enum", "value"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(_schemas | st.sampled_from([_tree, _record]), _values)
def test_the_object_around_a_schema_admits_what_the_schema_admits(schema: dict[str, Any], value: Any) -> None:
    schema = {**schema, "$defs": {"d": {"type": ["integer", "null"]}}}
    around = wrapped(schema)
    Draft202012Validator.check_schema(around)
    admits = Draft202012Validator(around).is_valid({"value": value})
    assert admits == Draft202012Validator(schema).is_valid(value)


def test_words_about_the_schema_end_the_last_thing_the_user_says() -> None:
    request = Request(
        model="m",
        messages=(Message.user("first"), Message.assistant("?"), Message.user("last"),
                  Message("tool", (ToolResultPart("c", "x"),))),
        output_schema=OutputSchema({"type": "array"}),
    )  # fmt: skip
    asked = asked_in_words(request)
    assert asked.output_schema is None
    assert asked.messages[:2] == request.messages[:2]
    assert asked.messages[3] == request.messages[3]
    assert [type(part) for part in asked.messages[2].parts] == [TextPart, TextPart]
    assert '{"type": "array"}' in asked.messages[2].parts[1].text


def test_only_words_about_tools_blame_the_forced_tool() -> None:
    assert blames_tool(NotFoundError("No endpoints found that support tool use"))
    assert blames_tool(InvalidRequestError("bad", param="tool_choice"))
    assert not blames_tool(ServerError("overloaded"))
    assert not blames_tool(NotFoundError("no such model"))
    assert not blames_tool(FailedGenerationError("the model failed to call a tool"))


def test_only_a_servers_own_words_blame_the_schema() -> None:
    assert blames_schema(ServerError("HTTP 500: failed to parse grammar"))
    assert blames_schema(InvalidRequestError("bad", param="response_format.type"))
    assert not blames_schema(ServerError("overloaded"))
    assert not blames_schema(ContextOverflowError("the json_schema and the prompt are too long"))
    assert not blames_schema(InvalidRequestError("messages is empty", param="messages"))


@pytest.mark.parametrize(("message", "blamed", "once"), [
    ("output_config.format.schema: For 'object' type, 'additionalProperties' must be set to false", True, True),
    ("The model returned the following errors: output_config.format: Extra inputs are not permitted", True, False),
    ("output_config: Extra inputs are not permitted", True, False),
    ("output_format: Extra inputs are not permitted", True, False),
    ("This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and try again.",
     True, False),
    ("This model doesn't support the outputConfig.effort field. Remove outputConfig.effort and try again.",
     False, False),
    ("output_config.effort: Extra inputs are not permitted", False, False),
])  # fmt: skip
def test_bedrock_names_the_schema_in_words_of_its_own(message: str, blamed: bool, once: bool) -> None:
    """As issues quote them: anomalyco/models.dev #1765, future-agi #411, BerriAI/litellm #27846."""
    body = json.dumps({"message": message}).encode()
    error = decode_error(400, {"x-amzn-errortype": "ValidationException"}, body, provider="bedrock", model="m")
    assert (blames_schema(error), is_about_this_call(error)) == (blamed, once)
