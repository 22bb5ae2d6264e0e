"""The engine beside LangGraph with its SQLite saver and DBOS alone: the same DAGs, durable in all of them, in one run.

Peers join when the environment variable `BENCH_PEERS` names a folder with `langgraph` or `dbos` in it:

    pip install --target peers/langgraph langgraph langgraph-checkpoint-sqlite
    pip install --target peers/dbos dbos
    BENCH_PEERS=peers python -m benchmarks beside

Each engine is a process of its own with a database of its own in one folder, and they take turns.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bar import at_least, figure

RUNS, ROUNDS = 10, 5
PEERS = ("langgraph", "dbos")
_ROOT = Path(__file__).resolve().parents[1]


def layered(count: int, *, width: int, seed: int) -> list[list[int]]:
    """Each step has one to three parents in the layer before its own."""
    source = random.Random(seed)
    return [
        sorted({step - step % width - 1 - source.randrange(width) for _ in range(source.randint(1, 3))})
        if step >= width
        else []
        for step in range(count)
    ]


DAGS: dict[str, list[list[int]]] = {
    "chain of 20": [[step - 1] if step else [] for step in range(20)],
    "fan-out of 40": [[], *[[0]] * 40, list(range(1, 41))],
    "layers, 40 steps": layered(40, width=5, seed=1),
}


class _Engine:
    """A worker in its parent's hands."""

    def __init__(self, name: str, folder: Path, stack: ExitStack) -> None:
        self.name = name
        peers = os.environ.get("BENCH_PEERS")
        own = [str(Path(peers) / name)] if peers and name != "ours" else []
        path = os.pathsep.join([*own, str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._child = stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(_ROOT / "benchmarks" / "_beside_worker.py"), name, str(folder)],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        stack.callback(self._child.stdin.close)  # type: ignore[union-attr]  # it is a pipe
        self._read()

    def took(self, parents: list[list[int]], seconds: float, runs: int) -> list[float]:
        """Seconds of each run."""
        print(json.dumps({"parents": parents, "seconds": seconds, "runs": runs}), file=self._child.stdin, flush=True)
        found: list[float] = self._read()["took"]
        return found

    def _read(self) -> dict[str, Any]:
        while line := self._child.stdout.readline():  # type: ignore[union-attr]  # it is a pipe
            if line.startswith("{"):
                told: dict[str, Any] = json.loads(line)
                return told
        raise SystemExit(f"the process of {self.name} ended")


def _present() -> list[str]:
    peers = os.environ.get("BENCH_PEERS")
    found = [
        name
        for name in PEERS
        if (peers and (Path(peers) / name).is_dir()) or importlib.util.find_spec(name) is not None
    ]
    if missing := [name for name in PEERS if name not in found]:
        print(f"not measured: {', '.join(missing)}; BENCH_PEERS names a folder with them in it (benchmarks/beside.py)")
    return ["ours", *found]


def _measured(engines: list[_Engine], parents: list[list[int]], seconds: float) -> dict[str, list[float]]:
    for engine in engines:
        engine.took(parents, seconds, 3)  # what happens once is nobody's cost per step
    took: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for number in range(ROUNDS):
        for engine in random.Random(number).sample(engines, len(engines)):
            took[engine.name] += engine.took(parents, seconds, RUNS)
    return took


def main() -> bool:
    met = True
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        engines = [_Engine(name, Path(folder), stack) for name in _present()]
        for what, parents in DAGS.items():
            for seconds in (0.0, 0.005):
                took = _measured(engines, parents, seconds)
                own = median(took["ours"])
                print(
                    f"{what}, {seconds * 1e3:.0f} ms each: a durable step, median of {RUNS * ROUNDS} runs", flush=True
                )
                for name, values in sorted(took.items(), key=lambda one: median(one[1])):
                    middle, low = median(values) / len(parents) * 1e3, min(values) / len(parents) * 1e3
                    figure(name, f"{middle:.3f} ms, at best {low:.3f}")
                    if name != "ours":
                        met &= at_least(f"{name} / ours", median(values) / own, 1.0, unit=" times")
    return met


if __name__ == "__main__":
    sys.exit(not main())
