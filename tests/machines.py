"""Workers that are killed or stopped while they execute a run, and what that did to it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
from conformance import Place, place, worker
from crashing import STEPS, WORKFLOW
from postgres import postgres

from executors.distributed.executor import DistributedExecutor

__all__ = ["STEPS", "WORKFLOW", "Kill", "Model", "Workers", "killed", "started"]


@dataclass
class Model:
    """Answers after a while with what it was asked, and counts."""

    seconds: float
    flying: int = 0
    most: int = 0
    asked: list[tuple[float, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, body: Mapping[str, Any]) -> str:
        text = str(body["messages"][-1]["content"])
        with self.lock:
            self.asked.append((time.monotonic(), text))
            self.flying += 1
            self.most = max(self.most, self.flying)
        time.sleep(self.seconds)
        with self.lock:
            self.flying -= 1
        return f"({len(text.partition(' ')[2]) % 97})"

    def forget(self) -> None:
        with self.lock:
            self.asked.clear()
            self.most = self.flying


@dataclass
class Workers:
    """Programs that work for one database."""

    where: Place
    database: str
    model: Model
    stack: ExitStack
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def more(self) -> subprocess.Popen[bytes]:
        program = self.stack.enter_context(worker(self.where))
        self.programs.append(program)
        return program

    def rid(self, place: int) -> None:
        """Ends one for good, and puts another one in its place."""
        gone = self.programs.pop(place)
        gone.kill()
        gone.wait()
        self.more()

    def ask(self, query: str, *values: object) -> list[Any]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]  # written here

    def recorded(self, run_id: str) -> set[str]:
        """The paths of the steps whose end is known to the database."""
        open_ = "SELECT parcel::json->>'path' FROM machine_steps WHERE run_id = %s AND outcome IS NOT NULL"
        kept = "SELECT path FROM journal_results WHERE run_id = %s"
        return {row[0] for query in (open_, kept) for row in self.ask(query, run_id)}

    def under_way(self, run_id: str, victim: int) -> int:
        """How many steps a worker has begun whose end is not known."""
        query = "SELECT count(*) FROM machine_steps WHERE run_id = %s AND worker LIKE %s AND outcome IS NULL"
        return int(self.ask(query, run_id, f"%-{self.programs[victim].pid}-%")[0][0])

    def leader(self, run_id: str) -> int | None:
        """The place of the worker that leads the run."""
        rows = self.ask("SELECT worker FROM machine_runs WHERE id = %s", run_id)
        names = [f"-{program.pid}-" for program in self.programs]
        return next((at for at, name in enumerate(names) if rows and rows[0][0] and name in rows[0][0]), None)


@contextmanager
def started(folder: Path, *, workers: int = 2, seconds: float = 0.05) -> Iterator[Workers]:
    """A database, a model and workers. Raises Unavailable where PostgreSQL is not installed."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        model = Model(seconds)
        where = stack.enter_context(place(folder, database, script=model))
        found = Workers(where, database, model, stack)
        for _ in range(workers):
            found.more()
        yield found


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What one signal did to one run."""

    status: str
    outputs: Mapping[str, Any]
    led: bool
    """Whether it met the worker that led the run."""
    open: int
    """Steps that its victim had begun, and whose end was not recorded, when it came."""
    again: int
    """Calls for steps that were recorded already."""
    twice: int
    """Calls that were made more than once."""
    next_s: float
    """From the signal to the next call that had not been made before."""
    taken_s: float | None
    """From the signal to the first call that was made once more; None where there was none."""


async def killed(
    executor: DistributedExecutor, workers: Workers, *, after: int, victim: int, how: signal.Signals = signal.SIGKILL
) -> Kill:
    """Runs the workflow, and sends a worker a signal after so many calls; another one takes its place."""
    model, most = workers.model, len(workers.programs)
    with anyio.fail_after(30):
        while len(await executor.workers()) < most:  # noqa: ASYNC110  # other programs do it
            await anyio.sleep(0.02)
    model.forget()
    run_id = await executor.start(WORKFLOW, {"point": after})
    with anyio.fail_after(60):
        await _until(lambda: len(model.asked) >= after)
        led = await anyio.to_thread.run_sync(workers.leader, run_id) == victim
        os.kill(workers.programs[victim].pid, how)
        at = time.monotonic()
        recorded = await anyio.to_thread.run_sync(workers.recorded, run_id)
        under_way = await anyio.to_thread.run_sync(workers.under_way, run_id, victim)
        before = [text for when, text in list(model.asked) if when <= at]
        result = await executor.result(run_id, WORKFLOW)
    await anyio.to_thread.run_sync(workers.rid, victim)
    later = [(when, text) for when, text in model.asked if when > at]
    new = [when for when, text in later if text not in before]
    twice = [when for when, text in later if text in before]
    counts = Counter(text for _, text in model.asked)
    return Kill(
        status=result.status,
        outputs=result.outputs,
        led=led,
        open=under_way,
        again=sum(_path(text) in recorded for _, text in later),
        twice=sum(count - 1 for count in counts.values()),
        next_s=min(new, default=at) - at,
        taken_s=min(twice) - at if twice else None,
    )


def _path(text: str) -> str:
    """Prompts begin with a number and then name the path of their step."""
    return text.split(" ")[1]


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  # other threads do it
        await anyio.sleep(0.005)
