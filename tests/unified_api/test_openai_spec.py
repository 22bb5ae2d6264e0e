"""Requests as they go out, judged by the providers' own documents: nobody here can call the servers themselves."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from corpus import needs_corpora
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai_rules import chat_faults, mistral_faults, openai_faults, strict_faults

from unified_api.catalog import Catalog
from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.fitting import Fitting
from unified_api.providers import builtin_rows
from unified_api.types import (
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Message,
    NamedTool,
    OutputSchema,
    Policy,
    ReasoningPart,
    RefusalPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire import openai_chat, openai_embeddings, openai_images
from unified_api.wire.base import WireProfile
from unified_api.wire.strict_schema import fits_strict

pytestmark = needs_corpora

REASONING = ("gpt-5-mini", "gpt-5.1", "gpt-5.5", "o3", "o4-mini")
PLAIN = ("gpt-4o", "gpt-4.1", "gpt-4o-mini", "gpt-3.5-turbo")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")
png = b"\x89PNG\r\n\x1a\n...."
_images = st.one_of(
    st.just(ImagePart(url="https://example.com/a.png", detail="low")),
    st.just(ImagePart(data=png)),
    st.just(ImagePart(url="data:image/png;base64,AAAA")),
)
_text_parts = st.lists(st.builds(TextPart, texts), max_size=2).map(tuple)
_system = st.builds(Message, st.just("system"), _text_parts)
_user = st.builds(Message, st.just("user"), st.lists(st.builds(TextPart, texts) | _images, max_size=3).map(tuple))
_assistant = st.builds(
    Message,
    st.just("assistant"),
    st.lists(st.builds(TextPart, texts) | st.builds(RefusalPart, texts) | st.builds(ReasoningPart, texts), max_size=3)
    .map(tuple),
)  # fmt: skip


@st.composite
def _exchange(draw: st.DrawFn) -> tuple[Message, ...]:
    """Calls and their results, in one tool message or several, in any order."""
    ids = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    said = draw(_text_parts)
    calls = tuple(ToolCallPart(one, draw(names), draw(st.sampled_from(["{}", "", '{"a": 1}']))) for one in ids)
    results = tuple(ToolResultPart(one, draw(texts)) for one in draw(st.permutations(ids)))
    split = draw(st.booleans())
    tools = tuple(Message("tool", (one,)) for one in results) if split else (Message("tool", results),)
    return (Message("assistant", (*said, *calls)), *tools)


_messages = st.lists(
    st.one_of(_system, _user, _assistant).map(lambda one: (one,)) | _exchange(), min_size=1, max_size=5
).map(lambda groups: tuple(message for group in groups for message in group))

_strict_leaves: list[dict[str, Any]] = [
    {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": ["number", "null"]}, {"type": "boolean"},
    {"type": "string", "enum": ["a", "b"]}, {"type": "string", "format": "date"}, {"$ref": "#/$defs/d"},
]  # fmt: skip
_loose_leaves: list[dict[str, Any]] = [
    {}, {"enum": ["a", 1]}, {"const": None}, {"type": "string", "minLength": 1}, {"type": "array"}, {"type": "object"},
    {"oneOf": [{"type": "string"}]}, {"$ref": "#/$defs/d", "description": "x"}, {"type": "string", "format": "uri"},
    {"type": "array", "items": {"type": "string"}, "uniqueItems": True}, {"type": "string", "default": "x"},
]  # fmt: skip


def _deeper(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def record(group: dict[str, Any], closed: bool, required: bool) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "object", "properties": group, "additionalProperties": not closed}
        return {**made, "required": list(group)} if required else made

    return st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            record,
            st.dictionaries(names, inner, max_size=3),
            st.just(True) | st.booleans(),
            st.just(True) | st.booleans(),
        ),
    )


def _schemas(leaves: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(st.sampled_from(leaves), _deeper, max_leaves=12).map(
        lambda schema: {**schema, "$defs": {"d": {"type": "string"}}}
    )


schemas = _schemas(_strict_leaves) | _schemas(_strict_leaves + _loose_leaves)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    tools = tuple(
        Tool(name, draw(texts), draw(st.sampled_from([{"type": "object", "properties": {}}, {"type": "object"}])))
        for name in draw(st.lists(names, max_size=2, unique=True))
    )
    choices = ["auto", "none", *(["required"] if tools else []), *(NamedTool(tool.name) for tool in tools)]
    return Request(
        model="p/m",
        messages=draw(_messages),
        tools=tools,
        tool_choice=draw(st.none() | st.sampled_from(choices)),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        output_schema=draw(st.none() | st.builds(OutputSchema, schemas, names, st.just(True) | st.booleans())),
        temperature=draw(st.none() | st.floats(0, 1.5)),
        top_p=draw(st.none() | st.floats(0.01, 1)),
        max_tokens=draw(st.none() | st.integers(1, 4096)),
        stop=tuple(draw(st.lists(texts.filter(bool), max_size=4))),
        seed=draw(st.none() | st.integers(0, 2**31)),
        reasoning_effort=draw(st.none() | st.sampled_from(["minimal", "low", "medium", "high"])),
        user=draw(st.none() | texts),
    )


def sent(request: Request, provider: str, name: str, *, stream: bool = False) -> dict[str, Any]:
    """The body for a model of a built-in row, hints left out where the router chose the model."""
    model = Catalog().get(f"{provider}/{name}")
    row = builtin_rows()[provider]
    profile = WireProfile(**row.profile.model_dump(exclude={"unsupported"}), unsupported=model.unsupported)
    fitted = Fitting(replace(request, model="auto"), Policy(), {}).fitted(model).request
    return json.loads(openai_chat.encode(fitted, provider="openai", model=name, profile=profile, stream=stream).body)


@settings(max_examples=150)
@given(requests(), st.sampled_from(PLAIN + REASONING), st.booleans())
@example(Request(model="p/m", messages=(Message("user", ()),)), "gpt-4o", False)
@example(Request(model="p/m", messages=(Message("assistant", ()),)), "gpt-4o", False)
@example(Request(model="p/m", messages=(Message("user", (TextPart(""), ImagePart(data=png))),)), "gpt-4o", False)
def test_every_chat_request_is_one_that_openai_documents(request: Request, name: str, stream: bool) -> None:
    if request.stop and name in REASONING:
        with pytest.raises(UnsupportedParameterError, match="stop"):  # no hint, so it is refused aloud
            sent(request, "openai", name, stream=stream)
        return
    body = sent(request, "openai", name, stream=stream)
    assert chat_faults(body, reasons=name in REASONING) == []


@settings(max_examples=100)
@given(requests(), st.booleans())
def test_every_chat_request_is_one_that_mistral_documents(request: Request, stream: bool) -> None:
    body = sent(request, "mistral", "mistral-small-latest", stream=stream)
    assert mistral_faults(body, name="ChatCompletionRequest") == []


@given(st.lists(texts.filter(bool), min_size=1, max_size=5), st.none() | st.integers(1, 3072))
def test_every_embeddings_request_is_one_that_is_documented(inputs: list[str], dimensions: int | None) -> None:
    request = EmbedRequest(model="p/m", inputs=tuple(inputs), dimensions=dimensions)
    for provider, judge in (
        ("openai", lambda body: openai_faults(body, name="CreateEmbeddingRequest")),
        ("mistral", lambda body: mistral_faults(body, name="EmbeddingRequest")),
    ):
        profile = WireProfile(**builtin_rows()[provider].profile.model_dump(exclude={"unsupported"}))
        assert judge(json.loads(openai_embeddings.encode(request, provider="p", model="m", profile=profile).body)) == []


@given(texts.filter(str.strip), st.none() | st.sampled_from(["1024x1024", "1536x1024", "1024x1536"]))
def test_every_images_request_is_one_that_openai_documents(prompt: str, size: str | None) -> None:
    request = ImageRequest(model="p/m", prompt=prompt, size=size)
    profile = WireProfile(**builtin_rows()["openai"].profile.model_dump(exclude={"unsupported"}))
    for name in ("gpt-image-1", "dall-e-3"):
        body = json.loads(openai_images.encode(request, provider="openai", model=name, profile=profile).body)
        assert openai_faults(body, name="CreateImageRequest") == []


@given(schemas)
def test_strict_is_said_of_just_the_schemas_that_the_rules_take(schema: dict[str, Any]) -> None:
    assert fits_strict(schema) == (strict_faults(schema) == [])


@pytest.mark.parametrize(
    ("message", "match"),
    [
        (Message("tool", (ToolResultPart("c", "x"),)), "answer no call just before"),
        (Message("assistant", (ToolCallPart("c", "f"),)), "have no result right after"),
        (Message("tool", ()), "nothing to send"),
    ],
)
def test_messages_that_no_server_takes_are_refused_here(message: Message, match: str) -> None:
    request = Request(model="p/m", messages=(message,))
    with pytest.raises(InvalidRequestError, match=match):
        openai_chat.encode(request, provider="p", model="m", profile=WireProfile())


def test_results_may_not_wait_for_another_turn() -> None:
    call, result = Message("assistant", (ToolCallPart("c", "f"),)), Message("tool", (ToolResultPart("c", "x"),))
    request = Request(model="p/m", messages=(call, Message.user("wait"), result))
    with pytest.raises(InvalidRequestError, match=re.escape("['c'] have no result")):
        openai_chat.encode(request, provider="p", model="m", profile=WireProfile())


@pytest.mark.parametrize("name", ["", "two words", "a.b", "x" * 65, "été"])
def test_names_that_openai_refuses_are_refused_here(name: str) -> None:
    tool = Request(model="p/m", messages=(Message.user("x"),), tools=(Tool(name),))
    schema = Request(model="p/m", messages=(Message.user("x"),), output_schema=OutputSchema({"type": "object"}, name))
    for request in (tool, schema):
        with pytest.raises(InvalidRequestError, match="is no name of a tool or schema"):
            openai_chat.encode(request, provider="p", model="m", profile=WireProfile())


def test_two_tools_of_one_name_are_refused() -> None:
    request = Request(model="p/m", messages=(Message.user("x"),), tools=(Tool("f"), Tool("f")))
    with pytest.raises(InvalidRequestError, match="two tools are called 'f'"):
        openai_chat.encode(request, provider="p", model="m", profile=WireProfile())


@pytest.mark.parametrize(
    "change",
    [
        {"bogus": 1}, {"messages": []}, {"temperature": 3}, {"stop": ["a"] * 5}, {"stream_options": {}},
        {"tool_choice": "auto"}, {"messages": [{"role": "user", "content": "x", "bogus": 1}]},
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}}},
    ],
)  # fmt: skip
def test_the_rules_find_what_is_wrong(change: dict[str, Any]) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
    assert chat_faults(body) == []
    assert chat_faults({**body, **change}) != []
