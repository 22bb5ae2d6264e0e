"""Our executor as a row of a comparison of workflow engines: `bench_engines.py --plug ours=benchmarks/engine_plug.py`.

Every step is a tool step that waits for its seconds, tied to its parents by `after`; the caller's function is told
of every event. The workflow is built from plain objects once per DAG, as other engines build their graphs.
"""

from __future__ import annotations

import anyio

from executors.runner import run as run_workflow
from executors.tools import ToolRegistry
from unified_api.testing import scripted_gateway
from workflows.model import ToolStep, Workflow

tools = ToolRegistry()
seen = 0


@tools.tool
async def wait(seconds: float = 0.0) -> int:
    """Waits; 0 does nothing."""
    if seconds:
        await anyio.sleep(seconds)
    return 1


def count(_: object) -> None:
    global seen  # noqa: PLW0603  # the cheapest listener there can be
    seen += 1


def build(n: int, parents: list[list[int]], durs: list[float]) -> Workflow:
    steps = tuple(
        ToolStep(
            id=f"s{i}",
            kind="tool",
            tool="wait",
            arguments={"seconds": durs[i]} if durs[i] else {},
            after=tuple(f"s{parent}" for parent in parents[i]),
        )
        for i in range(n)
    )
    return Workflow(workflow="1", name="engine", steps=steps)


async def run(n: int, parents: list[list[int]], durs: list[float]) -> None:
    """Builds and runs; what it builds is part of what is measured, to our loss."""
    workflow = build(n, parents, durs)
    result = await run_workflow(
        workflow, {}, gateway=scripted_gateway({}), tools=tools, on_event=count, max_parallel=max(64, n)
    )
    if result.status != "succeeded":
        raise AssertionError(result.error)
