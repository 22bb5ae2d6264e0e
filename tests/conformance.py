"""What every executor of runs can be asked, and two of them: this process with SQLite, and workers with PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import anyio
from loopback import Answer, Loopback, loopback

from executors.events import Event
from executors.journal.entries import Approval, Decision
from executors.journal.store import SqlJournal
from executors.result import RunResult
from executors.runner import new_run_id, run
from executors.tools import ToolRegistry
from orchestrator.tool_files import functions_of
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import Caller
from workflows.model import Workflow

__all__ = ["Embedded", "Executor", "OnWorkers", "Place", "place", "worker"]

_TOOLS = '''
"""Tools whose calls can be counted from outside."""

import time
from pathlib import Path

__all__ = ["broken", "failing", "noted", "slow"]


def _note(folder: str, word: str) -> int:
    path = Path(folder) / "calls"
    with path.open("a") as file:
        file.write(word + "\\n")
    return path.read_text().splitlines().count(word)


def noted(folder: str, word: str) -> str:
    """Notes a word, and gives it back."""
    _note(folder, word)
    return word


def failing(folder: str, word: str, times: int) -> str:
    """Fails so many times before it gives the word back."""
    if _note(folder, word) <= times:
        raise RuntimeError("not yet")
    return word


def broken() -> str:
    """Never works."""
    raise RuntimeError("out of order")


async def slow(folder: str, word: str, seconds: float) -> str:
    """Takes its time."""
    import anyio

    _note(folder, word)
    await anyio.sleep(seconds)
    return word
'''

_SETTINGS = """
[providers.open]
base_url = "{url}"
models = ["scripted"]
clearance = "public"
prices = {{ "*" = {{ input = 1.0, output = 10.0 }} }}

[providers.box]
base_url = "{url}"
models = ["scripted"]

[providers.sealed]
base_url = "{url}"
models = ["scripted"]
clearance = "restricted"

[distributed]
database_env = "MACHINES"
global_concurrency = 10
grace_s = 2
lease_s = {lease_s}

