"""Persons answer at the terminal that runs the workflow, or at any other."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such terminal")

WORKFLOW = {
    "workflow": "1",
    "name": "ask",
    "steps": [
        {"id": "publish", "kind": "approval", "message": "Publish it?", "show": {"title": "News"}},
        {"id": "done", "kind": "set", "value": "{{ steps.publish.output }}"},
    ],
    "outputs": {"answer": "{{ steps.done.output }}"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ask.json"
    path.write_text(json.dumps(WORKFLOW))
    return path


def environ(home: Path) -> dict[str, str]:
    return {**os.environ, "ORCHESTRATOR_HOME": str(home), "TERM": "xterm", "COLUMNS": "100"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator", *arguments]


@contextmanager
def terminal(home: Path, *arguments: str) -> Iterator[int]:
    """A program in a terminal of its own; what it writes and reads goes through the number given."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(sys.executable, command(*arguments), environ(home))
    try:
        yield master
    finally:
        os.close(master)
        os.waitpid(pid, 0)


def until(master: int, word: str, seconds: float = 20) -> str:
    """What is written until the word comes, or the program ends."""
    seen, end = "", time.monotonic() + seconds
    while word not in seen and time.monotonic() < end:
        if select.select([master], [], [], 0.1)[0]:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece.decode(errors="replace")
    return seen


def ended(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environ(home), capture_output=True, text=True, check=True, timeout=60
    )


def called(home: Path, *arguments: str) -> Any:
    found = ended(home, *arguments)
    return json.loads(found.stdout) if "--json" in arguments else found.stderr


def test_the_person_who_runs_it_is_asked_there(tmp_path: Path, file: Path) -> None:
    with terminal(tmp_path, "workflow", "run", str(file)) as master:
        assert "Publish it?" in until(master, "Approve?")
        os.write(master, b"perhaps\n")
        assert "Approve?" in until(master, "Approve?")
        os.write(master, b"no, it is dull\n")
        seen = until(master, "no such word")
    assert '"approved": false' in seen
    assert "it is dull" in seen


def test_another_terminal_answers_a_run_that_waits(tmp_path: Path, file: Path) -> None:
    run = subprocess.Popen(
        command("workflow", "run", str(file), "--json"),
        env=environ(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 30
        waiting: list[Any] = []
        while not waiting and time.monotonic() < end:
            waiting = called(tmp_path, "approvals", "--json")
        assert [(one["step"], one["message"], one["show"]) for one in waiting] == [
            ("publish", "Publish it?", {"title": "News"})
        ]
        run_id = waiting[0]["run_id"]
        listed = ended(tmp_path, "approvals")
        assert "Publish it?" in listed.stdout
        assert '"title": "News"' in listed.stdout
        question = waiting[0]["question"]
        assert f"question {question}" in listed.stdout
        with pytest.raises(subprocess.CalledProcessError) as refused:
            ended(tmp_path, "approve", run_id[:6], "publish", "--question", "0" * 9)
        assert f"has asked no question '000000000' at 'publish', but {question}" in " ".join(
            refused.value.stderr.split()
        )
        said = ended(
            tmp_path, "approve", run_id[:6], "--question", question, "--by", "ada", "--comment", "well", "--json"
        )
        assert said.stderr.index('"title": "News"') < said.stderr.index("Approved 'publish'")
        assert json.loads(said.stdout) == {
            "run_id": run_id,
            "step": "publish",
            "approved": True,
            "by": "ada",
            "comment": "well",
        }
        out, _ = run.communicate(timeout=30)
    finally:
        run.kill()
        run.wait()
    answer = json.loads(out)["outputs"]["answer"]
    assert answer == {"approved": True, "by": "ada", "comment": "well", "expired": False}
    assert called(tmp_path, "approvals", "--json") == []
