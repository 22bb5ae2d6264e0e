"""A streamed answer of Bedrock's `invoke`: binary frames that each hold one event of the publisher's own stream."""

from __future__ import annotations

import base64
from typing import TypeAlias

from unified_api.errors import ProviderError
from unified_api.types import Chunk, FinishChunk, JsonObject, UsageChunk
from unified_api.wire.anthropic import events as anthropic_events
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock.completions import CompletionReader
from unified_api.wire.bedrock.events import EventReader
from unified_api.wire.bedrock.invoke_decode import chat_choices, decode_chunks
from unified_api.wire.bedrock.stream import FramedStream
from unified_api.wire.bedrock.usage import read_usage
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_text import dump_json, parse_json
from unified_api.wire.openai_chat import stream as openai_chat_stream

__all__ = ["StreamDecoder"]

Publisher: TypeAlias = "anthropic_events.EventReader | _Nova | _Chat | CompletionReader"
_METRICS = "amazon-bedrock-invocationMetrics"


class StreamDecoder(FramedStream):
    """The stream of InvokeModelWithResponseStream; its first event tells whose words it is in."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._reader: Publisher | None = None
        self._counted = False

    @property
    def malformed(self) -> int:
        """Frames and events that could not be read and were passed over."""
        inside = self._reader.malformed if isinstance(self._reader, anthropic_events.EventReader | _Chat) else 0
        return super().malformed + inside

    @property
    def _finished(self) -> bool:
        return self._reader is not None and self._reader.finished

    def end(self) -> list[Chunk]:
        """What is left when the connection has closed; to be called once, after the last `feed`."""
        chunks = super().end()
        return chunks + self._reader.end() if isinstance(self._reader, _Chat) else chunks

    def _read_event(self, name: str, event: JsonObject) -> list[Chunk]:
        value = _inner(event) if name == "chunk" else None
        if value is None:
            self._unread += 1
            return []
        if self._reader is None:
            self._reader = self._publisher(value)
        if self._reader is None:
            return self._read_unknown(value)
        metrics = value.pop(_METRICS, None)
        chunks: list[Chunk] = []
        try:
            chunks += self._reader.read(value)
        except ProviderError as error:
            self._fail(error)
        if isinstance(self._reader, _Nova | CompletionReader) and self._reader.error is not None:
            self._fail(self._reader.error)
        self._counted = self._counted or any(isinstance(chunk, UsageChunk) for chunk in chunks)
        if isinstance(metrics, dict) and not self._counted:
            # Bedrock counts for the models that do not.
            chunks.append(UsageChunk(read_usage(metrics)))
        return chunks

    def _read_document(self, body: bytes) -> list[Chunk]:
        return decode_chunks(body, provider=self._provider, model=self._model, profile=self._profile)

    def _publisher(self, value: JsonObject) -> Publisher | None:
        named = {"provider": self._provider, "model": self._model}
        if isinstance(value.get("choices"), list):
            return _Chat(**named, profile=self._profile)
        if "type" in value and "completion" not in value:
            return anthropic_events.EventReader(**named, profile=self._profile)
        if any(name in value for name in ("messageStart", "contentBlockStart", "contentBlockDelta", "messageStop")):
            return _Nova(**named, profile=self._profile)
        return CompletionReader(**named, profile=self._profile) if CompletionReader.knows(value) else None

    def _read_unknown(self, value: JsonObject) -> list[Chunk]:
        error = find_error(value)
        if error is not None:
            self._fail(embedded_error(error, provider=self._provider, model=self._model, profile=self._profile))
        else:
            self._unread += 1
        return []


class _Nova:
    """Converse's own events, each in an object under its name."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self._events = EventReader(provider=provider, model=model, profile=profile)

    @property
    def finished(self) -> bool:
        return self._events.finished

    @property
    def error(self) -> ProviderError | None:
        return self._events.error

    def read(self, value: JsonObject) -> list[Chunk]:
        events = [(name, event) for name, event in value.items() if isinstance(event, dict)]
        return [chunk for name, event in events for chunk in self._events.read(name, event)]


class _Chat:
    """Chunks of OpenAI's chat, as the server-sent events that they are elsewhere."""

    finished: bool

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.finished = False
        self._decoder = openai_chat_stream.StreamDecoder(provider=provider, model=model, profile=profile)

    @property
    def malformed(self) -> int:
        return self._decoder.malformed

    def read(self, value: JsonObject) -> list[Chunk]:
        chunks = self._decoder.feed(b"data: " + dump_json(chat_choices(value)) + b"\n\n")
        self.finished = self.finished or any(isinstance(chunk, FinishChunk) for chunk in chunks)
        return chunks

    def end(self) -> list[Chunk]:
        return self._decoder.end()


def _inner(event: JsonObject) -> JsonObject | None:
    """The publisher's event, which lies in the frame as base64 of its JSON."""
    packed = event.get("bytes")
    if not isinstance(packed, str):
        return None
    try:
        value = parse_json(base64.b64decode(packed, validate=True))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
