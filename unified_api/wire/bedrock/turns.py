"""The messages of a Converse body, read as canonical ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import NoReturn, cast

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    MediaPart,
    Message,
    Part,
    ProviderState,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire.bedrock.citations import read_citation
from unified_api.wire.bedrock.media import KINDS, read_media
from unified_api.wire.json_text import dump_json
from unified_api.wire.shown import shown

__all__ = ["TurnReader"]

_MARKABLE = (TextPart, ImagePart, AudioPart, VideoPart, DocumentPart, ToolCallPart, ToolResultPart)
_ROLES = frozenset({"user", "assistant", "system"})


class TurnReader:
    """Reads what one provider was sent. A block that only it understands becomes a part that goes to it alone."""

    def __init__(self, provider: str) -> None:
        self._provider = provider

    @staticmethod
    def cache_mark(block: JsonObject) -> CacheMark | None:
        """The mark that a block is, if it is one that we have a word for."""
        point = block.get("cachePoint")
        if not isinstance(point, dict) or point.get("type") != "default" or not point.keys() <= {"type", "ttl"}:
            return None
        ttl = point.get("ttl")
        if ttl is None:
            return CacheMark()
        return CacheMark("1h" if ttl == "1h" else "5m") if ttl in ("5m", "1h") else None

    def system(self, blocks: list[Json]) -> Iterator[Message]:
        if blocks:
            yield Message("system", self._parts(blocks, "system", "system"))

    def messages(self, messages: list[Json]) -> Iterator[Message]:
        for place, message in enumerate(messages):
            if not isinstance(message, dict):
                _refuse(f"messages[{place}]", "is no object", message)
            role, content = message.get("role"), message.get("content")
            if not isinstance(role, str) or role not in _ROLES:
                _refuse(f"messages[{place}].role", "is none of user, assistant and system", role)
            if not isinstance(content, list):
                _refuse(f"messages[{place}].content", "is no list", content)
            parts = self._parts(content, role, f"messages[{place}].content")
            if role == "user":
                yield from _split(parts)
            else:
                yield Message(cast("Role", role), parts)

    def _parts(self, blocks: list[Json], role: str, place: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        for index, block in enumerate(blocks):
            if not isinstance(block, dict) or len(block) != 1:
                _refuse(f"{place}[{index}]", "is no content block, which is an object with one key", block)
            mark, last = self.cache_mark(block), parts[-1] if parts else None
            if mark is not None and isinstance(last, _MARKABLE) and last.cache is None:
                parts[-1] = replace(last, cache=mark)
            else:
                parts.append(self._part(block, role, f"{place}[{index}]"))
        return tuple(parts)

    def _part(self, block: JsonObject, role: str, place: str) -> Part:
        ((kind, value),) = block.items()
        if kind == "text":
            return TextPart(value) if isinstance(value, str) else _refuse(f"{place}.text", "is no text", value)
        if not isinstance(value, dict):
            _refuse(f"{place}.{kind}", "is no object", value)
        if kind in KINDS:
            return self._media(kind, value, place)
        part: Part | None = None
        if kind == "toolUse":
            part = _call(value)
        elif kind == "toolResult" and role == "user":
            part = self._result(value, place)
        elif kind == "reasoningContent":
            part = self._reasoning(value)
        elif kind == "guardContent":
            part = self._guarded(value)
        elif kind == "citationsContent":
            part = self._cited(value)
        elif kind == "searchResult":
            part = self._found(value)
        return BuiltinToolPart(self._provider, kind, block) if part is None else part

    def _media(self, kind: str, value: JsonObject, place: str) -> MediaPart:
        part = read_media(kind, value, provider=self._provider)
        return _refuse(f"{place}.{kind}.source", "holds nothing", value.get("source")) if part is None else part

    def _reasoning(self, value: JsonObject) -> ReasoningPart | None:
        thought = value.get("reasoningText")
        if isinstance(thought, dict) and isinstance(thought.get("text"), str):
            state: JsonObject = {name: part for name, part in thought.items() if name != "text"}
            return ReasoningPart(str(thought["text"]), ProviderState(self._provider, state))
        redacted = value.get("redactedContent")
        if not isinstance(redacted, str):
            return None
        return ReasoningPart("", ProviderState(self._provider, {"redactedContent": redacted}))

    def _guarded(self, value: JsonObject) -> TextPart | None:
        guarded = value.get("text")
        if not isinstance(guarded, dict) or not isinstance(guarded.get("text"), str):
            return None
        rest: JsonObject = {name: part for name, part in guarded.items() if name != "text"}
        return TextPart(str(guarded["text"]), state=ProviderState(self._provider, {"guardContent": rest}))

    def _cited(self, value: JsonObject) -> TextPart:
        text, citations = _texts(value.get("content"), ""), value.get("citations")
        start, end = (0, len(text)) if text else (None, None)
        given = [one for one in citations if isinstance(one, dict)] if isinstance(citations, list) else []
        return TextPart(text, tuple(read_citation(one, provider=self._provider, start=start, end=end) for one in given))

    def _found(self, value: JsonObject) -> DocumentPart:
        title = value.get("title")
        state = ProviderState(self._provider, {"searchResult": value})
        return DocumentPart(
            text=_texts(value.get("content"), "\n"), name=title if isinstance(title, str) else None, state=state
        )

    def _result(self, value: JsonObject, place: str) -> ToolResultPart | None:
        """The result of a tool of ours; None for that of a tool that the provider runs."""
        identity, content, status = value.get("toolUseId"), value.get("content"), value.get("status")
        if not isinstance(identity, str) or not isinstance(content, list):
            _refuse(f"{place}.toolResult", "has no toolUseId, or its content is no list", value)
        if value.get("type") is not None or status not in (None, "success", "error"):
            return None
        parts = tuple(self._result_part(one, f"{place}.toolResult.content[{n}]") for n, one in enumerate(content))
        alone = parts[0] if len(parts) == 1 else None
        if isinstance(alone, TextPart) and alone.state is None:
            return ToolResultPart(identity, alone.text, failed=status == "error")
        return ToolResultPart(identity, parts or "", failed=status == "error")

    def _result_part(self, block: Json, place: str) -> TextPart | MediaPart:
        if not isinstance(block, dict) or len(block) != 1:
            return _refuse(place, "is no content block, which is an object with one key", block)
        ((kind, value),) = block.items()
        if kind == "text" and isinstance(value, str):
            return TextPart(value)
        if kind == "json":
            return TextPart(dump_json(value).decode(), state=ProviderState(self._provider, block))
        if kind in KINDS and isinstance(value, dict):
            return self._media(kind, value, place)
        if kind == "searchResult" and isinstance(value, dict):
            return self._found(value)
        return _refuse(place, "is no result that is known", block)


def _call(value: JsonObject) -> ToolCallPart | None:
    """A call of a tool of ours; None for one of a tool that the provider runs."""
    identity, name = value.get("toolUseId"), value.get("name")
    if value.get("type") not in (None, "tool_use") or not isinstance(identity, str) or not isinstance(name, str):
        return None
    return ToolCallPart(identity, name, dump_json(value.get("input", {})).decode())


def _split(parts: tuple[Part, ...]) -> Iterator[Message]:
    """Results of tools are a message of their own here."""
    for is_result, run in groupby(parts, key=lambda part: isinstance(part, ToolResultPart)):
        yield Message("tool" if is_result else "user", tuple(run))


def _texts(pieces: Json, between: str) -> str:
    texts = [piece.get("text") for piece in pieces if isinstance(piece, dict)] if isinstance(pieces, list) else []
    return between.join(text for text in texts if isinstance(text, str))


def _refuse(place: str, problem: str, value: Json) -> NoReturn:
    raise InvalidRequestError(f"{place} {problem}: {shown(value)}", param=place)
