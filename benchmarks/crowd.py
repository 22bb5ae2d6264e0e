"""Many runs at once, one long run and one wide map: CPU and wall time per step and the memory of their process, without
a journal and with one in SQLite.

Each figure is that of a process of its own. The steps are tools that do nothing, so that all of it is the engine's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio

from benchmarks import engine_plug
from benchmarks.bar import at_most, figure
from benchmarks.engine import random_dag
from executors.journal.store import SqlJournal
from executors.runner import run as run_workflow
from unified_api.testing import scripted_gateway
from unified_api.types import Caller
from workflows.model import Workflow

RUNS, STEPS = 1_000, 20
LONG = 10_000
ITEMS = 5_000
MOST_US = 60
MOST_JOURNAL_MS = 0.5
MOST_KB = 12
"""Kilobytes of memory for each step that a process has run at most, what the journal is yet to write included."""

Run = Callable[[Workflow, dict[str, Any]], Awaitable[None]]


def _tool(step_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "tool", "tool": "wait", **fields}


def _map(items: int, steps: int) -> dict[str, Any]:
    inner = [_tool(f"i{n}", after=[f"i{n - 1}"] if n else []) for n in range(steps)]
    return {"id": "each", "kind": "map", "over": "{{ inputs.items }}", "max_items": items, "steps": inner}


def _workflow(*steps: dict[str, Any]) -> Workflow:
    inputs = {"items": {"type": "array", "default": []}}
    return Workflow.model_validate({"workflow": "1", "name": "crowd", "inputs": inputs, "steps": steps})


async def _crowd(run: Run) -> int:
    workflow = engine_plug.build(*random_dag(STEPS, window=6, seed=1))
    async with anyio.create_task_group() as tasks:
        for _ in range(RUNS):
            tasks.start_soon(run, workflow, {})
    return RUNS * STEPS


async def _long(run: Run) -> int:
    await run(engine_plug.build(*random_dag(LONG, window=500, seed=1)), {})
    return LONG


async def _wide(run: Run) -> int:
    await run(_workflow(_map(ITEMS, 3)), {"items": list(range(ITEMS))})
    return ITEMS * 3


async def _single(run: Run) -> int:
    await run(_workflow(_map(ITEMS, 1)), {"items": list(range(ITEMS))})
    return ITEMS


async def _both(run: Run) -> int:
    """A map beside as many steps as a file may want: what the items do not refer to must cost them nothing."""
    steps = [_tool(f"s{number}") for number in range(LONG)]
    await run(_workflow(*steps, {**_map(ITEMS, 3), "after": ["s0"]}), {"items": list(range(ITEMS))})
    return LONG + ITEMS * 3


SCENES: dict[str, tuple[str, Callable[[Run], Awaitable[int]]]] = {
    "crowd": (f"{RUNS:,} runs of {STEPS} steps at once", _crowd),
    "long": (f"a run of {LONG:,} steps", _long),
    "wide": (f"a map over {ITEMS:,} items of 3 steps", _wide),
    "single": (f"a map over {ITEMS:,} items of 1 step", _single),
    "both": (f"{LONG:,} steps and a map over {ITEMS:,} items of 3", _both),
}


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure(scene: str, address: str) -> dict[str, float]:
    """In this process: seconds a step, and how far its memory grew."""
    with ExitStack() as stack:
        journal = stack.enter_context(SqlJournal(address)) if address else None
        gateway = scripted_gateway({})

        async def run(workflow: Workflow, inputs: dict[str, Any]) -> None:
            result = await run_workflow(
                workflow,
                inputs,
                gateway=gateway,
                tools=engine_plug.tools,
                on_event=engine_plug.count if journal is None else journal,
                tokens=False,
                journal=journal,
                max_parallel=64,
                caller=Caller(tenant="t"),
            )
            if result.status != "succeeded":
                raise AssertionError(result.error)

        anyio.run(run, _workflow(_tool("warm"), _map(2, 2)), {"items": [1, 2]})  # imports are nobody's cost per step
        before, cpu, wall = _memory_mb(), time.process_time(), time.perf_counter()
        steps = anyio.run(SCENES[scene][1], run)
        if journal is not None:
            journal.flush()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {
            "steps": steps,
            "cpu": cpu / steps,
            "wall": wall / steps,
            "mb": _memory_mb(),
            "grew": _memory_mb() - before,
        }


def _apart(scene: str, address: str) -> dict[str, float]:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.crowd", scene, address], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def _shown(what: str, found: dict[str, float]) -> bool:
    figure(
        what,
        f"{found['cpu'] * 1e6:.1f} us of CPU and {found['wall'] * 1e6:.1f} us a step,"
        f" {found['wall'] * found['steps']:.2f} s in all; memory {found['mb']:.0f} MB, grew by {found['grew']:.0f} MB",
    )
    return at_most(f"{what}: memory", found["grew"] * 1024 / found["steps"], MOST_KB, unit=" KB a step", digits=1)


def main() -> bool:
    met = True
    for scene, (what, _) in SCENES.items():
        plain = _apart(scene, "")
        met &= _shown(what, plain)
        met &= at_most(f"{what}: CPU", plain["cpu"] * 1e6, MOST_US, unit=" us a step", digits=1)
        with tempfile.TemporaryDirectory() as folder:
            kept = _apart(scene, str(Path(folder) / "runs.sqlite"))
        met &= _shown(f"{what}, with the journal", kept)
        more = (kept["wall"] - plain["wall"]) * 1e3
        met &= at_most(f"{what}: what the journal adds", more, MOST_JOURNAL_MS, unit=" ms a step", digits=3)
    return met


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(_measure(sys.argv[1], sys.argv[2])))
    else:
        sys.exit(not main())