[breaker]
failures = 1000
"""


class Place:
    """A folder with settings and tools, and the model server that they name."""

    def __init__(self, folder: Path, server: Loopback, database: str = "", *, lease_s: float = 2.5) -> None:
        self.folder = folder
        self.server = server
        self.tools = folder / "conforming_tools.py"
        self.tools.write_text(_TOOLS)
        self.config = folder / "orchestrator.toml"
        self.config.write_text(_SETTINGS.format(url=server.url, lease_s=lease_s))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
            "ORCHESTRATOR_HOME": str(folder / "home"),
            "ORCHESTRATOR_CONFIG": str(self.config),
            "MACHINES": database,
        }

    @property
    def settings(self) -> Settings:
        return Settings.load(self.config, environ=self.environment)

    def asked(self) -> list[str]:
        """What the model was asked, in the order in which it came."""
        return [request["messages"][-1]["content"] for request in list(self.server.requests)]

    def calls(self, folder: Path) -> list[str]:
        """What tools noted in a folder."""
        path = folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@contextmanager
def place(folder: Path, database: str = "", *, lease_s: float = 2.5, script: Any = None) -> Iterator[Place]:
    """A place whose model gives back what it is asked, unless the words say otherwise."""
    with loopback(script or echo) as server:
        yield Place(folder, server, database, lease_s=lease_s)


def echo(body: Mapping[str, Any]) -> str | Answer:
    """`refuse` is refused as a bad request, `hang` never answered, and `json` answered as a document."""
    text = str(body["messages"][-1]["content"])
    word = text.partition(" ")[0]
    if word == "refuse":
        return Answer(status=400)
    if word == "hang":
        return Answer(hang=True)
    return text.removeprefix("json ")


class Executor(Protocol):
    """Starts runs and brings them to their end."""

    async def start(self, workflow: Workflow, inputs: Mapping[str, Any], **options: Any) -> str: ...

    async def result(self, run_id: str) -> RunResult: ...

    async def resume(self, run_id: str) -> RunResult: ...

    async def cancel(self, run_id: str) -> bool: ...

    async def events(self, run_id: str) -> list[Event]: ...

    async def questions(self, run_id: str) -> list[Approval]: ...

    async def decide(self, run_id: str, path: str, decision: Decision) -> None: ...


class _Journalled:
    """What is asked of the journal is the same for all."""

    journal: SqlJournal

    async def events(self, run_id: str) -> list[Event]:
        return [event for _, event in await self.journal.events(run_id)]

    async def questions(self, run_id: str) -> list[Approval]:
        while not (found := await self.journal.waiting_approvals(run_id)):  # noqa: ASYNC110  # other programs do it
            await anyio.sleep(0.02)
        return found

    async def decide(self, run_id: str, path: str, decision: Decision) -> None:
        await self.journal.decide(run_id, path, decision)

    async def cancel(self, run_id: str) -> bool:
        return await self.journal.request_cancel(run_id)


class Embedded(_Journalled):
    """Everything in this process, with a journal in a file."""

    def __init__(self, where: Place, gateway: Gateway, tasks: anyio.abc.TaskGroup) -> None:
        self.journal = SqlJournal(where.folder / "runs.sqlite")
        self._gateway = gateway
        self._tasks = tasks
        self._tools = ToolRegistry(functions_of([str(where.tools)]))
        self._results: dict[str, RunResult | None] = {}
        self._ended: dict[str, anyio.Event] = {}

    async def start(self, workflow: Workflow, inputs: Mapping[str, Any], **options: Any) -> str:
        run_id = new_run_id()
        caller = replace(options.pop("caller", Caller()), run=run_id)
        await self._begin(run_id, workflow, inputs, caller=caller, **options)
        return run_id

    async def _begin(self, run_id: str, workflow: Workflow, inputs: Mapping[str, Any], **options: Any) -> None:
        from executors.context import now

        if "past" not in options:
            workflows = options.get("workflows") or {}
            await self.journal.begin(
                run_id, definition=workflow, workflows=workflows, inputs=inputs, caller=options["caller"], at=now()
            )
        self._ended[run_id] = anyio.Event()
        self._tasks.start_soon(self._run, run_id, workflow, inputs, options)

    async def _run(self, run_id: str, workflow: Workflow, inputs: Mapping[str, Any], options: Any) -> None:
        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()
            tasks.start_soon(self._watch, run_id, scope)
            with scope:
                self._results[run_id] = await run(
                    workflow, inputs, gateway=self._gateway, tools=self._tools, journal=self.journal, **options
                )
            tasks.cancel_scope.cancel()
        self._ended[run_id].set()

    async def _watch(self, run_id: str, scope: anyio.CancelScope) -> None:
        while not await self.journal.cancel_requested(run_id):  # noqa: ASYNC110  # other programs do it
            await anyio.sleep(0.05)
        scope.cancel()

    async def result(self, run_id: str) -> RunResult:
        await self._ended[run_id].wait()
        found = self._results.get(run_id)
        if found is not None:
            return found
        record = self.journal.get_run(run_id)
        return RunResult(
            run_id=run_id,
            status=record.status,  # type: ignore[arg-type]  # it has ended
            outputs=record.outputs,
            steps=tuple(step for step in record.finished if "/" not in step.step_id),
            cost_usd=record.cost_usd,
            seconds=record.seconds or 0.0,
            error=record.error,
        )

    async def resume(self, run_id: str) -> RunResult:
        past = await self.journal.past(run_id)
        assert past is not None
        assert past.definition is not None
        await self.journal.claim_run(run_id)
        caller = replace(past.caller, run=run_id)
        await self._begin(run_id, past.definition, past.inputs, caller=caller, workflows=past.workflows, past=past)
        return await self.result(run_id)


class OnWorkers(_Journalled):
    """Everything on workers, which are programs of their own."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self.journal = executor.journal
        self._workflows: dict[str, Workflow] = {}

    async def start(self, workflow: Workflow, inputs: Mapping[str, Any], **options: Any) -> str:
        run_id: str = await self._executor.start(workflow, inputs, **options)
        self._workflows[run_id] = workflow
        return run_id

    async def result(self, run_id: str) -> RunResult:
        found: RunResult = await self._executor.result(run_id, self._workflows[run_id])
        return found

    async def resume(self, run_id: str) -> RunResult:
        await self._executor.resume(run_id)
        return await self.result(run_id)


@contextmanager
def worker(where: Place, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker program, killed at the end of the block if it has not ended by then."""
    command = [sys.executable, "-m", "orchestrator", "worker", "--tools", str(where.tools), *options]
    root = Path(__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    log = where.folder / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as told:
        program = subprocess.Popen(
            command, env={**where.environment, "PYTHONPATH": path}, stderr=told, cwd=where.folder
        )
    try:
        yield program
    finally:
        if program.poll() is None:
            program.kill()
        program.wait()
