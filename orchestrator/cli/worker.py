"""`orchestrate worker`: executes steps and leads runs that other machines have started."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from orchestrator.cli import console, words
from orchestrator.cli.errors import CommandError
from orchestrator.cli.options import ToolsOption

if TYPE_CHECKING:
    from orchestrator.orchestrator import Orchestrator
    from unified_api.settings import Settings

__all__ = ["worker"]

ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        min=1,
        max=10_000,
        help="Steps that a worker may execute at one time; the worker that was started last decides for all.",
    ),
]


def worker(concurrency: ConcurrencyOption = None, tools: ToolsOption = None) -> int:
    """Execute steps and lead runs for every machine that shares the database of [distributed].

    Ctrl-C or SIGTERM ends it: it takes no more work, gives what it is doing its grace_s, and hands back the rest.
    A second one ends it at once; the others take over what it was doing once its lease_s is over.

    \b
    Examples:
      export ORCHESTRATOR_DATABASE=postgresql://user:password@host/database
      orchestrate worker
      orchestrate worker --concurrency 16 --tools my_functions.py
    """
    from executors.distributed.address import database_of
    from orchestrator.orchestrator import Orchestrator
    from orchestrator.tool_files import functions_of
    from unified_api.settings import Settings

    settings = Settings.load()
    if concurrency is not None:
        own = settings.distributed.model_copy(update={"worker_concurrency": concurrency})
        settings = replace(settings, distributed=own)
    database_of(settings)
    orchestrator = Orchestrator(tools=functions_of(tools or ()), settings=settings)
    anyio.run(_work, orchestrator, settings)
    return 0


async def _work(orchestrator: Orchestrator, settings: Settings) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    from executors.distributed.worker import Worker

    stop, trouble = anyio.Event(), list[SQLAlchemyError]()
    async with orchestrator, anyio.create_task_group() as tasks:
        await orchestrator.known_tools()  # the others must know what this one can call
        own = Worker(settings=settings, gateway=orchestrator.gateway, tools=orchestrator.tools, tell=_tell)
        if sys.platform != "win32":  # whose event loops tell nothing of signals: Ctrl-C ends it at once
            tasks.start_soon(_watch, stop)
        _tell(f"This worker executes {words.plural(settings.distributed.worker_concurrency, 'step')} at one time")
        try:
            await own.run(stop)
        except SQLAlchemyError as error:
            trouble.append(error)
        tasks.cancel_scope.cancel()
    if trouble:
        said = str(getattr(trouble[0], "orig", None) or trouble[0]).strip().split("\n", 1)[0]
        raise CommandError(f"the database of [distributed] cannot be used: {said}") from trouble[0]
    _tell("What was left is handed back to the other workers")


async def _watch(stop: anyio.Event) -> None:
    """Sets `stop` at the first signal, and leaves the second one to end the program at once."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            _tell("Stopping: no more work is taken; once more to stop at once")
            stop.set()
            return


def _tell(text: str) -> None:
    console.say(text, style="dim")
