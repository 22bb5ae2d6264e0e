"""Canonical chat requests of every shape, and what is sent of one to a model of a built-in row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from unified_api.catalog import Catalog
from unified_api.fitting import Fitting
from unified_api.providers import builtin_rows
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    CacheMark,
    DocumentPart,
    ImagePart,
    MediaPart,
    Message,
    NamedTool,
    OutputSchema,
    Part,
    Policy,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire import openai_chat

__all__ = ["mistral_requests", "names", "openai_requests", "png", "schemas", "sent", "texts"]

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
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
_marked_text = st.builds(TextPart, texts, cache=st.none() | st.just(CacheMark("5m")))
_foreign_thinking = st.just(ReasoningPart("hm", ProviderState("other", {"signature": "s"})))
_documents = st.one_of(
    st.builds(DocumentPart, data=st.just(b"%PDF-1.4"), media_type=st.just("application/pdf"), name=st.none() | names),
    st.builds(DocumentPart, text=texts, name=st.none() | names),
)
_openai_media = st.one_of(
    st.just(AudioPart(data=b"RIFF....WAVEfmt ")),
    st.just(AudioPart(data=b"1", media_type="audio/mpeg")),
    st.just(DocumentPart(state=ProviderState("openai", {"file_id": "file-1"}))),
)
_mistral_media = st.one_of(
    st.just(AudioPart(url="https://example.com/a.mp3")),
    st.just(DocumentPart(url="https://example.com/a.pdf", name="A")),
    st.just(DocumentPart(state=ProviderState("mistral", {"file_id": "5f8c3b1e-0000-4000-8000-000000000000"}))),
)
_spoken = st.builds(
    AudioPart,
    transcript=texts,
    state=st.sampled_from([ProviderState("openai", {"id": "audio_1"}), ProviderState("other", {"id": "x"})]),
)
_assistant = st.builds(
    Message,
    st.just("assistant"),
    st.lists(
        st.one_of(_marked_text, st.builds(RefusalPart, texts), st.builds(ReasoningPart, texts), _foreign_thinking),
        max_size=3,
    ).map(tuple),
)


@st.composite
def _exchange(draw: st.DrawFn, shown: st.SearchStrategy[TextPart | MediaPart]) -> tuple[Message, ...]:
    """Calls and their results, in one tool message or several, in any order."""
    ids = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    said = draw(_text_parts)
    calls = tuple(ToolCallPart(one, draw(names), draw(st.sampled_from(["{}", "", '{"a": 1}']))) for one in ids)
    contents = texts | st.lists(shown, max_size=2).map(tuple)
    results = tuple(ToolResultPart(one, draw(contents)) for one in draw(st.permutations(ids)))
    split = draw(st.booleans())
    tools = tuple(Message("tool", (one,)) for one in results) if split else (Message("tool", results),)
    return (Message("assistant", (*said, *calls)), *tools)


def _messages(
    media: st.SearchStrategy[Part], results: st.SearchStrategy[TextPart | MediaPart], *, named: bool, speaks: bool
) -> st.SearchStrategy[tuple[Message, ...]]:
    spoken = st.builds(Message, st.just("assistant"), _spoken.map(lambda part: (part,)))
    user = st.builds(
        Message,
        st.just("user"),
        st.lists(st.one_of(_marked_text, _images, _documents, media), max_size=3).map(tuple),
        names if named else st.none(),
    )
    turns = st.one_of(_system, user, _assistant, spoken if speaks else _assistant).map(lambda one: (one,))
    return st.lists(turns | _exchange(results), min_size=1, max_size=5).map(
        lambda groups: tuple(message for group in groups for message in group)
    )


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
def _requests(draw: st.DrawFn, messages: st.SearchStrategy[tuple[Message, ...]], builtin: BuiltinTool) -> Request:
    tools = tuple(
        Tool(name, draw(texts), draw(st.sampled_from([{"type": "object", "properties": {}}, {"type": "object"}])))
        for name in draw(st.lists(names, max_size=2, unique=True))
    )
    tools = tuple(replace(tool, parameters=CLOSED, strict=True) if draw(st.booleans()) else tool for tool in tools)
    builtin_tools = draw(st.sampled_from([(), (), (builtin,)]))
    given_any = bool(tools or builtin_tools)
    choices = ["auto", "none", *(["required"] if given_any else []), *(NamedTool(tool.name) for tool in tools)]
    return Request(
        model="p/m",
        messages=draw(messages),
        tools=tools,
        builtin_tools=builtin_tools,
        tool_choice=draw(st.none() | st.sampled_from(choices)),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        output_schema=draw(st.none() | st.builds(OutputSchema, schemas, names, st.just(True) | st.booleans(), texts)),
        temperature=draw(st.none() | st.floats(0, 1.5)),
        top_p=draw(st.none() | st.floats(0.01, 1)),
        top_k=draw(st.none() | st.integers(1, 50)),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        presence_penalty=draw(st.none() | st.floats(-2, 2)),
        max_tokens=draw(st.none() | st.integers(1, 4096)),
        stop=tuple(draw(st.lists(texts.filter(bool), max_size=4))),
        seed=draw(st.none() | st.integers(0, 2**31)),
        reasoning_effort=draw(st.none() | st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"])),
        reasoning_budget=draw(st.none() | st.integers(0, 9)),
        show_reasoning=draw(st.none() | st.booleans()),
        logprobs=draw(st.none() | st.integers(0, 20)),
        n=draw(st.none() | st.integers(1, 4)),
        user=draw(st.none() | texts),
        metadata=draw(st.dictionaries(names, texts, max_size=2)),
    )


openai_requests = _requests(
    _messages(_openai_media, _marked_text, named=True, speaks=True),
    BuiltinTool("openai", {"type": "custom", "custom": {"name": "c"}}),
)
mistral_requests = _requests(
    _messages(_mistral_media, _marked_text | _images | _documents, named=False, speaks=False),
    BuiltinTool("mistral", {"type": "web_search"}),
)


def sent(request: Request, provider: str, name: str, *, stream: bool = False) -> dict[str, Any]:
    """The body for a model of a built-in row, hints left out where the router chose the model."""
    model = Catalog().get(f"{provider}/{name}")
    row = builtin_rows()[provider]
    profile = row.profile.for_wire(model.unsupported)
    fitted = Fitting(replace(request, model="auto"), Policy(), {}).fitted(model).request
    body: dict[str, Any] = json.loads(
        openai_chat.encode(fitted, provider=provider, model=name, profile=profile, stream=stream).body
    )
    return body
