"""Where the settings say that the journal is, and what the command line does to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from journals import begun, finished

from executors.journal.entries import JournalError
from executors.journal.store import SqlJournal
from orchestrator.cli import main
from unified_api.errors import ConfigurationError
from unified_api.settings import Settings


def load(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "orchestrator.toml"
    path.write_text(text, "utf-8")
    return Settings.load(path, environ={"ORCHESTRATOR_HOME": str(folder), **environ})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", Path("FOLDER/data/runs.sqlite")),
        ('[journal]\naddress = "FOLDER/mine.sqlite"', Path("FOLDER/mine.sqlite")),
        ('[journal]\naddress = "sqlite:///FOLDER/mine.sqlite"', Path("FOLDER/mine.sqlite")),
        ('[journal]\naddress = "postgresql://me@host/runs"', "postgresql://me@host/runs"),
        ('[journal]\naddress = "other.sqlite"\naddress_env = "RUNS"', "postgresql://me:secret@host/runs"),
    ],
)
def test_the_journal_is_where_the_settings_say(tmp_path: Path, text: str, address: Any):
    settings = load(tmp_path, text.replace("FOLDER", str(tmp_path)), RUNS="postgresql://me:secret@host/runs")
    if isinstance(address, Path):
        address = Path(str(address).replace("FOLDER", str(tmp_path)))
    assert SqlJournal.of(settings).address == address


@pytest.mark.parametrize("secret", ["postgresql://me:hush@host/runs", "postgresql://host/runs?user=me&password=hush"])
def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path, secret: str):
    with pytest.raises(ConfigurationError, match="address_env") as told:
        load(tmp_path, f'[journal]\naddress = "{secret}"')
    assert "hush" not in str(told.value)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path):
    with pytest.raises(JournalError, match="names RUNS, which is not set"):
        SqlJournal.of(load(tmp_path, '[journal]\naddress_env = "RUNS"'))


@pytest.mark.parametrize(("durability", "synchronous"), [("ordinary", 1), ("full", 2)])
def test_durability_reaches_the_database(tmp_path: Path, durability: str, synchronous: int):
    with SqlJournal.of(load(tmp_path, f'[journal]\ndurability = "{durability}"')) as journal:
        reader = journal._opened().reader()
        with reader._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == synchronous


async def kept(path: Path) -> None:
    with SqlJournal(path) as journal:
        for days in (1, 40, 80):
            await begun(journal, f"run{days}")
            journal(finished(f"run{days}", at=datetime.now(UTC) - timedelta(days=days)))
        await begun(journal, "going", at=datetime.now(UTC) - timedelta(days=80))


async def test_old_runs_are_pruned_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import anyio.to_thread

    path = tmp_path / "data" / "runs.sqlite"
    await kept(path)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for age, left in (("8w", {"run1", "run40", "going"}), ("30d", {"run1", "going"}), ("12h", {"going"})):
        await anyio.to_thread.run_sync(pruned, age)
        with SqlJournal(path) as journal:
            assert {run.run_id for run in journal.list_runs()} == left
    assert "1 run forgotten" in capsys.readouterr().err


def pruned(age: str) -> None:
    assert main(["runs", "prune", "--older-than", age]) == 0
