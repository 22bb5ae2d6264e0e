"""The drills: what the gateway promises under failure, shown over real sockets on loopback.

`python -m benchmarks.drills [name ...] [--quick]` runs all or some of them and ends with code 1 when a bar is missed.
Each is a module `benchmarks/drill_NAME.py` with `def main(*, quick: bool = False) -> bool`, which prints its figures by
`benchmarks.bar` and says whether all its bars are met. It runs in a child process of its own, so that no drill warms or
slows another, and is ended when it takes longer than it may.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

DRILLS = {
    "outage": "one of two providers failing at random, and in full outage",
    "faults": "every fault, whole and streamed, alone and with a healthy fallback; randomly cut streams",
    "breaker": "one probe only, under 200 concurrent calls",
    "budgets": "concurrent calls against caps, several processes, kill -9",
    "privacy": "canaries and labels over random routes; detection by type",
    "safety": "the local classifier measured; a streamed unsafe answer",
    "decide": "time to decide among 20 candidates, and from an error to the next attempt",
    "speed": "CPU of a call and of a chunk with all layers on",
}
LONGEST_S = {"quick": 60, "full": 900}
"""A drill that takes longer is ended and counts as missed."""
_RUN = "import importlib, sys; sys.exit(not importlib.import_module(sys.argv[1]).main(quick=sys.argv[2] == 'quick'))"


def run(name: str, *, quick: bool) -> bool:
    """Whether the drill met all its bars."""
    size = "quick" if quick else "full"
    print(f"\n== {name}: {DRILLS[name]}" + (" (quick)" if quick else ""), flush=True)
    started = time.monotonic()
    command = [sys.executable, "-c", _RUN, f"benchmarks.drill_{name}", size]
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))}
    try:
        met = subprocess.run(command, check=False, env=environment, timeout=LONGEST_S[size]).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"ended after {LONGEST_S[size]} s, which is longer than a drill may take", flush=True)
        met = False
    print(f"== {name}: {'met' if met else 'MISSED'} in {time.monotonic() - started:.1f} s", flush=True)
    return met


def main(arguments: Sequence[str] = ()) -> None:
    """Run the drills named in `arguments`, by default all. SystemExit with 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description="Run the drills of the gateway.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(DRILLS))
    parser.add_argument("--quick", action="store_true", help="smaller numbers: two minutes for all instead of ten")
    chosen = parser.parse_args(list(arguments))
    unknown = [name for name in chosen.names if name not in DRILLS]
    if unknown:
        parser.error(f"no drill {', '.join(unknown)}; there are {', '.join(DRILLS)}")
    missed = [name for name in chosen.names or DRILLS if not run(name, quick=chosen.quick)]
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nall bars are met", flush=True)
    if missed:
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
