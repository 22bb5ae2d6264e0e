"""The output items of a streamed Responses answer while they are being told."""

from __future__ import annotations

from dataclasses import dataclass, field

from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    CitationChunk,
    JsonObject,
    LogprobsChunk,
    MediaPart,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    RefusalChunk,
    TextChunk,
    ToolCallChunk,
)
from unified_api.wire.openai_chat.words import arguments_text
from unified_api.wire.openai_responses.items import (
    citations,
    content_kind,
    item_kind,
    message_parts,
    message_state,
    objects,
    read_item,
    read_logprobs,
    reasoning_text,
    tool_call_id,
    tool_call_state,
    word,
)

__all__ = ["Item"]


@dataclass(slots=True)
class _Told:
    """What has been told of one part: its pieces, so that what comes again at its end is not told twice."""

    pieces: list[str] = field(default_factory=list)
    size: int = 0
    logprobs: bool = False
    annotations: list[JsonObject] = field(default_factory=list)
    """Those that are not told yet."""
    cited: bool = False

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def rest(self, whole: str) -> str:
        """What of the whole text has not been told; nothing where the pieces said otherwise."""
        if len(whole) <= self.size:
            return ""  # known without joining the pieces, which a hostile stream would ask for without end
        told = "".join(self.pieces)
        self.pieces = [told]
        return whole[self.size :] if whole.startswith(told) else ""


