"""Drill 8: the CPU of `Gateway.chat` at 32 concurrent calls and of a chunk of a stream, with all layers on.

Every row is a process of its own on uvloop (where it is installed), and the rows take turns. Peers join when the
environment variable `BENCH_PEERS` names a folder of virtual environments, `openai` and `litellm` in it:

    python -m venv peers/openai && peers/openai/bin/pip install openai uvloop
    python -m venv peers/litellm && peers/litellm/bin/pip install litellm uvloop
    BENCH_PEERS=peers python -m benchmarks.drills speed
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bar import at_most, figure, progress
from benchmarks.faulty_server import FaultyServer, faulty_server

__all__ = ["main"]

AT_ONCE = 32
STREAMS_AT_ONCE = 16
WORDS = 256
CALL_MS = 1.2
CHUNK_US = 25.0
OWN = ("plain", "record", "privacy", "cache", "safety", "budget", "ours")
PEERS = {"openai": "openai", "litellm": "litellm", "litellm.Router": "litellm"}
"""Row -> the virtual environment it needs."""
_NAMES = {"ours": "gateway, all layers", "plain": "gateway, no layer", "httpx": "plain httpx"}


class _Row:
    """A worker in its parent's hands."""

    def __init__(self, name: str, child: subprocess.Popen[str]) -> None:
        self.name = name
        self._child = child

    def cpu(self, base: str, calls: int, at_once: int, *, stream: bool) -> float:
        """Seconds of CPU: of a call, or of a chunk where it is streamed. RuntimeError with what the library raised."""
        asked = {"base": base, "calls": calls, "at_once": at_once, "stream": stream}
        print(json.dumps(asked), file=self._child.stdin, flush=True)
        line = self._child.stdout.readline()
        told: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in told:
            raise RuntimeError(f"{self.name}: {told['error']}")
        return told["cpu_s"] / (told["chunks"] if stream else calls)


@contextmanager
def _started(name: str, python: str) -> Iterator[_Row]:
    root = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths} if name not in PEERS else dict(os.environ)
    with subprocess.Popen(
        [python, str(root / "benchmarks" / "speed_worker.py"), name],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield _Row(name, child)
        finally:
            child.stdin.close()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()


def _pythons() -> dict[str, str]:
    """Row -> the interpreter that runs it."""
    found = dict.fromkeys((*OWN, "httpx"), sys.executable)
    peers = os.environ.get("BENCH_PEERS")
    for name, folder in PEERS.items() if peers else ():
        python = Path(peers or "") / folder / "bin" / "python"
        if python.exists():
            found[name] = str(python)
    if missing := [name for name in PEERS if name not in found]:
        print(f"not measured: {', '.join(missing)}; BENCH_PEERS names a folder of environments (docs/testing.md)")
    return found


def _turns(
    rows: list[_Row], base: str, calls: int, at_once: int, *, rounds: int, stream: bool
) -> dict[str, list[float]]:
    """Every row in every round, in an order that changes."""
    found: dict[str, list[float]] = {row.name: [] for row in rows}
    tell = progress("streams" if stream else "calls", calls * rounds * len(rows))
    for row in rows:
        row.cpu(base, at_once, at_once, stream=stream)
    for number in range(rounds):
        order = random.Random(number).sample(rows, len(rows))
        for row in order:
            found[row.name].append(row.cpu(base, calls, at_once, stream=stream))
            tell(calls * sum(map(len, found.values())))
    return found


def _shown(found: dict[str, list[float]], scale: float, unit: str) -> None:
    ours = median(found["ours"])
    for name, values in sorted(found.items(), key=lambda one: median(one[1])):
        low, high = min(values) * scale, max(values) * scale
        ratio = "" if name == "ours" else f", {median(values) / ours:.2f} times ours"
        figure(_NAMES.get(name, name), f"{median(values) * scale:.2f} {unit} [{low:.2f}-{high:.2f}]{ratio}")


def _drill(server: FaultyServer, *, quick: bool) -> bool:
    server.plan("calls", words=16)
    server.plan("streams", words=WORDS, singly=True)
    rounds = 2 if quick else 5
    with ExitStack() as stack:
        rows = [stack.enter_context(_started(name, python)) for name, python in _pythons().items()]
        calls = _turns(rows, server.url("calls"), 200 if quick else 1_000, AT_ONCE, rounds=rounds, stream=False)
        print(f"CPU of a call, {AT_ONCE} at once", flush=True)
        _shown(calls, 1e3, "ms")
        met = at_most("a call with all layers on", median(calls["ours"]) * 1e3, CALL_MS, unit=" ms")
        streams = _turns(rows, server.url("streams"), 16 if quick else 64, STREAMS_AT_ONCE, rounds=rounds, stream=True)
        print(f"CPU of a chunk, streams of {WORDS} words, {STREAMS_AT_ONCE} at once", flush=True)
        _shown(streams, 1e6, "us")
        return at_most("a chunk with all layers on", median(streams["ours"]) * 1e6, CHUNK_US, unit=" us") and met


def main(*, quick: bool = False) -> bool:
    """Whether all bars are met."""
    with faulty_server() as server:
        return _drill(server, quick=quick)


if __name__ == "__main__":
    sys.exit(not main(quick="--quick" in sys.argv))
