"""Rows of the journal become events, results and questions again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from executors import events
from executors.events import Event, StepError
from executors.journal.encoding import unpack
from executors.journal.entries import Approval, Decision, Intent, JournalError, Recorded, Unsettled
from executors.journal.summaries import RecordedRun, RunSummary
from unified_api.types import Caller
from workflows.model import Workflow

__all__ = [
    "SUMMED_UP",
    "approval_of",
    "caller_of",
    "decision_of",
    "event_of",
    "recorded_of",
    "run_of",
    "unsettled_of",
    "workflow_in",
]

SUMMED_UP: Mapping[str, frozenset[str]] = {
    "subject": frozenset({"inputs"}),
    "result": frozenset({"cost_usd", "seconds", "error"}),
}
"""What a line of the list of runs tells of these columns: not the rest, which may be large."""
Row = Mapping[str, Any]
Blobs = Mapping[str, bytes]


@lru_cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _typed(kind: type, value: dict[str, Any], where: str) -> Any:
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        raise JournalError(
            f"{where} is no {kind.__name__} as this release knows it ({error.errors()[0]['msg']}); a newer release may"
            " have written it: upgrade meta-orchestrator"
        ) from error


def event_of(row: Row, blobs: Blobs) -> Event:
    """Raises JournalError for what this release does not know."""
    where = f"event {row['seq']} of run {row['run_id']}"
    kind = getattr(events, row["kind"], None) if row["kind"] in events.__all__ else None
    if not isinstance(kind, type):
        raise JournalError(f"{where} is of the unknown kind {row['kind']!r}; upgrade meta-orchestrator")
    fields = unpack(row["body"], blobs)
    if "definition" in fields:
        fields["definition"] = workflow_in(fields["definition"])
    event: Event = _typed(kind, {"run_id": row["run_id"], **fields}, where)
    return event


def workflow_in(value: Any) -> Workflow | None:
    """None for a definition that this release would refuse."""
    try:
        return Workflow.model_validate(value)
    except ValidationError:
        return None


def recorded_of(row: Row, blobs: Blobs) -> Recorded:
    outside = {name: row[name] for name in ("run_id", "path", "key", "kind", "at", "status")}
    where = f"the result of {row['path']!r} in run {row['run_id']}"
    found: Recorded = _typed(Recorded, {**unpack(row["body"], blobs), **outside}, where)
    return found


def unsettled_of(row: Row) -> Unsettled:
    intent = Intent(
        run_id=row["run_id"],
        path=row["path"],
        kind=row["kind"],
        key=row["key"],
        at=datetime.fromisoformat(row["at"]),
        crashes=row["crashes"],
    )
    return Unsettled(intent=intent, spent_usd=Decimal(row["spent_usd"]), held_usd=Decimal(row["held_usd"]))


def approval_of(row: Row, blobs: Blobs) -> Approval:
    outside = {name: row[name] for name in ("run_id", "path", "key")}
    where = f"the question at {row['path']!r} in run {row['run_id']}"
    decision = decision_of(row["decision"])
    found: Approval = _typed(Approval, {**unpack(row["body"], blobs), **outside, "decision": decision}, where)
    return found


def decision_of(text: str | None) -> Decision | None:
    if text is None:
        return None
    found: Decision = _typed(Decision, unpack(text, {}), "a decision")
    return found


def caller_of(value: Any) -> Caller:
    found: Caller = _typed(Caller, value or {}, "a caller")
    return found


def run_of(row: Row, blobs: Blobs, *, interrupted: bool, steps: tuple[Any, tuple[str, ...]] | None = None) -> Any:
    """A RunSummary; with steps, which are those that finished and those that did not, a RecordedRun."""
    whole = steps is not None
    subject = unpack(row["subject"], blobs, only=None if whole else SUMMED_UP["subject"]) if row["subject"] else {}
    result = unpack(row["result"], blobs, only=None if whole else SUMMED_UP["result"]) if row["result"] else {}
    error = result.get("error")
    cost = result.get("cost_usd")
    told: dict[str, Any] = {
        "run_id": row["id"],
        "workflow": row["workflow"],
        "status": "interrupted" if interrupted else row["status"],
        "started": datetime.fromisoformat(row["started"]),
        "ended": row["ended"] and datetime.fromisoformat(row["ended"]),
        "seconds": result.get("seconds"),
        "steps": row["steps"],
        "cost_usd": None if cost is None else Decimal(cost),
        "error": None if error is None else StepError(error["code"], error["message"]),
        "inputs": subject.get("inputs") or {},
    }
    if steps is None:
        return RunSummary(**told)
    finished, unfinished = steps
    return RecordedRun(
        **told,
        definition=subject.get("definition"),
        outputs=result.get("outputs") or {},
        finished=finished,
        unfinished=unfinished,
    )
