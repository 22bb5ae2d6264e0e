"""One transaction of the journal: rows are gathered, and written table by table."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, text, update

from executors.journal.encoding import Blob
from executors.journal.entries import JournalError
from executors.journal.rows import EventRow, Forget, IntentRow, ResultRow, Row, Spend, Withdraw
from executors.journal.statements import BY_DIALECT, COUNT, END_INTENT, EVENT, FORGET, LOCK_RUNS, SPEND, THERE, WITHDRAW
from executors.journal.tables import runs

__all__ = ["BLOBS_LOCK", "LEASE_S", "Act", "Transaction", "now_of"]

LEASE_S = 5.0
"""After which a run whose owner gave no sign of life may be taken over, in a database that machines share."""
BLOBS_LOCK = 8271650046
"""PostgreSQL's advisory lock: shared by those that refer to blobs, and had alone by whoever removes some."""
_AT_ONCE = 500
"""Values of one `IN` at most."""
_Key: TypeAlias = tuple[str, str, str]


_STUB = {
    "workflow": "",
    "status": "running",
    "steps": 0,
    "lease": 0.0,
    "cancel_requested": False,
    "events": 0,
    "entries": 0,
}


def now_of(connection: Connection) -> float:
    """Seconds since 1970 as a shared database counts them; 0 for a file, whose owners are asked themselves."""
    if connection.dialect.name == "sqlite":
        return 0.0
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())


@dataclass(slots=True)
class _Run:
    """What the transaction knows of a run, whose row it has locked."""

    owner: str
    events: int
    entries: int
    counted: bool = True
    """Whether the row has these numbers."""


