"""What the journal costs a step: 1,000 runs of 20 steps at once, one run of 10,000, and how the file grows."""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

from benchmarks.bar import at_most, figure
from executors.events import RunFinished, RunStarted, StepFinished, StepStarted
from executors.journal.entries import Intent, Recorded
from executors.journal.store import SqlJournal
from unified_api.types import Attempt, Caller, Usage
from workflows.model import Workflow

RUNS, STEPS = 1_000, 20
LONG = 10_000
GROWTH = (1_000, 10_000, 50_000)
MOST_MS = {"ordinary": 0.5, "full": 3.0}
MOST_UNEVEN = 1.15
"""How much more a step may take in the largest file than in the smallest."""
Durability = Literal["ordinary", "full"]

WORKFLOW = Workflow.model_validate(
    {
        "workflow": "1",
        "name": "twenty",
        "steps": [{"id": f"s{place}", "kind": "llm", "prompt": "Say it.", "model": "p/m"} for place in range(STEPS)],
    }
)
ANSWER = "An answer of some two hundred characters, as a model gives them to a short question. " * 3
USAGE = Usage(input_tokens=120, output_tokens=60)
COST = Decimal("0.000123")
ATTEMPTS = (Attempt(number=1, model="p/m", outcome="succeeded", seconds=0.8, cost_usd=COST),)


async def step(journal: SqlJournal, run_id: str, path: str) -> None:
    """All that a step that asks a model tells the journal."""
    began = datetime.now(UTC)
    key = f"{run_id}-{path}".ljust(64, "0")
    journal(StepStarted(run_id=run_id, at=began, step_id=path, kind="llm"))
    await journal.intend(Intent(run_id=run_id, path=path, kind="llm", key=key, at=began))
    journal.spend(run_id, path, spent=Decimal(0), held=COST)
    ended = datetime.now(UTC)
    told = {"model": "p/m", "provider": "p", "usage": USAGE, "cost_usd": COST, "attempts": ATTEMPTS, "shares": (1,)}
    journal.record(
        Recorded(run_id=run_id, path=path, kind="llm", key=key, at=ended, status="succeeded", output=ANSWER, **told)
    )
    journal(
        StepFinished(
            run_id=run_id, at=ended, step_id=path, kind="llm", status="succeeded", started=began, output=ANSWER, **told
        )
    )


async def one_run(journal: SqlJournal, run_id: str, steps: int) -> None:
    now = datetime.now(UTC)
    await journal.begin(run_id, definition=WORKFLOW, workflows={}, inputs={"q": "why"}, caller=Caller(), at=now)
    journal(RunStarted(run_id=run_id, at=now, workflow="twenty", steps=steps, definition=WORKFLOW, inputs={"q": "why"}))
    for place in range(steps):
        await step(journal, run_id, f"s{place}")
    journal(
        RunFinished(
            run_id=run_id, at=datetime.now(UTC), status="succeeded", outputs={"a": ANSWER}, cost_usd=COST, seconds=1.0
        )
    )


async def many(journal: SqlJournal, runs: int, *, prefix: str = "run") -> None:
    await asyncio.gather(*(one_run(journal, f"{prefix}{number:07d}", STEPS) for number in range(runs)))


def timed(work: Callable[[SqlJournal], Awaitable[None]], address: Path, durability: Durability) -> tuple[float, float]:
    """Seconds of CPU, of every thread, and of wall time."""
    with SqlJournal(address, durability=durability) as journal:
        asyncio.run(one_run(journal, "warm", 2))  # imports and the tables are nobody's cost per step
        cpu, wall = time.process_time(), time.perf_counter()
        asyncio.run(work(journal))
        journal.flush()
        return time.process_time() - cpu, time.perf_counter() - wall


def together(folder: Path) -> bool:
    met = True
    for durability in ("ordinary", "full"):
        cpu, wall = timed(lambda journal: many(journal, RUNS), folder / f"{durability}.sqlite", durability)
        steps = RUNS * STEPS
        met &= at_most(
            f"{RUNS:,} runs of {STEPS} steps at once, {durability}: wall",
            wall / steps * 1e3,
            MOST_MS[durability],
            unit=" ms a step",
            digits=3,
        )
        met &= at_most(
            f"{RUNS:,} runs of {STEPS} steps at once, {durability}: CPU",
            cpu / steps * 1e3,
            MOST_MS[durability],
            unit=" ms a step",
            digits=3,
        )
    figure("the most memory that the program took until then", f"{memory_mb():.0f} MB")
    return met


def alone(folder: Path) -> None:
    for durability in ("ordinary", "full"):
        address = folder / f"long-{durability}.sqlite"
        cpu, wall = timed(lambda journal: one_run(journal, "long", LONG), address, durability)
        # Nobody shares its commits, so each step pays a whole one.
        figure(
            f"one run of {LONG:,} steps, one after the other, {durability}",
            f"{wall / LONG * 1e3:.3f} ms a step, {cpu / LONG * 1e3:.3f} ms of CPU",
        )
        began = time.perf_counter()
        with SqlJournal(address) as journal:
            past = asyncio.run(journal.past("long"))
        figure(
            "read back to go on with",
            f"{len(past.results if past else ()):,} results in {time.perf_counter() - began:.2f} s",
        )


def growth(folder: Path) -> bool:
    address = folder / "growth.sqlite"
    each = []
    with SqlJournal(address) as journal:
        done = 0
        for steps in GROWTH:
            asyncio.run(many(journal, (steps - done) // STEPS, prefix=f"run{steps}-"))
            done = steps
            journal.close()
            each.append(address.stat().st_size / steps)
            figure(f"after {steps:,} steps", f"{each[-1]:,.0f} bytes a step")
    return at_most("bytes a step, the largest file beside the smallest", each[-1] / each[0], MOST_UNEVEN)


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        met = together(Path(folder))
        alone(Path(folder))
        met &= growth(Path(folder))
    if not met:
        raise SystemExit("the journal costs more than it may")


if __name__ == "__main__":
    main()
