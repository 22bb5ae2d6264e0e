"""Steps that run other workflows, from the command line: found beside the file, pinned by version and content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Orchestrator
from orchestrator.cli import main
from workflows.parse import from_json

DOUBLE = {
    "workflow": "1",
    "name": "double",
    "version": "1.2.0",
    "inputs": {"n": {"type": "integer"}},
    "steps": [{"id": "twice", "kind": "set", "value": "{{ inputs.n * 2 }}"}],
    "outputs": {"twice": "{{ steps.twice.output }}"},
}


def doubling(**pin: Any) -> dict[str, Any]:
    step = {"id": "call", "kind": "workflow", "workflow": "double", "version": "1.2.0", "inputs": {"n": "{{ n }}"}}
    each = {"id": "each", "kind": "map", "over": [1, 2, 3], "as": "n", "steps": [{**step, **pin}]}
    return {
        "workflow": "1",
        "name": "doubling",
        "steps": [each],
        "outputs": {"all": "{{ steps.each.output | map(attribute='twice') | list }}"},
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder than the one in which the command is given."""
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "double.json").write_text(json.dumps(DOUBLE))
    return tmp_path / "flows"


def tried(folder: Path, *command: str, **pin: Any) -> int:
    (folder / "doubling.json").write_text(json.dumps(doubling(**pin)))
    return main([*command, "flows/doubling.json"])


def test_a_workflow_beside_the_file_is_checked_and_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(folder, "check") == 0
    assert tried(folder, "workflow", "run") == 0
    ended = capsys.readouterr()
    assert json.loads(ended.out) == [2, 4, 6]
    assert "each (3 items)" in ended.err


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        ({"workflow": "dubble"}, "Did you mean 'double'"),
        ({"version": "1.0.0"}, "there is no version '1.0.0'"),
        ({"digest": "sha256:" + "0" * 64}, "another content"),
    ],
)
@pytest.mark.parametrize("command", [["check"], ["workflow", "run"]])
def test_what_is_pinned_otherwise_is_refused_before_anything_runs(
    folder: Path, command: list[str], pin: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(folder, *command, **pin) == 1
    told = capsys.readouterr().err
    assert "/steps/0/steps/0/" in told
    assert says in told or command != ["check"]
    assert "each: started" not in told


def test_the_digest_that_show_prints_pins_the_content(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workflow", "show", "flows/double.json", "--digest"]) == 0
    digest = capsys.readouterr().out.strip()
    assert tried(folder, "workflow", "run", digest=digest) == 0
    (folder / "double.json").write_text(json.dumps(DOUBLE).replace("* 2", "* 3"))
    assert tried(folder, "workflow", "run", digest=digest) == 1


async def test_from_python_others_are_those_beside_the_file_or_those_that_are_given(folder: Path) -> None:
    (folder / "doubling.json").write_text(json.dumps(doubling()))
    async with Orchestrator() as orchestrator:
        by_path = await orchestrator.run_workflow(folder / "doubling.json")
        given = {"double@1.2.0": from_json(DOUBLE)}
        by_hand = await orchestrator.run(from_json(doubling()), workflows=given)
    assert by_path.outputs == by_hand.outputs == {"all": [2, 4, 6]}
