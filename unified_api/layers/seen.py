"""The layer that notes what the ones around it have made of a call, for whoever tells of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from unified_api.call import AnyCall, Call, Handler, StreamHandler
from unified_api.telemetry.under_way import Told, UnderWay
from unified_api.types import Chunk, Request
from unified_api.wire.collect import Collector

__all__ = ["Seen"]


class Seen:
    """Notes the label of each call, and where content may be told its request and answer, as they are at this place."""

    def __init__(self, under_way: UnderWay, *, content: bool) -> None:
        self._under_way = under_way
        self._content = content

    async def whole(self, call: AnyCall, proceed: Handler) -> Any:
        told = self._note(call)
        response = await proceed(call)
        if told is not None and self._content:
            told.answer = response
        return response

    @asynccontextmanager
    async def stream(self, call: Call[Request], proceed: StreamHandler) -> AsyncIterator[AsyncIterator[Chunk]]:
        told = self._note(call)
        async with proceed(call) as chunks:
            if told is None or not self._content:
                yield chunks
                return
            async with aclosing(self._collected(chunks, told)) as collected:
                yield collected

    async def _collected(self, chunks: AsyncIterator[Chunk], told: Told) -> AsyncGenerator[Chunk]:
        collector = Collector()
        try:
            async for chunk in chunks:
                collector.add(chunk)
                yield chunk
        finally:
            told.answer = collector.response(provider="", model="")

    def _note(self, call: AnyCall) -> Told | None:
        told = self._under_way.get(call)
        if told is not None:
            told.sensitivity = call.policy.sensitivity
            if self._content:
                told.asked = call.request
        return told
