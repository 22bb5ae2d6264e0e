"""Streamed answers in their reader's hands: what is whole, and what a reader has ended itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from unified_api import Gateway, Message, Request
from unified_api.catalog import Catalog
from unified_api.errors import TruncatedStreamError
from unified_api.models import Model
from unified_api.response_stream import ResponseStream
from unified_api.settings import Settings, Timeouts
from unified_api.testing import scripted_gateway
from unified_api.trail import Trail
from unified_api.types import Chunk, FinishChunk, TextChunk

MODEL = Model(id="a/m", provider="a", name="m", wire="scripted", capabilities=frozenset({"chat", "streaming"}))
ASK = Request(model="a/m", messages=(Message.user("hi"),))


class Waiting:
    """An adapter whose stream waits for `go` after its first chunk."""

    def __init__(self, *rest: Chunk) -> None:
        self.waits = anyio.Event()
        self.go = anyio.Event()
        self._rest: Sequence[Chunk] = rest or (TextChunk("world"), FinishChunk("stop"))

    @asynccontextmanager
    async def stream(self, model: Model, request: Request, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[Chunk]]:
        del model, request, timeouts
        yield self._chunks()

    async def _chunks(self) -> AsyncIterator[Chunk]:
        yield TextChunk("Hello ")
        self.waits.set()
        await self.go.wait()
        for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        """Nothing to let go of."""


def gateway_of(adapter: Waiting) -> Gateway:
    settings = Settings()
    return Gateway(settings, adapters={"a": adapter}, catalog=Catalog(settings, rows={}, models=[MODEL]))


async def read(stream: ResponseStream) -> str:
    return "".join([one.text async for one in stream if isinstance(one, TextChunk)])


async def never_seems_whole(stream: ResponseStream, *, text: str) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="its reader left the stream before its end"):
            await anext(stream)
        with pytest.raises(RuntimeError, match="the stream has not ended"):
            _ = stream.response
    assert stream.text == text


async def test_a_stream_whose_reader_was_cancelled_while_it_waited_never_seems_whole() -> None:
    adapter = Waiting()
    async with gateway_of(adapter).stream(ASK) as stream:
        assert await anext(stream) == TextChunk("Hello ")
        with anyio.move_on_after(0.01) as patience:
            await anext(stream)
        assert patience.cancelled_caught
        await never_seems_whole(stream, text="Hello ")
    assert [one.outcome for one in stream.attempts] == ["cancelled"]


async def test_a_reader_that_closes_the_stream_within_its_loop_leaves_the_loop_and_has_no_whole_answer() -> None:
    async with scripted_gateway({"a/m": "one two three"}).stream(ASK) as stream:
        async for _ in stream:
            await stream.aclose()
        assert await read(stream) == ""
        with pytest.raises(RuntimeError, match="the stream has not ended"):
            _ = stream.response
        assert stream.text == "one "
    await never_seems_whole(stream, text="one ")


async def test_a_stream_whose_block_was_left_never_seems_whole() -> None:
    async with scripted_gateway({"a/m": "one two three"}).stream(ASK) as stream:
        await anext(stream)
    await never_seems_whole(stream, text="one ")


async def test_a_broken_stream_raises_what_broke_it_however_often_it_is_iterated() -> None:
    gateway = scripted_gateway({"a/m": [[TextChunk("Half "), TruncatedStreamError("cut")]]})
    async with gateway.stream(ASK) as stream:
        for _ in range(3):
            with pytest.raises(TruncatedStreamError, match="cut"):
                await read(stream)
            with pytest.raises(RuntimeError, match="the stream has not ended"):
                _ = stream.response
        await stream.aclose()
        with pytest.raises(TruncatedStreamError, match="cut"):
            await anext(stream)


async def test_a_whole_stream_stays_whole_when_it_is_iterated_again_or_closed() -> None:
    async with scripted_gateway({"a/m": "one two"}).stream(ASK) as stream:
        assert await read(stream) == "one two"
        assert await read(stream) == ""
        await stream.aclose()
        assert await read(stream) == ""
    assert await read(stream) == ""
    assert (stream.response.text, stream.response.finish_reason) == ("one two", "stop")


async def test_a_call_that_is_cancelled_just_as_its_first_content_comes_is_on_record() -> None:
    trail = Trail()
    with anyio.CancelScope() as scope:

        class Cancelling(Waiting):
            async def _chunks(self) -> AsyncIterator[Chunk]:
                await anyio.lowlevel.checkpoint()
                scope.cancel()
                yield TextChunk("Hello ")
                yield FinishChunk("stop")

        async with gateway_of(Cancelling()).stream(ASK, trail=trail):
            raise AssertionError("it was cancelled before")
    assert scope.cancelled_caught
    assert [(one.model, one.outcome, one.received) for one in trail.records] == [("a/m", "cancelled", 0)]


@pytest.mark.parametrize("action", ["aclose", "anext"])
async def test_a_second_task_is_told_what_to_do_instead_and_the_reader_goes_on(action: str) -> None:
    adapter, texts = Waiting(), []
    async with gateway_of(adapter).stream(ASK) as stream, anyio.create_task_group() as group:

        async def reading() -> None:
            texts.append(await read(stream))

        group.start_soon(reading)
        await adapter.waits.wait()
        with pytest.raises(RuntimeError, match="cancel that task"):
            await (stream.aclose() if action == "aclose" else anext(stream))
        adapter.go.set()
    assert texts == ["Hello world"]
    assert stream.response.text == "Hello world"


async def test_a_stop_from_another_task_ends_the_reading_by_its_scope() -> None:
    adapter = Waiting()
    stop = anyio.CancelScope()

    async def reading() -> None:
        async with gateway_of(adapter).stream(ASK) as stream:
            with stop:
                await read(stream)
            assert stream.text == "Hello "
            assert [one.outcome for one in stream.attempts] == ["cancelled"]

    async with anyio.create_task_group() as group:
        group.start_soon(reading)
        await adapter.waits.wait()
        stop.cancel()
    assert stop.cancelled_caught
