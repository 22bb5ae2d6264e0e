"""A streamed Gemini answer: server-sent events (`alt=sse`), or one JSON array whose elements come one by one."""

from __future__ import annotations

from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.sse import EVENT_LIMIT, EventTooLargeError, SseDecoder, SseEvent
from unified_api.types import Chunk
from unified_api.wire.answer_stream import unreadable_stream
from unified_api.wire.base import WireProfile
from unified_api.wire.errors import embedded_error
from unified_api.wire.gemini.decoder import AnswerReader, decode
from unified_api.wire.gemini.objects import ObjectDecoder
from unified_api.wire.json_text import parse_json

__all__ = ["StreamDecoder"]

# A byte order mark and white space: no answer begins with one of these bytes otherwise.
_LEAD = b"\xef\xbb\xbf \t\r\n"


class StreamDecoder:
    """Bytes in, chunks out; the same chunks however the bytes were cut.

    An error inside the stream is raised by the `feed` or `end` after the chunks that came before it. `end` raises
    TruncatedStreamError when an answer that began told no finish reason.
    """

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self._provider = provider
        self._model = model
        self._profile = profile
        self._answer = AnswerReader(provider=provider, model=model, profile=profile)
        self._events = SseDecoder()
        self._objects = ObjectDecoder()
        self._page: list[bytes] = []
        self._page_size = 0
        self._framing: str | None = None
        self._damaged = 0

    @property
    def malformed(self) -> int:
        """Events that could not be read and were passed over."""
        return self._damaged + self._answer.malformed

    @property
    def late_error(self) -> ProviderError | None:
        """An error that came after the finish reason: the answer is whole, so it is not raised."""
        return self._answer.late_error

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        if self._answer.error is not None:
            raise self._answer.error
        if self._framing is None:
            data = data.lstrip(_LEAD)
            if not data:
                return []
            self._framing = {b"[": "objects", b"{": "objects", b"<": "page"}.get(data[:1], "events")
        try:
            return self._read(data)
        except EventTooLargeError as error:
            raise self._unreadable(str(error)) from error

    def end(self) -> list[Chunk]:
        """The chunks still held when the connection has closed; to be called once, after the last `feed`."""
        if self._answer.error is not None:
            raise self._answer.error
        if self._framing == "page":
            # Raises what the page means; no page is an answer.
            decode(b"".join(self._page), provider=self._provider, model=self._model, profile=self._profile)
        chunks = self._read_events(self._events.end()) if self._framing == "events" else []
        if self._answer.error is not None:
            raise self._answer.error
        if self._answer.finished:
            return chunks
        raise TruncatedStreamError(
            f"the stream of {self._provider} for {self._model!r} ended without a finish reason, so the answer may be "
            f"cut ({self.malformed} unreadable events): try again or allow a fallback",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
        )

    def _read(self, data: bytes) -> list[Chunk]:
        if self._framing == "page":
            self._page.append(data)
            self._page_size += len(data)
            if self._page_size > EVENT_LIMIT:
                raise EventTooLargeError(f"it is one document of more than {EVENT_LIMIT} bytes")
            return []
        if self._framing == "events":
            return self._read_events(self._events.feed(data))
        return self._given([chunk for text in self._objects.feed(data) for chunk in self._read_text(text)])

    def _read_events(self, events: list[SseEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event in events:
            if event.name == "error" and not self._answer.finished and self._answer.error is None:
                self._answer.error = self._named_error(event.data)
            elif event.data.strip() not in {b"", b"[DONE]"}:
                chunks.extend(self._read_text(event.data))
        return self._given(chunks)

    def _given(self, chunks: list[Chunk]) -> list[Chunk]:
        if self._answer.error is not None and not chunks:
            raise self._answer.error
        return chunks

    def _read_text(self, text: bytes) -> list[Chunk]:
        try:
            value = parse_json(text)
        except ValueError:
            self._damaged += 1
            return []
        chunks: list[Chunk] = []
        for one in value if isinstance(value, list) else [value]:
            chunks.extend(self._answer.read(one))
        return chunks

    def _named_error(self, data: bytes) -> ProviderError:
        try:
            value = parse_json(data)
        except ValueError:
            value = data.decode("utf-8", "replace") or "no reason given"
        return embedded_error(value, provider=self._provider, model=self._model, profile=self._profile)

    def _unreadable(self, problem: str) -> MalformedResponseError:
        return unreadable_stream(problem, provider=self._provider, model=self._model)
