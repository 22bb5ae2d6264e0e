"""Shared by the tests of the journal: short forms of what it is told, and a look into its tables."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import create_engine, text

from executors.events import RunFinished, StepFinished
from executors.journal.entries import Intent, Recorded
from unified_api.types import Caller
from workflows.model import Workflow

__all__ = [
    "CALLER",
    "LARGE",
    "NOON",
    "OTHER",
    "WORKFLOW",
    "begun",
    "emptied",
    "finished",
    "intent",
    "result",
    "sql",
    "step",
]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WORKFLOW = Workflow.model_validate({"workflow": "1", "name": "two", "steps": [{"id": "a", "kind": "set", "value": 1}]})
OTHER = Workflow.model_validate({"workflow": "1", "name": "other", "steps": [{"id": "b", "kind": "set", "value": 2}]})
CALLER = Caller(tenant="t", user="u", run="r", tags=frozenset({"x", "y"}))
LARGE = "größer " * 20_000


def emptied(address: str) -> str:
    sql(address, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return address


def sql(address: str, *statements: str) -> list[Any]:
    """What the last statement gives."""
    url = address.replace("postgresql:", "postgresql+psycopg:") if "://" in address else f"sqlite:///{address}"
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            found = connection.execute(text(statement))
        rows = list(found) if found.returns_rows else []
    engine.dispose()
    return rows


async def begun(journal: Any, run_id: str = "r", *, at: datetime = NOON, **fields: Any) -> None:
    given = {"definition": WORKFLOW, "workflows": {"other@1.0.0": OTHER}, "inputs": {"q": 1}, "caller": CALLER}
    await journal.begin(run_id, at=at, **{**given, **fields})


def intent(path: str = "a", key: str = "k", *, run_id: str = "r", crashes: int = 0) -> Intent:
    return Intent(run_id=run_id, path=path, kind="llm", key=key, at=NOON, crashes=crashes)


def result(path: str = "a", key: str = "k", *, run_id: str = "r", **fields: Any) -> Recorded:
    given: dict[str, Any] = {"kind": "llm", "at": NOON, "status": "succeeded", "output": 1}
    return Recorded(run_id=run_id, path=path, key=key, **{**given, **fields})


def finished(run_id: str = "r", *, at: datetime = NOON, **fields: Any) -> RunFinished:
    given: dict[str, Any] = {"status": "succeeded", "outputs": {"a": 1}, "cost_usd": Decimal("0.1"), "seconds": 2.0}
    return RunFinished(run_id=run_id, at=at, **{**given, **fields})


def step(run_id: str = "r", step_id: str = "a", **fields: Any) -> StepFinished:
    given: dict[str, Any] = {"kind": "set", "status": "succeeded", "output": 1}
    return StepFinished(run_id=run_id, at=NOON, step_id=step_id, **{**given, **fields})
