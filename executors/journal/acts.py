"""What somebody waits for while it is written: runs begun and claimed, questions and answers, the end of old runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, text, update

from executors.journal import decoding
from executors.journal.encoding import dumps, pack, workflow_blob
from executors.journal.entries import Approval, Decision, JournalError
from executors.journal.errors import RunHeldError, RunNotFoundError, run_exists, unknown_run
from executors.journal.questions import meant
from executors.journal.reading import contents, is_left
from executors.journal.rows import inside, speakable, stamp
from executors.journal.tables import HOLDERS, approvals, blobs, events, intents, results, runs, steps
from executors.journal.writing import BLOBS_LOCK, Act, Transaction, now_of
from unified_api.types import Caller
from workflows.model import Workflow

__all__ = ["ask", "begin", "cancel", "claim", "collect", "decide", "forget_runs"]

_AT_ONCE = 500


def begin(
    run_id: str,
    *,
    definition: Workflow,
    workflows: Mapping[str, Workflow],
    inputs: Mapping[str, Any],
    caller: Caller,
    at: datetime,
    resumed: bool = False,
) -> Act:
    """Writes a run down, or anew where it is there already and `resumed`, and takes it."""
    speakable(run_id)
    begun = pack({"caller": caller, "workflows": dict(workflows)})
    subject = pack({"definition": workflow_blob(definition), "inputs": dict(inputs)})
    columns = {
        "workflow": definition.name,
        "status": "running",
        "ended": None,
        "begun": begun.body,
        "begun_blobs": begun.digests,
        "subject": subject.body,
        "subject_blobs": subject.digests,
        "result": None,
        "result_blobs": None,
    }

    def act(transaction: Transaction) -> None:
        transaction.open([run_id], making=False)
        there = transaction.run(run_id) is not None
        if there and _is_held(transaction, run_id):
            raise RunHeldError(f"run {run_id} is under way in another program; wait for its end, or name another run")
        if there and not resumed:
            raise run_exists(run_id)
        transaction.open([run_id])
        first = {} if there else {"steps": len(definition.steps), "started": stamp(at)}
        transaction.refer([*begun.blobs, *subject.blobs])
        transaction.change(run_id, {**columns, **first})
        transaction.take(run_id)
        transaction.flush()

    return act


def claim(run_id: str, *, although_held: bool = False) -> Act:
    """True when the run is ours from now on, False when somebody who lives has it, unless that does not matter."""

    def act(transaction: Transaction) -> bool:
        _opened(transaction, run_id)
        if not although_held and _is_held(transaction, run_id):
            return False
        transaction.take(run_id)
        transaction.change(run_id, {"status": "running"})
        transaction.flush()
        return True

    return act


def cancel(run_id: str) -> Act:
    """True when the run had not ended yet."""

    def act(transaction: Transaction) -> bool:
        _opened(transaction, run_id)
        statement = update(runs).where(runs.c.id == run_id, runs.c.status == "running").values(cancel_requested=True)
        return transaction.connection.execute(statement).rowcount > 0

    return act


def ask(approval: Approval) -> Act:
    """Keeps a question, as the latest at its path; gives back the one that is there already."""
    packed = pack(inside(replace(approval, decision=None)))
    names = {name: speakable(getattr(approval, name)) for name in ("run_id", "path", "key")}
    decision = None if approval.decision is None else dumps(approval.decision).decode()

    def act(transaction: Transaction) -> Approval:
        transaction.open([approval.run_id])
        there = [getattr(approvals.c, name) == value for name, value in names.items()]
        found = transaction.connection.execute(select(approvals).where(*there)).mappings().one_or_none()
        if found is not None:
            if _asked_at(transaction.connection, approval.run_id, approval.path)[0].key != approval.key:
                latest = transaction.number(approval.run_id)
                transaction.flush()
                transaction.connection.execute(update(approvals).where(*there).values(number=latest))
            return decoding.approval_of(dict(found), contents(transaction.connection, [found["blobs"]]))
        row = {**names, "number": transaction.number(approval.run_id), "body": packed.body, "blobs": packed.digests}
        transaction.refer(packed.blobs)
        transaction.flush()
        transaction.connection.execute(insert(approvals), {**row, "decision": decision})
        return approval

    return act


def decide(run_id: str, path: str, decision: Decision, *, key: str | None = None) -> Act:
    """Gives back the answer that stands. Refuses a second one that says something else."""

    def act(transaction: Transaction) -> Decision:
        _opened(transaction, run_id)
        connection = transaction.connection
        asked = _asked_at(connection, run_id, path)
        if not asked:
            raise JournalError(_no_question(connection, run_id, path))
        open_ = [one.key for one in asked if one.decision is None]
        found = meant(run_id, path, key, asked=[one.key for one in asked], unanswered=open_)
        given = decoding.decision_of(next(one.decision for one in asked if one.key == found))
        if given is None:
            here = (approvals.c.run_id == run_id, approvals.c.path == path, approvals.c.key == found)
            connection.execute(update(approvals).where(*here).values(decision=dumps(decision).decode()))
            return decision
        if given.approved != decision.approved:
            raise JournalError(f"{path!r} of run {run_id} was {_said(given)} already, which cannot be taken back")
        return given

    return act


def forget_runs(before: datetime, *, most: int) -> Act:
    """Deletes some of the runs that ended before, so that nobody waits long for it; gives their number."""

    def act(transaction: Transaction) -> int:
        connection = transaction.connection
        ended = (runs.c.status != "running", runs.c.ended < stamp(before))
        query = select(runs.c.id).where(*ended).order_by(runs.c.id).limit(most).with_for_update()
        ids = list(connection.execute(query).scalars())
        for table in (events, steps, intents, results, approvals):
            _delete(connection, delete(table).where(table.c.run_id == bindparam("one")), ids)
        _delete(connection, delete(runs).where(runs.c.id == bindparam("one")), ids)
        return len(ids)

    return act


def collect() -> Act:
    """Deletes the blobs that nothing refers to; gives their number."""

    def act(transaction: Transaction) -> int:
        _alone(transaction.connection)
        return _collect(transaction.connection)

    return act


def _alone(connection: Connection) -> None:
    """Nobody refers to a blob until this transaction has ended. In a file, writers are alone anyhow."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": BLOBS_LOCK})


