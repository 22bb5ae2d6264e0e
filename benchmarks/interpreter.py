"""Random workflows on the engine, each beside a simple sequential interpreter: any difference is a fault.

Compared are outputs, the status and label of every path, what may fail the run where steps race, how often and in
which order steps start and end, and how many run at one time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio

from benchmarks.bar import equal, figure, progress

TESTS = Path(__file__).resolve().parents[1] / "tests"
WORKFLOWS = 10_000


async def _compare(count: int) -> bool:
    sys.path.append(str(TESTS))  # behind the packages: tests/ has folders of the same names
    from engine_runs import compared
    from random_workflows import made

    tell, wrong, steps = progress("workflows", count), [], 0
    for seed in range(count):
        one = made(seed, labels=seed % 2 == 0)
        steps += str((one.document, one.workflows)).count("'kind': ")
        wrong += [f"seed {seed}: {told}" for told in await compared(one, seed)]
        tell(seed + 1)
    for told in wrong[:20]:
        print(f"         {told}")
    figure("steps in their files", f"{steps:,}")
    return equal(f"differences in {count:,} random workflows", len(wrong), 0)


def main(*, quick: bool = False) -> bool:
    began = time.perf_counter()
    met = anyio.run(_compare, 500 if quick else WORKFLOWS)
    figure("seconds", f"{time.perf_counter() - began:.1f}")
    return met


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
