"""A streamed answer of Amazon Bedrock, in binary frames that are cut into pieces anywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod

from unified_api.errors import MalformedResponseError, ProviderError, TruncatedStreamError
from unified_api.sse import EVENT_LIMIT
from unified_api.types import Chunk, Json, JsonObject
from unified_api.wire.answer_stream import unreadable_stream
from unified_api.wire.aws_event_stream import Frame, FrameDecoder
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock.decoder import answer_chunks, answer_object
from unified_api.wire.bedrock.events import EventReader, exception_error
from unified_api.wire.json_text import parse_json

__all__ = ["FramedStream", "StreamDecoder"]

_SPACE = b"\xef\xbb\xbf \t\r\n"
# The first byte of a frame is that of its length, which stays far below these.
_DOCUMENT_STARTS = frozenset({b"{", b"[", b"<"})


class FramedStream(ABC):
    """Bytes in, chunks out; the same chunks however the bytes were cut.

    An exception inside the stream is raised by the `feed` or `end` after the chunks that came before it; `end` raises
    TruncatedStreamError when the message never stopped. A frame whose checksum is wrong is passed over and counted; one
    whose lengths cannot be trusted ends the stream in MalformedResponseError. A JSON document in the place of frames
    is read as the whole answer, or the error, that it is.
    """

    late_error: ProviderError | None
    """An error that came after the finish: the answer is whole, so it is not raised."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.late_error = None
        self._provider = provider
        self._model = model
        self._profile = profile
        self._frames = FrameDecoder()
        self._unread = 0
        self._error: ProviderError | None = None
        self._document: bytearray | None = None
        self._started = False

    @property
    def malformed(self) -> int:
        """Frames that could not be read and were passed over."""
        return self._unread + self._frames.damaged

    @property
    @abstractmethod
    def _finished(self) -> bool:
        """Whether the sign of a finished answer came."""

    @abstractmethod
    def _read_event(self, name: str, event: JsonObject) -> list[Chunk]:
        """The chunks of one event; an error that it tells is kept by `_fail`."""

    @abstractmethod
    def _read_document(self, body: bytes) -> list[Chunk]:
        """The chunks of a whole answer."""

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        if self._error is not None:
            raise self._error
        if not self._started:
            data = self._sniff(data)
        if self._document is not None:
            self._document += data
            if len(self._document) > EVENT_LIMIT:
                raise self._unreadable(f"it is one document of more than {EVENT_LIMIT} bytes")
            return []
        return self._read(self._frames.feed(data))

    def end(self) -> list[Chunk]:
        """What is left when the connection has closed; to be called once, after the last `feed`."""
        if self._error is not None:
            raise self._error
        if self._document is not None:
            return self._read_document(bytes(self._document))
        if not self._finished:
            raise self._truncated()
        return []

    def _sniff(self, data: bytes) -> bytes:
        start = data.lstrip(_SPACE)
        self._started = bool(start)
        if start[:1] in _DOCUMENT_STARTS:
            self._document = bytearray()
        return start

    def _read(self, frames: list[Frame]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for frame in frames:
            if self._error is not None:
                break
            chunks += self._read_frame(frame)
        if self._frames.broken and self._error is None:
            self._fail(self._unreadable(self._frames.broken))
        if self._error is not None and not chunks:
            raise self._error
        return chunks

    def _read_frame(self, frame: Frame) -> list[Chunk]:
        kind = frame.word(":message-type")
        if kind == "error":
            self._fail(self._exception(frame.word(":error-code"), frame.word(":error-message") or "no reason given"))
            return []
        try:
            event = parse_json(frame.payload)
        except ValueError:
            event = None
        if kind == "exception":
            text = frame.payload[:2000].decode("utf-8", "replace")
            self._fail(self._exception(frame.word(":exception-type"), text if event is None else event))
        elif kind == "event" and isinstance(event, dict):
            return self._read_event(frame.word(":event-type"), event)
        else:
            self._unread += 1
        return []

    def _exception(self, kind: str, said: Json) -> ProviderError:
        return exception_error(kind, said, provider=self._provider, model=self._model, profile=self._profile)

    def _fail(self, error: ProviderError) -> None:
        if self._finished:
            self.late_error = error
        else:
            self._error = error

    def _truncated(self) -> ProviderError:
        rest = f", {self._frames.pending} bytes of a frame left" if self._frames.pending else ""
        return TruncatedStreamError(
            f"the stream of {self._provider} for {self._model!r} ended without a stop reason, so the answer may be cut "
            f"({self.malformed} unreadable frames{rest}): try again or allow a fallback",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
        )

    def _unreadable(self, problem: str) -> MalformedResponseError:
        return unreadable_stream(problem, provider=self._provider, model=self._model)


class StreamDecoder(FramedStream):
    """The stream of ConverseStream."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._reader = EventReader(provider=provider, model=model, profile=profile)

    @property
    def _finished(self) -> bool:
        return self._reader.finished

    def _read_event(self, name: str, event: JsonObject) -> list[Chunk]:
        chunks = self._reader.read(name, event)
        if self._reader.error is not None:
            self._fail(self._reader.error)
        return chunks

    def _read_document(self, body: bytes) -> list[Chunk]:
        named = {"provider": self._provider, "model": self._model}
        answer = answer_object(body, **named, profile=self._profile)
        return list(answer_chunks(answer, **named, profile=self._profile))
