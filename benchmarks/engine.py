"""What running a no-op step costs, beside a plain asyncio ready queue in the same process; and how close to the
critical path a run with real waits ends.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import engine_plug
from executors.journal.store import SqlJournal
from executors.runner import run as run_workflow
from unified_api.testing import scripted_gateway
from workflows.model import Workflow

STEPS = 10_000
ROUNDS = 5
MOST_CPU_US = 60
MOST_KB = 3.0
MOST_STRETCH = 1.10

Dag = tuple[int, list[list[int]], list[float]]


def random_dag(count: int, *, window: int, seed: int, seconds: tuple[float, float] = (0.0, 0.0)) -> Dag:
    """Each step has one to three parents among the `window` steps before it."""
    rng = random.Random(seed)
    first = max(2, window // 10)
    parents = [
        sorted({rng.randrange(max(0, step - window), step) for _ in range(rng.randint(1, 3))}) if step >= first else []
        for step in range(count)
    ]
    return count, parents, [rng.uniform(*seconds) for _ in range(count)]


async def ready_queue(count: int, parents: list[list[int]]) -> None:
    """The floor: in-degree counters and a task per step, nothing else."""
    children: list[list[int]] = [[] for _ in range(count)]
    for step, above in enumerate(parents):
        for parent in above:
            children[parent].append(step)
    missing = [len(above) for above in parents]
    done, left, tasks = asyncio.Event(), count, set()

    async def work(step: int) -> None:
        nonlocal left
        left -= 1
        for child in children[step]:
            missing[child] -= 1
            if not missing[child]:
                start(child)
        if not left:
            done.set()

    def start(step: int) -> None:
        task = asyncio.get_running_loop().create_task(work(step))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for step, above in enumerate(parents):
        if not above:
            start(step)
    await done.wait()


async def ours(workflow: Workflow, *, on_event: Callable[[object], None] = engine_plug.count, limit: int = 64) -> None:
    result = await run_workflow(
        workflow, {}, gateway=scripted_gateway({}), tools=engine_plug.tools, on_event=on_event, max_parallel=limit
    )
    if result.status != "succeeded":
        raise AssertionError(result.error)


def cpu_us(work: Callable[[], Awaitable[None]], steps: int) -> float:
    """Microseconds of CPU per step, every thread of the process counted."""

    async def timed() -> float:
        gc.collect()
        began = time.process_time()
        await work()
        return (time.process_time() - began) / steps * 1e6

    return asyncio.run(timed())


def recorded(workflow: Workflow, folder: Path) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        with SqlJournal(folder / "runs.db") as record:
            await ours(workflow, on_event=record)

    return work


def kilobytes(workflow: Workflow, steps: int) -> float:
    """Peak of what one run allocates beside the workflow itself, per step; events, values and the result included."""

    async def traced() -> int:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await ours(workflow)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - before

    return asyncio.run(traced()) / steps / 1000


def stretch(dag: Dag) -> float:
    """Wall time of a run with real waits, over its critical path."""
    count, parents, seconds = dag
    longest = [0.0] * count
    for step in range(count):
        longest[step] = seconds[step] + max((longest[parent] for parent in parents[step]), default=0.0)
    workflow = engine_plug.build(count, parents, seconds)

    async def timed() -> float:
        began = time.perf_counter()
        await ours(workflow, limit=count)
        return time.perf_counter() - began

    return asyncio.run(timed()) / max(longest)


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} [{min(values):.1f}-{max(values):.1f}]"


def main() -> None:
    dag = random_dag(STEPS, window=500, seed=1)
    workflow = engine_plug.build(*dag)
    figures: dict[str, list[float]] = {"asyncio ready queue": [], "ours": [], "ours, recorded in SQLite": []}
    with tempfile.TemporaryDirectory() as folder:
        rows: dict[str, Callable[[], Awaitable[None]]] = {
            "asyncio ready queue": lambda: ready_queue(dag[0], dag[1]),
            "ours": lambda: ours(workflow),
            "ours, recorded in SQLite": recorded(workflow, Path(folder)),
        }
        cpu_us(rows["ours, recorded in SQLite"], STEPS)  # imports and caches are nobody's cost per step
        for _ in range(ROUNDS):
            for name, work in rows.items():
                figures[name].append(cpu_us(work, STEPS))
    print(f"{STEPS:,} no-op steps, CPU us per step, median of {ROUNDS} [lowest-highest]:")
    for name, values in figures.items():
        print(f"  {name:26s} {shown(values)}")
    ratio = statistics.median(figures["ours"]) / statistics.median(figures["asyncio ready queue"])
    print(f"  ours / asyncio ready queue {ratio:.1f}; at most {MOST_CPU_US} us wanted")
    print(f"memory of a run: {kilobytes(workflow, STEPS):.2f} KB per step; at most {MOST_KB} wanted")
    stretches = [stretch(random_dag(100, window=15, seed=seed, seconds=(0.01, 0.1))) for seed in range(ROUNDS)]
    print(
        f"100 steps of 10-100 ms: {statistics.median(stretches):.3f} of the critical path"
        f" [{min(stretches):.3f}-{max(stretches):.3f}]; at most {MOST_STRETCH} wanted"
    )


if __name__ == "__main__":
    main()
