"""What the journal is told, as rows: made in the caller's thread, so that nothing changes on its way to the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from executors.events import Event, RunFinished, RunStarted, StepFinished, StepStarted, StepToken
from executors.journal.encoding import Packed, pack, prune, workflow_blob
from executors.journal.entries import Approval, Intent, JournalError, Recorded

__all__ = [
    "EventRow",
    "Forget",
    "IntentRow",
    "ResultRow",
    "Row",
    "Spend",
    "Withdraw",
    "event_row",
    "intent_row",
    "result_row",
    "stamp",
]

_ROW = 200
"""Bytes that a row is counted as besides what it holds."""
_RESULT = {"outputs", "cost_usd", "seconds", "error"}
_OUTSIDE = {"run_id", "path", "key", "kind", "at", "status", "number"}
"""Fields of intents, results and questions that have columns of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    run_id: str
    kind: str
    packed: Packed
    run: dict[str, Any] = field(default_factory=dict)
    """What it changes of its run."""
    step: dict[str, Any] | None = None
    """What it changes of its step."""

    @property
    def size(self) -> int:
        return self.packed.size + _ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    run_id: str
    columns: dict[str, Any]

    @property
    def size(self) -> int:
        return _ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    run_id: str
    columns: dict[str, Any]
    packed: Packed

    @property
    def size(self) -> int:
        return self.packed.size + _ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    run_id: str
    path: str
    spent: str
    held: str
    size: int = _ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    run_id: str
    path: str
    size: int = _ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Takes an intent back of which nothing came: whoever waited for it was cancelled first."""

    run_id: str
    path: str
    key: str
    size: int = _ROW


Row: TypeAlias = EventRow | IntentRow | ResultRow | Spend | Forget | Withdraw


def stamp(at: datetime) -> str:
    """A time as text that sorts by time."""
    return (at if at.tzinfo in (None, UTC) else at.astimezone(UTC)).isoformat()


def event_row(event: Event) -> EventRow | None:
    """None for what is live only. Raises JournalError for a run whose id cannot be kept."""
    if isinstance(event, StepToken):
        return None
    speakable(event.run_id)
    fields = prune(event)
    del fields["run_id"]
    run: dict[str, Any] = {}
    step: dict[str, Any] | None = None
    if isinstance(event, RunStarted):
        if event.definition is not None:
            fields["definition"] = workflow_blob(event.definition)
        subject = pack({name: one for name, one in fields.items() if name in {"definition", "inputs"}})
        run = {
            "workflow": event.workflow,
            "status": "running",
            "steps": event.steps,
            "started": stamp(event.at),
            "ended": None,
            "subject": subject.body,
            "subject_blobs": subject.digests,
            "result": None,
            "result_blobs": None,
        }
    elif isinstance(event, RunFinished):
        packed = pack({name: one for name, one in fields.items() if name in _RESULT})
        run = {
            "status": event.status,
            "ended": stamp(event.at),
            "result": packed.body,
            "result_blobs": packed.digests,
            "cancel_requested": False,
        }
    elif isinstance(event, StepStarted | StepFinished):
        step = _step(event)
    return EventRow(run_id=event.run_id, kind=type(event).__name__, packed=pack(fields), run=run, step=step)


def _step(event: StepStarted | StepFinished) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run_id": event.run_id,
        "step_id": event.step_id,
        "kind": event.kind,
        "status": "running",
        "started": stamp(event.at),
        "ended": None,
        "model": None,
        "cost_usd": None,
    }
    if isinstance(event, StepFinished):
        row |= {
            "status": event.status,
            "started": event.started and stamp(event.started),
            "ended": stamp(event.at),
            "model": event.model,
            "cost_usd": None if event.cost_usd is None else str(event.cost_usd),
        }
    return row


def intent_row(intent: Intent) -> IntentRow:
    """Raises JournalError for names that cannot be kept."""
    columns = {
        "run_id": speakable(intent.run_id),
        "path": speakable(intent.path),
        "key": speakable(intent.key),
        "kind": intent.kind,
        "at": stamp(intent.at),
        "crashes": intent.crashes,
        "spent_usd": "0",
        "held_usd": "0",
    }
    return IntentRow(run_id=intent.run_id, columns=columns)


def result_row(result: Recorded) -> ResultRow:
    """Raises JournalError for names that cannot be kept, and what `pack` raises."""
    packed = pack(inside(result))
    columns = {
        "run_id": speakable(result.run_id),
        "path": speakable(result.path),
        "key": speakable(result.key),
        "kind": result.kind,
        "at": stamp(result.at),
        "status": result.status,
        "body": packed.body,
        "blobs": packed.digests,
    }
    return ResultRow(run_id=result.run_id, columns=columns, packed=packed)


def inside(entry: Recorded | Approval) -> dict[str, Any]:
    """The fields that have no column of their own."""
    return {name: one for name, one in prune(entry).items() if name not in _OUTSIDE}


def speakable(name: str) -> str:
    """The name itself. Raises JournalError for one that no database takes."""
    if not name or len(name) > 2000 or "\0" in name:
        raise JournalError(f"{name[:80]!r} is no name that a journal can keep: use 1 to 2,000 characters of text")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise JournalError(f"{name[:80]!r} is no name that a journal can keep: it is no Unicode text") from None
    return name
