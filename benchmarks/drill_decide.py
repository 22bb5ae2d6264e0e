"""Drill 7: the time to decide among 20 candidates, and from an attempt's error to the next one's first byte."""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import anyio
import httpx

from benchmarks.bar import at_least, at_most, figure, percentile
from benchmarks.faulty_server import faulty_server
from benchmarks.load import Load, steady
from benchmarks.served import NO_BREAKER, ask, gateway
from unified_api.clock import MonotonicClock
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.testing import ByForm, FaultyTransport, faults
from unified_api.types import Policy, Response
from unified_api.types.policy import Caller

__all__ = ["main"]

CANDIDATES = 20
DECIDED_MS = 1.0
ONWARD_MS = 5.0
_CALLER = Policy(caller=Caller(user="u", run="r", tags=frozenset({"drill"})), sensitivity="internal")

_GOOD = faults.answer()


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


async def _selected(address: str, folder: Path, calls: int) -> bool:
    """The filters and the ranking alone, as the inmost handler makes them."""
    async with Gateway(_settings(folder, address, budget=False)) as made:
        took = []
        for _ in range(calls):
            started = time.perf_counter()
            made.estimate(ask(), _CALLER)
            took.append((time.perf_counter() - started) * 1000)
    return _told(f"filters, ranking and the worst price of {CANDIDATES} candidates", took)


async def _whole(address: str, folder: Path, calls: int, *, budget: bool) -> bool:
    """From the call to the request's going out: all of the deciding, the fitting and the encoding."""
    sent: list[float] = []
    async with Gateway(_settings(folder, address, budget=budget), backend=_Stamp(sent)) as made:
        took = []
        for _ in range(calls):
            started = time.perf_counter()
            await made.chat(ask(), _CALLER)
            took.append((sent[-1] - started) * 1000)
    return _told("call to request, caps on user and run included" if budget else "call to request, no caps", took)


def _told(what: str, took: list[float]) -> bool:
    took = took[len(took) // 20 :]  # the first ones fill caches
    figure(what, f"p50 {percentile(took, 0.5):.3f} ms, p90 {percentile(took, 0.9):.3f} ms")
    return at_most(f"{what}, p99", percentile(took, 0.99), DECIDED_MS, unit=" ms", digits=3)


class _Stamp(FaultyTransport):
    """Answers well, and notes when it was asked."""

    def __init__(self, sent: list[float]) -> None:
        super().__init__(self._answer, clock=MonotonicClock())
        self._sent = sent

    def _answer(self, request: httpx.Request) -> ByForm:
        del request
        self._sent.append(time.perf_counter())
        self.requests.clear()
        return _GOOD


async def _onward(calls: int, per_second: float) -> bool:
    """Server-side: from the last byte of an error answer to the first byte of the next attempt's request."""
    with faulty_server() as server:
        server.plan("a", faults=[(1.0, "server_error", {"status": 503})])
        server.plan("b")
        async with gateway(server, "a", "b", breaker=NO_BREAKER) as made:

            async def one(number: int) -> Response:
                return await made.chat(ask(user=f"call-{number}"))

            await steady(one, per_second, 0.5)
            server.reset()
            load: Load = await steady(one, per_second, calls / per_second, what="failing calls")
        failed = {one.call: one.answered for one in server.seen() if one.provider == "a"}
        onward = [(one.came - failed[one.call]) * 1000 for one in server.seen() if one.provider == "b"]
    print(f"from an error to the next attempt's first byte, {calls:,} calls, {per_second:g} a second", flush=True)
    figure("server-side", f"p50 {percentile(onward, 0.5):.2f} ms, p90 {percentile(onward, 0.9):.2f} ms")
    met = at_most("p99", percentile(onward, 0.99), ONWARD_MS, unit=" ms")
    met &= at_least("failovers seen", len(onward), calls, digits=0)
    return at_least("calls that succeed", load.success, 100, unit=" %") and met


async def _drill(*, quick: bool) -> bool:
    calls = 500 if quick else 5_000
    address = "http://127.0.0.1:9/v1"
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        met = await _selected(address, Path(one), calls)
        met &= await _whole(address, Path(one), calls, budget=False)
        met &= await _whole(address, Path(other), calls, budget=True)
    return await _onward(200 if quick else 4_000, 200) and met


def main(*, quick: bool = False) -> bool:
    """Whether all bars are met."""
    return anyio.run(partial(_drill, quick=quick))


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
