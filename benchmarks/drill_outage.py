"""Drill 1: a route of two providers, one of which fails 30 % of its requests, or all of them for a minute."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial

import anyio

from benchmarks.bar import at_least, at_most, figure, percentile
from benchmarks.faulty_server import FaultyServer, faulty_server
from benchmarks.load import Load, at_once, steady
from benchmarks.served import NO_BREAKER, ask, gateway
from unified_api.settings.breaker import BreakerSettings
from unified_api.types import Policy, Response

__all__ = ["main"]

DELAY_S = 0.005
"""How long a good answer takes."""
CONCURRENCY = 64
_OPENING_S = 2.0
"""What a call needs a second try for later than this is no longer the breaker's opening."""
AT_RANDOM = [(0.1, "server_error", {"status": 503}), (0.1, "server_error", {"status": 500}), (0.1, "reset", {})]


async def _at_random(server: FaultyServer, calls: int, breaker: BreakerSettings, how: str) -> bool:
    server.plan("a", faults=AT_RANDOM, delay_s=DELAY_S, seed=1)
    server.plan("b", delay_s=DELAY_S)
    server.plan("c", delay_s=DELAY_S)
    async with gateway(server, "a", "b", breaker=breaker) as made, gateway(server, "c") as calm:

        async def one(_: int) -> Response:
            return await made.chat(ask())

        async def healthy(_: int) -> Response:
            return await calm.chat(ask())

        # Before, so that both find warm connections and caches.
        await at_once(one, 2 * CONCURRENCY, CONCURRENCY)
        usual = await at_once(healthy, max(calls // 10, 256), CONCURRENCY)
        load = await at_once(one, calls, CONCURRENCY, what="calls while one provider fails 30 %")
    print(f"one provider fails 30 % of {calls:,} calls at random, {CONCURRENCY} at once, {how}", flush=True)
    met = at_least("calls that succeed", load.success, 99.95, unit=" %", digits=3)
    met &= at_most("attempts a call", load.tries, 1.4, digits=3)
    _added("time that the failures add", load, usual)
    return met


async def _outage(server: FaultyServer, seconds: float, per_second: float) -> bool:
    server.plan("a", delay_s=DELAY_S)
    server.plan("b", delay_s=DELAY_S)
    server.plan("c", delay_s=DELAY_S)
    before = seconds / 12
    async with gateway(server, "a", "b") as made, gateway(server, "c") as calm, anyio.create_task_group() as group:

        async def one(_: int) -> Response:
            return await made.chat(ask(), Policy(deadline_s=30))

        async def healthy(_: int) -> Response:
            return await calm.chat(ask())

        async def break_down() -> None:
            await anyio.sleep(before)
            server.plan("a", faults=[(1.0, "reset", {})], for_s=seconds, delay_s=DELAY_S)

        usual = await steady(healthy, per_second, before)
        group.start_soon(break_down)
        load = await steady(one, per_second, seconds + 2 * before, what="calls around an outage")
    print(
        f"one provider is out for {seconds:g} s, {per_second:g} calls a second, {len(load.calls):,} calls", flush=True
    )
    late = [call.began for call in load.between(before, before + _OPENING_S).calls if len(call.tries) > 1]
    opened = max(late, default=before)
    after = Load([call for call in load.between(before, before + seconds).calls if call.began > opened])
    met = at_least("calls that succeed", load.success, 99.95, unit=" %", digits=3)
    met &= at_most("seconds until the breaker is open", opened - before, 1.0, digits=2)
    met &= at_most("attempts a call while it is open", after.tries, 1.02, digits=4)
    figure("calls that were tried twice until it opened", f"{len(late)}")
    _added("time that the outage adds", load.between(before, before + seconds), usual)
    _by_time(load, before)
    return met


def _added(what: str, load: Load, usual: Load) -> None:
    """Beyond what a call of a healthy provider takes."""
    median = percentile([call.seconds for call in usual.calls], 0.5)
    added = [max(0.0, call.seconds - median) * 1000 for call in load.calls]
    figure(what, ", ".join(f"p{share * 100:g} {percentile(added, share):.1f} ms" for share in (0.5, 0.9, 0.99)))
    figure("a call of a healthy provider", f"{median * 1000:.1f} ms at p50")
    errors = Counter(call.error for call in load.calls if call.error)
    if errors:
        figure("errors", str(dict(errors)))


def _by_time(load: Load, step: float) -> None:
    steps = range(int(max(call.began for call in load.calls) / step) + 1)
    told = [f"{load.between(one * step, (one + 1) * step).tries:.2f}" for one in steps]
    figure(f"attempts a call, each {step:g} s", " ".join(told))


async def _drill(*, quick: bool) -> bool:
    with faulty_server() as server:
        calls = 300 if quick else 20_000
        met = await _at_random(server, calls, NO_BREAKER, "and no breaker ever opens")
        met &= await _at_random(server, calls, BreakerSettings(), "with the usual breaker")
        return await _outage(server, 1.2 if quick else 60, 200 if quick else 333) and met


def main(*, quick: bool = False) -> bool:
    """Whether all bars are met."""
    return anyio.run(partial(_drill, quick=quick))


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