@dataclass(slots=True)
class Transaction:
    """Rows are added in their order. Whatever else is done on the connection comes after `flush`."""

    connection: Connection
    owner: str
    wall: str
    """The time, for runs of which nobody said when they began."""
    claimed: set[str]
    """Runs that this writer has taken."""
    _runs: dict[str, _Run] = field(default_factory=dict)
    _events: list[dict[str, Any]] = field(default_factory=list)
    _steps: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _intents: dict[_Key, dict[str, Any]] = field(default_factory=dict)
    _ended: dict[_Key, None] = field(default_factory=dict)
    _spent: dict[tuple[str, str], Spend] = field(default_factory=dict)
    _places: set[tuple[str, ...]] = field(default_factory=set)
    """Run and path of what is in `_intents` and `_ended`."""
    _results: dict[_Key, dict[str, Any]] = field(default_factory=dict)
    _blobs: dict[str, bytes] = field(default_factory=dict)
    _changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    _now: float | None = None
    """The database's time."""
    claims: dict[str, bool] = field(default_factory=dict)
    """Runs that are taken (True) or let go of (False) when this is committed."""

    @property
    def touched(self) -> Iterable[str]:
        """The runs that it knows."""
        return self._runs

    def open(self, run_ids: Iterable[str], *, making: bool = True) -> None:
        """Locks the rows of these runs, in one order for everybody; makes those that are missing."""
        fresh = sorted({one for one in run_ids if one not in self._runs})
        if not fresh:
            return
        self._lock(fresh)
        missing = [one for one in fresh if one not in self._runs]
        if missing and making:
            stubs = [{**_STUB, "id": one, "started": self.wall, "owner": self.owner} for one in missing]
            self.connection.execute(self._statement("run"), stubs)
            self._lock(missing)

    def run(self, run_id: str) -> _Run | None:
        """The row of a run that was opened; None where there is none."""
        return self._runs.get(run_id)

    def add(self, row: Row) -> None:
        """Raises JournalError for an intent in a run that somebody else has taken over."""
        match row:
            case EventRow():
                self._add_event(row)
            case IntentRow():
                self._add_intent(row)
            case ResultRow():
                self._add_result(row)
            case Spend():
                self._add_spend(row)
            case Withdraw():
                self.flush()
                self.connection.execute(WITHDRAW, {"run": row.run_id, "at_path": row.path, "its_key": row.key})
            case Forget():
                self.flush()
                self.connection.execute(FORGET, {"run": row.run_id, "at_path": row.path})

    def change(self, run_id: str, columns: Mapping[str, Any]) -> None:
        self._changed.setdefault(run_id, {}).update(columns)

    def refer(self, new: Sequence[Blob]) -> None:
        """Keeps blobs that a row of this transaction refers to."""
        for blob in new:
            self._blobs[blob.digest] = blob.content

    def number(self, run_id: str) -> int:
        """The next of a run's intents, results and questions."""
        run = self._runs[run_id]
        run.entries += 1
        run.counted = False
        return run.entries

    def flush(self) -> None:
        """Writes what was added."""
        self._write_blobs()
        self._run_many(EVENT, self._events)
        self._run_many(self._statement("step"), list(self._steps.values()))
        spent = [
            {"run": one.run_id, "at_path": one.path, "spent": one.spent, "held": one.held}
            for one in self._spent.values()
        ]
        self._run_many(SPEND, spent)
        self._run_many(END_INTENT, [{"run": run, "at_path": path, "its_key": key} for run, path, key in self._ended])
        self._run_many(self._statement("intent"), list(self._intents.values()))
        self._run_many(self._statement("result"), list(self._results.values()))
        self._write_runs()
        for gathered in (
            self._events,
            self._steps,
            self._spent,
            self._ended,
            self._intents,
            self._results,
            self._places,
        ):
            gathered.clear()

    def _lock(self, ids: Sequence[str]) -> None:
        for begin in range(0, len(ids), _AT_ONCE):
            found = self.connection.execute(LOCK_RUNS, {"ids": ids[begin : begin + _AT_ONCE]})
            for run_id, owner, events_, entries in found:
                self._runs[run_id] = _Run(owner, events_, entries)

    def _is_lost(self, run_id: str) -> bool:
        """Whether somebody has taken over a run that this writer had."""
        return self.claims.get(run_id, run_id in self.claimed) and self._runs[run_id].owner != self.owner

    def _add_event(self, row: EventRow) -> None:
        if self._is_lost(row.run_id):
            return  # what happens to the run is told by whoever has it now
        run = self._runs[row.run_id]
        run.events += 1
        run.counted = False
        packed = row.packed
        told = {"run_id": row.run_id, "seq": run.events, "kind": row.kind}
        self._events.append({**told, "body": packed.body, "blobs": packed.digests})
        self.refer(packed.blobs)
        if row.step is not None:
            self._steps[row.run_id, row.step["step_id"]] = {**row.step, "event": run.events}
        if row.run:
            self._add_change(row)

    def _add_change(self, row: EventRow) -> None:
        again = row.kind == "RunStarted" and self._runs[row.run_id].events > 1
        self.change(row.run_id, {name: one for name, one in row.run.items() if not (again and name == "started")})
        if row.kind == "RunStarted":
            self.take(row.run_id)
        else:
            self.claims[row.run_id] = False

    def take(self, run_id: str) -> None:
        """The run is this writer's from now on."""
        if self._now is None:
            self._now = now_of(self.connection)
        lease = self._now
        self.change(run_id, {"owner": self.owner, "lease": lease and lease + LEASE_S})
        self._runs[run_id].owner = self.owner
        self.claims[run_id] = True

    def _add_intent(self, row: IntentRow) -> None:
        if self._is_lost(row.run_id):
            owner = self._runs[row.run_id].owner
            raise JournalError(f"run {row.run_id} was taken over by {owner}; nothing more of it is done here")
        key = _key(row.columns)
        if key in self._ended or (row.run_id, key[1]) in self._spent:
            self.flush()
        there = self._intents.get(key, {})
        kept = {name: there[name] for name in ("spent_usd", "held_usd") if there}
        self._intents.pop(key, None)
        self._places.add(key[:2])
        self._intents[key] = {**row.columns, **kept, "number": self.number(row.run_id)}

    def _add_result(self, row: ResultRow) -> None:
        key = _key(row.columns)
        self._intents.pop(key, None)
        self._ended[key] = None
        self._places.add(key[:2])
        self._results.pop(key, None)
        self._results[key] = {**row.columns, "number": self.number(row.run_id)}
        self.refer(row.packed.blobs)

    def _add_spend(self, row: Spend) -> None:
        place = (row.run_id, row.path)
        if place in self._places:
            self.flush()
        self._spent[place] = row

    def _write_blobs(self) -> None:
        if not self._blobs:
            return
        if self.connection.dialect.name != "sqlite":
            self.connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": BLOBS_LOCK})
        wanted, there = sorted(self._blobs), set[str]()
        for begin in range(0, len(wanted), _AT_ONCE):
            there.update(self.connection.execute(THERE, {"digests": wanted[begin : begin + _AT_ONCE]}).scalars())
        for digest in wanted:
            if digest not in there:
                content = self._blobs[digest]
                row = {"digest": digest, "size": len(content), "content": zlib.compress(content, 1)}
                self.connection.execute(self._statement("blob"), row)
        self._blobs.clear()

    def _write_runs(self) -> None:
        fresh = [(run_id, run) for run_id, run in self._runs.items() if not run.counted]
        counts = [{"run": run_id, "all_events": run.events, "all_entries": run.entries} for run_id, run in fresh]
        self._run_many(COUNT, counts)
        for _, run in fresh:
            run.counted = True
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for run_id, columns in self._changed.items():
            alike.setdefault(tuple(columns), []).append({"run": run_id} | {f"new_{k}": v for k, v in columns.items()})
        for names, rows in alike.items():
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
            self._run_many(update(runs).where(runs.c.id == bindparam("run")).values(values), rows)
        self._changed.clear()

    def _run_many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.connection.execute(statement, rows)

    def _statement(self, name: str) -> Any:
        return BY_DIALECT[self.connection.dialect.name][name]


Act: TypeAlias = Callable[[Transaction], Any]
"""What somebody waits for: done in the transaction, after all that was added before; raises JournalError, and only
before it changes anything."""


def _key(columns: Mapping[str, Any]) -> _Key:
    return columns["run_id"], columns["path"], columns["key"]