def _collect(connection: Connection) -> int:
    used: set[str] = set()
    for _, column in HOLDERS:
        lists = connection.execute(select(column).where(column.is_not(None)).distinct()).scalars()
        used.update(digest for one in lists for digest in one.split(" "))
    unused = [one for one in connection.execute(select(blobs.c.digest)).scalars() if one not in used]
    _delete(connection, delete(blobs).where(blobs.c.digest == bindparam("one")), unused)
    return len(unused)


def _delete(connection: Connection, statement: Any, ids: Iterable[str]) -> None:
    rows = [{"one": one} for one in ids]
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(statement, rows[start : start + _AT_ONCE])


def _is_held(transaction: Transaction, run_id: str) -> bool:
    """Whether somebody else who lives has a run that has not ended."""
    query = select(runs.c.status, runs.c.owner, runs.c.lease).where(runs.c.id == run_id)
    row = dict(transaction.connection.execute(query).mappings().one())
    if row["status"] != "running" or row["owner"] == transaction.owner:
        return False
    return not is_left(row, now_of(transaction.connection))


def _opened(transaction: Transaction, run_id: str) -> None:
    transaction.open([run_id], making=False)
    if transaction.run(run_id) is None:
        query = select(runs.c.id).order_by(runs.c.started.desc()).limit(5_000)
        raise RunNotFoundError(unknown_run(run_id, transaction.connection.execute(query).scalars().all()))


def _asked_at(connection: Connection, run_id: str, path: str) -> Sequence[Row[Any, Any]]:
    """Keys and answers, the latest question first."""
    query = select(approvals.c.key, approvals.c.decision)
    query = query.where(approvals.c.run_id == run_id, approvals.c.path == path)
    return connection.execute(query.order_by(approvals.c.number.desc())).all()


def _no_question(connection: Connection, run_id: str, path: str) -> str:
    query = select(approvals.c.path).where(approvals.c.run_id == run_id).order_by(approvals.c.number)
    paths = list(dict.fromkeys(connection.execute(query).scalars()))
    if not paths:
        return f"run {run_id} has asked nobody anything, so {path!r} cannot be decided"
    near = get_close_matches(path, paths, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"it asks at {', '.join(paths[:10])}"
    return f"run {run_id} asks nothing at {path!r}; {hint}"


def _said(decision: Decision) -> str:
    word = "approved" if decision.approved else "rejected"
    return word if decision.by is None else f"{word} by {decision.by}"