class Item:
    """One output item. Its events may miss their deltas or their ends: whatever first says a thing tells it, once.

    `call` is the number of the tool call, where it is one.
    """

    def __init__(self, item: JsonObject, *, provider: str, call: int) -> None:
        self.begun = item
        self.kind = item_kind(item)
        self.id = word(item.get("id"))
        self.done = False
        self.call = call
        self._provider = provider
        self._parts: dict[int | str, _Told] = {}
        self._open: int | None = None
        self._closed: set[int] = set()
        self._thinking: str | None = None
        self._named = False

    @property
    def called(self) -> bool:
        """Whether it is a call of the client's own function."""
        return self._named

    def begin(self, chunks: list[Chunk]) -> None:
        if self.kind == "function_call":
            self._name(self.begun, chunks)

    def text(self, place: int, piece: str, chunks: list[Chunk], *, logprobs: JsonObject | None = None) -> None:
        """More of the text at `place` of the message."""
        self._turn_to(place, chunks)
        told = self._told(place)
        if piece:
            told.add(piece)
            chunks.append(TextChunk(piece))
        tokens = read_logprobs(logprobs) if logprobs else ()
        if tokens:
            told.logprobs = True
            chunks.append(LogprobsChunk(tokens))

    def refusal(self, place: int, piece: str, chunks: list[Chunk]) -> None:
        if piece:
            self._turn_to(None, chunks)
            self._told(place).add(piece)
            chunks.append(RefusalChunk(piece))

    def annotation(self, place: int, annotation: JsonObject) -> None:
        self._told(place).annotations.append(annotation)

    def thought(self, field_name: str, place: int, piece: str, chunks: list[Chunk]) -> None:
        """More thinking, from the item's `summary` or its `content`: whichever comes first is told."""
        if not piece or self._thinking not in {None, field_name}:
            return
        told = self._told(f"{field_name}{place}")
        apart = "\n\n" if self._thinking and not told.size else ""
        self._thinking = field_name
        told.add(piece)
        chunks.append(ReasoningChunk(apart + piece))

    def arguments(self, piece: str, chunks: list[Chunk]) -> None:
        if piece:
            self._told("arguments").add(piece)
            chunks.append(ToolCallChunk(self.call, arguments=piece))

    def whole_text(self, place: int, part: JsonObject, chunks: list[Chunk]) -> None:
        """A part of the message as it stands at its end: what was not told yet is told now."""
        kind, told = content_kind(part), self._told(place)
        if kind == "text":
            rest = told.rest(word(part.get("text")))
            if rest or place not in self._closed:
                self.text(place, rest, chunks, logprobs=None if told.logprobs else part)
                stated = [] if told.cited else objects(part.get("annotations"))
                told.annotations = stated or told.annotations
        elif kind == "refusal":
            self.refusal(place, told.rest(word(part.get("refusal"))), chunks)

    def whole_thought(self, field_name: str, place: int, text: str, chunks: list[Chunk]) -> None:
        self.thought(field_name, place, self._told(f"{field_name}{place}").rest(text), chunks)

    def whole_arguments(self, arguments: str, chunks: list[Chunk]) -> None:
        self.arguments(self._told("arguments").rest(arguments), chunks)

    def finish(self, item: JsonObject, chunks: list[Chunk]) -> None:
        """The item as it stands at its end; `item` is what began it where the end never came."""
        if self.done:
            return
        self.done = True
        if self.kind == "message":
            self._finish_message(item, chunks)
        elif self.kind == "reasoning":
            self._finish_thought(item, chunks)
        elif self.kind == "function_call":
            self._finish_call(item, chunks)
        else:
            parts = read_item(item, provider=self._provider)
            chunks.extend(PartChunk(part) for part in parts if isinstance(part, MediaPart | BuiltinToolPart))
        self._parts.clear()

    def pause(self, chunks: list[Chunk]) -> None:
        """Another item begins to speak: the text so far is a part of its own."""
        self._turn_to(None, chunks)

    def _finish_message(self, item: JsonObject, chunks: list[Chunk]) -> None:
        for place, part in enumerate(message_parts(item)):
            if content_kind(part) in {"text", "refusal"}:
                self.whole_text(place, part, chunks)
            else:
                self._tell_other(item, part, chunks)
        self._close(message_state(item, self._provider, last=True), chunks)

    def _tell_other(self, item: JsonObject, part: JsonObject, chunks: list[Chunk]) -> None:
        self._turn_to(None, chunks)
        for other in read_item({**item, "content": [part]}, provider=self._provider):
            if isinstance(other, MediaPart | BuiltinToolPart):
                chunks.append(PartChunk(other))
            elif word(part.get("text")):
                chunks.append(ReasoningChunk(word(part.get("text"))))

    def _finish_thought(self, item: JsonObject, chunks: list[Chunk]) -> None:
        if self._thinking is None:
            self.thought("content", 0, reasoning_text(item), chunks)
        else:
            for place, entry in enumerate(objects(item.get(self._thinking))):
                self.whole_thought(self._thinking, place, word(entry.get("text")), chunks)
        chunks.append(ReasoningChunk("", ProviderState(self._provider, item)))

    def _finish_call(self, item: JsonObject, chunks: list[Chunk]) -> None:
        self._name(item, chunks)
        self.whole_arguments(arguments_text(item.get("arguments")), chunks)
        state = tool_call_state(item, self._provider)
        if state is not None and self._named:
            chunks.append(ToolCallChunk(self.call, state=state))

    def _name(self, item: JsonObject, chunks: list[Chunk]) -> None:
        name = word(item.get("name"))
        if name and not self._named:
            self._named = True
            chunks.append(ToolCallChunk(self.call, tool_call_id(item, self.call), name))

    def _turn_to(self, place: int | None, chunks: list[Chunk]) -> None:
        """Ends the text that is open when another part begins."""
        if self._open not in {None, place}:
            self._close(message_state(self.begun, self._provider, last=False), chunks)
        if place is not None:
            self._open = place
            self._closed.discard(place)

    def _close(self, state: ProviderState, chunks: list[Chunk]) -> None:
        if self._open is None:
            return
        chunks.append(TextChunk("", state))
        told = self._told(self._open)
        part: JsonObject = {"annotations": list(told.annotations)}
        told.cited = told.cited or bool(told.annotations)
        told.annotations.clear()
        chunks.extend(CitationChunk(one) for one in citations(part, self._provider))
        self._closed.add(self._open)
        self._open = None

    def _told(self, place: int | str) -> _Told:
        return self._parts.setdefault(place, _Told())
