"""Requests as they go out, judged by the providers' own documents: nobody here can call the servers themselves."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from chat_requests import openai_requests, png, schemas, sent, texts
from corpus import needs_corpora
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai_rules import chat_faults, mistral_faults, openai_faults, strict_faults

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.providers import builtin_rows
from unified_api.types import (
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Message,
    OutputSchema,
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

REASONING = ("gpt-5-mini", "gpt-5.1", "o3", "o4-mini")
PLAIN = ("gpt-4o", "gpt-4.1", "gpt-4o-mini", "gpt-3.5-turbo")


@settings(max_examples=150)
@given(openai_requests, st.sampled_from(PLAIN + REASONING), st.booleans())
@example(Request(model="p/m", messages=(Message("user", ()),)), "gpt-4o", False)
@example(Request(model="p/m", messages=(Message("assistant", ()),)), "gpt-4o", False)
@example(Request(model="p/m", messages=(Message("user", (TextPart(""), ImagePart(data=png))),)), "gpt-4o", False)
def test_every_chat_request_is_one_that_openai_documents(request: Request, name: str, stream: bool) -> None:
    # GPT-5.1 takes what the others refuse while it is asked for no effort.
    thinks = name in REASONING and (name != "gpt-5.1" or request.reasoning_effort not in (None, "none"))
    samples = name == "gpt-5.1" and thinks and not (request.temperature is request.top_p is None)
    aloud = (name in REASONING and request.stop, thinks and request.logprobs is not None, samples, request.metadata)
    if any(aloud):  # no hints, or not by the model's name alone: refused aloud
        with pytest.raises(UnsupportedParameterError, match=r"stop|logprobs|temperature|top_p|metadata"):
            sent(request, "openai", name, stream=stream)
        return
    body = sent(request, "openai", name, stream=stream)
    assert chat_faults(body, reasons=thinks) == []


@given(st.lists(texts.filter(bool), min_size=1, max_size=5), st.none() | st.integers(1, 3072))
def test_every_embeddings_request_is_one_that_is_documented(inputs: list[str], dimensions: int | None) -> None:
    request = EmbedRequest(model="p/m", inputs=tuple(inputs), dimensions=dimensions)
    for provider, judge in (
        ("openai", lambda body: openai_faults(body, name="CreateEmbeddingRequest")),
        ("mistral", lambda body: mistral_faults(body, name="EmbeddingRequest")),
    ):
        profile = builtin_rows()[provider].profile.for_wire()
        assert judge(json.loads(openai_embeddings.encode(request, provider="p", model="m", profile=profile).body)) == []


@given(texts.filter(str.strip), st.none() | st.sampled_from(["1024x1024", "1536x1024", "1024x1536"]))
def test_every_images_request_is_one_that_openai_documents(prompt: str, size: str | None) -> None:
    request = ImageRequest(model="p/m", prompt=prompt, size=size)
    profile = builtin_rows()["openai"].profile.for_wire()
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
