"""Load on a gateway: so many calls at once, or so many a second, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from benchmarks.bar import progress
from unified_api.errors import GatewayError
from unified_api.types import Attempt, Response

__all__ = ["Done", "Load", "at_once", "steady"]

Ask = Callable[[int], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Done:
    """One call; times are seconds since the load began."""

    began: float
    seconds: float
    tries: tuple[Attempt, ...]
    error: str | None = None
    """The code of the error it ended in; None for an answer."""


@dataclass(slots=True)
class Load:
    """All calls of one load."""

    calls: list[Done] = field(default_factory=list)

    @property
    def success(self) -> float:
        """Percent of the calls."""
        return 100 * sum(call.error is None for call in self.calls) / max(1, len(self.calls))

    @property
    def tries(self) -> float:
        """Attempts a call."""
        return sum(len(call.tries) for call in self.calls) / max(1, len(self.calls))

    def between(self, since: float, until: float) -> Load:
        """The calls that began in that time."""
        return Load([call for call in self.calls if since <= call.began < until])


async def at_once(ask: Ask, calls: int, concurrency: int, *, what: str = "calls") -> Load:
    """`calls` calls, `concurrency` of them in flight."""
    load, left, tell, start = Load(), iter(range(calls)), progress(what, calls), time.perf_counter()

    async def work() -> None:
        for number in left:
            load.calls.append(await _one(ask, number, start))
            tell(len(load.calls))

    async with anyio.create_task_group() as group:
        for _ in range(concurrency):
            group.start_soon(work)
    return load


async def steady(ask: Ask, per_second: float, seconds: float, *, what: str = "calls") -> Load:
    """`per_second` calls begin in each second, whatever becomes of those before."""
    calls = int(per_second * seconds)
    load, tell, start = Load(), progress(what, calls), time.perf_counter()

    async def work(number: int) -> None:
        load.calls.append(await _one(ask, number, start))
        tell(len(load.calls))

    async with anyio.create_task_group() as group:
        for number in range(calls):
            await anyio.sleep(max(0.0, start + number / per_second - time.perf_counter()))
            group.start_soon(work, number)
    return load


async def _one(ask: Ask, number: int, start: float) -> Done:
    began = time.perf_counter()
    try:
        told, error = (await ask(number)).attempts, None
    except GatewayError as failure:
        told, error = failure.attempts, failure.code
    tries = tuple(one for one in told if one.number)
    return Done(began - start, time.perf_counter() - began, tries, error)
