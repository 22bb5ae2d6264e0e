"""The disk is full in the middle of a run, and has room again later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, signal, sys
from datetime import UTC, datetime

import anyio

from executors.journal.entries import Intent, JournalError, Recorded
from executors.journal.store import SqlJournal
from unified_api.types import Caller
from workflows.model import Workflow

W = Workflow.model_validate({"workflow": "1", "name": "two", "steps": [{"id": "a", "kind": "set", "value": 1}]})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write beyond the limit fails, as on a full disk

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

async def main():
    journal = SqlJournal(sys.argv[1])
    now = datetime.now(UTC)
    await journal.begin("r", definition=W, workflows={}, inputs={}, caller=Caller(), at=now)
    limit(600_000)
    done = 0
    while True:
        path = f"each[{done}]/a"
        try:
            await journal.intend(Intent(run_id="r", path=path, kind="llm", key=path, at=now))
        except JournalError as error:
            print(error)
            break
        text = "".join(chr(97 + (done * place) % 26) for place in range(20_000))
        journal.record(Recorded(run_id="r", path=path, kind="llm", key=path, at=now, status="succeeded", output=text))
        done += 1
    try:
        journal.flush()
    except JournalError as error:
        print(error)
    limit(resource.RLIM_INFINITY)
    await journal.intend(Intent(run_id="r", path="last", kind="llm", key="last", at=now))
    past = await journal.past("r")
    assert len(past.results) == done > 5, (len(past.results), done)
    assert [one.intent.path for one in past.unsettled] == ["last"]
    journal.close()
    print("whole")

anyio.run(main)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits as these are POSIX")
def test_while_the_disk_is_full_nothing_is_begun_and_what_was_done_is_kept_for_later(tmp_path: Path):
    program = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path / "runs.sqlite")],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert program.returncode == 0, program.stderr
    refused, incomplete, whole = program.stdout.splitlines()
    assert "cannot be written" in refused
    assert "is incomplete" in incomplete
    assert whole == "whole"
