"""Random workflows with canaries over models of different clearances: none may reach one that is not cleared for it,
and the proof before the run has to agree with the run.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio

from benchmarks.bar import at_least, equal, figure, progress

TESTS = Path(__file__).resolve().parents[1] / "tests"
WORKFLOWS = 10_000


async def _run(total: int) -> bool:
    sys.path.append(str(TESTS))  # behind the packages: tests/ has folders of the same names
    from labelled_workflows import Seen, ran

    tell, seen, broken = progress("workflows", total), Seen(), Seen()
    for seed in range(total):
        await ran(seed, seen, declassify=seed % 3 == 0)
        tell(seed + 1)
    for seed in range(total // 50):
        await ran(seed, broken, broken=True)
    for told in (*seen.leaks, *seen.disagreements)[:20]:
        print(f"         {told}")
    figure("runs", ", ".join(f"{name} {number:,}" for name, number in seen.counts.most_common()))
    met = equal("canaries that reached an uncleared provider", len(seen.leaks), 0)
    met &= equal("paths on which run and proof disagree", len(seen.disagreements), 0)
    return met & at_least("leaks seen where every provider is believed", len(broken.leaks), 1, digits=0)


def main(*, quick: bool = False) -> bool:
    began = time.perf_counter()
    met = anyio.run(_run, 500 if quick else WORKFLOWS)
    figure("seconds", f"{time.perf_counter() - began:.1f}")
    return met


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
