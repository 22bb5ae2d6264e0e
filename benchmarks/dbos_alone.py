"""The engine with its journal in PostgreSQL beside DBOS alone on the same server: the same DAGs, in turns, in one run.

`python -m benchmarks dbos_alone`; left out where PostgreSQL or dbos is not installed. Nothing is held to a bar here, as
the two keep different things: DBOS the result of a step, the journal also what was about to be done before it was, and
the events that are shown of it. What the same steps take on two workers is told besides: there each step travels
through a queue to another program and back.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import anyio

from benchmarks import engine_plug
from benchmarks._beside_worker import Prepare, Run, layers
from benchmarks.bar import figure
from benchmarks.beside import DAGS

ROOT = Path(__file__).resolve().parents[1]
RUNS, ROUNDS = 5, 3
_ENGINES = ("ours", "dbos")


def main() -> None:
    """Tells the time of a step in both, and on two workers."""
    sys.path.append(str(ROOT / "tests"))  # behind the packages: tests/ has folders of the same names
    from postgres import Unavailable, postgres

    if find_spec("dbos") is None:
        figure("left out", "dbos is not installed")
        return
    try:
        with postgres() as address:
            _compared(address)
    except Unavailable as error:
        figure("left out", str(error))
        return
    anyio.run(_spread)


def _compared(address: str) -> None:
    with ExitStack() as stack:
        children = {name: _child(name, address, stack) for name in _ENGINES}
        for what, parents in DAGS.items():
            took: dict[str, list[float]] = {name: [] for name in _ENGINES}
            for number in range(ROUNDS + 1):
                for name in _ENGINES[:: 1 if number % 2 else -1]:
                    found = _told(children[name], parents)
                    took[name] += found if number else []  # what happens once is nobody's cost per step
            each = {name: median(seconds) / len(parents) * 1e3 for name, seconds in took.items()}
            figure(f"{what}: a durable step (ms)", ", ".join(f"{name} {cost:.2f}" for name, cost in each.items()))
            figure(f"{what}: time of DBOS alone by ours", f"{each['dbos'] / each['ours']:.2f}")


def _child(name: str, address: str, stack: ExitStack) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.dbos_alone", name, address]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    child = stack.enter_context(subprocess.Popen(command, cwd=ROOT, text=True, **pipes))
    stack.callback(child.stdin.close)  # type: ignore[union-attr]  # it is a pipe
    return child


def _told(child: subprocess.Popen[str], parents: list[list[int]]) -> list[float]:
    print(json.dumps(parents), file=child.stdin, flush=True)
    while line := child.stdout.readline():  # type: ignore[union-attr]  # it is a pipe
        if line.startswith("["):
            found: list[float] = json.loads(line)
            return found
    raise SystemExit("the process of an engine ended")


@asynccontextmanager
async def _ours(address: str) -> AsyncIterator[Prepare]:
    from executors.journal.store import SqlJournal
    from executors.runner import run as run_workflow
    from unified_api.testing import scripted_gateway

    gateway = scripted_gateway({})
    with SqlJournal(address) as journal:

        def prepare(parents: list[list[int]], seconds: float) -> Run:
            workflow = engine_plug.build(len(parents), parents, [seconds] * len(parents))

            async def run() -> None:
                wide: dict[str, Any] = {"tokens": False, "max_parallel": 64}
                result = await run_workflow(
                    workflow, {}, gateway=gateway, tools=engine_plug.tools, journal=journal, **wide
                )
                if result.status != "succeeded":
                    raise AssertionError(result.error)

            return run

        yield prepare


@asynccontextmanager
async def _dbos(address: str) -> AsyncIterator[Prepare]:
    from dbos import DBOS

    DBOS(config={"name": "alone", "system_database_url": address, "log_level": "CRITICAL"})

    @DBOS.step()
    async def work(_name: str) -> int:
        return 1

    @DBOS.workflow()
    async def whole(parents: list[list[int]]) -> int:
        done = 0
        for layer in layers(parents):
            done += sum(await asyncio.gather(*(work(f"s{step}") for step in layer)))
        return done

    DBOS.launch()
    try:

        def prepare(parents: list[list[int]], _seconds: float) -> Run:
            async def run() -> None:
                if await whole(parents) != len(parents):
                    raise AssertionError

            return run

        yield prepare
    finally:
        DBOS.destroy()


async def _serve(name: str, address: str) -> None:
    async with {"ours": _ours, "dbos": _dbos}[name](address) as prepare:
        while line := await asyncio.to_thread(sys.stdin.readline):
            run, took = prepare(json.loads(line), 0.0), []
            for _ in range(RUNS):
                began = perf_counter()
                await run()
                took.append(perf_counter() - began)
            print(json.dumps(took), flush=True)


async def _spread() -> None:
    from machines import started

    from executors.distributed.executor import DistributedExecutor
    from workflows.model import Workflow

    with TemporaryDirectory() as folder, started(Path(folder), seconds=0.0) as workers:
        async with DistributedExecutor(workers.where.settings) as executor:
            while len(await executor.workers()) < len(workers.programs):  # noqa: ASYNC110  # other programs do it
                await anyio.sleep(0.05)
            for what, parents in DAGS.items():
                steps = [_asking(step, above) for step, above in enumerate(parents)]
                workflow = Workflow.model_validate({"workflow": "1", "name": "spread", "steps": steps})
                took = [(await executor.run(workflow, {})).seconds for _ in range(RUNS)]
                figure(f"{what}: a step on two workers (ms)", f"{median(took) / len(parents) * 1e3:.1f}")


def _asking(step: int, above: list[int]) -> dict[str, Any]:
    after = [f"s{parent}" for parent in above]
    return {"id": f"s{step}", "kind": "llm", "model": "box/scripted", "prompt": f"say s{step}", "after": after}


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:3]))
