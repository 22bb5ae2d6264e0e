"""One engine in a process of its own: it is told a DAG, and tells how long each run of it took.

The engine is `ours`, `langgraph` or `dbos`, by the first argument; the second is a folder for its database. Each line
of input is a JSON object `{"parents": [[...], ...], "seconds": 0.005, "runs": 20}`, each of output tells the seconds.
"""

from __future__ import annotations

import asyncio
import json
import operator
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

Run = Callable[[], Awaitable[None]]
Prepare = Callable[[list[list[int]], float], Run]


def layers(parents: list[list[int]]) -> list[list[int]]:
    """The steps by how many others stand before them on their longest way."""
    depth: list[int] = []
    for above in parents:
        depth.append(1 + max((depth[parent] for parent in above), default=-1))
    return [[step for step, at in enumerate(depth) if at == layer] for layer in range(max(depth) + 1)]


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Prepare]:
    from benchmarks import engine_plug
    from executors.journal.store import SqlJournal
    from executors.runner import run as run_workflow
    from unified_api.testing import scripted_gateway

    gateway = scripted_gateway({})
    with SqlJournal(folder / "ours.sqlite") as journal:

        def prepare(parents: list[list[int]], seconds: float) -> Run:
            workflow = engine_plug.build(len(parents), parents, [seconds] * len(parents))

            async def run() -> None:
                result = await run_workflow(
                    workflow,
                    {},
                    gateway=gateway,
                    tools=engine_plug.tools,
                    journal=journal,
                    on_event=journal,
                    tokens=False,
                    max_parallel=64,
                )
                if result.status != "succeeded":
                    raise AssertionError(result.error)

            return run

        yield prepare


@asynccontextmanager
async def langgraph(folder: Path) -> AsyncIterator[Prepare]:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    class State(TypedDict):
        done: Annotated[dict[str, int], operator.or_]

    async with AsyncSqliteSaver.from_conn_string(str(folder / "langgraph.sqlite")) as saver:

        def prepare(parents: list[list[int]], seconds: float) -> Run:
            graph = StateGraph(State)
            for step, above in enumerate(parents):

                async def work(_state: Any, name: str = f"s{step}") -> dict[str, Any]:
                    if seconds:
                        await asyncio.sleep(seconds)
                    return {"done": {name: 1}}

                graph.add_node(f"s{step}", work)
                graph.add_edge([f"s{parent}" for parent in above] if above else START, f"s{step}")
            named = {parent for above in parents for parent in above}
            for step in range(len(parents)):
                if step not in named:
                    graph.add_edge(f"s{step}", END)
            compiled = graph.compile(checkpointer=saver)

            async def run() -> None:
                config: Any = {"configurable": {"thread_id": uuid.uuid4().hex}, "recursion_limit": 1_000}
                # What ended is durable before what follows begins, as with the others.
                given = await compiled.ainvoke({"done": {}}, config, durability="sync")
                if len(given["done"]) != len(parents):
                    raise AssertionError(given)

            return run

        yield prepare


@asynccontextmanager
async def dbos(folder: Path) -> AsyncIterator[Prepare]:
    from dbos import DBOS

    DBOS(
        config={
            "name": "beside",
            "system_database_url": f"sqlite:///{folder / 'dbos.sqlite'}",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )

    @DBOS.step()
    async def work(_name: str, seconds: float) -> int:
        if seconds:
            await asyncio.sleep(seconds)
        return 1

    @DBOS.workflow()
    async def whole(parents: list[list[int]], seconds: float) -> int:
        # Its steps are told apart by the order in which they begin, so that each layer is begun together.
        done = 0
        for layer in layers(parents):
            done += sum(await asyncio.gather(*(work(f"s{step}", seconds) for step in layer)))
        return done

    DBOS.launch()
    try:

        def prepare(parents: list[list[int]], seconds: float) -> Run:
            async def run() -> None:
                if await whole(parents, seconds) != len(parents):
                    raise AssertionError

            return run

        yield prepare
    finally:
        DBOS.destroy()


async def main(name: str, folder: Path) -> None:
    engines = {"ours": ours, "langgraph": langgraph, "dbos": dbos}
    async with engines[name](folder) as prepare:
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            run = prepare(asked["parents"], asked["seconds"])
            took = []
            for _ in range(asked["runs"]):
                began = time.perf_counter()
                await run()
                took.append(time.perf_counter() - began)
            print(json.dumps({"took": took}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
