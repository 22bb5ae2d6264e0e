from __future__ import annotations

import platform
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from journals import CALLER, LARGE, NOON, OTHER, WORKFLOW, begun, emptied, finished, intent, result, sql, step
from postgres import Unavailable, postgres
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from executors.events import (
    Event,
    RunStarted,
    StepError,
    StepRetrying,
    StepStarted,
    StepToken,
)
from executors.journal.address import checked, url_of
from executors.journal.commits import Commits
from executors.journal.encoding import LIMIT
from executors.journal.entries import Approval, Decision, JournalError
from executors.journal.errors import RunExistsError, RunHeldError, RunNotFoundError
from executors.journal.rows import intent_row
from executors.journal.store import SqlJournal
from executors.journal.turns import Entry
from unified_api.types import Attempt, Usage
from workflows.model import Workflow


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        with postgres() as address:
            yield address
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "data" / "runs.sqlite")
    return emptied(request.getfixturevalue("server"))


@pytest.fixture
def journal(address: str) -> Iterator[SqlJournal]:
    with SqlJournal(address) as made:
        yield made


FULL = result(
    output={"text": "größer \ud83d", "n": [1, 2.5, None, 2**80]},
    label="confidential",
    model="p/m",
    provider="p",
    quality="demo",
    usage=Usage(input_tokens=3),
    cost_usd=Decimal("0.000123"),
    counted_usd=Decimal("0.0002"),
    attempts=(Attempt(number=1, model="p/m", outcome="failed", error="timed_out", cost_usd=Decimal("0.5")),),
    shares=(1,),
    seconds=0.5,
)


async def test_all_that_a_run_needs_to_go_on_is_given_back(journal: SqlJournal):
    await begun(journal)
    await journal.intend(intent())
    journal.record(FULL)
    await journal.intend(intent("b", "k2", crashes=1))
    journal.spend("r", "b", spent=Decimal("0.1"), held=Decimal("0.25"))
    past = await journal.past("r")
    assert past is not None
    assert (past.definition, past.workflows, past.inputs) == (WORKFLOW, {"other@1.0.0": OTHER}, {"q": 1})
    assert (past.status, past.caller, past.started, past.cancel_requested) == ("running", CALLER, NOON, False)
    assert past.results == (FULL,)
    [open_] = past.unsettled
    assert (open_.intent, open_.spent_usd, open_.held_usd) == (
        intent("b", "k2", crashes=1),
        Decimal("0.1"),
        Decimal("0.25"),
    )
    assert await journal.past("s") is None


async def test_what_intend_returned_for_is_there_for_others_and_so_is_all_before_it(address: str, journal: SqlJournal):
    await begun(journal)
    for number in range(50):
        journal.record(result(f"each[{number}]/a", f"k{number}"))
    await journal.intend(intent())
    [[results]] = sql(address, "SELECT count(*) FROM journal_results")
    [[intents]] = sql(address, "SELECT count(*) FROM journal_intents")
    assert (results, intents) == (50, 1)


async def test_an_execution_that_is_done_again_keeps_what_its_first_one_cost(journal: SqlJournal):
    await begun(journal)
    await journal.intend(intent())
    journal.spend("r", "a", spent=Decimal(1), held=Decimal(2))
    await journal.intend(intent(crashes=1))
    past = await journal.past("r")
    assert past is not None
    [open_] = past.unsettled
    assert (open_.intent.crashes, open_.spent_usd, open_.held_usd) == (1, 1, 2)


async def test_a_failure_is_taken_back_and_a_success_is_not(journal: SqlJournal):
    await begun(journal)
    journal.record(result("a", "old"))
    journal.record(result("a", "new", status="failed", error=StepError("refused", "no"), output=None))
    journal.forget("r", "a")
    past = await journal.past("r")
    assert past is not None
    assert [one.key for one in past.results] == ["old"]


async def test_the_latest_success_of_any_run_is_found_by_its_key(journal: SqlJournal):
    for number, run_id in enumerate(("r1", "r2", "r3")):
        await begun(journal, run_id)
        failed = {"status": "failed", "error": StepError("x", "y")} if run_id == "r3" else {}
        journal.record(result(run_id=run_id, at=NOON + timedelta(seconds=number), **failed))
    found = await journal.find("k")
    assert found is not None
    assert found.run_id == "r2"
    assert await journal.find("other") is None


