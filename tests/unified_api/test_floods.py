"""Streams that always have something more, so that nothing ever waits, and readers who take their time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import repeat

import anyio
import pytest
from anyio.abc import TaskGroup

from unified_api import Gateway, Message, Policy, Request
from unified_api.catalog import Catalog
from unified_api.clock import Clock
from unified_api.errors import DeadlineExceededError
from unified_api.models import Model
from unified_api.settings import Settings, Timeouts
from unified_api.streams.batched import Batched
from unified_api.testing import ManualClock
from unified_api.types import Chunk, FinishChunk, TextChunk, Usage, UsageChunk

MODEL = Model(id="a/m", provider="a", name="m", wire="scripted", capabilities=frozenset({"chat", "streaming"}))
ASK = Request(model="a/m", messages=(Message.user("hi"),))
WORD, USAGE = TextChunk("x"), UsageChunk(Usage())
LONG = 20_000
"""Pieces after which a flood has gone unheard."""


Begun = Callable[[], None]
Flood = Callable[[Begun], AsyncIterator[Chunk]]


async def batches(begun: Begun, first: Chunk, *then: Chunk) -> AsyncIterator[Sequence[Chunk]]:
    yield [first]
    begun()
    for more in repeat(then, LONG):
        yield more
    raise AssertionError("nothing ended the flood")


async def one_by_one(begun: Begun, first: Chunk, *then: Chunk) -> AsyncIterator[Chunk]:
    async for batch in batches(begun, first, *then):
        for chunk in batch:
            yield chunk


FLOODS: dict[str, Flood] = {
    "many chunks a piece": lambda begun: Batched(batches(begun, WORD, *[WORD] * 40)),
    "a chunk a piece": lambda begun: Batched(batches(begun, WORD, WORD)),
    "pieces without a chunk": lambda begun: Batched(batches(begun, WORD)),
    "not in pieces": lambda begun: one_by_one(begun, WORD, WORD),
    "never any content": lambda begun: Batched(batches(begun, USAGE, USAGE)),
    "never any content, not in pieces": lambda begun: one_by_one(begun, USAGE, USAGE),
}


class Flooding:
    def __init__(self, flood: Callable[[], AsyncIterator[Chunk]]) -> None:
        self._flood = flood

    @asynccontextmanager
    async def stream(self, model: Model, request: Request, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[Chunk]]:
        del model, request, timeouts
        yield self._flood()

    async def aclose(self) -> None:
        """Nothing to let go of."""


def gateway_of(flood: Callable[[], AsyncIterator[Chunk]], clock: Clock | None = None) -> Gateway:
    settings = Settings()
    catalog = Catalog(settings, rows={}, models=[MODEL])
    return Gateway(settings, adapters={"a": Flooding(flood)}, catalog=catalog, clock=clock)


@pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
async def test_a_cancellation_ends_a_flood(flood: Flood) -> None:
    read = 0
    async with anyio.create_task_group() as group:

        async def stop() -> None:
            group.cancel_scope.cancel()

        async with gateway_of(lambda: flood(lambda: group.start_soon(stop))).stream(ASK) as stream:
            async for _ in stream:
                read += 1
    assert group.cancel_scope.cancelled_caught
    assert read < 1_000


@pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
async def test_the_deadline_ends_a_flood(flood: Flood) -> None:
    clock = ManualClock()

    async def read(group: TaskGroup) -> None:
        gateway = gateway_of(lambda: flood(lambda: group.start_soon(clock.sleep, 2)), clock)
        async with gateway.stream(ASK, Policy(deadline_s=1)) as stream:
            async for _ in stream:
                pass

    async with anyio.create_task_group() as group:
        with pytest.raises(DeadlineExceededError):
            await read(group)


async def test_the_deadline_ends_a_stream_whose_reader_is_slow_though_the_rest_is_there_already() -> None:
    clock, read = ManualClock(), 0

    async def pieces() -> AsyncIterator[Sequence[Chunk]]:
        yield [WORD] * 200
        yield [FinishChunk("stop")]

    async def read_slowly() -> None:
        nonlocal read
        async with gateway_of(lambda: Batched(pieces()), clock).stream(ASK, Policy(deadline_s=3)) as stream:
            async for _ in stream:
                read += 1
                clock.advance(0.1)

    with pytest.raises(DeadlineExceededError, match="passed while a/m was answering"):
        await read_slowly()
    assert 29 <= read <= 31
