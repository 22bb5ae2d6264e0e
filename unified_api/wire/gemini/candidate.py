"""One candidate of a Gemini answer, read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import orjson

from unified_api.types import (
    BuiltinToolPart,
    ContentChunk,
    FinishChunk,
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
from unified_api.wire.base import WireProfile, call_id
from unified_api.wire.gemini.arguments import PartialArguments
from unified_api.wire.gemini.citations import Spoken, grounded, recited, searches
from unified_api.wire.gemini.finish import read_finish
from unified_api.wire.gemini.media import BESIDE, UnreadablePartError, read_media

__all__ = ["CandidateReader"]

_MOST_SOURCES = 10_000
"""Citations of one answer before further ones are damage."""


class CandidateReader:
    """Gives the chunks of each piece. What stands beside the parts (sources, kept whole) comes with the finish."""

    def __init__(self, provider: str, profile: WireProfile) -> None:
        self.finished = False
        self.searches = 0
        self.unreadable = 0
        """Parts that could not be read and were passed over."""
        self._provider = provider
        self._profile = profile
        self._calls = 0
        self._ids: set[str] = set()
        self._free = 0
        """The number from which on an id made of it may be free."""
        self._open: _OpenCall | None = None
        self._spoken = Spoken()
        self._speaking = False
        self._cited = 0
        self._beside: dict[str, JsonObject] = {}

    def read(self, candidate: JsonObject) -> list[ContentChunk | FinishChunk]:
        """The chunks of one piece."""
        chunks: list[ContentChunk | FinishChunk] = []
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else []:
            chunks.extend(self._readable(self._part(part)))
        tokens = _logprobs(candidate.get("logprobsResult"))
        if tokens:
            chunks.append(LogprobsChunk(tokens))
        for name in ("citationMetadata", "groundingMetadata", "urlContextMetadata"):
            found = candidate.get(name)
            if isinstance(found, dict) and found:
                self._beside[name] = found
        self.searches = max(self.searches, searches(self._beside.get("groundingMetadata", {})))
        reason = read_finish(candidate.get("finishReason"), self._profile, called=self._calls > 0)
        if self.finished:
            chunks.extend(self._sources())
        elif reason is not None:
            chunks.extend(self.end(reason))
        return chunks

    def end(self, reason: FinishReason | None = None) -> list[ContentChunk | FinishChunk]:
        """What is still held, and the finish; to be called where no piece told a reason."""
        held: list[ContentChunk | FinishChunk] = [*self._readable(self._close()), *self._sources()]
        self.finished = True
        if reason in {None, "stop"}:
            reason = "tool_calls" if self._calls else reason
        return [*held, FinishChunk(reason or "unknown")]

    def _readable(self, chunks: Iterator[ContentChunk]) -> Iterator[ContentChunk]:
        try:
            yield from chunks
        except UnreadablePartError:
            self.unreadable += 1

    def _part(self, part: Json) -> Iterator[ContentChunk]:
        if not isinstance(part, dict):
            raise UnreadablePartError(f"a part is {type(part).__name__}, not an object")
        text, call = part.get("text"), part.get("functionCall")
        held = next((name for name in part if name not in BESIDE), None)
        if isinstance(call, dict):
            yield from self._call(call, self._state(part))
        elif isinstance(text, str) or held is None:
            yield from self._say(text if isinstance(text, str) else "", part)
        elif held in {"inlineData", "fileData"} and part.get("thought") is not True:
            media = read_media(part, provider=self._provider)
            if media is not None:
                self._speaking = False
                yield PartChunk(media)
        else:
            # Steps of built-in tools, and the pictures of its thinking, which are no answer.
            self._speaking = False
            yield PartChunk(BuiltinToolPart(self._provider, held, part))

    def _say(self, text: str, part: JsonObject) -> Iterator[ContentChunk]:
        state = self._state(part)
        if not text and state is None:
            return
        if part.get("thought") is True:
            self._speaking = False
            yield ReasoningChunk(text, state)
            return
        if not self._speaking:
            self._spoken.begin()
        self._spoken.add(text)
        self._speaking = state is None
        yield TextChunk(text, state)

    def _state(self, part: JsonObject) -> ProviderState | None:
        signature = part.get("thoughtSignature")
        return ProviderState(self._provider, {"thoughtSignature": signature}) if signature else None

    def _call(self, call: JsonObject, state: ProviderState | None) -> Iterator[ContentChunk]:
        pieces, goes_on = call.get("partialArgs"), call.get("willContinue") is True
        if call.get("name"):
            yield from self._close()  # the sign of its end was left out
        if self._open is None and not goes_on and not pieces:
            yield from self._made(call, call.get("args"), state)
            return
        if self._open is None:
            self._open = _OpenCall(call, state)
        self._open.state = self._open.state or state
        for piece in pieces if isinstance(pieces, list) else []:
            self._open.arguments.add(piece)
        if not goes_on:
            yield from self._close()

    def _close(self) -> Iterator[ContentChunk]:
        """The call whose arguments came in pieces, if there is one."""
        opened, self._open = self._open, None
        if opened is not None:
            given = opened.call.get("args")
            whole = {**(given if isinstance(given, dict) else {}), **opened.arguments.whole()}
            yield from self._made(opened.call, whole, opened.state)

    def _made(self, call: JsonObject, arguments: Json, state: ProviderState | None) -> Iterator[ContentChunk]:
        """The call in one chunk, as Google gives it; nothing for one without a name."""
        name, identity = call.get("name"), call.get("id")
        if not isinstance(name, str) or not name:
            return
        text = _arguments(arguments)
        index, self._calls = self._calls, self._calls + 1
        self._speaking = False
        given = identity if isinstance(identity, str) and identity else self._own_id()
        self._ids.add(given)
        yield ToolCallChunk(index, given, name, text, state)

    def _own_id(self) -> str:
        """An id for a call that came without one, which no other call of the answer has."""
        self._free = max(self._free, self._calls - 1)
        while call_id(self._free) in self._ids:
            self._free += 1
        return call_id(self._free)

    def _sources(self) -> Iterator[ContentChunk]:
        """What stood beside the parts, each once: its citations, and the blocks that no citation holds whole."""
        works, sources = self._beside.get("citationMetadata", {}), self._beside.get("groundingMetadata", {})
        cited = chain(
            recited(works, self._spoken, provider=self._provider),
            grounded(sources, self._spoken, provider=self._provider),
        )
        for citation in cited:
            self._cited += 1
            if self._cited > _MOST_SOURCES:
                self.unreadable += 1
                break
            yield citation
        for name, metadata in self._beside.items():
            if name != "citationMetadata":
                self._speaking = False
                yield PartChunk(BuiltinToolPart(self._provider, name, metadata))
        self._beside.clear()


class _OpenCall:
    """A call whose arguments are still coming."""

    def __init__(self, call: JsonObject, state: ProviderState | None) -> None:
        self.call = call
        self.state = state
        self.arguments = PartialArguments()


def _arguments(arguments: Json) -> str:
    try:
        return "{}" if arguments is None else orjson.dumps(arguments).decode()
    except orjson.JSONEncodeError as error:  # nested deeper than it writes, which is less than it reads
        raise UnreadablePartError(f"the arguments of a call cannot be written: {error}") from error


def _logprobs(result: Json) -> tuple[TokenLogprob, ...]:
    if not isinstance(result, dict):
        return ()
    chosen, tops = result.get("chosenCandidates"), result.get("topCandidates")
    tokens: list[TokenLogprob] = []
    for place, entry in enumerate(chosen if isinstance(chosen, list) else []):
        top = tops[place] if isinstance(tops, list) and place < len(tops) else None
        others = top.get("candidates") if isinstance(top, dict) else None
        read = [_token(one) for one in others] if isinstance(others, list) else []
        one = _token(entry)
        if one is not None:
            tokens.append(TokenLogprob(*one, tuple(other for other in read if other is not None)))
    return tuple(tokens)


def _token(entry: Json) -> tuple[str, float] | None:
    # A probability of 1 is a logarithm of 0, which protobuf leaves out.
    token, probability = (entry.get("token"), entry.get("logProbability", 0)) if isinstance(entry, dict) else (None, 0)
    if not isinstance(token, str) or isinstance(probability, bool) or not isinstance(probability, int | float):
        return None
    return token, float(probability)