EVENTS: tuple[Event, ...] = (
    RunStarted(run_id="r", at=NOON, workflow="two", steps=1, definition=WORKFLOW, inputs={"q": LARGE}),
    StepStarted(run_id="r", at=NOON, step_id="a", kind="llm"),
    StepRetrying(run_id="r", at=NOON, step_id="a", attempt=2, delay_s=0.5, error=StepError("timed_out", "late")),
    step(output=LARGE, attempts=FULL.attempts, usage=FULL.usage, cost_usd=Decimal("0.1"), started=NOON),
    finished(outputs={"a": LARGE}, error=StepError("x", "y" * LIMIT)),
)


async def test_events_are_read_again_from_any_point_as_they_were(journal: SqlJournal):
    for event in EVENTS:
        journal(event)
        journal(StepToken(run_id="r", step_id="a", text="live only"))
    assert await journal.events("r") == list(enumerate(EVENTS, 1))
    assert await journal.events("r", after=2, limit=2) == [(3, EVENTS[2]), (4, EVENTS[3])]
    assert await journal.events("s") == []


async def test_events_of_many_runs_from_many_threads_have_numbers_without_gaps(address: str):
    with SqlJournal(address) as one, SqlJournal(address) as other:

        def tell(journal: SqlJournal) -> None:
            for number in range(60):
                journal(step(f"r{number % 3}", f"s{number}"))

        threads = [threading.Thread(target=tell, args=(journal,)) for journal in (one, one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.flush()
        for run_id in ("r0", "r1", "r2"):
            assert [seq for seq, _ in await one.events(run_id)] == list(range(1, 61))


def test_a_journal_serves_one_event_loop_after_the_other_and_several_at_once(address: str):
    with SqlJournal(address) as journal:

        async def ask(run_id: str) -> None:
            await begun(journal, run_id)
            async with anyio.create_task_group() as tasks:
                for _ in range(12):
                    tasks.start_soon(journal.past, run_id)
            assert await journal.past(run_id) is not None

        anyio.run(ask, "r0")
        threads = [threading.Thread(target=anyio.run, args=(ask, f"r{number}")) for number in range(1, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal.list_runs()) == 4


async def test_a_run_is_followed_until_its_end_by_its_own_program_and_by_others(address: str):
    with SqlJournal(address) as writer, SqlJournal(address) as reader:
        await begun(writer)
        heard: dict[str, list[int]] = {"writer": [], "reader": []}

        async def listen(name: str, journal: SqlJournal) -> None:
            async for seq, _ in journal.follow("r"):
                heard[name].append(seq)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen, "writer", writer)
            tasks.start_soon(listen, "reader", reader)
            for event in EVENTS:
                writer(event)
                await anyio.wait_all_tasks_blocked()
        assert heard == {"writer": [1, 2, 3, 4, 5], "reader": [1, 2, 3, 4, 5]}
        assert [seq async for seq, _ in reader.follow("r", 3)] == [4, 5]
        with pytest.raises(RunNotFoundError, match="no run has the id 'zz'"):
            await anext(reader.follow("zz"))


async def test_the_end_of_a_run_that_was_resumed_is_its_last_one(journal: SqlJournal):
    for event in (EVENTS[0], finished(status="failed"), EVENTS[0], finished()):
        journal(event)
    assert [seq async for seq, _ in journal.follow("r")] == [1, 2, 3, 4]
    assert journal.get_run("r").status == "succeeded"


async def test_large_values_stand_once_however_often_they_are_referred_to(address: str, journal: SqlJournal):
    for run_id in ("r1", "r2"):
        await begun(journal, run_id, inputs={"q": LARGE})
        journal.record(result(run_id=run_id, output=LARGE))
        journal(step(run_id, output=LARGE))
        await journal.ask(Approval(run_id=run_id, path="ok", key="k", asked=NOON, message="sure?", show={"all": LARGE}))
    found = await journal.find("k")
    assert found is not None
    assert found.output == LARGE
    assert (await journal.waiting_approvals("r1"))[0].show == {"all": LARGE}
    rows = sql(address, "SELECT digest, size, length(content) FROM journal_blobs WHERE size > 65536")
    assert len(rows) == 3  # the text, what the approval shows, and the inputs
    assert all(len(digest) == 64 and kept < size for digest, size, kept in rows)
    [[widest]] = sql(address, "SELECT max(length(body)) FROM journal_results")
    assert widest < LIMIT


async def test_old_runs_are_forgotten_with_all_that_only_they_refer_to(address: str, journal: SqlJournal):
    for number, run_id in enumerate(("old", "new", "going")):
        await begun(journal, run_id, inputs={"q": f"{number} {LARGE}"})
        journal.record(result(run_id=run_id, output=LARGE))
        if run_id != "going":
            journal(finished(run_id, at=NOON + timedelta(days=number), outputs={"own": run_id + LARGE}))
    assert await journal.forget_runs(before=NOON + timedelta(hours=1)) == 1
    assert {run.run_id for run in journal.list_runs()} == {"new", "going"}
    assert await journal.collect() == 0
    assert len(sql(address, "SELECT 1 FROM journal_blobs WHERE size > 65536")) == 4
    found = await journal.past("new")
    assert found is not None
    assert found.results[0].output == LARGE
    with pytest.raises(RunNotFoundError):
        journal.get_run("old")


async def test_any_number_of_runs_is_forgotten(address: str, journal: SqlJournal):
    for number in range(450):
        journal(finished(f"r{number}"))
    assert await journal.forget_runs(before=NOON) == 0
    assert await journal.forget_runs(before=NOON + timedelta(seconds=1)) == 450
    assert sql(address, "SELECT count(*) FROM journal_events") == [(0,)]


async def test_blobs_are_collected_while_others_write_and_none_that_is_referred_to_is_lost(address: str):
    with SqlJournal(address) as writer, SqlJournal(address) as collector:
        await begun(writer)
        done = anyio.Event()

        async def collect() -> None:
            while not done.is_set():
                await collector.collect()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect)
            for number in range(40):
                # The same few values come and go, so that what is collected is written again just then.
                writer.record(result("a", f"k{number}", output=f"{number % 3} {LARGE}", status="failed"))
                await writer.intend(intent("b"))
                past = await writer.past("r")
                assert past is not None
                assert past.results[-1].output == f"{number % 3} {LARGE}"
                writer.forget("r", "a")
            done.set()
        writer.flush()
        await collector.collect()
        assert sql(address, "SELECT count(*) FROM journal_blobs WHERE size > 65536") == [(0,)]


async def test_a_question_is_asked_once_and_answered_once(journal: SqlJournal):
    asked = Approval(run_id="r", path="ok", key="k", asked=NOON, message="sure?", show=[1], expires=NOON)
    await begun(journal)
    assert await journal.ask(asked) == asked
    assert await journal.ask(replace(asked, message="really?")) == asked
    assert await journal.waiting_approvals() == [asked]
    assert await journal.decided("r", "ok", "k") is None
    yes = Decision(approved=True, by="ann", comment="fine", at=NOON)
    assert await journal.decide("r", "ok", yes) == yes
    assert await journal.decide("r", "ok", Decision(approved=True, by="bob")) == yes
    assert await journal.decided("r", "ok", "k") == yes
    assert await journal.ask(asked) == replace(asked, decision=yes)
    assert await journal.waiting_approvals() == []
    with pytest.raises(JournalError, match="'ok' of run r was approved by ann already"):
        await journal.decide("r", "ok", Decision(approved=False))
    with pytest.raises(JournalError, match="asks nothing at 'okk'; did you mean 'ok'"):
        await journal.decide("r", "okk", yes)


async def test_a_run_is_followed_until_its_program_has_died(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("executors.journal.store._PATIENCE_S", 0.1)
    with SqlJournal(address) as reader:
        with SqlJournal(address) as one:
            await begun(one)
            one(step())
        if "://" in address:
            sql(address, "UPDATE journal_runs SET lease = lease - 6")
        with anyio.fail_after(5):
            assert [seq async for seq, _ in reader.follow("r")] == [1]


def _delete(folder: Path, *, again: bool) -> None:
    for file in list(folder.iterdir()):
        file.rename(folder / f"{file.name}.away")  # its inode must not be had by the next
    if again:
        (folder / "runs.sqlite").touch()


@pytest.mark.skipif(platform.system() == "Windows", reason="a file that is in use cannot be deleted there")
@pytest.mark.parametrize("again", [False, True])
async def test_a_file_that_was_deleted_or_replaced_in_the_middle_is_told(tmp_path: Path, again: bool):
    path = tmp_path / "runs.sqlite"
    journal = SqlJournal(path)
    await begun(journal)
    _delete(tmp_path, again=again)
    with pytest.raises(JournalError, match="deleted, moved away or replaced"):
        await journal.intend(intent())
    journal.record(result())
    with pytest.raises(JournalError, match="is incomplete: it was deleted"):
        journal.close()


async def test_an_answer_to_one_question_is_not_an_answer_to_another_at_its_path(journal: SqlJournal):
    bob = Approval(run_id="r", path="ok", key="b" * 64, asked=NOON, message="pay Bob?")
    mallory = replace(bob, key="c" * 64, message="pay Mallory?")
    yes = Decision(approved=True, by="ann")
    await begun(journal)
    await journal.ask(bob)
    await journal.ask(mallory)
    assert await journal.waiting_approvals() == [mallory]
    with pytest.raises(JournalError, match=r"has asked 'ok' several things; say which one.*question cccccccc"):
        await journal.decide("r", "ok", yes)
    with pytest.raises(JournalError, match="question bbbbbbbb of 'ok' of run r is not asked any more"):
        await journal.decide("r", "ok", yes, key=bob.question)
    with pytest.raises(JournalError, match="has asked no question 'd' at 'ok', but cccccccc, bbbbbbbb"):
        await journal.decide("r", "ok", yes, key="d")
    assert await journal.decided("r", "ok", mallory.key) is None
    assert await journal.ask(bob) == bob
    assert await journal.waiting_approvals() == [bob]
    assert await journal.decide("r", "ok", yes, key=bob.question) == yes
    assert await journal.decided("r", "ok", bob.key) == yes
    assert await journal.decided("r", "ok", mallory.key) is None


async def test_a_new_run_may_not_have_the_id_of_another(journal: SqlJournal):
    await begun(journal)
    await journal.ask(Approval(run_id="r", path="ok", key="k", asked=NOON, message="sure?"))
    await journal.decide("r", "ok", Decision(approved=True))
    journal(finished())
    with pytest.raises(RunExistsError, match="there is a run 'r' already; `orchestrate resume r` goes on with it"):
        await begun(journal)
    assert journal.get_run("r").status == "succeeded"
    await begun(journal, resumed=True)
    assert journal.get_run("r").status == "running"


async def test_two_journals_of_one_program_do_not_have_one_run_and_one_that_was_closed_has_none(address: str):
    with SqlJournal(address) as one, SqlJournal(address) as other:
        await begun(one)
        assert not await other.claim_run("r")
        with pytest.raises(RunHeldError, match="under way in another program"):
            await begun(other, resumed=True)
        assert await other.interrupted() == []
        one.close()
        if "://" in address:
            sql(address, "UPDATE journal_runs SET lease = lease - 6")
        assert await other.interrupted() == ["r"]
        assert await other.claim_run("r")
        assert not await one.claim_run("r")


async def test_two_who_decide_at_once_cannot_both_be_right(address: str):
    with SqlJournal(address) as one, SqlJournal(address) as other:
        await begun(one)
        refused = 0
        for number in range(10):
            await one.ask(Approval(run_id="r", path=f"ok[{number}]", key="k", asked=NOON, message="sure?"))

        async def decide(journal: SqlJournal, path: str, approved: bool) -> None:
            nonlocal refused
            try:
                await journal.decide("r", path, Decision(approved=approved))
            except JournalError:
                refused += 1

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(decide, one, f"ok[{number}]", True)
                tasks.start_soon(decide, other, f"ok[{number}]", False)
        assert refused == 10


async def test_the_end_of_a_run_is_asked_for_durably_and_forgotten_once_it_came(journal: SqlJournal):
    await begun(journal, "abcdef")
    assert not await journal.cancel_requested("abcdef")
    assert await journal.request_cancel("abcdef")
    assert await journal.cancel_requested("abcdef")
    journal(finished("abcdef", status="cancelled"))
    assert not await journal.cancel_requested("abcdef")
    assert not await journal.request_cancel("abcdef")
    with pytest.raises(RunNotFoundError, match=r"no run has the id 'abcdeg'.*did you mean 'abcdef'"):
        await journal.request_cancel("abcdeg")


async def test_a_run_belongs_to_one_living_program(address: str, journal: SqlJournal):
    await begun(journal)
    assert await journal.claim_run("r")
    assert await journal.interrupted() == []
    if "://" not in address:
        owner = sql(address, "SELECT owner FROM journal_runs")[0][0]
        sql(address, f"UPDATE journal_runs SET owner = '{owner.rpartition('/')[0]}/1'")
    else:
        with SqlJournal(address) as other:
            other.owner += "-2"
            assert not await other.claim_run("r")
            with pytest.raises(JournalError, match="under way in another program"):
                await begun(other)
            assert await other.claim_run("r", although_held=True)
        with pytest.raises(JournalError, match="taken over"):
            await journal.intend(intent())
        sql(address, "UPDATE journal_runs SET lease = lease - 6")
    assert await journal.interrupted() == ["r"]
    assert journal.get_run("r").status == "interrupted"
    assert await journal.claim_run("r")
    assert await journal.interrupted() == []
    journal(finished())
    assert await journal.interrupted() == []


async def test_an_intent_whose_waiter_was_cancelled_is_taken_back(journal: SqlJournal):
    await begun(journal)
    await journal.intend(intent("cut off"))
    for path in ("a", "cut off"):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.intend(intent(path, crashes=int(path == "cut off")))
        assert scope.cancelled_caught
    past = await journal.past("r")
    assert past is not None
    assert [one.intent.path for one in past.unsettled] == ["cut off"]


async def test_whoever_lost_a_run_ends_nothing_of_it_and_what_it_paid_for_stays(server: str):
    address = emptied(server)
    with SqlJournal(address) as one, SqlJournal(address) as other:
        other.owner += "-2"
        await begun(one)
        assert await other.claim_run("r", although_held=True)
        one.record(result())
        one(finished(status="failed"))
        one.flush()
        past = await other.past("r")
        assert past is not None
        assert (past.status, past.results) == ("running", (result(),))
        assert await other.events("r") == []


async def test_a_lease_is_kept_alive_by_the_writer(server: str):
    address = emptied(server)
    with SqlJournal(address) as journal:
        await begun(journal)
        sql(address, "UPDATE journal_runs SET lease = 0")
        with SqlJournal(address) as other:
            assert await other.interrupted() == ["r"]
            with anyio.fail_after(6):
                while await other.interrupted():
                    pass


async def test_a_server_that_is_away_for_a_moment_is_waited_for_and_one_that_never_was_there_is_not(server: str):
    class Leaving(Commits):
        away = 0

        def _opened(self) -> Engine:
            if self.away:
                self.away -= 1
                raise OperationalError("", {}, Exception("connection refused"))
            return super()._opened()

    commits = Leaving(url_of(checked(emptied(server))), "ordinary", owner="me", told=lambda _: None)
    told = [Entry(intent_row(intent(name)), event=threading.Event()) for name in "abc"]
    commits.away = 1
    commits.apply(told[:1])
    assert isinstance(told[0].error, OperationalError)
    commits.apply(told[1:2])
    commits.away = 2
    commits.apply(told[2:])
    assert (told[1].error, told[2].error, commits.away) == (None, None, 0)
    commits.close()


async def test_a_disk_that_cannot_be_written_stops_what_costs_and_loses_nothing_once_it_can(tmp_path: Path):
    folder = tmp_path / "data"
    folder.write_text("a file where a folder should be")
    journal = SqlJournal(folder / "runs.sqlite")
    journal(EVENTS[0])
    journal.record(result())
    for _ in range(2):
        with pytest.raises(JournalError, match="set ORCHESTRATOR_HOME"):
            await journal.intend(intent("b"))
    with pytest.raises(JournalError, match=r"incomplete.*; it lacks the results of a$"):
        journal.flush()
    folder.unlink()
    await journal.intend(intent("b"))
    past = await journal.past("r")
    assert past is not None
    assert past.results == (result(),)
    assert await journal.events("r") == [(1, EVENTS[0])]
    journal.close()


async def test_what_is_no_json_is_told_at_the_end_and_hinders_nobody(address: str):
    journal = SqlJournal(address)
    await begun(journal)
    journal.record(result("odd", output={"a": object()}))
    journal(step("null\0", "a"))
    journal.record(result("good"))
    await journal.intend(intent())
    past = await journal.past("r")
    assert past is not None
    assert [one.path for one in past.results] == ["good"]
    assert journal.get_run("r").status == "running"
    with pytest.raises(JournalError, match="is no JSON"):
        journal.close()
    with pytest.raises(JournalError, match="no name that a journal can keep"):
        await SqlJournal(address).intend(intent("half \ud83d"))


async def test_words_that_postgresql_refuses_in_text_are_kept_all_the_same(journal: SqlJournal):
    await begun(journal, inputs={"q": "null \0 half \ud83d"})
    journal.record(result(output="\0"))
    past = await journal.past("r")
    assert past is not None
    assert (past.inputs["q"], past.results[0].output) == ("null \0 half \ud83d", "\0")


async def test_a_connection_that_was_cut_is_made_anew_and_nothing_is_written_twice(server: str):
    address = emptied(server)
    with SqlJournal(address) as journal:
        await begun(journal)
        for number in range(5):
            journal(step(step_id=f"s{number}"))
            await journal.intend(intent(f"s{number}"))
            sql(
                address,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND application_name = 'meta-orchestrator'",
            )
        await journal.intend(intent())
        assert [seq for seq, _ in await journal.events("r")] == [1, 2, 3, 4, 5]


async def test_many_programs_may_open_a_new_database_at_once(server: str):
    address = emptied(server)
    journals = [SqlJournal(address) for _ in range(6)]
    async with anyio.create_task_group() as tasks:
        for number, journal in enumerate(journals):
            tasks.start_soon(begun, journal, f"r{number}")
    assert len(journals[0].list_runs()) == 6
    for journal in journals:
        journal.close()


def test_a_newer_schema_is_left_alone(address: str):
    with SqlJournal(address) as journal:
        journal(EVENTS[0])
    sql(address, "UPDATE journal_schema SET version = 99" if "://" in address else "PRAGMA user_version = 99")
    with SqlJournal(address) as journal, pytest.raises(JournalError, match=r"schema 99.*upgrade meta-orchestrator"):
        journal.list_runs()


OLD = Path(__file__).with_name("record_of_schema_1.sql")


@pytest.mark.parametrize(
    "amiss",
    [
        "UPDATE steps SET output = '{\"cut' WHERE run_id = 'good'",
        "UPDATE steps SET attempts = '[1, null]', usage = 'x' WHERE run_id = 'good'",
        "UPDATE steps SET attempts = '{\"a\": 1}' WHERE run_id = 'good'",
        "UPDATE runs SET inputs = '[1', outputs = '3', definition = '{' WHERE id = 'good'",
        "UPDATE runs SET definition = '[' || hex(zeroblob(200000)) WHERE id = 'good'",
        "UPDATE runs SET inputs = replace(hex(zeroblob(100000)), '0', '[') WHERE id = 'good'",
    ],
)
async def test_a_row_of_an_older_record_that_nobody_can_read_locks_no_other_away(tmp_path: Path, amiss: str):
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text("utf-8"))
        connection.execute(amiss)
        connection.commit()
    with SqlJournal(path) as journal:
        assert {run.run_id for run in journal.list_runs()} == {"cut", "bad", "good"}
        assert journal.get_run("bad").error == StepError("refused", "no")
        assert [one.step_id for one in journal.get_run("good").finished] == ["a"]


async def test_the_record_of_an_older_release_is_taken_over_whole(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text("utf-8"))
        connection.execute("UPDATE runs SET owner = ?", (f"{platform.node()}/1/born-long-ago",))
        connection.commit()
    with SqlJournal(path) as journal:
        assert [(run.run_id, run.status) for run in journal.list_runs()] == [
            ("cut", "interrupted"),
            ("bad", "failed"),
            ("good", "succeeded"),
        ]
        good = journal.get_run("good")
        [draft] = good.finished
        bad = journal.get_run("bad")
        cut = journal.get_run("cut")
        told = [type(event).__name__ for _, event in await journal.events("good")]
        assert await journal.interrupted() == []  # nobody knows for whom it was run
    assert Workflow.model_validate(good.definition) == WORKFLOW
    assert (good.inputs, good.outputs, good.seconds, good.cost_usd) == ({"q": 1}, {"a": "größer"}, 2.5, Decimal("0.1"))
    assert (draft.output, draft.usage, draft.shares, draft.model) == ("größer", Usage(input_tokens=3), (2, 1), "p/m")
    assert [one.number for one in draft.attempts] == [1, 2, 1]
    assert bad.error == StepError("refused", "no")
    assert cut.unfinished == ("b",)
    assert [one.step_id for one in cut.finished] == ["a"]
    assert told == ["RunStarted", "StepFinished", "RunFinished"]


def test_a_password_of_an_address_is_never_shown():
    journal = SqlJournal("postgresql://me:hush-hush@127.0.0.1:1/runs")
    journal(EVENTS[0])
    with pytest.raises(JournalError) as told:
        journal.close()
    assert "hush" not in str(told.value)
    assert "postgresql://127.0.0.1:1/runs" in str(told.value)
    with pytest.raises(JournalError, match="neither a file nor PostgreSQL"):
        SqlJournal("mysql://me:hush@host/db")
