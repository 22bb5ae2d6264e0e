"""The statements that the journal writes with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from executors.journal.tables import blobs, events, intents, results, runs, steps

__all__ = ["BY_DIALECT", "COUNT", "END_INTENT", "EVENT", "FORGET", "LOCK_RUNS", "SPEND", "THERE", "WITHDRAW"]


def _upsert(dialect: Any, table: Table, *, keeping: Iterable[str] = ()) -> Any:
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {
        one.name: statement.excluded[one.name] for one in table.c if one.name not in keys and one.name not in keeping
    }
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _statements(dialect: Any) -> dict[str, Any]:
    return {
        "step": _upsert(dialect, steps),
        "intent": _upsert(dialect, intents, keeping=("spent_usd", "held_usd")),
        "result": _upsert(dialect, results),
        "blob": dialect.insert(blobs).on_conflict_do_nothing(),
        "run": dialect.insert(runs).on_conflict_do_nothing(),
    }


BY_DIALECT = {"sqlite": _statements(sqlite), "postgresql": _statements(postgresql)}
LOCK_RUNS = (
    select(runs.c.id, runs.c.owner, runs.c.events, runs.c.entries)
    .where(runs.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(runs.c.id)
    .with_for_update()
)
THERE = select(blobs.c.digest).where(blobs.c.digest.in_(bindparam("digests", expanding=True)))
EVENT = insert(events)
COUNT = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(events=bindparam("all_events"), entries=bindparam("all_entries"))
)
END_INTENT = delete(intents).where(
    intents.c.run_id == bindparam("run"), intents.c.path == bindparam("at_path"), intents.c.key == bindparam("its_key")
)
WITHDRAW = END_INTENT.where(intents.c.crashes == 0, intents.c.spent_usd == "0", intents.c.held_usd == "0")
_LATEST = (
    select(func.max(intents.c.number))
    .where(intents.c.run_id == bindparam("run"), intents.c.path == bindparam("at_path"))
    .scalar_subquery()
)
SPEND = (
    update(intents)
    .where(intents.c.run_id == bindparam("run"), intents.c.path == bindparam("at_path"), intents.c.number == _LATEST)
    .values(spent_usd=bindparam("spent"), held_usd=bindparam("held"))
)
FORGET = delete(results).where(
    results.c.run_id == bindparam("run"), results.c.path == bindparam("at_path"), results.c.status == "failed"
)
