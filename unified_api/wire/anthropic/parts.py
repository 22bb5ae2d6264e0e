"""The content blocks of a Messages request, read as parts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Literal, NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    MediaPart,
    Part,
    ProviderState,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.anthropic.blocks import read_citation, rest_of
from unified_api.wire.json_text import dump_json
from unified_api.wire.shown import shown

__all__ = ["PartReader", "read_mark"]

_TTLS: Mapping[str, Literal["5m", "1h"]] = {"5m": "5m", "1h": "1h"}


def read_mark(given: Json, place: str) -> CacheMark | None:
    """A `cache_control`; InvalidRequestError for one that is none."""
    if given is None:
        return None
    told = given.get("ttl") if isinstance(given, dict) else None
    ttl = _TTLS.get(told) if isinstance(told, str) else None
    if not isinstance(given, dict) or given.get("type") != "ephemeral" or (told is not None and ttl is None):
        _refuse(f"{place}.cache_control", 'is not of type "ephemeral" with a ttl of "5m" or "1h"', given)
    return CacheMark(ttl)


class PartReader:
    """Reads blocks as the parts they are; those that no part says in full stay whole, as what only `provider` knows."""

    def __init__(self, *, provider: str) -> None:
        self._provider = provider
        self._readers: Mapping[str, Callable[[JsonObject, str], Part | None]] = {
            "text": self._text,
            "image": self._image,
            "document": self._document,
            "tool_use": self._call,
            "tool_result": self._result,
            "thinking": self._thinking,
            "redacted_thinking": self._redacted,
        }

    def parts(self, content: Json, place: str) -> tuple[Part, ...]:
        if isinstance(content, str):
            return (TextPart(content),) if content else ()
        if not isinstance(content, list):
            _refuse(place, "is neither text nor a list of blocks", content)
        return tuple(self._part(block, f"{place}[{number}]") for number, block in enumerate(content))

    def _part(self, block: Json, place: str) -> Part:
        if isinstance(block, str):
            return TextPart(block)
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(block, dict) or not isinstance(kind, str):
            _refuse(place, "is no content block with a type", block)
        reader = self._readers.get(kind)
        part = None if reader is None else reader(block, place)
        return BuiltinToolPart(self._provider, kind, block) if part is None else part

    def _state(self, content: JsonObject) -> ProviderState | None:
        return ProviderState(self._provider, content) if content else None

    def _text(self, block: JsonObject, place: str) -> Part | None:
        text, given = block.get("text"), block.get("citations")
        if not isinstance(text, str):
            _refuse(f"{place}.text", "is no text", text)
        cited = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
        return TextPart(
            text,
            tuple(read_citation(one, provider=self._provider, start=0, end=len(text)) for one in cited),
            self._state(rest_of(block, "text", "citations", "cache_control")),
            read_mark(block.get("cache_control"), place),
        )

    def _image(self, block: JsonObject, place: str) -> Part | None:
        state = rest_of(block, "source", "cache_control")
        cache = read_mark(block.get("cache_control"), place)
        source = _source(block, place)
        if source.get("type") == "base64":
            data, media_type = _bytes(source, place)
            return ImagePart(data=data, media_type=media_type, state=self._state(state), cache=cache)
        if source.get("type") == "url":
            return ImagePart(url=_word(source, "url", place), state=self._state(state), cache=cache)
        return ImagePart(state=self._state({**state, **_held(source)}), cache=cache)

    def _document(self, block: JsonObject, place: str) -> Part | None:
        title = block.get("title")
        name = title if isinstance(title, str) else None
        state = rest_of(block, "source", "cache_control", "title")
        cache = read_mark(block.get("cache_control"), place)
        source = _source(block, place)
        kind = source.get("type")
        if kind == "base64":
            data, media_type = _bytes(source, place)
            return DocumentPart(data=data, media_type=media_type, name=name, state=self._state(state), cache=cache)
        if kind == "url":
            return DocumentPart(url=_word(source, "url", place), name=name, state=self._state(state), cache=cache)
        if kind == "text":
            return DocumentPart(text=_word(source, "data", place), name=name, state=self._state(state), cache=cache)
        return DocumentPart(name=name, state=self._state({**state, **_held(source)}), cache=cache)

    def _call(self, block: JsonObject, place: str) -> Part | None:
        arguments = block.get("input")
        if not isinstance(arguments, dict):
            _refuse(f"{place}.input", "is no object", arguments)
        return ToolCallPart(
            _word(block, "id", place),
            _word(block, "name", place),
            dump_json(arguments).decode(),
            self._state(rest_of(block, "id", "name", "input", "cache_control")),
            read_mark(block.get("cache_control"), place),
        )

    def _result(self, block: JsonObject, place: str) -> Part | None:
        content = block.get("content", "")
        cache = read_mark(block.get("cache_control"), place)
        if not block.keys() <= {"type", "tool_use_id", "content", "is_error", "cache_control"}:
            return None
        given: str | tuple[TextPart | MediaPart, ...]
        if isinstance(content, str):
            given = content
        else:
            parts = self.parts(content, f"{place}.content")
            given = tuple(part for part in parts if isinstance(part, TextPart | ImagePart | DocumentPart))
            if len(given) != len(parts):
                return None
        return ToolResultPart(_word(block, "tool_use_id", place), given, block.get("is_error") is True, cache)

    def _thinking(self, block: JsonObject, place: str) -> Part | None:
        state = rest_of(block, "thinking")
        return ReasoningPart(_word(block, "thinking", place), self._state(state)) if state else None

    def _redacted(self, block: JsonObject, place: str) -> Part | None:
        del place
        return ReasoningPart("", self._state(rest_of(block)))


def _source(block: JsonObject, place: str) -> JsonObject:
    source = block.get("source")
    return source if isinstance(source, dict) else _refuse(f"{place}.source", "is no object", source)


def _held(source: JsonObject) -> JsonObject:
    """The state of what the provider keeps: the id of its file, or a source that only it can read."""
    if source.keys() == {"type", "file_id"} and source["type"] == "file":
        return {"file_id": source["file_id"]}
    return {"source": source}


def _bytes(source: JsonObject, place: str) -> tuple[bytes, str]:
    data = _word(source, "data", f"{place}.source")
    try:
        return base64.b64decode("".join(data.split()), validate=True), _word(source, "media_type", f"{place}.source")
    except (binascii.Error, ValueError):
        _refuse(f"{place}.source.data", "is no base64", data)


def _word(holder: JsonObject, name: str, place: str) -> str:
    word = holder.get(name)
    return word if isinstance(word, str) else _refuse(f"{place}.{name}", "is no text", word)


def _refuse(place: str, problem: str, value: Json) -> NoReturn:
    raise InvalidRequestError(f"{place} {problem}: {shown(value)}", param=place)
