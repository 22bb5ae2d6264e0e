"""What starting costs: CPU seconds and memory of an import and of `orchestrate --help`, against a bare Python."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

ROUNDS = 5
SUBJECTS = {
    "python -c pass": "pass",
    "import orchestrator": "import orchestrator",
    "from orchestrator import Orchestrator": "from orchestrator import Orchestrator",
    "Orchestrator()": "from orchestrator import Orchestrator; Orchestrator()",
    "orchestrate --help": "from orchestrator.cli import main; main(['--help'])",
    "orchestrate workflow list": "from orchestrator.cli import main; main(['workflow', 'list'])",
}
LIMITS = {
    "import orchestrator": (0.5, 60),
    "from orchestrator import Orchestrator": (0.5, 60),
    "orchestrate --help": (0.4, None),
}
# What wait4 tells of memory includes the parent's pages from before the exec, so the child reports its own.
REPORT = """
import sys
if sys.platform == "linux":
    status = open("/proc/self/status").read()
    peak = int(status.partition("VmHWM:")[2].split()[0])
else:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
print(peak, file=sys.stderr)
"""


@dataclass(frozen=True)
class Cost:
    cpu_s: float
    rss_mb: float


def measure(code: str, *, rounds: int = ROUNDS) -> Cost:
    """The least of `rounds` starts in fresh processes: everything above it is the machine's noise."""
    costs = [_once(code) for _ in range(rounds)]
    return Cost(min(cost.cpu_s for cost in costs), min(cost.rss_mb for cost in costs))


def _once(code: str) -> Cost:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, "-c", code + REPORT], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    told = process.stderr.read().decode()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{code!r} ended with status {process.returncode}:\n{told}")
    return Cost(usage.ru_utime + usage.ru_stime, int(told.split()[-1]) / 1024)


def main() -> None:
    for code in SUBJECTS.values():
        measure(code, rounds=1)  # writes the bytecode caches
    bare = measure(SUBJECTS["python -c pass"])
    print(f"{'start':<40} {'CPU s':>7} {'ratio':>6} {'MB':>6}  limit")
    for name, code in SUBJECTS.items():
        cost = bare if name == "python -c pass" else measure(code)
        cpu, memory = LIMITS.get(name, (None, None))
        limit = " ".join(part for part in (f"{cpu} s" if cpu else "", f"{memory} MB" if memory else "") if part)
        print(f"{name:<40} {cost.cpu_s:>7.3f} {cost.cpu_s / bare.cpu_s:>6.1f} {cost.rss_mb:>6.0f}  {limit}")


if __name__ == "__main__":
    main()
