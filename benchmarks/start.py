"""What starting costs: CPU seconds and memory of an import and of `orchestrate --help`, against a bare Python."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

ROUNDS = 5
SUBJECTS = {
    "python -c pass": ["-c", "pass"],
    "import orchestrator": ["-c", "import orchestrator"],
    "from orchestrator import Orchestrator": ["-c", "from orchestrator import Orchestrator"],
    "orchestrate --help": ["-m", "orchestrator", "--help"],
    "orchestrate --version": ["-m", "orchestrator", "--version"],
}
LIMITS = {
    "import orchestrator": (0.5, 60),
    "from orchestrator import Orchestrator": (0.5, 60),
    "orchestrate --help": (0.4, None),
}


@dataclass(frozen=True)
class Cost:
    cpu_s: float
    rss_mb: float


def measure(arguments: list[str], *, rounds: int = ROUNDS) -> Cost:
    """The least of `rounds` starts in fresh processes: everything above it is the machine's noise."""
    costs = [_once(arguments) for _ in range(rounds)]
    return Cost(min(cost.cpu_s for cost in costs), min(cost.rss_mb for cost in costs))


def _once(arguments: list[str]) -> Cost:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with status {process.returncode}")
    kilobytes = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss / 1024
    return Cost(usage.ru_utime + usage.ru_stime, kilobytes / 1024)


def main() -> None:
    measure(SUBJECTS["orchestrate --help"], rounds=1)  # writes the bytecode caches
    bare = measure(SUBJECTS["python -c pass"])
    print(f"{'start':<40} {'CPU s':>7} {'ratio':>6} {'MB':>6}  limit")
    for name, arguments in SUBJECTS.items():
        cost = bare if name == "python -c pass" else measure(arguments)
        cpu, memory = LIMITS.get(name, (None, None))
        limit = " ".join(part for part in (f"{cpu} s" if cpu else "", f"{memory} MB" if memory else "") if part)
        print(f"{name:<40} {cost.cpu_s:>7.3f} {cost.cpu_s / bare.cpu_s:>6.1f} {cost.rss_mb:>6.0f}  {limit}")


if __name__ == "__main__":
    main()
