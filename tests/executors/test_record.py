from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executors.events import Event, RunFinished, RunStarted, StepError, StepFinished, StepStarted, StepToken
from executors.journal.entries import JournalError
from executors.journal.errors import RunNotFoundError
from executors.journal.store import SqlJournal
from unified_api.types import Attempt, Usage
from workflows.model import Workflow

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WORKFLOW = Workflow.model_validate({"workflow": "1", "name": "two", "steps": [{"id": "a", "kind": "set", "value": 1}]})

FULL = StepFinished(
    run_id="run1",
    at=NOON + timedelta(seconds=2),
    step_id="a",
    kind="llm",
    status="succeeded",
    started=NOON + timedelta(seconds=1),
    output={"text": "größer", "n": [1, 2.5, None]},
    error=StepError("refused", "step 'a': no"),
    model="p/m",
    provider="p",
    quality="demo",
    usage=Usage(input_tokens=3, output_tokens=None),
    cost_usd=Decimal("0.000123"),
    attempts=(Attempt(number=1, model="p/m", outcome="failed", error="timed_out", cost_usd=Decimal("0.5")),),
)


def started(run_id: str = "run1", *, at: datetime = NOON) -> RunStarted:
    return RunStarted(run_id=run_id, at=at, workflow="two", steps=1, definition=WORKFLOW, inputs={"x": 1})


