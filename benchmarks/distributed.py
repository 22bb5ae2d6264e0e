"""Kills workers at random while they execute runs together, and counts what is paid twice."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from benchmarks.bar import at_least, at_most, equal, figure, percentile, progress

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.append(str(TESTS))  # behind the packages: tests/ has folders of the same names

from machines import STEPS, Kill, Workers, killed, started  # noqa: E402  # the line above finds it
from postgres import Unavailable  # noqa: E402

from executors.distributed.executor import DistributedExecutor  # noqa: E402
from workflows.model import Workflow  # noqa: E402

__all__ = ["main"]

KILLS, STOPS, SEED = 50, 5, 20261122
LIMIT, WIDE = 10, 200
TAKEN_S = 5.0


def main(arguments: Sequence[str] = ()) -> None:
    """50 times kill -9, 5 times SIGSTOP, and a map under the global limit; `--quick` a tenth of it."""
    share = 10 if "--quick" in arguments else 1
    try:
        met = anyio.run(_all, max(1, KILLS // share), max(1, STOPS // share))
    except Unavailable as error:
        figure("left out", str(error))
        return
    if not met:
        raise SystemExit(1)


async def _all(kills: int, stops: int) -> bool:
    with TemporaryDirectory() as folder, started(Path(folder)) as workers:
        async with DistributedExecutor(workers.where.settings) as executor:
            good = await _wide(executor, workers)
            chance = random.Random(SEED)  # which worker dies when
            dead = await _signals(executor, workers, chance, kills, how=signal.SIGKILL)
            good &= _told("kill -9", dead)
            still = await _signals(executor, workers, chance, stops, how=signal.SIGSTOP)
            return _told("SIGSTOP", still) and good


async def _wide(executor: DistributedExecutor, workers: Workers) -> bool:
    """One run on both workers, under the global limit."""
    while len(await executor.workers()) < len(workers.programs):  # noqa: ASYNC110  # other programs do it
        await anyio.sleep(0.05)
    steps = [{"id": "ask", "kind": "llm", "model": "box/scripted", "prompt": "{{ item }} {{ item }}"}]
    each = {"id": "each", "kind": "map", "over": list(range(WIDE)), "steps": steps}
    wide = Workflow.model_validate({"workflow": "1", "name": "wide", "policy": {"max_parallel": 50}, "steps": [each]})
    workers.model.forget()
    run_id = await executor.start(wide, {})
    shares = set()
    with anyio.fail_after(120):
        while len(workers.model.asked) < WIDE // 2:
            shares |= {row[0] for row in workers.ask("SELECT DISTINCT worker FROM machine_steps WHERE worker <> ''")}
            await anyio.sleep(0.1)
        result = await executor.result(run_id, wide)
    figure(f"a map over {WIDE} calls of 50 ms under a limit of {LIMIT} (s)", f"{result.seconds:.2f}")
    return all(
        [
            equal("workers that executed steps of it", len(shares), 2),
            at_most("calls in flight at one time", workers.model.most, LIMIT, digits=0),
            at_least("calls made", len(workers.model.asked), WIDE, digits=0),
        ]
    )


async def _signals(
    executor: DistributedExecutor, workers: Workers, chance: random.Random, times: int, *, how: signal.Signals
) -> list[Kill]:
    tell, found = progress(how.name, times), []
    for number in range(times):
        after, victim = chance.randrange(1, STEPS), chance.randrange(2)
        found.append(await killed(executor, workers, after=after, victim=victim, how=how))
        tell(number)
    return found


def _told(what: str, found: Sequence[Kill]) -> bool:
    outputs = {str(one.outputs) for one in found if one.status == "succeeded"}
    taken = [one.taken_s for one in found if one.taken_s is not None]
    figure(f"{what}: runs, of which the worker that led it was met", f"{len(found)}, {sum(one.led for one in found)}")
    figure(f"{what}: calls made twice, of those under way", f"{sum(one.twice for one in found)} of {_sum_open(found)}")
    new = [one.next_s for one in found]
    figure(f"{what}: to the next new call, p50 / p95 / most (s)", _spread(new))
    figure(f"{what}: to the first call taken over, p50 / p95 / most (s)", _spread(taken))
    return all(
        [
            equal(
                f"{what}: runs that succeeded with the same outputs", (_succeeded(found), len(outputs)), (len(found), 1)
            ),
            equal(f"{what}: recorded steps paid again", sum(one.again for one in found), 0),
            equal(f"{what}: runs with more calls made twice than were under way", _over(found), 0),
            at_most(f"{what}: longest until work was taken over", max([*taken, *new], default=0.0), TAKEN_S, unit=" s"),
        ]
    )


def _sum_open(found: Sequence[Kill]) -> int:
    return sum(one.open for one in found)


def _succeeded(found: Sequence[Kill]) -> int:
    return sum(one.status == "succeeded" for one in found)


def _over(found: Sequence[Kill]) -> int:
    return sum(one.twice > one.open for one in found)


def _spread(seconds: Sequence[float]) -> str:
    return " / ".join(f"{percentile(seconds, share):.2f}" for share in (0.5, 0.95, 1.0))


if __name__ == "__main__":
    main(sys.argv[1:])
