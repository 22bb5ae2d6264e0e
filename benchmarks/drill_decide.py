"""Drill 7: the time to decide among 20 candidates, and from an attempt's error to the next one's first byte."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import httpx

from benchmarks.bar import at_most, equal, figure, percentile
from benchmarks.faulty_server import Seen, faulty_server
from benchmarks.load import steady
from benchmarks.served import NO_BREAKER, ask, gateway
from unified_api.clock import MonotonicClock
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.testing import ByForm, FaultyTransport, faults
from unified_api.types import Policy, Response
from unified_api.types.policy import Caller

__all__ = ["main"]

CANDIDATES = 20
ROUNDS = 20
"""The quietest of them counts: on a machine with others, all else is their doing."""
DECIDED_MS = 1.0
ONWARD_MS = 5.0
_CALLER = Policy(caller=Caller(user="u", run="r", tags=frozenset({"drill"})), sensitivity="internal")

_GOOD = faults.answer()
_THREADS = Path("/proc/self/task")


def _settings(folder: Path, address: str, *, budget: bool) -> Settings:
    """A route of 20 candidates at 20 providers, by cost, with caps on spending."""
    names = [f"p{number}" for number in range(CANDIDATES)]
    tables = [
        f'[providers.{name}]\nbase_url = "{address}"\nmodels = ["m"]\nclearance = "confidential"\n'
        f"prices = {{ m = {{ input = {1 + number / 10}, output = {2 + number / 10} }} }}\n"
        for number, name in enumerate(names)
    ]
    route = ", ".join(f'"{name}/m"' for name in names)
    tables.append(f'[routes.main]\nmodels = [{route}]\nstrategy = "cost"\n')
    if budget:
        tables.append("[budgets.default]\nper_user_month_usd = 1000\nper_run_usd = 1000\n")
    path = folder / "orchestrator.toml"
    path.write_text("\n".join(tables), "utf-8")
    return Settings.load(path, environ={"ORCHESTRATOR_HOME": str(folder)})


def own_time() -> float:
    """Seconds, without those in which a thread of ours was ready and another program had its processor.

    Linux tells how many; elsewhere they count.
    """
    now, waited = time.perf_counter(), 0
    for thread in _THREADS.glob("*/schedstat"):
        with suppress(OSError):  # it has just ended
            waited += int(thread.read_bytes().split()[1])
    return now - waited / 1e9


async def _selected(address: str, folder: Path, calls: int) -> bool:
    """The filters and the ranking, with the worst price that a budget is asked for."""
    async with Gateway(_settings(folder, address, budget=False)) as made:

        async def one() -> float:
            started = own_time()
            made.estimate(ask(), _CALLER)
            return own_time() - started

        return await _quietest(f"filters, ranking and prices of {CANDIDATES} candidates", one, calls)


async def _whole(address: str, folder: Path, calls: int, *, budget: bool) -> bool:
    """From the call to the request's going out: all of the deciding, the fitting and the encoding."""
    sent: list[float] = []
    async with Gateway(_settings(folder, address, budget=budget), backend=_Stamp(sent)) as made:

        async def one() -> float:
            started = own_time()
            await made.chat(ask(), _CALLER)
            return sent.pop() - started

        what = "call to request, caps on user and run included" if budget else "call to request, no caps"
        return await _quietest(what, one, calls)


async def _quietest(what: str, one: Callable[[], Awaitable[float]], calls: int) -> bool:
    for _ in range(50):
        await one()  # fills caches
    rounds = [[await one() * 1000 for _ in range(calls // ROUNDS)] for _ in range(ROUNDS)]
    return _told(what, rounds, DECIDED_MS)


def _told(what: str, rounds: list[list[float]], limit: float) -> bool:
    highs = sorted(percentile(found, 0.99) for found in rounds)
    middle = percentile([one for found in rounds for one in found], 0.5)
    figure(what, f"p50 {middle:.3f} ms; p99 of the middle round {percentile(highs, 0.5):.2f} ms")
    return at_most(f"{what}, p99 of the quietest of {len(rounds)} rounds", highs[0], limit, unit=" ms", digits=3)


class _Stamp(FaultyTransport):
    """Answers well, and notes when it was asked."""

    def __init__(self, sent: list[float]) -> None:
        super().__init__(self._answer, clock=MonotonicClock())
        self._sent = sent

    def _answer(self, request: httpx.Request) -> ByForm:
        del request
        self._sent.append(own_time())
        self.requests.clear()
        return _GOOD


async def _onward(calls: int, per_second: float) -> bool:
    """Server-side: from the last byte of an error answer to the first byte of the next attempt's request."""
    print(f"from an error to the next attempt's first byte, {calls:,} calls, {per_second:g} a second", flush=True)
    rounds, answered = [], 0
    with faulty_server() as server:
        server.plan("a", faults=[(1.0, "server_error", {"status": 503})])
        server.plan("b")
        async with gateway(server, "a", "b", breaker=NO_BREAKER) as made:

            async def one(number: int) -> Response:
                return await made.chat(ask(user=f"call-{number}"))

            await steady(one, per_second, 0.5)
            for _ in range(ROUNDS):
                server.reset()
                load = await steady(one, per_second, calls / ROUNDS / per_second, what="failing calls")
                answered += sum(call.error is None for call in load.calls)
                rounds.append(_gaps(server.seen()))
    met = _told("from an error to the next attempt", rounds, ONWARD_MS)
    met &= equal("failovers seen", sum(map(len, rounds)), calls)
    return equal("calls that succeed", answered, calls) and met


def _gaps(seen: list[Seen]) -> list[float]:
    failed = {one.call: one.answered for one in seen if one.provider == "a"}
    return [(one.came - failed[one.call]) * 1000 for one in seen if one.provider == "b"]


async def _drill(*, quick: bool) -> bool:
    busy = os.getloadavg()[0]
    slow = ": others slow this down" if busy > 1 else ""
    figure("load of the machine", f"{busy:.1f} on {os.cpu_count()} cores{slow}")
    calls = 2_000 if quick else 6_000
    address = "http://127.0.0.1:9/v1"
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        met = await _selected(address, Path(one), calls)
        met &= await _whole(address, Path(one), calls, budget=False)
        met &= await _whole(address, Path(other), calls, budget=True)
    return await _onward(600 if quick else 2_000, 200) and met


def main(*, quick: bool = False) -> bool:
    """Whether all bars are met."""
    return anyio.run(partial(_drill, quick=quick))


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
