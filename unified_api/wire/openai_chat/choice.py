"""One of the answers to a chat request, whole or in pieces, as chunks."""

from __future__ import annotations

from typing import Protocol

from unified_api.errors import MalformedResponseError
from unified_api.sse import EVENT_LIMIT
from unified_api.types import (
    BuiltinToolPart,
    Citation,
    CitationChunk,
    ContentChunk,
    ImagePart,
    Json,
    JsonObject,
    LogprobsChunk,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    RefusalChunk,
    TextChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat.calls import ToolCallReader
from unified_api.wire.openai_chat.held import ReasoningDetails, Sound, sources, url_citation
from unified_api.wire.openai_chat.words import json_text, logprobs, reasoning, thought

__all__ = ["ChoiceReader"]

_SOURCES = ("citations", "search_results")


class _Chunks(Protocol):
    """A list of chunks that may hold other kinds too."""

    def append(self, chunk: ContentChunk, /) -> object: ...


class ChoiceReader:
    """Reads the deltas of one choice, or the message of a whole one; `close` gives what is held until the end.

    Opaque state ends its part, so it is held until something else follows: text ends the thinking before it.
    """

    def __init__(self, *, provider: str, profile: WireProfile, whole: bool = False) -> None:
        self.calls = ToolCallReader(provider, whole=whole)
        self.finished = False
        self.begun = False
        self._provider = provider
        self._profile = profile
        self._details = ReasoningDetails(whole=whole)
        self._fields: JsonObject = {}
        self._steps: dict[tuple[str, int], JsonObject] = {}
        self._told: set[tuple[str, int]] = set()
        self._shown = False
        self._thinking: list[str] = []
        self._sound = Sound()
        self._annotations: set[str] = set()
        self._other: list[Json] = []
        self._cited: set[str | None] = set()
        self._sources: list[Citation] = []
        self._held = 0
        self._pending = False
        self._mused = False

    def read(self, delta: JsonObject, chunks: _Chunks) -> None:
        self.begun = True
        content = delta.get("content")
        if type(content) is str and len(delta) == 1:
            if content:
                self._say(content, chunks)
            return
        self._read_thinking(delta, chunks)
        if type(content) is str:
            if content:
                self._say(content, chunks)
        elif content is not None:
            self._read_content(content, chunks)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._add(RefusalChunk(refusal), chunks)
        if delta.get("tool_calls") or delta.get("function_call"):
            for call in self.calls.read(delta):
                self._add(call, chunks)
        self._read_beside(delta, chunks)

    def read_logprobs(self, told: Json, chunks: _Chunks) -> None:
        tokens = tuple(logprobs(told))
        if tokens:
            chunks.append(LogprobsChunk(tokens))

    def read_sources(self, answer: JsonObject) -> None:
        """The sources that stand beside the choices; each mention names all so far."""
        if any(answer.get(name) for name in _SOURCES):
            self._sources = list(sources(answer, self._provider))

    def close(self, chunks: _Chunks) -> None:
        """What was held back, once nothing more comes (or at once where something comes after the end)."""
        self._let_go(chunks)
        sound = self._sound.part(self._provider)
        if sound is not None:
            self._sound = Sound()
            chunks.append(PartChunk(sound))
        for source in self._sources:
            if source.url not in self._cited:
                self._cite(source, chunks)
        if self._other:
            chunks.append(TextChunk("", self._state({"annotations": self._other})))
            self._other = []

    def _say(self, text: str, chunks: _Chunks) -> None:
        self._add(TextChunk(text), chunks)

    def _muse(self, text: str, chunks: _Chunks) -> None:
        """Thinking in plain words."""
        self._mused = self._pending = True
        chunks.append(ReasoningChunk(text))

    def _add(self, chunk: ContentChunk, chunks: _Chunks) -> None:
        """A chunk that ends the thinking before it."""
        if self._pending:
            self._let_go(chunks)
        chunks.append(chunk)

    def _let_go(self, chunks: _Chunks) -> None:
        """The state of the thinking so far, and the steps of built-in tools."""
        self._pending = False
        details = self._details.take()
        fields: JsonObject = {**({"reasoning_details": details} if details else {}), **self._fields}
        self._fields = {}
        if fields or self._mused:
            # Also where there is nothing to give back: whose thinking it is keeps it from other providers.
            chunks.append(ReasoningChunk("", self._state(fields)))
        self._mused = False
        for place, step in self._steps.items():
            if place not in self._told:
                self._told.add(place)
                chunks.append(PartChunk(BuiltinToolPart(self._provider, place[0], step)))
        self._steps.clear()

    def _state(self, content: JsonObject) -> ProviderState:
        return ProviderState(self._provider, content)

    def _read_thinking(self, delta: JsonObject, chunks: _Chunks) -> None:
        details = delta.get("reasoning_details")
        text = reasoning(delta, self._profile, detailed=False)
        if text:
            self._shown = True
        elif details and not self._shown:  # they repeat what a field has shown, in this piece or in those before
            text = reasoning(delta, self._profile)
        if text:
            self._muse(text, chunks)
        if isinstance(details, list) and details:
            self._hold(sum(len(str(word)) for one in details if isinstance(one, dict) for word in one.values()))
            self._details.add(details)
            self._pending = True
        extra = delta.get("extra_content")
        if isinstance(extra, dict) and any(
            isinstance(one, dict) and one.get("thought_signature") for one in extra.values()
        ):
            # Gemini behind Google's compatible endpoint.
            self._fields["extra_content"] = extra
            self._pending = True
        for name in self._profile.step_fields:
            if delta.get(name):
                self._read_steps(name, delta[name])

    def _read_steps(self, name: str, told: Json) -> None:
        """Steps of built-in tools; a later telling of one (with its output) takes the place of an earlier one."""
        for number, step in enumerate(told if isinstance(told, list) else [told]):
            if isinstance(step, dict) and step:
                index = step.get("index")
                self._hold(len(json_text(step)))
                self._steps[name, index if type(index) is int else number] = step
                self._pending = True

    def _read_content(self, content: Json, chunks: _Chunks) -> None:
        """A list of typed parts (Mistral), or a bare JSON value where the server has parsed the structured output
        already (Cloudflare), which becomes text again.
        """
        if isinstance(content, list):
            for item in content:
                if isinstance(item, dict):
                    self._read_item(item, chunks)
                elif isinstance(item, str) and item:
                    self._say(item, chunks)
        else:
            self._say(json_text(content), chunks)

    def _read_item(self, item: JsonObject, chunks: _Chunks) -> None:
        kind, text, refusal = item.get("type"), item.get("text"), item.get("refusal")
        if kind in ("thinking", "reasoning"):
            self._think(item, chunks)
        elif isinstance(refusal, str):
            if refusal:
                self._add(RefusalChunk(refusal), chunks)
        elif isinstance(text, str):
            if text:
                self._say(text, chunks)
        elif "image_url" in item:
            self._show(item, chunks)
        elif kind in ("reference", "tool_reference"):
            url, title = item.get("url"), item.get("title")
            where = Citation(
                url=url if isinstance(url, str) else None,
                title=title if isinstance(title, str) else None,
                state=self._state(item),
            )
            self._cite(where, chunks)
        elif isinstance(kind, str) and kind:
            self._add(PartChunk(BuiltinToolPart(self._provider, kind, item)), chunks)

    def _think(self, item: JsonObject, chunks: _Chunks) -> None:
        """A thinking part; its signature, perhaps only in the last piece, is for the words of all of them."""
        text = thought(item)
        self._thinking.append(text)
        self._hold(len(text))
        if not _signed(item):
            if text:
                self._muse(text, chunks)
            return
        block = item if len(self._thinking) == 1 else _with_words(item, "".join(self._thinking))
        self._thinking.clear()
        self._mused = False
        chunks.append(ReasoningChunk(text, self._state({"content_part": block})))

    def _read_beside(self, delta: JsonObject, chunks: _Chunks) -> None:
        annotations, images, audio = delta.get("annotations"), delta.get("images"), delta.get("audio")
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict):
                self._annotate(annotation, chunks)
        for image in images if isinstance(images, list) else ():
            if isinstance(image, dict):
                self._show(image, chunks)
        if isinstance(audio, dict) and audio:
            self._hold(len(str(audio.get("data") or "")))
            self._sound.add(audio)

    def _annotate(self, annotation: JsonObject, chunks: _Chunks) -> None:
        written = json_text(annotation)
        if written in self._annotations:  # told again with every piece
            return
        self._hold(len(written))
        self._annotations.add(written)
        cited = url_citation(annotation, self._provider)
        if cited is not None:
            self._cite(cited, chunks)
        else:
            # Such as OpenRouter's reading of a file, which spares the next request reading it again.
            self._other.append(annotation)

    def _cite(self, citation: Citation, chunks: _Chunks) -> None:
        self._cited.add(citation.url)
        chunks.append(CitationChunk(citation))

    def _show(self, item: JsonObject, chunks: _Chunks) -> None:
        image = item.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str) and url:
            self._add(PartChunk(ImagePart(url=url)), chunks)

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > EVENT_LIMIT:
            raise MalformedResponseError(
                f"the answer of {self._provider} has more than {EVENT_LIMIT} bytes of sound, thoughts or notes",
                provider=self._provider,
            )


def _signed(item: JsonObject) -> bool:
    inner = item.get("summary")
    parts = [item, *(inner if isinstance(inner, list) else ())]
    return any(isinstance(part, dict) and bool(part.get("signature")) for part in parts)


def _with_words(item: JsonObject, words: str) -> JsonObject:
    """The last piece of a thinking part as the whole of it."""
    for name in ("thinking", "summary"):
        inner = item.get(name)
        if isinstance(inner, list):
            first: Json = inner[-1] if inner and isinstance(inner[-1], dict) else {"type": "text"}
            return {**item, name: [{**(first if isinstance(first, dict) else {}), "text": words}]}
    return {**item, "thinking": [{"type": "text", "text": words}]}
