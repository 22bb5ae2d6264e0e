"""The content blocks of a Converse answer as chunks, the same ones whether a block comes whole or in pieces."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from unified_api.errors import MalformedResponseError
from unified_api.sse import EVENT_LIMIT
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    CitationChunk,
    Json,
    JsonObject,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
)
from unified_api.wire.bedrock.citations import read_citation
from unified_api.wire.bedrock.media import KINDS, read_media
from unified_api.wire.json_text import parse_strictly

__all__ = ["BlockReader", "json_text"]


@dataclass(slots=True)
class _Block:
    """A block that has begun and not ended, with what it gives only at its end."""

    head: JsonObject = field(default_factory=dict)
    call: int | None = None
    """The place of the tool call that it is."""
    start: int = 0
    """Where its text begins in the text part."""
    pieces: list[str] = field(default_factory=list)
    content: list[JsonObject | list[str]] = field(default_factory=list)
    """Of a tool's result: text in its pieces, and whatever else there is."""
    citations: list[JsonObject] = field(default_factory=list)
    signature: list[str] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)


class BlockReader:
    """Reads blocks in the order in which they come. What a provider alone understands is kept as it came."""

    called: bool
    """Whether a tool was called that is ours to run."""

    def __init__(self, provider: str) -> None:
        self.called = False
        self._provider = provider
        self._calls = 0
        self._spoken = 0
        self._held = 0
        self._open: dict[int, _Block] = {}
        self._readers: Mapping[str, Callable[[_Block, Json], list[Chunk]]] = {
            "text": self._say,
            "toolUse": self._argue,
            "toolResult": self._give_result,
            "reasoningContent": self._reason,
            "citation": self._cite,
            "image": self._show,
        }

    def whole(self, index: int, block: JsonObject) -> list[Chunk]:
        """The chunks of a block that came at once."""
        kind = next(iter(block), "")
        value = block.get(kind)
        if kind == "text":
            chunks = self.delta(index, {"text": value})
        elif not isinstance(value, dict):
            return []
        elif kind == "reasoningContent":
            chunks = self._whole_reasoning(index, value)
        elif kind == "citationsContent":
            chunks = self._whole_citations(index, value)
        elif kind == "toolUse":
            head: JsonObject = {name: part for name, part in value.items() if name != "input"}
            chunks = self.start(index, {"toolUse": head})
            chunks += self.delta(index, {"toolUse": {"input": json_text(value.get("input"))}})
        elif kind == "toolResult":
            head = {name: part for name, part in value.items() if name != "content"}
            chunks = self.start(index, {"toolResult": head})
            chunks += self.delta(index, {"toolResult": value.get("content")})
        else:
            return self._whole_part(kind, value)
        return chunks + self.stop(index)

    def start(self, index: int, start: JsonObject) -> list[Chunk]:
        """What the beginning of a block says."""
        block = self._block(index)
        block.head = start
        use = start.get("toolUse")
        if not isinstance(use, dict) or use.get("type") == "server_tool_use":
            return []
        name, identity = use.get("name"), use.get("toolUseId")
        block.call, self._calls, self._spoken = self._calls, self._calls + 1, 0
        self.called = True
        return [
            ToolCallChunk(
                block.call, identity if isinstance(identity, str) else None, name if isinstance(name, str) else None
            )
        ]

    def delta(self, index: int, delta: JsonObject) -> list[Chunk]:
        """The next piece of a block; one of a kind that nobody knows yet says nothing."""
        block = self._block(index)
        return [
            chunk
            for kind, value in delta.items()
            if kind in self._readers
            for chunk in self._readers[kind](block, value)
        ]

    def stop(self, index: int) -> list[Chunk]:
        """What a block gives when it is complete."""
        block = self._open.pop(index, None)
        if block is None:
            return []
        if block.signature or block.redacted:
            return self._seal(block)
        if block.citations:
            spoken = self._spoken > block.start
            start, end = (block.start, self._spoken) if spoken else (None, None)
            return [
                CitationChunk(read_citation(one, provider=self._provider, start=start, end=end))
                for one in block.citations
            ]
        return self._finished_part(block)

    def end(self) -> list[Chunk]:
        """What blocks give that the provider never closed."""
        return [chunk for index in sorted(self._open) for chunk in self.stop(index)]

    def _block(self, index: int) -> _Block:
        block = self._open.get(index)
        if block is None:
            block = self._open[index] = _Block(start=self._spoken)
            self._hold(100)
        return block

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > EVENT_LIMIT:
            raise MalformedResponseError(
                f"the answer of {self._provider} holds more than {EVENT_LIMIT} bytes that are not text",
                provider=self._provider,
            )

    def _say(self, _: _Block, text: Json) -> list[Chunk]:
        if not isinstance(text, str) or not text:
            return []
        self._spoken += len(text)
        return [TextChunk(text)]

    def _argue(self, block: _Block, use: Json) -> list[Chunk]:
        piece = use.get("input") if isinstance(use, dict) else None
        if piece is not None and not isinstance(piece, str):
            piece = json_text(piece)
        if not piece:
            return []
        if block.call is not None:
            return [ToolCallChunk(block.call, arguments=piece)]
        self._hold(len(piece))
        block.pieces.append(piece)
        return []

    def _reason(self, block: _Block, thought: Json) -> list[Chunk]:
        if not isinstance(thought, dict):
            return []
        for name, kept in (("signature", block.signature), ("redactedContent", block.redacted)):
            word = thought.get(name)
            if isinstance(word, str):
                self._hold(len(word))
                kept.append(word)
        text = thought.get("text")
        if not isinstance(text, str) or not text:
            return []
        self._spoken = 0
        return [ReasoningChunk(text)]

    def _seal(self, block: _Block) -> list[Chunk]:
        state: JsonObject = {}
        if block.signature:
            state["signature"] = "".join(block.signature)
        if block.redacted:
            state["redactedContent"] = _joined(block.redacted)
        self._spoken = 0
        return [ReasoningChunk("", ProviderState(self._provider, state))]

    def _cite(self, block: _Block, citation: Json) -> list[Chunk]:
        if isinstance(citation, dict):
            self._hold(len(json_text(citation)))
            block.citations.append(citation)
        return []

    def _give_result(self, block: _Block, pieces: Json) -> list[Chunk]:
        given = [piece for piece in pieces if isinstance(piece, dict)] if isinstance(pieces, list) else []
        self._hold(len(json_text(list(given))))
        for place, piece in enumerate(given):
            text = piece.get("text")
            if not isinstance(text, str):
                block.content.append(piece)
            elif place == 0 and block.content and isinstance(block.content[-1], list):
                block.content[-1].append(text)
            else:
                block.content.append([text])
        return []

    def _show(self, block: _Block, image: Json) -> list[Chunk]:
        source = image.get("source") if isinstance(image, dict) else None
        piece = source.get("bytes") if isinstance(source, dict) else None
        if isinstance(piece, str):
            self._hold(len(piece))
            block.pieces.append(piece)
        return []

    def _finished_part(self, block: _Block) -> list[Chunk]:
        """A block that is given whole: a step of a tool that the provider runs, or an image."""
        for kind, head in block.head.items():
            if not isinstance(head, dict) or block.call is not None:
                continue
            if kind == "toolUse":
                return self._step(kind, {**head, "input": _parsed("".join(block.pieces))})
            if kind == "toolResult":
                return self._step(kind, {**head, "content": [_content(one) for one in block.content]})
            if kind == "image" and block.pieces:
                return self._whole_part(kind, {**head, "source": {"bytes": _joined(block.pieces)}})
        return []

    def _step(self, kind: str, block: JsonObject) -> list[Chunk]:
        named = block.get("type")
        self._spoken = 0
        return [PartChunk(BuiltinToolPart(self._provider, named if isinstance(named, str) else kind, {kind: block}))]

    def _whole_reasoning(self, index: int, value: JsonObject) -> list[Chunk]:
        thought = value.get("reasoningText")
        return self.delta(index, {"reasoningContent": thought if isinstance(thought, dict) else value})

    def _whole_citations(self, index: int, value: JsonObject) -> list[Chunk]:
        texts, citations = value.get("content"), value.get("citations")
        chunks: list[Chunk] = []
        for text in texts if isinstance(texts, list) else ():
            chunks += self.delta(index, text) if isinstance(text, dict) else []
        for citation in citations if isinstance(citations, list) else ():
            chunks += self.delta(index, {"citation": citation})
        return chunks

    def _whole_part(self, kind: str, value: JsonObject) -> list[Chunk]:
        part = read_media(kind, value, provider=self._provider) if kind in KINDS else None
        self._spoken = 0
        return [PartChunk(part)] if part is not None else self._step(kind, value)


def _content(piece: JsonObject | list[str]) -> JsonObject:
    return {"text": "".join(piece)} if isinstance(piece, list) else piece


def json_text(value: Json) -> str:
    """The value as JSON text; nothing for None."""
    if value is None:
        return ""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise MalformedResponseError(f"JSON in the answer cannot be written as text: {error}") from error


def _parsed(text: str) -> Json:
    try:
        return parse_strictly((text or "{}").encode())
    except ValueError:
        return text


def _joined(pieces: list[str]) -> str:
    """Pieces of base64 as one: each is that of whole bytes, so padding may stand in the middle."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode("ascii")
    except ValueError:
        return "".join(pieces)
