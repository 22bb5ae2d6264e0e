from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOW = {"workflow": "1", "name": "greeting", "steps": [{"id": "hello", "kind": "set", "value": "Hello"}]}
SILENT = "import sys; from orchestrator.cli import main; sys.exit(main())"


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a shell's command line in which `orchestrate` is the command."""
    (folder / "greeting.json").write_text(json.dumps(WORKFLOW), "utf-8")
    named = f'orchestrate() {{ "{sys.executable}" -c "{SILENT}" "$@"; }}; {command}'
    environ = {**os.environ, "ORCHESTRATOR_HOME": str(folder / "home")}
    return subprocess.run(
        ["sh", "-c", named], check=False, capture_output=True, text=True, cwd=folder, env=environ, timeout=60
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is Linux's")
@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
def test_a_result_is_not_lost_where_nobody_can_be_told_of_it(closed: str, tmp_path: Path):
    ended = shell(f"orchestrate workflow run greeting.json {closed}", tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "Hello\n")


def test_a_reader_of_the_progress_who_leaves_does_not_end_the_run(tmp_path: Path):
    ended = shell("{ orchestrate workflow run greeting.json 2>&1 >result; echo $? >status; } | head -n 1", tmp_path)
    assert ended.stdout == "Workflow greeting: 1 step\n"
    assert (tmp_path / "result").read_text() == "Hello\n"
    assert (tmp_path / "status").read_text() == "0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is Linux's")
def test_a_result_that_cannot_be_written_is_named_and_kept(tmp_path: Path):
    ended = shell("orchestrate workflow run greeting.json >/dev/full", tmp_path)
    assert ended.returncode == 1
    assert "the result cannot be written: No space left on device" in ended.stderr
    run_id = ended.stderr.partition("orchestrate runs show ")[2].partition("`")[0]
    assert shell(f"orchestrate runs show {run_id}", tmp_path).stdout == "Hello\n"


def test_without_standard_output_or_input_a_command_still_ends_in_words(tmp_path: Path):
    assert shell("orchestrate workflow run greeting.json >&-", tmp_path).returncode == 0
    ended = shell("orchestrate run - <&-", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == "Error: the task is empty; say in words what is to be done\n"


def test_ctrl_c_while_the_command_still_imports_is_no_traceback(tmp_path: Path):
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", SILENT, "runs"], check=False, capture_output=True, text=True, env=environ, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGINT, "Interrupted.\n")
