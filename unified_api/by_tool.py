"""An output schema for models that take none but call tools: the answer is what they give to a tool of that schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice

from unified_api.types import (
    AlternativeChunk,
    Chunk,
    CitationChunk,
    ContentChunk,
    FinishChunk,
    FinishReason,
    NamedTool,
    OutputSchema,
    Part,
    ReasoningChunk,
    ReasoningPart,
    Request,
    Response,
    RestartChunk,
    SentChunk,
    SkippedChunk,
    TextChunk,
    TextPart,
    Tool,
    ToolCallChunk,
    ToolCallPart,
    ToolChoice,
    UsageChunk,
)
from unified_api.wire.object_root import Unwrapper, needs_object, unwrapped, wrapped

__all__ = ["AnswerTool", "StreamReader", "asked_by_tool"]

_LONGEST_NAME = 60
"""Room for a number within the 64 characters that providers allow."""
_PURPOSE = "Call this to give the final answer. Its arguments are the whole answer; nothing is said beside it."


@dataclass(frozen=True, slots=True)
class AnswerTool:
    """The tool that stands for the schema, and the way back from a call of it to an answer in text.

    What a model says before it calls the tool becomes shown thinking, so that the answer's text is the JSON alone.
    """

    name: str
    wraps: bool
    """Whether the answer is the one property of the arguments, for a schema whose root is no object."""
    alone: bool
    """Whether the caller brought no tools, so that this one had to be called."""

    def read(self, response: Response) -> Response:
        """The whole answer; without a call of the tool it stays as it is."""
        parts, finish = self._turned(response.parts, response.finish_reason)
        others = tuple(
            replace(one, parts=turned, finish_reason=reason)
            for one in response.alternatives
            for turned, reason in (self._turned(one.parts, one.finish_reason),)
        )
        return replace(response, parts=parts, finish_reason=finish, alternatives=others)

    def was_ignored(self, response: Response) -> bool:
        """Whether the model talked to the end instead."""
        return response.finish_reason == "stop" and bool(response.text) and not response.tool_calls

    def _turned(self, parts: tuple[Part, ...], finish: FinishReason) -> tuple[tuple[Part, ...], FinishReason]:
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        answer = next((call for call in calls if call.name == self.name), None)
        if answer is None:
            return parts, finish
        kept: list[Part] = []
        for part in parts:
            if part is answer:
                kept.append(TextPart(self._bare(answer.arguments or "{}"), state=answer.state))
            elif isinstance(part, TextPart):
                kept += [ReasoningPart(part.text)] if part.text else []
            elif not (isinstance(part, ToolCallPart) and part.name == self.name):  # a second call says it again
                kept.append(part)
        return tuple(kept), _finished(finish, calls=any(call.name != self.name for call in calls))

    def _bare(self, arguments: str) -> str:
        if not self.wraps:
            return arguments
        whole = Response(model="", provider="", parts=(TextPart(arguments),), finish_reason="stop")
        return unwrapped(whole).text


def asked_by_tool(request: Request) -> tuple[Request, AnswerTool]:
    """The request with a tool instead of its schema, which the model has to call, or one of the caller's own tools.

    Where the caller forces a tool, this turn's answer is a call, and no schema is at work.
    """
    wanted = request.output_schema or OutputSchema({})
    tool = AnswerTool(_free_name(wanted.name, request), needs_object(wanted), not request.tools)
    if request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool):
        return replace(request, output_schema=None), tool
    schema = wrapped(wanted.schema) if tool.wraps else wanted.schema
    description = f"{_PURPOSE} {wanted.description}".strip()
    has_others = bool(request.tools) and request.tool_choice != "none"
    choice: ToolChoice = "required" if has_others else NamedTool(tool.name)
    tools = (*request.tools, Tool(tool.name, description, schema))
    return replace(request, tools=tools, tool_choice=choice, output_schema=None), tool


def _free_name(wanted: str, request: Request) -> str:
    taken = {tool.name for tool in request.tools}
    numbered = (f"{wanted[:_LONGEST_NAME]}_{number}" for number in count(2))
    return next(name for name in (wanted, *islice(numbered, len(taken) + 1)) if name not in taken)


def _finished(reason: FinishReason, *, calls: bool) -> FinishReason:
    return "stop" if reason == "tool_calls" and not calls else reason


class StreamReader:
    """The way back for a stream: the arguments become text as they come."""

    def __init__(self, tool: AnswerTool) -> None:
        self._tool = tool
        self._readers: dict[int, _Reader] = {0: _Reader(tool)}
        self._stopped = False
        self._talked = False

    @property
    def was_ignored(self) -> bool:
        """Whether the model talked to the end instead of calling anything."""
        return self._stopped and self._talked and not self._readers[0].has_calls

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        if isinstance(chunk, UsageChunk | SentChunk | SkippedChunk | RestartChunk):
            yield chunk
        elif isinstance(chunk, AlternativeChunk):
            reader = self._readers.setdefault(chunk.number, _Reader(self._tool))
            yield from (AlternativeChunk(chunk.number, one) for one in reader.feed(chunk.chunk))
        else:
            self._talked = self._talked or (isinstance(chunk, TextChunk) and bool(chunk.text))
            self._stopped = self._stopped or chunk == FinishChunk("stop")
            yield from self._readers[0].feed(chunk)

    def end(self) -> Iterator[Chunk]:
        """What is still held back, where a stream ends without its finish."""
        for number, reader in self._readers.items():
            for one in reader.end():
                yield AlternativeChunk(number, one) if number else one


@dataclass(slots=True)
class _Reader:
    """One answer. From its first words until the tool is called nobody knows what they are, so all of it is held.

    What comes beside the arguments is held until these are complete, so that they stay one text.
    """

    tool: AnswerTool
    _held: list[ContentChunk] = field(default_factory=list)
    _unnamed: dict[int, list[ToolCallChunk]] = field(default_factory=dict)
    _others: set[int] = field(default_factory=set)
    """Calls of the caller's own tools."""
    _again: set[int] = field(default_factory=set)
    """Further calls of the answer's tool, which are left out."""
    _answer: _AnswerText | None = None
    _index: int | None = None

    @property
    def has_calls(self) -> bool:
        return self._answer is not None or bool(self._others)

    def feed(self, chunk: ContentChunk | FinishChunk) -> Iterator[ContentChunk | FinishChunk]:
        if isinstance(chunk, FinishChunk):
            yield from self.end()
            reason = chunk.finish_reason
            yield chunk if self._answer is None else FinishChunk(_finished(reason, calls=bool(self._others)))
        elif isinstance(chunk, ToolCallChunk):
            yield from self._call(chunk)
        else:
            yield from self._passed(chunk)

    def end(self) -> Iterator[ContentChunk]:
        for pieces in self._unnamed.values():
            self._held += pieces
        self._unnamed = {}
        if self._answer is not None:
            yield from self._answer.end()
        yield from self._released()

    def _released(self) -> Iterator[ContentChunk]:
        held, self._held = self._held, []
        for chunk in held:
            yield from (chunk,) if self._answer is None else _thought(chunk)

    def _passed(self, chunk: ContentChunk) -> Iterator[ContentChunk]:
        if self._held or self._answer is not None or isinstance(chunk, TextChunk | CitationChunk):
            self._held.append(chunk)
        else:
            yield chunk

    def _call(self, chunk: ToolCallChunk) -> Iterator[ContentChunk]:
        if chunk.index in self._again:
            return
        if chunk.index in self._others:
            yield from self._passed(chunk)
        elif self._answer is not None and chunk.index == self._index:
            yield from self._answer.feed(chunk)
        else:
            pieces = self._unnamed.setdefault(chunk.index, [])
            pieces.append(chunk)
            if chunk.name:
                yield from self._named(chunk.index, chunk.name, self._unnamed.pop(chunk.index))

    def _named(self, index: int, name: str, pieces: list[ToolCallChunk]) -> Iterator[ContentChunk]:
        if name != self.tool.name:
            self._others.add(index)
            for piece in pieces:
                yield from self._passed(piece)
        elif self._answer is not None:
            self._again.add(index)
        else:
            self._answer, self._index = _AnswerText(wraps=self.tool.wraps), index
            yield from self._released()
            for piece in pieces:
                yield from self._answer.feed(piece)


