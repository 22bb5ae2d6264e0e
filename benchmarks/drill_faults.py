"""Drill 2: every fault, whole and streamed, alone and with a healthy provider behind; randomly cut streams."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path

import anyio

from benchmarks.bar import equal, figure, progress
from benchmarks.faulty_server import FaultyServer, faulty_server
from benchmarks.served import MAIN, NO_BREAKER, ask, gateway
from unified_api.errors import GatewayError
from unified_api.gateway import Gateway
from unified_api.types import Policy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fault_outcomes import Case, cases, meet, timeouts  # the table that the tests go by, too

__all__ = ["main"]

UNIT_S = 0.6
"""What a silence may last."""
FORMS = {
    "whole": {"stream": False, "routed": False},
    "whole, healthy one behind": {"stream": False, "routed": True},
    "streamed": {"stream": True, "routed": False},
    "streamed, healthy one behind": {"stream": True, "routed": True},
    "streamed for a step, healthy one behind": {"stream": True, "routed": True, "step": True},
}
AT_ONCE = 24
CUT_AT_ONCE = 100


async def _every_fault(server: FaultyServer) -> bool:
    table = cases(UNIT_S)
    wrong: list[str] = []
    told, done, tell = count(), count(1), progress("faults", len(table) * len(FORMS))
    limit = anyio.Semaphore(AT_ONCE)
    server.plan("b", words=0)

    async def play(case: Case, form: str, options: dict[str, bool]) -> None:
        async with limit:
            name = f"a{next(told)}"
            server.plan(name, faults=[(1.0, case.fault, dict(case.arguments))])
            async with gateway(server, "a", "b", at={"a": name}, timeouts=timeouts(UNIT_S)) as made:
                met = await meet(made, **options)
            wrong.extend(f"{case.name}, {form}: {what}" for what in met.against(case.expected(**options)))
            tell(next(done))

    async with anyio.create_task_group() as group:
        for case in table:
            for form, options in FORMS.items():
                group.start_soon(play, case, form, options)
    for what in wrong:
        figure("not as the table says", what)
    print(f"{len(table)} faults in {len(FORMS)} forms, limits of {UNIT_S:g} s", flush=True)
    return equal("outcomes that are not the table's", len(wrong), 0)


async def _cut_streams(server: FaultyServer, streams: int) -> bool:
    server.reset()
    server.plan("cut", faults=[(1.0, "random_cut", {})], seed=2)
    ended: Counter[str] = Counter()
    left, tell = iter(range(streams)), progress("cut streams", streams)

    async def work(made: Gateway) -> None:
        for _ in left:
            try:
                async with made.stream(ask("cut/m"), Policy(max_attempts=1)) as chunks:
                    async for _ in chunks:
                        pass
                ended["reported as a success"] += 1
            except GatewayError as error:
                ended[error.code] += 1
            tell(ended.total())

    async with gateway(server, "cut", breaker=NO_BREAKER) as made, anyio.create_task_group() as group:
        for _ in range(CUT_AT_ONCE):
            group.start_soon(work, made)
    print(f"{streams:,} streams cut at random before their finish: ended, closed or reset", flush=True)
    figure("how they end", ", ".join(f"{code} {number:,}" for code, number in ended.most_common()))
    met = equal("streams that were cut", server.stats("cut").requests, streams)
    return equal("streams reported as a success", ended["reported as a success"], 0) and met


async def _cut_for_steps(server: FaultyServer, streams: int) -> bool:
    """For a program that reads them, with a healthy provider behind: each is whole, and the healthy one's."""
    server.plan("cut", faults=[(1.0, "random_cut", {})], seed=3)
    server.plan("b", words=8)
    whole, other, left = set(), Counter[str](), iter(range(streams))

    async def work(made: Gateway) -> None:
        for _ in left:
            try:
                async with made.stream(ask(MAIN), Policy(reader="step")) as chunks:
                    async for _ in chunks:
                        pass
                whole.add(chunks.response.text)
                other[chunks.response.provider] += 1
            except GatewayError as error:
                other[error.code] += 1

    async with gateway(server, "cut", "b", breaker=NO_BREAKER) as made, anyio.create_task_group() as group:
        for _ in range(CUT_AT_ONCE):
            group.start_soon(work, made)
    print(f"{streams:,} cut streams for a step, with a healthy provider behind", flush=True)
    met = equal("streams that the healthy one answered", other["b"], streams)
    return equal("texts that they hold", len(whole), 1) and met


async def _drill(*, quick: bool) -> bool:
    with faulty_server() as server:
        met = await _every_fault(server)
        met &= await _cut_streams(server, 500 if quick else 10_000)
        return await _cut_for_steps(server, 100 if quick else 1_000) and met


def main(*, quick: bool = False) -> bool:
    """Whether all bars are met."""
    return anyio.run(partial(_drill, quick=quick))


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
