"""What the stream decoders of the families have in common that send JSON values: errors, damage and the end."""

from __future__ import annotations

from abc import ABC, abstractmethod

from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.sse import EventTooLargeError, SseEvent
from unified_api.types import Chunk, Json, JsonObject
from unified_api.wire.base import WireProfile
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_events import JsonEvents
from unified_api.wire.json_text import parse_json

__all__ = ["AnswerStream", "unreadable_stream"]


class AnswerStream(ABC):
    """Bytes in, chunks out; the same chunks however the bytes were cut.

    An error inside the stream is raised by the `feed` or `end` after the chunks that came before it. `end` raises
    TruncatedStreamError when the sign of a finished answer never came. A family says what one event means in
    `_read_value`, which adds chunks, or calls `_fail`.
    """

    malformed: int
    """Events that could not be read and were passed over."""
    late_error: ProviderError | None
    """An error that came after the finish: the answer is whole, so it is not raised."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.malformed = 0
        self.late_error = None
        self._provider = provider
        self._model = model
        self._profile = profile
        self._events = JsonEvents()
        self._finished = False
        self._error: ProviderError | None = None

    @abstractmethod
    def _read_value(self, value: JsonObject, chunks: list[Chunk]) -> None:
        """Adds what one event means to `chunks`; called until the answer is finished."""

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        if self._error is not None:
            raise self._error
        try:
            events = self._events.feed(data)
        except EventTooLargeError as error:
            raise self._unreadable(str(error)) from error
        return self._read(events)

    def end(self) -> list[Chunk]:
        """The chunks still held when the connection has closed; to be called once, after the last `feed`."""
        if self._error is not None:
            raise self._error
        try:
            events = self._events.end()
        except EventTooLargeError as error:
            raise self._unreadable(str(error)) from error
        chunks = self._read(events)
        if self._error is not None:
            raise self._error
        if not self._finished:
            raise self._broken_off()
        return chunks

    def _read(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event in events:
            if self._error is not None:
                break
            text = event.data.strip()
            if text != b"[DONE]" and (text or event.name == "error"):
                self._read_text(text, event.name, chunks)
        if self._error is not None and not chunks:
            raise self._error
        return chunks

    def _read_text(self, text: bytes, name: str, chunks: list[Chunk]) -> None:
        try:
            value: Json = parse_json(text)
        except ValueError:
            value = text.decode("utf-8", "replace") if name == "error" else None
        if name == "error":
            self._fail(value)
        elif not isinstance(value, dict):
            self.malformed += 1
        elif (error := find_error(value)) is not None:
            self._fail(error)
        elif not self._finished:
            try:
                self._read_value(value, chunks)
            except MalformedResponseError as error:  # a value in it that no text can hold
                self._fail(error)

    def _fail(self, error: Json | ProviderError) -> None:
        """Keeps the error that ends the stream; one after the finish hurts nobody."""
        if not isinstance(error, ProviderError):
            error = embedded_error(error, provider=self._provider, model=self._model, profile=self._profile)
        if self._finished:
            self.late_error = error
        else:
            self._error = error

    def _broken_off(self) -> ProviderError:
        if self._events.framing == "document":
            return self._unreadable("it is neither events nor JSON")
        return TruncatedStreamError(
            f"the stream of {self._provider} for {self._model!r} ended without the sign of a finished answer, so the "
            f"answer may be cut ({self.malformed} unreadable events): try again or allow a fallback",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
        )

    def _unreadable(self, problem: str) -> MalformedResponseError:
        return unreadable_stream(problem, provider=self._provider, model=self._model)


def unreadable_stream(problem: str, *, provider: str, model: str) -> MalformedResponseError:
    message = f"the stream of {provider} for {model!r} cannot be read: {problem}"
    return MalformedResponseError(message, provider=provider, model=f"{provider}/{model}")
