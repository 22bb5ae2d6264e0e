"""Tool servers of a configuration that lay in the current folder: none is started before the user agreed to it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from orchestrator import Orchestrator
from orchestrator.cli.app import main
from orchestrator.doctor import examine
from unified_api.settings import McpServerSettings, McpSettings, Settings

WORKFLOW = {"workflow": "1", "name": "x", "steps": [{"id": "t", "kind": "tool", "tool": "x.y"}]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's folder, whose server notes that it was started."""
    there = tmp_path / "stranger"
    there.mkdir()
    (there / "orchestrator.toml").write_text(configuration("started"))
    (there / "x.json").write_text(json.dumps(WORKFLOW))
    monkeypatch.chdir(there)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    return there


def configuration(mark: str) -> str:
    code = f"import pathlib, sys; pathlib.Path({mark!r}).touch(); sys.exit(1)"
    return f"[mcp.servers.x]\ncommand = {json.dumps([sys.executable, '-c', code])}\ntimeout_s = 5\n"


def codes(captured: str) -> set[str]:
    return {finding["code"] for finding in json.loads(captured)["findings"]}


def test_neither_check_nor_doctor_nor_run_starts_what_a_strangers_folder_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "x.json", "--ask-servers", "--json"]) == 1
    assert codes(capsys.readouterr().out) == {"server_not_trusted"}
    main(["doctor"])
    assert main(["workflow", "run", "x.json"]) == 1
    assert "orchestrate trust" in capsys.readouterr().err
    assert not (folder / "started").exists()


def test_what_was_agreed_to_is_started_until_it_is_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust"]) == 2  # nobody can be asked here
    assert "started" in capsys.readouterr().err
    assert main(["trust", "--yes"]) == 0
    assert main(["trust"]) == 0
    capsys.readouterr()
    assert main(["check", "x.json", "--json"]) == 0
    assert codes(capsys.readouterr().out) == {"server_not_asked"}
    assert not (folder / "started").exists()
    assert main(["check", "x.json", "--ask-servers", "--json"]) == 1
    assert codes(capsys.readouterr().out) == {"server_unreachable"}
    assert (folder / "started").exists()
    (folder / "orchestrator.toml").write_text(configuration("changed"))
    main(["check", "x.json", "--ask-servers", "--json"])
    assert codes(capsys.readouterr().out) == {"server_not_trusted"}
    assert not (folder / "changed").exists()


async def test_a_file_that_was_named_and_servers_given_in_python_need_no_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = McpSettings(servers={"x": McpServerSettings(command=("/nowhere/at-all",))})
    async with Orchestrator(settings=Settings(mcp=given, environment=Settings.load().environment)) as orchestrator:
        assert "/nowhere/at-all" in (await orchestrator.known_tools())["x"]
    assert {one.verdict for one in await examine() if one.name == "tool servers"} == {"warning"}
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", "orchestrator.toml")
    assert {one.verdict for one in await examine() if one.name == "tool servers"} == {"error"}
    assert (folder / "started").exists()


async def test_a_strangers_address_is_not_sent_a_secret(folder: Path) -> None:
    (folder / "orchestrator.toml").write_text(
        '[mcp.servers.x]\nurl = "http://127.0.0.1:9/mcp"\ntoken_env = "OPENAI_API_KEY"\n'
        '[mcp.servers.open]\nurl = "http://127.0.0.1:9/mcp"\n'
    )
    async with Orchestrator(settings=Settings.load()) as orchestrator:
        troubles = await orchestrator.known_tools()
    assert "orchestrate trust" in troubles["x"]
    assert "cannot be reached" in troubles["open"]
