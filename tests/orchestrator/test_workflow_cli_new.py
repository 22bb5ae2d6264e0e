"""`orchestrate workflow new`: a file to begin with, that passes the checks and never replaces another."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.formatting import formatted
from orchestrator.starters import kinds
from workflows import library
from workflows.parse import parse

TOOLS = "def shout(text: str) -> str:\n    return text.upper()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", kinds())
def test_a_starter_of_each_kind_passes_the_check(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.py").write_text(TOOLS)
    assert main(["workflow", "new", "my-first", "--kind", kind]) == 0
    assert capsys.readouterr().out == "my-first.json\n"
    file = folder / "my-first.json"
    assert main(["check", "my-first.json", "--tools", "mine.py"]) == 0
    assert "fine" in capsys.readouterr().err
    workflow = parse(file.read_bytes())
    assert workflow.name == "my-first"
    assert len(workflow.description) > 40
    assert all(schema.get("description") for schema in workflow.inputs.values())
    assert kind == "json" or any(step.kind == kind for step in workflow.steps)
    assert formatted(file.read_bytes()) == file.read_text("utf-8")


def test_each_kind_of_step_has_a_starter() -> None:
    assert {"llm", "image", "embed", "set", "tool", "http", "map", "branch", "loop", "workflow", "approval"} < set(
        kinds()
    )


@pytest.mark.parametrize("name", library.names())
def test_a_copy_of_the_library_does_what_the_library_does(folder: Path, name: str) -> None:
    assert main(["workflow", "new", "copy", "--from", name]) == 0
    copy, original = parse((folder / "copy.json").read_bytes()), library.load(name)
    assert copy.name == "copy"
    assert copy.model_copy(update={"name": name}) == original


def test_nothing_is_written_over_unless_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.json").write_text("precious")
    assert main(["workflow", "new", "mine"]) == 1
    assert (folder / "mine.json").read_text() == "precious"
    assert "--force" in capsys.readouterr().err
    assert main(["workflow", "new", "mine", "--force"]) == 0
    assert parse((folder / "mine.json").read_bytes()).name == "mine"


@pytest.mark.parametrize(
    ("arguments", "says", "status"),
    [
        (["My Flow!"], "'my-flow' would do", 2),
        (["x", "--kind", "brnch"], "did you mean 'branch'", 2),
        (["x", "--from", "research-brif"], "did you mean 'research-brief'", 1),
        (["x", "--from", "../../etc/passwd"], "the library has no workflow", 1),
        (["x", "--kind", "map", "--from", "research-brief"], "exclude each other", 2),
        (["nowhere/x"], "cannot write", 1),
        (["é"], "no name of a workflow", 2),
    ],
)
def test_what_cannot_be_begun_is_one_clear_message(
    folder: Path, arguments: list[str], says: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workflow", "new", *arguments]) == status
    assert says in capsys.readouterr().err
    assert not list(folder.glob("*.json"))
