"""What a step costs inside of others, beside the same step in a flat workflow: CPU per step that does nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median
from typing import Any

from benchmarks import engine_plug
from benchmarks.bar import at_most, figure
from executors.runner import run as run_workflow
from unified_api.testing import scripted_gateway
from workflows.model import Workflow

STEPS = 6_000
ROUNDS = 5
MOST_TIMES = 6.0
"""How many times as much as a flat step one may cost that is alone in its block."""


def _tool(step_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "tool", "tool": "wait", **fields}


def _workflow(*steps: dict[str, Any], name: str = "nested") -> Workflow:
    inputs = {"items": {"type": "array", "default": []}}
    return Workflow.model_validate({"workflow": "1", "name": name, "inputs": inputs, "steps": steps})


def _map(step_id: str, *steps: dict[str, Any], items: int, **fields: Any) -> dict[str, Any]:
    over = f"{{{{ range({items}) | list }}}}"
    return {"id": step_id, "kind": "map", "over": over, "max_items": items, "steps": steps, **fields}


def _chain(count: int) -> list[dict[str, Any]]:
    return [_tool(f"c{n}", after=[f"c{n - 1}"] if n else []) for n in range(count)]


def _branch(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"id": "way", "kind": "branch", "cases": [{"when": "{{ true }}", "steps": steps}]}


def _loop(*steps: dict[str, Any], rounds: int) -> dict[str, Any]:
    return {"id": "again", "kind": "loop", "max_rounds": rounds, "until": "{{ false }}", "steps": steps}


SUB = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}
ROWS: dict[str, dict[str, Any]] = {
    "a map, 1 step an item": _map("each", _tool("a"), items=STEPS),
    "a map, 3 steps an item, one after the other": _map("each", *_chain(3), items=STEPS // 3),
    "a map, 3 steps an item, at one time": _map("each", *(_tool(f"p{n}") for n in range(3)), items=STEPS // 3),
    "a map of maps, 10 items each": _map("outer", _map("each", _tool("a"), items=10), items=STEPS // 10),
    "a branch in each item": _map("each", _branch(_tool("a")), items=STEPS),
    "a loop of 6 rounds in each item": _map("each", _loop(_tool("a"), rounds=6), items=STEPS // 6),
    "a workflow of 3 steps in each item": _map("each", SUB, items=STEPS // 3),
}
FLAT = "flat"


async def _ran(workflow: Workflow) -> float:
    """Microseconds of CPU for each of the steps."""
    began = time.process_time()
    result = await run_workflow(
        workflow,
        {},
        gateway=scripted_gateway({}),
        tools=engine_plug.tools,
        on_event=engine_plug.count,
        tokens=False,
        workflows={"inner@1.0.0": _workflow(*_chain(3), name="inner")},
        max_parallel=64,
    )
    if result.status != "succeeded":
        raise AssertionError(result.error)
    return (time.process_time() - began) / STEPS * 1e6


def main() -> bool:
    workflows = {FLAT: _workflow(*(_tool(f"s{number}") for number in range(STEPS)))}
    workflows |= {name: _workflow(step) for name, step in ROWS.items()}
    found: dict[str, list[float]] = {name: [] for name in workflows}
    for _ in range(ROUNDS):
        for name, workflow in workflows.items():
            found[name].append(asyncio.run(_ran(workflow)))
    flat = median(found[FLAT])
    figure(FLAT, f"{flat:.1f} us a step")
    met = True
    for name in ROWS:
        cost = median(found[name])
        met &= at_most(f"{name}: {cost:.1f} us a step, times a flat one", cost / flat, MOST_TIMES, digits=1)
    return met


if __name__ == "__main__":
    sys.exit(not main())
