"""A streamed answer of the Messages API (https://docs.anthropic.com/en/docs/build-with-claude/streaming)."""

from __future__ import annotations

from unified_api.types import Chunk, JsonObject
from unified_api.wire.answer_stream import AnswerStream
from unified_api.wire.anthropic.events import EventReader, events_of
from unified_api.wire.base import WireProfile

__all__ = ["EventReader", "StreamDecoder"]


class StreamDecoder(AnswerStream):
    """Bytes in, chunks out. `message_stop` is the sign of a finished answer; what follows it is not read.

    A server that ignores `stream` and answers with one message is read all the same.
    """

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._reader = EventReader(provider=provider, model=model, profile=profile)

    def _read_value(self, value: JsonObject, chunks: list[Chunk]) -> None:
        content, passed_over = value.get("content"), self._reader.malformed
        if value.get("type") == "message" and isinstance(content, list):
            for event in events_of(value, content):
                chunks += self._reader.read(event)
        else:
            chunks += self._reader.read(value)
        self.malformed += self._reader.malformed - passed_over
        self._finished = self._reader.finished
