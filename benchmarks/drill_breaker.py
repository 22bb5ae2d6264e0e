"""Drill 3 over sockets: of 200 concurrent calls that meet a breaker as it half-opens, one reaches the provider."""

from __future__ import annotations

import sys
from functools import partial

import anyio

from benchmarks.bar import at_least, equal, figure
from benchmarks.faulty_server import FaultyServer, faulty_server
from benchmarks.load import at_once
from benchmarks.served import ask, gateway
from unified_api.gateway import Gateway
from unified_api.settings.breaker import BreakerSettings
from unified_api.types import Policy, Response

__all__ = ["main"]

CALLS = 200
COOLDOWN_S = 0.4
PROBE_S = 0.4
"""How long the probe takes to be answered."""
_LIMITED = [(1.0, "rate_limited", {})]


async def _opened(server: FaultyServer, made: Gateway) -> bool:
    """Open the breaker of `a`, and wait until it is about to half-open."""
    server.reset()
    server.plan("a", faults=_LIMITED)
    for _ in range(10):
        await made.chat(ask(), Policy(max_attempts=4))
    asked = server.stats("a").requests
    await anyio.sleep(COOLDOWN_S + 0.1)
    server.reset()
    return equal("answers of 429 until the breaker opens", asked, 3)


async def _round(server: FaultyServer, *, probe_fails: bool) -> bool:
    breaker = BreakerSettings(failures=3, cooldown_s=COOLDOWN_S)
    async with gateway(server, "a", "b", breaker=breaker) as made:

        async def one(_: int) -> Response:
            return await made.chat(ask())

        fate = "fails" if probe_fails else "succeeds"
        print(f"{CALLS} calls at once as the breaker half-opens; the probe {fate}", flush=True)
        met = await _opened(server, made)
        server.plan("a", faults=[(1.0, "slow_failure", {"seconds": PROBE_S})] if probe_fails else (), delay_s=PROBE_S)
        load = await at_once(one, CALLS, CALLS)
        met &= equal("requests that reached the provider", server.stats("a").requests, 1)
        met &= at_least("calls that succeed", load.success, 100, unit=" %")
        after = await at_once(one, 20, 20)
        met &= at_least("calls afterwards that succeed", after.success, 100, unit=" %")
        asked = server.stats("a").requests - 1
        return equal("of 20 calls afterwards, to that provider", asked, 0 if probe_fails else 20) and met


async def _alone(server: FaultyServer) -> bool:
    """With nobody else to ask, the calls wait for the probe and go on when it succeeds."""
    breaker = BreakerSettings(failures=3, cooldown_s=COOLDOWN_S)
    print(f"{CALLS} calls at once as the breaker half-opens, and nobody else to ask", flush=True)
    async with gateway(server, "a", "b", breaker=breaker) as made, anyio.create_task_group() as group:
        met = await _opened(server, made)
        server.plan("a", delay_s=PROBE_S)
        early: list[int] = []

        async def look() -> None:
            await anyio.sleep(PROBE_S / 2)
            early.append(server.stats("a").requests)

        async def one(_: int) -> Response:
            return await made.chat(ask("a/m"), Policy(deadline_s=20))

        group.start_soon(look)
        load = await at_once(one, CALLS, CALLS)
        met &= equal("requests while the probe was under way", early[0], 1)
        figure("the last call took", f"{max(call.seconds for call in load.calls):.2f} s; the probe {PROBE_S:g} s")
        return at_least("calls that succeed", load.success, 100, unit=" %") and met


async def _drill(*, quick: bool) -> bool:
    with faulty_server() as server:
        server.plan("b")
        met = await _round(server, probe_fails=False)
        if not quick:
            met &= await _round(server, probe_fails=True)
        return await _alone(server) and met


def main(*, quick: bool = False) -> bool:
    """Whether all bars are met."""
    return anyio.run(partial(_drill, quick=quick))


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