class _AnswerText:
    """The arguments as the text of the answer."""

    def __init__(self, *, wraps: bool) -> None:
        self._unwrapper = Unwrapper() if wraps else None
        self._last = ToolCallChunk(0)
        self._has_text = False
        self._ended = False

    def feed(self, chunk: ToolCallChunk) -> Iterator[ContentChunk]:
        if chunk.state is not None:
            self._last = chunk
        if not chunk.arguments:
            return
        self._has_text = True
        text = TextChunk(chunk.arguments)
        if self._unwrapper is None:
            yield text
        else:
            self._unwrapper.feed([text])

    def end(self) -> Iterator[ContentChunk]:
        if self._ended:
            return
        self._ended = True
        if not self._has_text:
            yield from self.feed(ToolCallChunk(0, arguments="{}"))
        if self._unwrapper is not None:
            released = self._unwrapper.feed([FinishChunk("stop")])
            yield from (one for one in released if isinstance(one, TextChunk))
        if self._last.state is not None:
            yield TextChunk("", self._last.state)


def _thought(chunk: ContentChunk) -> Iterator[ContentChunk]:
    """Words beside the answer as thinking; their sources and their state belong to a text that there is no more."""
    if isinstance(chunk, TextChunk):
        yield from (ReasoningChunk(chunk.text),) if chunk.text else ()
    elif not isinstance(chunk, CitationChunk):
        yield chunk
