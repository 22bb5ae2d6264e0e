"""The content blocks of a Messages answer, each read from its start, its deltas and its stop into chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import orjson

from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    Citation,
    CitationChunk,
    Json,
    JsonObject,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
)
from unified_api.wire.base import call_id
from unified_api.wire.json_text import parse_strictly

__all__ = ["Block", "open_block", "read_citation", "rest_of"]

_EMPTY: tuple[Json, ...] = (None, "", [], {})


class Block(Protocol):
    """One content block while it is streamed. Whatever it gives at `stop` it has held until then: `held` bytes."""

    held: int

    def start(self) -> list[Chunk]: ...

    def add(self, delta: JsonObject) -> list[Chunk] | None:
        """The chunks of a delta; None for one that does not belong to such a block."""

    def stop(self, spoken: int) -> list[Chunk]:
        """What is left; `spoken` counts the characters of the text part that the answer is in."""


def open_block(block: JsonObject, *, provider: str, calls: int) -> Block | None:
    """The reader of a block that begins; None for one without a type. `calls` counts the tool calls before it."""
    kind = block.get("type")
    if not isinstance(kind, str) or not kind:
        return None
    if kind == "tool_use":
        return _Call(block, provider, calls)
    return _KINDS.get(kind, _Step)(block, provider)


def rest_of(block: JsonObject, *known: str) -> JsonObject:
    """What a block says beside its type and the `known` keys."""
    return {name: value for name, value in block.items() if name not in {"type", *known} and value not in _EMPTY}


def read_citation(given: JsonObject, *, provider: str, start: int | None = None, end: int | None = None) -> Citation:
    """A citation, whichever kind of location it has; it supports the text from `start` to `end`.

    The places that it names (`start_char_index`, `page_number` ...) are places in the source and stay in the state.
    """
    source = given.get("source")
    url = _word(given, "url") or (source if isinstance(source, str) and "://" in source else None)
    return Citation(
        url=url,
        title=_word(given, "title") or _word(given, "document_title"),
        quote=_word(given, "cited_text"),
        start=start,
        end=end,
        state=ProviderState(provider, given),
    )


class _Text:
    def __init__(self, block: JsonObject, provider: str) -> None:
        self.held = 0
        self._block = block
        self._provider = provider
        self._length = 0
        self._citations: list[JsonObject] = []

    def start(self) -> list[Chunk]:
        given = self._block.get("citations")
        for citation in given if isinstance(given, list) else ():
            if isinstance(citation, dict):
                self._citations.append(citation)
        return self._say(self._block.get("text")) or []

    def add(self, delta: JsonObject) -> list[Chunk] | None:
        citation = delta.get("citation")
        if isinstance(citation, dict):
            self._citations.append(citation)
            self.held += _size(citation)
            return []
        return self._say(delta.get("text"))

    def stop(self, spoken: int) -> list[Chunk]:
        # A block is the piece of text that its citations support; they come before its text and are told after it.
        start = max(0, spoken - self._length)
        cited: list[Chunk] = [
            CitationChunk(read_citation(one, provider=self._provider, start=start, end=start + self._length))
            for one in self._citations
        ]
        return [TextChunk(""), *cited] if cited and not self._length else cited

    def _say(self, text: Json) -> list[Chunk] | None:
        if not isinstance(text, str):
            return None
        self._length += len(text)
        return [TextChunk(text)] if text else []


class _Thinking:
    def __init__(self, block: JsonObject, provider: str) -> None:
        self.held = 0
        self._thinking = block.get("thinking")
        self._state = rest_of(block, "thinking")
        self._provider = provider
        self._signature: list[str] = []

    def start(self) -> list[Chunk]:
        return [ReasoningChunk(self._thinking)] if isinstance(self._thinking, str) and self._thinking else []

    def add(self, delta: JsonObject) -> list[Chunk] | None:
        thinking, signature = delta.get("thinking"), delta.get("signature")
        if isinstance(signature, str):
            self._signature.append(signature)
            self.held += len(signature)
        elif not isinstance(thinking, str):
            return None
        return [ReasoningChunk(thinking)] if isinstance(thinking, str) and thinking else []

    def stop(self, spoken: int) -> list[Chunk]:
        del spoken
        signature = "".join(self._signature)
        if signature:
            self._state["signature"] = signature
        return [ReasoningChunk("", ProviderState(self._provider, self._state))] if self._state else []


class _Call:
    def __init__(self, block: JsonObject, provider: str, index: int) -> None:
        self.held = 0
        self._block = block
        self._provider = provider
        self._index = index
        self._pieces = False

    def start(self) -> list[Chunk]:
        rest = rest_of(self._block, "id", "name", "input")
        state = ProviderState(self._provider, rest) if rest else None
        name = _word(self._block, "name")
        return [ToolCallChunk(self._index, _word(self._block, "id") or call_id(self._index), name, "", state)]

    def add(self, delta: JsonObject) -> list[Chunk] | None:
        piece = delta.get("partial_json")
        if not isinstance(piece, str):
            return None
        self._pieces = self._pieces or bool(piece)
        return [ToolCallChunk(self._index, arguments=piece)] if piece else []

    def stop(self, spoken: int) -> list[Chunk]:
        # A stream begins with an empty input and sends the pieces after it; a whole answer has it all here.
        del spoken
        given = self._block.get("input")
        if self._pieces or given in _EMPTY:
            return []
        return [ToolCallChunk(self._index, arguments=given if isinstance(given, str) else orjson.dumps(given).decode())]


class _Step:
    """A block of which only the provider knows the meaning: a step of a tool that it runs, a summary, a marker."""

    def __init__(self, block: JsonObject, provider: str) -> None:
        self.held = _size(block)
        self._block = block
        self._provider = provider
        self._input: list[str] = []
        self._news: dict[str, list[Json]] = {}

    def start(self) -> list[Chunk]:
        return []

    def add(self, delta: JsonObject) -> list[Chunk] | None:
        piece = delta.get("partial_json")
        if isinstance(piece, str):
            self._input.append(piece)
            self.held += len(piece)
            return []
        for name, more in rest_of(delta).items():
            self._news.setdefault(name, []).append(more)
        self.held += _size(delta)
        return []

    def stop(self, spoken: int) -> list[Chunk]:
        del spoken
        block = dict(self._block)
        for name, news in self._news.items():
            block[name] = _grown(block.get(name), news)
        pieces = "".join(self._input)
        if pieces:
            block["input"] = _parsed(pieces)
        return [PartChunk(BuiltinToolPart(self._provider, str(block["type"]), block))]


_KINDS: Mapping[str, Callable[[JsonObject, str], Block]] = {
    "text": _Text,
    "thinking": _Thinking,
    "redacted_thinking": _Thinking,
}


def _grown(earlier: Json, news: list[Json]) -> Json:
    """What a key holds after its deltas: strings and lists grow, anything else is replaced."""
    all_of = news if earlier in _EMPTY else [earlier, *news]
    texts = [one for one in all_of if isinstance(one, str)]
    if len(texts) == len(all_of):
        return "".join(texts)
    lists = [one for one in all_of if isinstance(one, list)]
    return [item for one in lists for item in one] if len(lists) == len(all_of) else news[-1]


def _parsed(text: str) -> Json:
    try:
        return parse_strictly(text.encode())
    except ValueError:
        return text


def _word(block: JsonObject, name: str) -> str | None:
    word = block.get(name)
    return word if isinstance(word, str) and word else None


def _size(value: JsonObject) -> int:
    return len(orjson.dumps(value))
