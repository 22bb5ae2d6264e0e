"""Whatever is done in whatever order, a journal in a database answers as the one in memory does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import LARGE, NOON, begun, finished, intent, result, sql, step
from postgres import Unavailable, postgres

from executors.events import RunStarted, StepError
from executors.journal.entries import Approval, Decision, JournalError
from executors.journal.memory import MemoryJournal
from executors.journal.store import SqlJournal


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        with postgres() as address:
            yield address
    except Unavailable as error:
        pytest.skip(str(error))


PATHS, KEYS, RUNS = ("a", "each[0]/a"), ("k1", "k2"), ("r1", "r2")
PLACES = st.tuples(st.sampled_from(RUNS), st.sampled_from(PATHS), st.sampled_from(KEYS))
MONEY = st.integers(0, 5).map(lambda cents: Decimal(cents) / 100)
OPERATIONS = st.one_of(
    st.tuples(st.just("intend"), PLACES, st.integers(0, 2)),
    st.tuples(st.just("record"), PLACES, st.sampled_from(["succeeded", "failed"])),
    st.tuples(st.just("spend"), PLACES, st.tuples(MONEY, MONEY)),
    st.tuples(st.just("forget"), PLACES, st.none()),
    st.tuples(st.just("ask"), PLACES, st.none()),
    st.tuples(st.just("decide"), PLACES, st.tuples(st.booleans(), st.booleans())),
    st.tuples(st.just("cancel"), PLACES, st.none()),
    st.tuples(st.just("claim"), PLACES, st.none()),
    st.tuples(st.just("begin"), PLACES, st.booleans()),
    st.tuples(st.just("event"), PLACES, st.sampled_from(["step", "start", "end", "large"])),
    st.tuples(st.just("look"), PLACES, st.none()),
)


async def apply(journal: Any, number: int, name: str, place: tuple[str, str, str], more: Any) -> Any:
    """The answer, or the kind of error."""
    run_id, path, key = place
    at = NOON + timedelta(seconds=number)
    try:
        match name:
            case "intend":
                await journal.intend(replace(intent(path, key, run_id=run_id, crashes=more), at=at))
            case "record":
                error = StepError("x", "y") if more == "failed" else None
                journal.record(result(path, key, run_id=run_id, at=at, status=more, error=error, output=number))
            case "spend":
                journal.spend(run_id, path, spent=more[0], held=more[1])
            case "forget":
                journal.forget(run_id, path)
            case "ask":
                return await journal.ask(Approval(run_id=run_id, path=path, key=key, asked=at, message="sure?"))
            case "decide":
                approved, named = more
                decision = Decision(approved=approved, at=at)
                return await journal.decide(run_id, path, decision, key=key if named else None)
            case "cancel":
                return await journal.request_cancel(run_id)
            case "claim":
                return await journal.claim_run(run_id)
            case "begin":
                await begun(journal, run_id, at=at, inputs={"n": number}, resumed=more)
            case "event":
                journal(
                    {
                        "step": step(run_id, path, output=number),
                        "large": step(run_id, path, output=f"{number} {LARGE}"),
                        "start": RunStarted(run_id=run_id, at=at, workflow="two", steps=1, inputs={"n": number}),
                        "end": finished(run_id, at=at),
                    }[more]
                )
            case "look":
                return await seen(journal)
    except JournalError as error:
        return type(error)
    return None


async def seen(journal: Any) -> Any:
    return [
        [await journal.past(run_id) for run_id in RUNS],
        [await journal.events(run_id) for run_id in RUNS],
        [await journal.find(key) for key in KEYS],
        [await journal.decided(run_id, path, key) for run_id in RUNS for path in PATHS for key in KEYS],
        [await journal.cancel_requested(run_id) for run_id in RUNS],
        [await journal.waiting_approvals(run_id) for run_id in RUNS],
    ]


def agree(address: str, operations: list[Any]) -> None:
    async def both() -> None:
        model = MemoryJournal()
        with SqlJournal(address) as journal:
            for run_id in RUNS:
                for one in (journal, model):
                    await begun(one, run_id)
            for number, (name, place, more) in enumerate(operations):
                answer = await apply(journal, number, name, place, more)
                assert answer == await apply(model, number, name, place, more), (name, place, more)
            assert await seen(journal) == await seen(model)

    anyio.run(both)


@given(st.lists(OPERATIONS, max_size=25))
@settings(max_examples=60)
def test_a_file_and_the_journal_in_memory_agree(tmp_path_factory: pytest.TempPathFactory, operations: list[Any]):
    agree(str(tmp_path_factory.mktemp("journal") / "runs.sqlite"), operations)


@given(operations=st.lists(OPERATIONS, max_size=25))
@settings(max_examples=15)
def test_postgresql_and_the_journal_in_memory_agree(server: str, operations: list[Any]):
    tables = ", ".join(f"journal_{name}" for name in ("runs", "steps", "events", "intents", "results", "approvals"))
    with SqlJournal(server) as journal:
        journal.list_runs()  # makes them where they are missing
    sql(server, f"TRUNCATE {tables}")
    agree(server, operations)
