"""A streamed chat answer of an OpenAI-compatible server, cut into pieces anywhere."""

from __future__ import annotations

from typing import Protocol

from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.sse import EVENT_LIMIT, EventTooLargeError, SseDecoder, SseEvent
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    ContentChunk,
    FinishChunk,
    FinishReason,
    Json,
    JsonObject,
    Usage,
    UsageChunk,
)
from unified_api.wire.answer_stream import unreadable_stream
from unified_api.wire.base import WireProfile
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_text import parse_json, parse_strictly
from unified_api.wire.openai_chat.choice import ChoiceReader
from unified_api.wire.openai_chat.decoder import decode_chunks
from unified_api.wire.openai_chat.words import ended_in_error, finish_reason
from unified_api.wire.usage import merge_usage, read_cost, read_usage

__all__ = ["StreamDecoder"]

# A byte order mark and white space: no answer of ours begins with one of these bytes otherwise.
_LEAD = b"\xef\xbb\xbf \t\r\n"
_DOCUMENT_STARTS = {b"{", b"[", b"<"}


class _Chunks(Protocol):
    """A list of chunks that may hold other kinds too."""

    def append(self, chunk: ContentChunk | FinishChunk, /) -> object: ...


class StreamDecoder:
    """Bytes in, chunks out; the same chunks however the bytes were cut.

    An error inside the stream is raised by the `feed` or `end` after the chunks that came before it. `end` raises
    TruncatedStreamError when no finish reason came; a missing `[DONE]` after one is no fault. A server that ignores
    `stream` and answers with one JSON document is read all the same. An error after the finish is no error of the
    answer, which is whole.
    """

    malformed: int
    """Events that could not be read and were passed over."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.malformed = 0
        self._provider = provider
        self._model = model
        self._profile = profile
        self._events = SseDecoder()
        self._first = ChoiceReader(provider=provider, profile=profile)
        self._others: dict[int, ChoiceReader] = {}
        self._echoed: str | None = None
        self._usage = Usage()
        self._sent: UsageChunk | None = None
        self._done = False
        self._error: ProviderError | None = None
        self._document: list[bytes] | None = None
        self._held = 0
        self._is_events = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        if self._error is not None:
            raise self._error
        if not self._is_events:
            data = self._sniff(data)
        try:
            events = self._events.feed(data)
        except EventTooLargeError as error:
            raise self._unreadable(str(error)) from error
        return self._read(events) if events else []

    def end(self) -> list[Chunk]:
        """The chunks still held when the connection has closed; to be called once, after the last `feed`."""
        if self._error is not None:
            raise self._error
        if self._document is not None:
            return self._read_document(b"".join(self._document))
        return self._finish(self._read(self._events.end()))

    def _sniff(self, data: bytes) -> bytes:
        """Tells events from a plain document by the first byte that counts; gives what the event decoder may have."""
        if self._document is not None:
            self._hold(data)
            return b""
        start = data.lstrip(_LEAD)
        if start[:1] in _DOCUMENT_STARTS:
            self._document = []
            self._hold(start)
            return b""
        self._is_events = bool(start)
        return start

    def _hold(self, data: bytes) -> None:
        if self._document is not None:
            self._document.append(data)
            self._held += len(data)
        if self._held > EVENT_LIMIT:
            raise self._unreadable(f"it is one document of more than {EVENT_LIMIT} bytes")

    def _unreadable(self, problem: str) -> MalformedResponseError:
        return unreadable_stream(problem, provider=self._provider, model=self._model)

    def _read_document(self, body: bytes) -> list[Chunk]:
        try:
            parse_json(body)
        except ValueError:
            lines = body.splitlines()
            if len(lines) > 1 and lines[0].startswith(b"{"):
                # One JSON chunk a line, without the framing of events.
                return self._finish(self._read([SseEvent(line) for line in lines]))
        self._first.finished = True
        return decode_chunks(body, provider=self._provider, model=self._model, profile=self._profile)

    def _finish(self, chunks: list[Chunk]) -> list[Chunk]:
        if self._error is not None:
            raise self._error
        if not self._complete:
            raise TruncatedStreamError(
                f"the stream of {self._provider} for {self._model!r} ended without a finish reason, so the answer may "
                f"be cut ({self.malformed} unreadable events): try again or allow a fallback",
                provider=self._provider,
                model=f"{self._provider}/{self._model}",
            )
        return chunks

    @property
    def _complete(self) -> bool:
        return self._first.finished and all(one.finished for one in self._others.values())

    def _read(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event in events:
            if self._done or self._error is not None:
                break
            try:
                value = parse_strictly(event.data)
            except ValueError:
                self._read_odd(event, chunks)
            else:
                self._read_value(value, event.name, chunks)
        if self._error is not None and not chunks:
            raise self._error
        return chunks

    def _read_odd(self, event: SseEvent, chunks: list[Chunk]) -> None:
        """An event that is no strict JSON: the end mark, an error in words, several lines run together, or damage."""
        text = event.data.strip()
        if text == b"[DONE]":
            self._done = True
            if self._profile.done_is_finish and not self._first.finished:
                self._end(self._first, "tool_calls" if self._first.calls.named else "unknown", chunks)
        elif event.name == "error":
            self._fail(text.decode("utf-8", "replace") or "no reason given")
        elif text:
            values = _parse_lines(text)
            self.malformed += not values
            for value in values:
                self._read_value(value, "", chunks)

    def _read_value(self, value: Json, name: str, chunks: list[Chunk]) -> None:
        if not isinstance(value, dict):
            if name == "error":
                self._fail(value)
            else:
                self.malformed += 1
            return
        choices, usage = value.get("choices"), value.get("usage")
        if value.get("error") or name == "error" or not choices:
            error = value if name == "error" else find_error(value)
            if error is not None:
                self._fail(error)
        model = value.get("model")
        if model and isinstance(model, str):
            self._echoed = model
        if "citations" in value or "search_results" in value:
            self._first.read_sources(value)
        if choices and self._error is None and isinstance(choices, list):
            for place, choice in enumerate(choices):
                if isinstance(choice, dict):
                    index = choice.get("index")
                    self._read_choice(index if type(index) is int and index >= 0 else place, choice, chunks)
                    usage = usage or choice.get("usage")  # Moonshot
        if not usage and "x_groq" in value:
            groq = value["x_groq"]
            usage = groq.get("usage") if isinstance(groq, dict) else None
        if usage and isinstance(usage, dict):
            self._read_usage(usage, chunks)

    def _fail(self, error: Json) -> None:
        failure = embedded_error(error, provider=self._provider, model=self._model, profile=self._profile)
        if not self._complete:
            self._error = failure

    def _read_choice(self, number: int, choice: JsonObject, chunks: list[Chunk]) -> None:
        if choice.get("error"):
            return self._fail({"error": choice["error"]})
        if number == 0:
            return self._read_delta(self._first, choice, chunks)
        reader = self._others.get(number)
        if reader is None:
            reader = self._others[number] = ChoiceReader(provider=self._provider, profile=self._profile)
        pieces: list[ContentChunk | FinishChunk] = []
        self._read_delta(reader, choice, pieces)
        chunks.extend(AlternativeChunk(number, piece) for piece in pieces)
        return None

    def _read_delta(self, reader: ChoiceReader, choice: JsonObject, chunks: _Chunks) -> None:
        delta = choice.get("delta")
        if delta is None and not reader.begun:
            delta = choice.get("message")  # a whole answer in one event, of a server that cannot stream
        if isinstance(delta, dict):
            reader.read(delta, chunks)
        told = choice.get("logprobs")
        if told is not None:
            reader.read_logprobs(told, chunks)
        if reader.finished:
            reader.close(chunks)
        elif choice.get("finish_reason") is not None or "finish_details" in choice:
            reason = finish_reason(choice, self._profile, called=reader.calls.named)
            if reason == "error" and reader is self._first:
                self._error = ended_in_error(choice, provider=self._provider, model=self._model)
            elif reason is not None:
                self._end(reader, reason, chunks)

    def _end(self, reader: ChoiceReader, reason: FinishReason, chunks: _Chunks) -> None:
        reader.finished = True
        reader.close(chunks)
        chunks.append(FinishChunk(reason))

    def _read_usage(self, stated: JsonObject, chunks: list[Chunk]) -> None:
        self._usage = merge_usage(self._usage, read_usage(stated))
        cost = read_cost(stated)
        if cost is None and self._sent is not None:
            cost = self._sent.cost_usd
        chunk = UsageChunk(self._usage, self._echoed, cost)
        if chunk != self._sent:
            self._sent = chunk
            chunks.append(chunk)


def _parse_lines(text: bytes) -> list[Json]:
    """What orjson refused, read leniently as one value, or as a value a line where the blank lines are missing."""
    try:
        return [parse_json(text)]
    except ValueError:
        pass
    try:
        return [parse_strictly(line) for line in text.splitlines() if line.strip() not in {b"", b"[DONE]"}]
    except ValueError:
        return []
