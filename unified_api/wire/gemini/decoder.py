"""Google's answers, whole or in pieces: each is a GenerateContentResponse, and a whole one is a stream of one piece.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from __future__ import annotations

from dataclasses import replace

from unified_api.errors import FailedGenerationError, ProviderError
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    FinishChunk,
    Json,
    JsonObject,
    Response,
    UsageChunk,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.gemini.answer import answer_value, unreadable
from unified_api.wire.gemini.candidate import CandidateReader
from unified_api.wire.gemini.target import is_former
from unified_api.wire.gemini.usage import read_usage
from unified_api.wire.quoting import shorten

__all__ = ["AnswerReader", "decode"]

_MOST_ANSWERS = 1000
"""Answers to one request, of which Google gives 8 at most, before further ones are damage."""


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is none, what an error inside it means, and FailedGenerationError when the
    model wrote a call that Google could not read.
    """
    value = answer_value(body, provider=provider, model=model)
    reader, collector = AnswerReader(provider=provider, model=model, profile=profile), Collector()
    for one in value if isinstance(value, list) else [value]:
        for chunk in reader.read(one):
            collector.add(chunk)
    for chunk in reader.end():
        collector.add(chunk)
    if reader.error is not None:
        raise reader.error
    if reader.malformed or not reader.begun:
        problem = "holds what cannot be read" if reader.malformed else "has neither candidates nor a block reason"
        raise unreadable(problem, body, provider=provider, model=model)
    return replace(collector.response(provider=provider, model=model), id=reader.id)


class AnswerReader:
    """Reads one piece of an answer after another."""

    error: ProviderError | None
    """What the answer said went wrong; nothing is read after it."""
    late_error: ProviderError | None
    """An error that came when the answer was whole already."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self._damaged = 0
        self.error = None
        self.late_error = None
        self.id: str | None = None
        self._provider = provider
        self._model = model
        self._profile = profile
        self._candidates: dict[int, CandidateReader] = {}
        self._blocked = False
        self._echoed: str | None = None
        self._stated: JsonObject = {}
        self._one_search = is_former(model, profile)
        """Whether all searches of an answer are charged as one (https://ai.google.dev/gemini-api/docs/pricing)."""
        self._told: tuple[JsonObject, str | None, int] = ({}, None, 0)

    @property
    def malformed(self) -> int:
        """Pieces and parts that could not be read and were passed over."""
        return self._damaged + sum(one.unreadable for one in self._candidates.values())

    @property
    def begun(self) -> bool:
        """Whether there was an answer at all."""
        return self._blocked or bool(self._candidates)

    @property
    def finished(self) -> bool:
        """Whether each answer that began has ended."""
        return self._blocked or (self.begun and all(one.finished for one in self._candidates.values()))

    def read(self, value: Json) -> list[Chunk]:
        """The chunks of one piece. An error in it is held in `error` after the chunks before it."""
        if self.error is not None:
            return []
        if not isinstance(value, dict):
            self._damaged += 1
            return []
        candidates = value.get("candidates")
        error = value.get("error") or (None if candidates else find_error(value))
        if error:
            self._fail(embedded_error(value, provider=self._provider, model=self._model, profile=self._profile))
            return []
        chunks: list[Chunk] = []
        self._read_identity(value)
        for position, candidate in enumerate(candidates if isinstance(candidates, list) else []):
            self._read_candidate(candidate, position, chunks)
        self._read_feedback(value.get("promptFeedback"), chunks)
        self._read_usage(value.get("usageMetadata"), chunks)
        return chunks

    def end(self) -> list[Chunk]:
        """What answers that told no finish reason still hold."""
        chunks: list[Chunk] = []
        for number, reader in self._candidates.items():
            held = [] if reader.finished else reader.end()
            chunks.extend(AlternativeChunk(number, chunk) if number else chunk for chunk in held)
        return chunks

    def _fail(self, error: ProviderError) -> None:
        if self.finished:
            self.late_error = error
        else:
            self.error = error

    def _read_identity(self, value: JsonObject) -> None:
        echoed, identity = value.get("modelVersion"), value.get("responseId")
        self._echoed = echoed if isinstance(echoed, str) and echoed else self._echoed
        self.id = identity if isinstance(identity, str) and identity else self.id

    def _read_candidate(self, candidate: Json, position: int, chunks: list[Chunk]) -> None:
        if not isinstance(candidate, dict):
            self._damaged += 1
            return
        index = candidate.get("index")
        number = index if type(index) is int and index >= 0 else position
        reader = self._candidates.get(number)
        if reader is None and len(self._candidates) >= _MOST_ANSWERS:
            self._damaged += 1
            return
        if reader is None:
            reader = self._candidates[number] = CandidateReader(self._provider, self._profile)
        for chunk in reader.read(candidate):
            if isinstance(chunk, FinishChunk) and chunk.finish_reason == "error":
                self.error = self._failed_generation(candidate)
            elif number:
                chunks.append(AlternativeChunk(number, chunk))
            else:
                chunks.append(chunk)

    def _failed_generation(self, candidate: JsonObject) -> ProviderError:
        word = candidate.get("finishReason")
        said = candidate.get("finishMessage")
        why = f" ({shorten(said)})" if isinstance(said, str) and said else ""
        return FailedGenerationError(
            f"{self._provider} ended the answer of {self._model!r} with the finish reason {word!r}{why}: try again, or "
            "make the tools simpler",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
            provider_code=str(word),
        )

    def _read_feedback(self, feedback: Json, chunks: list[Chunk]) -> None:
        """A prompt that was blocked: there is no candidate, only the reason."""
        if not isinstance(feedback, dict) or not feedback.get("blockReason") or self.finished:
            return
        self._blocked = True
        chunks.append(FinishChunk("content_filter"))

    def _read_usage(self, stated: Json, chunks: list[Chunk]) -> None:
        if isinstance(stated, dict):
            # Each is cumulative and replaces the one before it; some only tell the kind of traffic.
            counted = "totalTokenCount" in stated or "promptTokenCount" in stated
            self._stated = stated if counted else {**self._stated, **stated}
        searches = sum(one.searches for one in self._candidates.values())
        if self._one_search:
            searches = min(searches, 1)
        if (self._stated, self._echoed, searches) == self._told:
            return
        self._told = self._stated, self._echoed, searches
        usage = read_usage(self._stated)
        chunks.append(UsageChunk(replace(usage, web_searches=searches) if searches else usage, self._echoed))
