"""The record of every run, in one SQLite file that any process may read at any time."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from executors.events import Event, RunFinished, RunStarted, StepFinished, StepStarted

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from executors.record_rows import RecordedRun, RunSummary

__all__ = ["RecordError", "RunNotFoundError", "RunRecord"]

_BATCH = 2000
"""Events of one transaction at most, so that a busy run never holds its commits back for long."""

_Entry = Event | threading.Event | None


class RecordError(Exception):
    """The record cannot be opened, read or written; the message says why."""


class RunNotFoundError(RecordError):
    """No run, or more than one, has this id or begins with it."""


class RunRecord:
    """Writes the events it is called with and reads them back.

    Calling it never waits: one thread writes, everything that has come meanwhile in one commit. Nothing
    touches the disk before the first event. `close` (or leaving the `with` block) writes what is left.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queue: SimpleQueue[_Entry] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failures: list[Exception] = []
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, event: Event) -> None:
        """Takes an event of a run, from any thread. Tokens and retries are live only and not kept."""
        if isinstance(event, RunStarted | StepStarted | StepFinished | RunFinished):
            with self._lock:
                self._started().put(event)

    def flush(self) -> None:
        """Waits until every event taken so far is on disk.

        Raises:
            RecordError: something could not be written.
        """
        written = threading.Event()
        with self._lock:
            writing = self._thread is not None
            if writing:
                self._queue.put(written)
        if writing:
            written.wait()
        if self._failures:
            raise RecordError(
                f"the record of runs at {str(self.path)!r} is incomplete: {_reason(self._failures[0])}"
            ) from self._failures[0]

    def close(self) -> None:
        """Writes what is left and closes the file. The record may be used again afterwards.

        Raises:
            RecordError: something could not be written.
        """
        try:
            self.flush()
        finally:
            self._stop()

    def list_runs(self, *, limit: int = 50) -> list[RunSummary]:
        """The latest runs, newest first.

        Raises:
            RecordError: the record cannot be read.
        """
        from executors import record_rows

        found = self._read(lambda reader: reader.latest(limit))
        return [record_rows.summary(row) for row in found or ()]

    def get_run(self, run_id: str) -> RecordedRun:
        """One run with its steps, by its id or an unambiguous beginning of it.

        Raises:
            RunNotFoundError: there is none, or there are several.
            RecordError: the record cannot be read.
        """
        from executors import record_rows

        known = run_id and run_id.isprintable()  # what is no text, such as half a surrogate pair, names no run
        found = (self._read(lambda reader: reader.starting_with(run_id)) if known else None) or []
        exact = [row for row in found if row["id"] == run_id]
        if not found:
            raise RunNotFoundError(f"no run has the id {run_id!r}; `orchestrate runs` lists them")
        if len(found) > 1 and not exact:
            ids = ", ".join(row["id"] for row in found)
            raise RunNotFoundError(f"{run_id!r} begins the ids of several runs ({ids}); give more of it")
        row = (exact or found)[0]
        return record_rows.read_run(row, self._read(lambda reader: reader.steps(row["id"])) or [])

    def _read(self, query: Callable[[Any], list[Any]]) -> list[Any] | None:
        """What the query finds, or None when nothing was ever recorded."""
        self.flush()
        if not self.path.exists():
            return None
        from executors.record_store import Reader, failures

        try:
            return query(Reader(self._opened()))
        except failures() as error:
            raise RecordError(f"the record of runs at {str(self.path)!r} cannot be read: {_reason(error)}") from error
        finally:
            self._rest()

    def _opened(self) -> Engine:
        from executors.record_tables import open_engine

        with self._lock:
            if self._engine is None:
                self._engine = open_engine(self.path)
            return self._engine

    def _rest(self) -> None:
        """Closes the file where nothing is being recorded. A writer that has begun meanwhile needs it still.

        Reading ends with it too: who only reads has no reason to call `close`.
        """
        with self._lock:
            if self._thread is None and self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _started(self) -> SimpleQueue[_Entry]:
        """The queue of a writer that lives; to be called, and put into, under the lock.

        Each writer has a queue of its own: the end of one must never be taken for that of the next.
        """
        if self._thread is None:
            self._queue = SimpleQueue()
            self._thread = threading.Thread(target=self._write_all, args=(self._queue,), name="run record", daemon=True)
            self._thread.start()
            # A daemon does not keep a hung program alive; this still writes the tail of one that forgot to close.
            atexit.register(_close_quietly, weakref.ref(self))
        return self._queue

    def _stop(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()
        self._rest()

    def _write_all(self, queue: SimpleQueue[_Entry]) -> None:
        while True:
            batch, waiting, last = _batch(queue)
            if batch and not self._failures:
                self._write(batch)
            for written in waiting:
                written.set()
            if last:
                return

    def _write(self, batch: list[Event]) -> None:
        try:
            from executors.record_store import write

            write(self._opened(), batch)
        except Exception as error:  # noqa: BLE001  # kept for `flush` to raise: a dead writer would let it wait for ever
            self._failures.append(error)


def _batch(queue: SimpleQueue[_Entry]) -> tuple[list[Event], list[threading.Event], bool]:
    batch: list[Event] = []
    waiting: list[threading.Event] = []
    entry: _Entry = queue.get()
    while True:
        if entry is None:
            return batch, waiting, True
        if isinstance(entry, threading.Event):
            waiting.append(entry)
        else:
            batch.append(entry)
        if len(batch) >= _BATCH:
            return batch, waiting, False
        try:
            entry = queue.get_nowait()
        except Empty:
            return batch, waiting, False


_ELSEWHERE = "make it writable, or set ORCHESTRATOR_HOME to another folder"
_MENDS = {
    "not a database": "move that file away, and a new one is begun",
    "malformed": "move that file away, and a new one is begun",
    "disk is full": "make room on the disk",
    "no space left": "make room on the disk",
    "file exists": _ELSEWHERE,
    "not a directory": _ELSEWHERE,
    "denied": _ELSEWHERE,
    "read-only": _ELSEWHERE,
    "readonly": _ELSEWHERE,
    "unable to open": _ELSEWHERE,
}
"""By what SQLite and the system say, in lower case."""


def _reason(error: Exception) -> str:
    """What went wrong, and the mend where it is known."""
    said = str(getattr(error, "orig", None) or error)
    if isinstance(error, OSError):
        said = f"{error.strerror or said} ({error.filename!r})"
    mend = next((mend for sign, mend in _MENDS.items() if sign in said.lower()), None)
    return said if mend is None else f"{said}; {mend}"


def _close_quietly(reference: weakref.ref[RunRecord]) -> None:
    record = reference()
    if record is not None:
        record._stop()  # noqa: SLF001  # it is the record's own way out