def finished(run_id: str = "run1") -> RunFinished:
    return RunFinished(
        run_id=run_id, at=NOON, status="succeeded", outputs={"a": 1}, cost_usd=Decimal("0.1"), seconds=2.0
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state of 100% #1?" / "runs.db"


def write(path: Path, *events: Event) -> None:
    with SqlJournal(path) as record:
        for event in events:
            record(event)


def test_what_was_written_is_read_back_whole(path: Path):
    write(path, started(), StepStarted(run_id="run1", at=NOON, step_id="a", kind="llm"), FULL, finished())
    with SqlJournal(path) as record:
        run = record.get_run("run1")
    assert (run.run_id, run.workflow, run.status, run.steps) == ("run1", "two", "succeeded", 1)
    assert (run.inputs, run.outputs, run.cost_usd, run.seconds) == ({"x": 1}, {"a": 1}, Decimal("0.1"), 2.0)
    assert run.finished == (FULL,)
    assert Workflow.model_validate(run.definition) == WORKFLOW
    assert run.unfinished == ()


def test_a_run_can_be_read_while_it_is_written(path: Path):
    with SqlJournal(path) as record:
        record(started())
        record(StepStarted(run_id="run1", at=NOON, step_id="a", kind="llm"))
        run = record.get_run("run1")
        assert (run.status, run.unfinished, run.finished) == ("running", ("a",), ())
        record(FULL)
        assert record.get_run("run1").finished == (FULL,)


def test_tokens_are_not_kept_and_make_no_file(path: Path):
    with SqlJournal(path) as record:
        record(StepToken(run_id="run1", step_id="a", text="secret"))
        assert record.list_runs() == []
    assert not path.exists()


def test_the_file_is_its_owner_s_alone(path: Path):
    with SqlJournal(path) as record:
        record(started())
        record.flush()
        modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_record_that_is_closed_while_others_write_loses_nothing_and_ends(path: Path):
    record = SqlJournal(path)

    def write(number: int) -> None:
        for place in range(50):
            record(started(f"{number}-{place}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            record.close()
    finally:
        sys.setswitchinterval(interval)
    record.close()
    assert len(record.list_runs(limit=1000)) == 200
    record.close()


def test_runs_are_listed_newest_first(path: Path):
    write(path, *(started(f"run{i}", at=NOON + timedelta(seconds=i)) for i in (2, 1, 3)))
    with SqlJournal(path) as record:
        assert [run.run_id for run in record.list_runs(limit=2)] == ["run3", "run2"]


def test_an_unambiguous_beginning_of_an_id_is_enough(path: Path):
    write(path, started("ab12"), started("ab34"), started("ab"), started("a%_x"))
    with SqlJournal(path) as record:
        assert record.get_run("ab1").run_id == "ab12"
        assert record.get_run("ab").run_id == "ab"
        assert record.get_run("a%").run_id == "a%_x"
        with pytest.raises(RunNotFoundError, match="several runs"):
            record.get_run("a")
        for unknown in ("zz", "", "_"):
            with pytest.raises(RunNotFoundError, match="no run has the id"):
                record.get_run(unknown)


def test_an_empty_record_says_that_there_is_no_such_run(path: Path):
    with SqlJournal(path) as record, pytest.raises(RunNotFoundError):
        record.get_run("run1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, min_size=1, max_size=5), st.text(st.characters(), max_size=20))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_and_any_words_survive(tmp_path_factory: pytest.TempPathFactory, outputs: list[Any], words: str):
    path = tmp_path_factory.mktemp("record") / "runs.db"
    steps = [
        replace(FULL, step_id=f"s{i}", output=output, error=StepError("tool_failed", words))
        for i, output in enumerate(outputs)
    ]
    write(path, started(), *steps)
    with SqlJournal(path) as record:
        kept = {step.step_id: step for step in record.get_run("run1").finished}
    assert [kept[step.step_id].output for step in steps] == outputs
    assert {step.error.message for step in kept.values() if step.error} == {
        words.encode("utf-8", "backslashreplace").decode()
    }


def test_lone_surrogates_of_a_model_do_not_break_the_record(path: Path):
    write(path, started(), replace(FULL, output="\ud83d", error=StepError("refused", "no \ud83d")))
    with SqlJournal(path) as record:
        [step] = record.get_run("run1").finished
    assert step.output == "\ud83d"
    assert step.error is not None
    assert step.error.message == r"no \ud83d"


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from executors.events import RunStarted, StepFinished, StepStarted
from executors.journal.store import SqlJournal

record = SqlJournal(Path(sys.argv[1]))
now = datetime.now(UTC)
record(RunStarted(run_id="dead", at=now, workflow="w", steps=3))
record(StepFinished(run_id="dead", at=now, step_id="a", kind="set", status="succeeded", output=[1, 2]))
record(StepStarted(run_id="dead", at=now, step_id="b", kind="llm"))
record.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL elsewhere")
def test_a_killed_run_is_shown_as_interrupted_with_its_finished_steps(path: Path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -9
    with SqlJournal(path) as record:
        [summary] = record.list_runs()
        run = record.get_run("dead")
    assert summary.status == run.status == "interrupted"
    assert [(step.step_id, step.output) for step in run.finished] == [("a", [1, 2])]
    assert run.unfinished == ("b",)


FORGETFUL = KILLED.replace("record.flush()\nos.kill(os.getpid(), signal.SIGKILL)", "")


def test_a_program_that_forgets_to_close_still_leaves_everything(path: Path):
    subprocess.run([sys.executable, "-W", "error", "-c", FORGETFUL, str(path)], check=True)
    with SqlJournal(path) as record:
        assert [step.step_id for step in record.get_run("dead").finished] == ["a"]


def test_several_processes_may_open_a_new_record_at_once(path: Path):
    code = FORGETFUL.replace('"dead"', "sys.argv[2]")
    children = [subprocess.Popen([sys.executable, "-c", code, str(path), f"run{i}"]) for i in range(4)]
    assert [child.wait(60) for child in children] == [0] * 4
    with SqlJournal(path) as record:
        assert {run.run_id for run in record.list_runs()} == {f"run{i}" for i in range(4)}


def test_a_file_that_is_no_record_is_refused_in_words(path: Path):
    path.parent.mkdir()
    path.write_text("this is no database " * 100)
    with SqlJournal(path) as record, pytest.raises(JournalError, match="not a database; move that file away"):
        record.list_runs()


def test_what_cannot_be_written_is_told_at_the_close_and_hangs_nothing(path: Path):
    path.parent.mkdir()
    path.mkdir()
    record = SqlJournal(path)
    record(started())
    with pytest.raises(JournalError, match="incomplete"):
        record.close()


def test_a_folder_that_cannot_be_made_is_told_with_what_to_set(path: Path):
    path.parent.write_text("a file")
    record = SqlJournal(path)
    record(started())
    with pytest.raises(JournalError, match="set ORCHESTRATOR_HOME") as told:
        record.close()
    assert "Errno" not in str(told.value)


def test_a_newer_schema_is_left_alone(path: Path):
    write(path, started())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with SqlJournal(path) as record, pytest.raises(JournalError, match="upgrade"):
        record.list_runs()
