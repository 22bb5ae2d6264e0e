"""A streamed answer of the Messages API, cut into pieces anywhere (https://docs.anthropic.com/en/docs/build-with-claude/streaming)."""

from __future__ import annotations

import orjson

from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.sse import EventTooLargeError, SseEvent
from unified_api.types import Chunk, Json
from unified_api.wire.anthropic_decode import answer_message
from unified_api.wire.anthropic_events import EventReader, events_of
from unified_api.wire.base import WireProfile, parse_json
from unified_api.wire.errors import embedded_error
from unified_api.wire.sse_or_document import SseOrDocument

__all__ = ["EventReader", "StreamDecoder"]


class StreamDecoder:
    """Bytes in, chunks out; the same chunks however the bytes were cut.

    An error inside the stream is raised by the `feed` or `end` after the chunks that came before it. `end` raises
    TruncatedStreamError when no `message_stop` came. What follows it is not read.
    """

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self._provider = provider
        self._model = model
        self._profile = profile
        self._framing = SseOrDocument()
        self._reader = EventReader(provider=provider, model=model, profile=profile)
        self._unreadable = 0
        self._error: ProviderError | None = None

    @property
    def malformed(self) -> int:
        """Events that could not be read and were passed over."""
        return self._unreadable + self._reader.malformed

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        if self._error is not None:
            raise self._error
        if self._reader.finished:
            return []
        try:
            events = self._framing.feed(data)
        except EventTooLargeError as error:
            raise MalformedResponseError(
                f"the stream of {self._provider} for {self._model!r} cannot be read: {error}",
                provider=self._provider,
                model=f"{self._provider}/{self._model}",
            ) from error
        return self._read(events) if events else []

    def end(self) -> list[Chunk]:
        """The chunks still held when the connection has closed; to be called once, after the last `feed`."""
        if self._error is not None:
            raise self._error
        if self._reader.finished:
            return []
        chunks: list[Chunk] = []
        for event in self._framing.end():
            self._read_event(event, chunks)
        if self._framing.document is not None:
            return self._read_document(self._framing.document)
        self._check_finished()
        return chunks

    def _read(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event in events:
            try:
                self._read_event(event, chunks)
            except ProviderError as error:
                self._error = error
                break
        if self._error is not None and not chunks:
            raise self._error
        return chunks

    def _check_finished(self) -> None:
        if not self._reader.finished:
            raise TruncatedStreamError(
                f"the stream of {self._provider} for {self._model!r} ended without its last event, so the answer may "
                f"be cut ({self.malformed} unreadable events): try again or allow a fallback",
                provider=self._provider,
                model=f"{self._provider}/{self._model}",
            )

    def _read_event(self, event: SseEvent, chunks: list[Chunk]) -> None:
        value = _parsed(event.data)
        if isinstance(value, dict):
            chunks += self._reader.read(value, event.name)
        elif event.name == "error" and not self._reader.finished:
            said = value if value is not None else event.data.decode("utf-8", "replace")
            raise embedded_error(said, provider=self._provider, model=self._model, profile=self._profile)
        elif event.data.strip() not in {b"", b"[DONE]"}:
            self._unreadable += 1

    def _read_document(self, body: bytes) -> list[Chunk]:
        """What a server that ignores `stream` answers with."""
        message, content = answer_message(body, provider=self._provider, model=self._model, profile=self._profile)
        return [chunk for event in events_of(message, content) for chunk in self._reader.read(event)]


def _parsed(data: bytes) -> Json:
    """The event's JSON; None where there is none."""
    try:
        value: Json = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = parse_json(data)
        except ValueError:
            return None
    return value
