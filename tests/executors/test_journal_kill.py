"""A program that writes the journal is killed at a random moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from journals import emptied
from postgres import Unavailable, postgres

from executors.journal.store import SqlJournal


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


KILLED = """
import os, sys, threading, time
from datetime import UTC, datetime
import anyio
from executors.journal.entries import Intent, Recorded
from executors.journal.store import SqlJournal
from unified_api.types import Caller
from workflows.model import Workflow

W = Workflow.model_validate({"workflow": "1", "name": "two", "steps": [{"id": "a", "kind": "set", "value": 1}]})
journal = SqlJournal(sys.argv[1])

async def one(lane):
    for number in range(10_000):
        path = f"each[{number}]/s{lane}"
        now = datetime.now(UTC)
        await journal.intend(Intent(run_id="r", path=path, kind="llm", key=path, at=now))
        os.write(1, f"{path}\\n".encode())
        journal.record(Recorded(run_id="r", path=path, kind="llm", key=path, at=now, status="succeeded", output=number))

async def main():
    await journal.begin("r", definition=W, workflows={}, inputs={}, caller=Caller(), at=datetime.now(UTC))
    async with anyio.create_task_group() as tasks:
        for lane in range(4):
            tasks.start_soon(one, lane)

anyio.run(main)
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL elsewhere")
@pytest.mark.parametrize("seed", range(3))
def test_what_intend_returned_for_survives_a_kill(address: str, seed: int):
    lines = random.Random(seed).randrange(5, 400)
    with subprocess.Popen([sys.executable, "-c", KILLED, address], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        told = [program.stdout.readline() for _ in range(lines)]
        program.send_signal(signal.SIGKILL)
        told += program.stdout.read().splitlines(keepends=True)
    paths = [line.decode().strip() for line in told if line.endswith(b"\n")]
    assert len(paths) >= lines
    with SqlJournal(address) as journal:
        past = anyio.run(journal.past, "r")
    assert past is not None
    done = {one.path for one in past.results}
    under_way = {one.intent.path for one in past.unsettled}
    assert set(paths) <= done | under_way
    assert not done & under_way
    # Whoever intended a step had recorded the one before it.
    for path in paths:
        number, lane = int(path[5 : path.index("]")]), path.rpartition("/")[2]
        assert number == 0 or f"each[{number - 1}]/{lane}" in done
