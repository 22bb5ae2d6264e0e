"""What the pieces of a Cohere answer mean, whole or streamed: its blocks, citations, finish and probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unified_api.errors import ProviderError, ServerError
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    Citation,
    CitationChunk,
    FinishReason,
    Json,
    JsonObject,
    LogprobsChunk,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    TextChunk,
    TokenLogprob,
    ToolCallChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat.decoder import arguments_text

__all__ = ["THINKING", "TOOL_PLAN", "AnswerReader"]

THINKING: JsonObject = {"type": "thinking"}
"""The state of thinking that goes back as a block of that type."""
TOOL_PLAN: JsonObject = {"type": "tool_plan"}
"""The state of a plan that goes back as the message's `tool_plan`."""
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",  # the answer met the end of the context: https://docs.cohere.com/v1/reference/chat
    "ERROR": "error",
    "TIMEOUT": "error",
    "USER_CANCEL": "error",
}
_CITED_TEXT = (None, "TEXT_CONTENT")
"""Citations of the thinking and of the plan have no place in ours."""
_NULL = "null"


class AnswerReader:
    """Reads the pieces in their order; knows where each text block begins in the text part it is joined to."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.spoken = False
        """Whether any text came."""
        self._provider = provider
        self._model = model
        self._profile = profile
        self._length = 0
        self._part = 0
        self._starts: dict[int, tuple[int, int]] = {}
        self._last = 0
        self._thinking: JsonObject | None = None
        self._calls: dict[int, _Arguments] = {}

    @property
    def calls(self) -> int:
        """How many calls there are so far."""
        return len(self._calls)

    def begin(self, index: int) -> None:
        """A block of text begins."""
        self._last = index
        self._starts.setdefault(index, (self._part, self._length))

    def text(self, text: str) -> Iterator[Chunk]:
        if text:
            yield from self.end_thinking()
            self.spoken = True
            self._length += len(text)
            yield TextChunk(text)

    def thinking(self, text: str, state: JsonObject) -> Iterator[Chunk]:
        if not text:
            return
        if self._thinking is not None and self._thinking != state:
            yield from self.end_thinking()
        self._thinking = state
        self._new_part()
        yield ReasoningChunk(text)

    def end_thinking(self) -> Iterator[Chunk]:
        if self._thinking is not None:
            state, self._thinking = self._thinking, None
            yield ReasoningChunk("", ProviderState(self._provider, state))

    def other(self, block: JsonObject) -> Iterator[Chunk]:
        """A block of a kind that we do not know: kept, and sent back as it is."""
        yield from self.end_thinking()
        self._new_part()
        yield PartChunk(BuiltinToolPart(self._provider, str(block.get("type") or "content"), block))

    def call(self, index: int, call: JsonObject) -> Iterator[Chunk]:
        """A tool call or a piece of one."""
        yield from self.end_thinking()
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        held = self._calls.setdefault(index, _Arguments())
        identity, name = _word(call, "id"), _word(function, "name")
        arguments = held.add(arguments_text(function.get("arguments")))
        held.named |= name is not None
        if identity or name or arguments:
            if not held.told:
                held.told = True
                self._new_part()
            yield ToolCallChunk(index, identity, name, arguments)

    def end_calls(self) -> Iterator[Chunk]:
        """What was held back of arguments that began as if they were none."""
        for index, arguments in self._calls.items():
            if rest := arguments.rest():
                yield ToolCallChunk(index, arguments=rest)

    def citation(self, citation: Json) -> Iterator[Chunk]:
        if isinstance(citation, dict) and citation.get("type") in _CITED_TEXT:
            yield self._cited(citation)

    def finish(self, word: Json) -> FinishReason:
        """Why the answer ended; `error` when it is none."""
        if not isinstance(word, str):
            reason: FinishReason = "unknown"
        else:
            reason = self._profile.finish_reasons.get(word) or _FINISH_REASONS.get(word.upper(), "unknown")
        called = any(call.named for call in self._calls.values())
        return "tool_calls" if called and reason == "stop" else reason

    def ended_in_error(self, word: Json, said: Json) -> ProviderError:
        reason = f": {said}" if isinstance(said, str) and said else ""
        return ServerError(
            f"{self._provider} ended the answer of {self._model!r} with the finish reason {word!r}{reason}: try again "
            "or allow a fallback",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
            provider_code=str(word),
        )

    def logprobs(self, entries: Json) -> Iterator[Chunk]:
        """The probability of each piece of text: the product of those of its tokens, which are not told apart."""
        tokens: list[TokenLogprob] = []
        for entry in entries if isinstance(entries, list) else [entries]:
            text, logprobs = (entry.get("text"), entry.get("logprobs")) if isinstance(entry, dict) else (None, None)
            if isinstance(text, str) and isinstance(logprobs, list):
                numbers = [float(one) for one in logprobs if type(one) is float or type(one) is int]
                if numbers and len(numbers) == len(logprobs):
                    tokens.append(TokenLogprob(text, sum(numbers)))
        if tokens:
            yield LogprobsChunk(tuple(tokens))

    def _new_part(self) -> None:
        if self._length:
            self._part += 1
            self._length = 0

    def _cited(self, citation: JsonObject) -> CitationChunk:
        index, start, end = citation.get("content_index"), citation.get("start"), citation.get("end")
        part, offset = self._starts.get(index if type(index) is int else self._last, (self._part, 0))
        placed = type(start) is int and type(end) is int
        url, title, quote = _source(citation.get("sources"))
        cited = Citation(
            url=url,
            title=title,
            quote=quote,
            start=start + offset if placed and type(start) is int else None,
            end=end + offset if placed and type(end) is int else None,
            state=ProviderState(self._provider, citation),
        )
        return CitationChunk(cited, part)


class _Arguments:
    """The arguments of a call so far. Cohere says `null` for none, which is told by no single piece."""

    def __init__(self) -> None:
        self.named = False
        self.told = False
        """Whether a piece of the call was given on."""
        self._held: str | None = ""

    def add(self, piece: str) -> str:
        """What may be given on, now that `piece` has come."""
        if self._held is None:
            return piece
        self._held += piece
        if _NULL.startswith(self._held):
            return ""
        whole, self._held = self._held, None
        return whole

    def rest(self) -> str:
        rest, self._held = self._held or "", None
        return "" if rest == _NULL else rest


def _source(sources: Json) -> tuple[str | None, str | None, str | None]:
    """Address, title and words of the first source: a document, or what a tool gave back."""
    first = next((one for one in sources if isinstance(one, dict)), None) if isinstance(sources, list) else None
    if first is None:
        return None, None, None
    found = first.get("document") or first.get("tool_output")
    found = found if isinstance(found, dict) else {}
    return _word(found, "url"), _word(found, "title", "name"), _word(found, "text", "snippet", "content")


def _word(found: JsonObject, *names: str) -> str | None:
    return next((word for name in names if isinstance(word := found.get(name), str) and word), None)
