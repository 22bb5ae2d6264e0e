"""Runs whose process is stopped in the middle, by hand or by force."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from executors.journal.store import SqlJournal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as these are POSIX")

PROGRAM = """
import sys
from pathlib import Path

import anyio

from executors.events import StepFinished
from executors.journal.store import SqlJournal
from executors.runner import run
from executors.tools import ToolRegistry
from unified_api.testing import scripted_gateway
from unified_api.types import Caller
from workflows.model import Workflow

tools = ToolRegistry()
record = SqlJournal(Path(sys.argv[1]))

@tools.tool
async def hang() -> None:
    record.flush()
    print("hanging", flush=True)
    await anyio.sleep_forever()

workflow = Workflow.model_validate({"workflow": "1", "name": "stopped", "steps": [
    {"id": "a", "kind": "set", "value": {"paid": True}},
    {"id": "b", "kind": "tool", "tool": "hang", "after": ["a"]},
    {"id": "c", "kind": "set", "value": 1, "after": ["b"]},
]})

async def main() -> None:
    with record:
        await run(workflow, {}, gateway=scripted_gateway({}), tools=tools, on_event=record, caller=Caller(run="r"))

anyio.run(main)
"""


def stopped_by(number: signal.Signals, path: Path) -> int:
    """Starts the program, stops it once its second step hangs, and gives its exit status."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "hanging\n", program.stderr.read() if program.stderr else ""
        program.send_signal(number)
        return program.wait(30)


def test_ctrl_c_in_the_middle_ends_the_run_and_records_what_was_finished(tmp_path: Path):
    path = tmp_path / "runs.db"
    assert stopped_by(signal.SIGINT, path) != 0
    with SqlJournal(path) as record:
        run = record.get_run("r")
    assert run.status == "cancelled"
    assert run.unfinished == ()
    assert {step.step_id: (step.status, step.output) for step in run.finished} == {
        "a": ("succeeded", {"paid": True}),
        "b": ("cancelled", None),
        "c": ("cancelled", None),
    }


def test_a_kill_in_the_middle_leaves_what_was_finished_and_shows_the_run_as_interrupted(tmp_path: Path):
    path = tmp_path / "runs.db"
    assert stopped_by(signal.SIGKILL, path) == -signal.SIGKILL
    with SqlJournal(path) as record:
        run = record.get_run("r")
        [summary] = record.list_runs()
    assert summary.status == run.status == "interrupted"
    assert [(step.step_id, step.output) for step in run.finished] == [("a", {"paid": True})]
    assert run.unfinished == ("b",)
