"""Kills a program at every boundary of its journal, and counts what the one that goes on pays for twice."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bar import at_most, equal, figure, percentile, progress

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.append(str(TESTS))  # behind the packages: tests/ has folders of the same names

from crashing import BOUNDARIES, STEPS, Crash, crashes, seconds_to_go_on  # noqa: E402  # the line above finds it

__all__ = ["main"]


def main() -> None:
    """Every crash point of a run of 40 calls with a fan-out, nested lists, rounds and a branch."""
    found = _found()
    whole, died = found[0], found[1:]
    seconds = [one.seconds for one in died if one.seconds is not None]
    figure("programs killed, of which each was taken up by another", f"{sum(one.died for one in died)} of {len(died)}")
    good = [
        equal("runs that ended with the same outputs", sum(_same(one, whole) for one in died), len(died)),
        equal("different calls in each run", {one.asked for one in died}, {STEPS}),
        equal("recorded steps paid again", sum(one.again for one in died), 0),
        equal("runs with more calls made twice than were under way", sum(one.twice > one.cut_off for one in died), 0),
        at_most("calls made twice in one run", max(one.twice for one in died), 8, digits=0),
    ]
    figure("calls made twice, all runs together", f"{sum(one.twice for one in died)} of {len(died) * STEPS:,}")
    told = " / ".join(f"{percentile(seconds, share) * 1000:,.0f}" for share in (0.5, 0.95))
    figure("restart to first new step, p50 / p95 (ms, without Python's imports)", told)
    with TemporaryDirectory() as folder:
        figure(
            "the same for `orchestrate resume` from its start, imports included (s)",
            f"{seconds_to_go_on(Path(folder)):.2f}",
        )
    if not all(good):
        raise SystemExit(1)


def _found() -> list[Crash]:
    tell = progress("crash points", BOUNDARIES)
    found: list[Crash] = []
    with TemporaryDirectory() as folder:
        for one in crashes(Path(folder), range(BOUNDARIES + 1), at_once=40):
            found.append(one)
            tell(one.point)
    return found


def _same(one: Crash, whole: Crash) -> bool:
    return one.status == "succeeded" and one.outputs == whole.outputs


if __name__ == "__main__":
    main()
