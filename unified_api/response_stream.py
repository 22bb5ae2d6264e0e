"""A streamed answer in its reader's hands."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import NoReturn

from unified_api.trail import Trail
from unified_api.types import Attempt, Chunk, Response
from unified_api.wire.collect import Collector

__all__ = ["ResponseStream"]

_LEFT = (
    "its reader left the stream before its end, by a cancellation or the end of its block; "
    "`text` is what had come, and another call may give all of it"
)
_TWO_READERS = (
    "another task is reading this stream just now. To end it from elsewhere, cancel that task or a scope around its "
    "reading; to read it in several places, let one task read and hand on the chunks"
)


class ResponseStream:
    """The chunks of one answer, to be iterated once; `response` is the whole answer after the end.

    The last UsageChunk carries the cost. An error that comes after content ends the iteration, unless another model
    could go on; it is never hidden, and its `attempts` tell the story. After a RestartChunk all that came before is
    void. Usage and cost are those of the stream that came to its end; what a broken one took is in its `Attempt`.

    A cancellation while the next chunk is waited for ends the stream too. One that has not come to its end never seems
    to have: iterating on raises the error that ended it, or RuntimeError where its reader went, and `response` does.
    """

    def __init__(self, chunks: AsyncIterator[Chunk], trail: Trail) -> None:
        self._chunks = chunks
        self._trail = trail
        self._collector = Collector()
        self._response: Response | None = None
        self._end: Exception | None = None
        """What iterating on raises."""
        self._is_reading = False

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
        if self._end is not None or self._is_reading:
            self._raise()
        self._is_reading = True
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._end = StopAsyncIteration()  # the one that is caught holds its frames, and they this
            self._response = self._collected()
            raise
        except BaseException as error:
            self._end = error if isinstance(error, Exception) else RuntimeError(_LEFT)
            raise
        finally:
            self._is_reading = False
        self._collector.add(chunk)
        return chunk

    async def aclose(self) -> None:
        """End the call upstream now, as leaving the block does. RuntimeError while another task reads."""
        if self._is_reading:
            self._raise()
        if self._end is None:
            self._end = StopAsyncIteration()  # what its reader's own loop expects
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()

    def leave(self) -> None:
        """Told when its block is left: whoever reads on from there hears that nothing more can come."""
        if self._response is None and (self._end is None or isinstance(self._end, StopAsyncIteration)):
            self._end = RuntimeError(_LEFT)

    def _raise(self) -> NoReturn:
        raise RuntimeError(_TWO_READERS) if self._end is None else self._end

    def _collected(self) -> Response:
        model, story = self._trail.model, self._trail.story
        provider, _, name = self.model.partition("/")
        response = self._collector.response(provider=provider, model=name)
        cost = next((one.cost_usd for one in reversed(story) if one.outcome == "succeeded"), response.cost_usd)
        return replace(response, cost_usd=cost, quality=None if model is None else model.quality, attempts=story)
