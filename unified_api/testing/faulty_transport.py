"""A network that fails on purpose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import chain, cycle
from math import inf
from typing import Self

import anyio.lowlevel
import httpx

from unified_api.clock import Clock
from unified_api.errors import ConfigurationError
from unified_api.testing.http_answer import ByForm, Fault, HttpAnswer, Play, played
from unified_api.testing.manual_clock import ManualClock

__all__ = ["FaultyTransport"]


class FaultyTransport(httpx.AsyncBaseTransport):
    """Stands in for the network: `Gateway(settings, backend=FaultyTransport(...))`.

    Args:
        script: one fault a request, such as those of `faults`, an HttpAnswer, an exception to raise or a function of
            the request; the last one answers all further requests. Or one function of the request for all.
        clock: what silence goes by; take the gateway's own ManualClock, so that no time passes.

    """

    def __init__(self, script: Sequence[Fault] | Callable[[httpx.Request], Play | ByForm], *, clock: Clock) -> None:
        self._script = script
        self._clock = clock
        self.requests: list[httpx.Request] = []
        self.open = 0
        """Answers that have been begun and not yet been closed."""

    @classmethod
    def by_host(cls, scripts: Mapping[str, Sequence[Fault]], *, clock: Clock) -> Self:
        """A script for each host, such as `{"api.openai.com": [faults.reset()]}`; another host is a dead address."""
        counts = dict.fromkeys(scripts, 0)

        def answer(request: httpx.Request) -> Play:
            script = scripts.get(request.url.host)
            if not script:
                return httpx.ConnectError(f"no script names the host {request.url.host!r}")
            counts[request.url.host] += 1
            return played(script[min(counts[request.url.host], len(script)) - 1], request)

        return cls(answer, clock=clock)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await anyio.lowlevel.checkpoint()
        play = played(self._next(), request)
        if isinstance(play, Exception):
            raise play
        if play.wait_s:
            await _silence(self._clock, play.wait_s)
        self.open += 1
        return httpx.Response(play.status, headers=dict(play.headers), stream=_Body(self, play, self._clock))

    def _next(self) -> Fault:
        if callable(self._script):
            return self._script
        if not self._script:
            raise ConfigurationError("the script of this FaultyTransport is empty, and it was asked for an answer")
        return self._script[min(len(self.requests), len(self._script)) - 1]


class _Body(httpx.AsyncByteStream):
    def __init__(self, owner: FaultyTransport, answer: HttpAnswer, clock: Clock) -> None:
        self._owner = owner
        self._answer = answer
        self._clock = clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number, piece in enumerate(_pieces(self._answer)):
            if isinstance(piece, int | float):
                await _silence(self._clock, piece)
                continue
            if number and self._answer.pause_s:
                await _silence(self._clock, self._answer.pause_s)
            await anyio.lowlevel.checkpoint()
            yield piece
        if self._answer.cut:
            raise httpx.ReadError("the connection broke")

    async def aclose(self) -> None:
        self._owner.open -= 1


def _pieces(answer: HttpAnswer) -> Iterator[bytes | float]:
    return chain(answer.pieces, cycle(answer.repeat))


async def _silence(clock: Clock, seconds: float) -> None:
    if seconds == inf and isinstance(clock, ManualClock):
        seconds = 1e9
    await clock.sleep(seconds)
