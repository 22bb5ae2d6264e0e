"""Ollama's streamed answers: a JSON object a line, the last of which says `done`."""

from __future__ import annotations

from unified_api.types import Chunk, JsonObject
from unified_api.wire.answer_stream import AnswerStream
from unified_api.wire.base import WireProfile
from unified_api.wire.ollama.decoder import LineReader, is_answer

__all__ = ["StreamDecoder"]


class StreamDecoder(AnswerStream):
    """The stream of /api/chat or /api/generate; a whole answer in its place is a stream of one line."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._lines = LineReader(provider=provider, model=model, profile=profile)

    def _read_value(self, value: JsonObject, chunks: list[Chunk]) -> None:
        if not is_answer(value):
            self.malformed += 1
            return
        chunks.extend(self._lines.read(value))
        if self._lines.error is not None:
            self._fail(self._lines.error)
        else:
            self._finished = self._lines.done
