"""A streamed answer in its reader's hands."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

from unified_api.trail import Trail
from unified_api.types import Attempt, Chunk, Response
from unified_api.wire.collect import Collector

__all__ = ["ResponseStream"]


class ResponseStream:
    """The chunks of one answer, to be iterated once; `response` is the whole answer after the end.

    The last UsageChunk carries the cost. An error that comes after content ends the iteration, unless another model
    could go on; it is never hidden, and its `attempts` tell the story. After a RestartChunk all that came before is
    void. Usage and cost are those of the stream that came to its end; what a broken one took is in its `Attempt`.
    """

    def __init__(self, chunks: AsyncIterator[Chunk], trail: Trail) -> None:
        self._chunks = chunks
        self._trail = trail
        self._collector = Collector()
        self._response: Response | None = None

    @property
    def model(self) -> str:
        """The model that is answering, or that gave the kept answer, as `provider/model`."""
        if self._trail.model is not None:
            return self._trail.model.id
        return next((one.model for one in reversed(self._trail.records) if one.outcome == "cached"), "")

    @property
    def response(self) -> Response:
        """The whole answer. RuntimeError before the stream has ended well."""
        if self._response is None:
            raise RuntimeError("the stream has not ended: iterate it to its end before asking for its response")
        return self._response

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What has been tried and decided so far; after a reader has left early, this is what tells of it."""
        return self._trail.story

    @property
    def text(self) -> str:
        """What has been read so far, of the answer that counts."""
        return self._collected().text

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            if self._response is None:
                self._response = self._collected()
            raise
        self._collector.add(chunk)
        return chunk

    async def aclose(self) -> None:
        """End the call upstream now, as leaving the block does."""
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()

    def _collected(self) -> Response:
        model, story = self._trail.model, self._trail.story
        provider, _, name = self.model.partition("/")
        response = self._collector.response(provider=provider, model=name)
        cost = next((one.cost_usd for one in reversed(story) if one.outcome == "succeeded"), response.cost_usd)
        return replace(response, cost_usd=cost, quality=None if model is None else model.quality, attempts=story)
