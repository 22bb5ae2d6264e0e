"""Kills programs at every boundary of their journal and has others go on, to see what is paid twice.

`python crashing.py URL FOLDER POINT...` forks one program a point, which runs `WORKFLOW` on the server at URL and kills
itself at that boundary of its journal (0 never), and then one that resumes the run; it prints a line of JSON a point.
With `leave` in the place of the points it only dies, half-way.
Forked programs share the imports, so that a hundred of them take seconds; each is one of its own for the journal.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from executors.context import now
from executors.events import Event, StepFinished
from executors.journal.entries import Intent, Recorded
from executors.journal.store import SqlJournal
from executors.runner import run
from orchestrator import Orchestrator
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import Caller
from workflows.model import Workflow

if __name__ != "__main__":  # forked programs need no server
    from loopback import loopback

__all__ = ["BOUNDARIES", "STEPS", "Crash", "crashes", "seconds_to_go_on"]

STEPS = 40
"""Calls of models in one run."""
BOUNDARIES = 4 * STEPS
"""Before and after each intent, before and after each result."""
RUN = "crashing"


def _llm(step_id: str, prompt: str, **fields: Any) -> dict[str, Any]:
    tagged = f"[{{{{ inputs.point }}}}] {prompt}"
    return {"id": step_id, "kind": "llm", "model": "box/scripted", "prompt": tagged, **fields}


def _seen(*ids: str) -> str:
    return " ".join(f"{{{{ steps.{one}.output }}}}" for one in ids)


_CELLS = {
    "id": "cells",
    "kind": "map",
    "over": ["x", "y"],
    "as": "cell",
    "steps": [
        _llm("draw", "grid[{{ row_index }}]/cells[{{ cell_index }}]/draw " + _seen("head")),
        _llm("check", "grid[{{ row_index }}]/cells[{{ cell_index }}]/check " + _seen("draw")),
    ],
}
_FAN = [f"fan{place}" for place in range(8)]
WORKFLOW = Workflow.model_validate(
    {
        "workflow": "1",
        "name": "crashing",
        "inputs": {"point": {"type": "integer"}},
        "steps": [
            _llm("plan", "plan"),
            *(_llm(one, f"{one} {_seen('plan')}") for one in _FAN),
            _llm("join", "join " + _seen(*_FAN)),
            {
                "id": "grid",
                "kind": "map",
                "over": ["a", "b", "c", "{{ steps.plan.output }}"],
                "as": "row",
                "steps": [_llm("head", "grid[{{ row_index }}]/head {{ row }}"), _CELLS],
            },
            {
                "id": "refine",
                "kind": "loop",
                "max_rounds": 3,
                "until": "{{ false }}",
                "steps": [_llm("draft", "refine[{{ round.number }}]/draft {{ round.previous }} " + _seen("join"))],
            },
            {
                "id": "route",
                "kind": "branch",
                "cases": [
                    {"when": "{{ false }}", "steps": [_llm("never", "route/never")]},
                    {
                        "when": "{{ steps.refine.output | length > 1 }}",
                        "steps": [_llm("take", "route/take"), _llm("tell", "route/tell " + _seen("take"))],
                    },
                ],
                "else": {"result": "neither"},
            },
            _llm("end1", "end1 " + _seen("route", "join")),
            _llm("end2", "end2 {{ steps.grid.output | length }} " + _seen("end1")),
            _llm("end3", "end3 {{ steps.grid.output | tojson }} " + _seen("end2")),
            _llm("end4", "end4 " + _seen("end3")),
            _llm("end5", "end5 " + _seen("end4")),
        ],
    }
)


class _Dying(SqlJournal):
    """Kills its program at the `last` boundary."""

    def __init__(self, path: Path, *, last: int) -> None:
        super().__init__(path)
        self._left = last

    async def intend(self, intent: Intent) -> None:
        self._boundary()
        await super().intend(intent)
        self._boundary()

    def record(self, result: Recorded) -> None:
        self._boundary()
        super().record(result)
        self.flush()
        self._boundary()

    def _boundary(self) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


async def _first_pass(settings: Settings, point: int) -> None:
    inputs, caller = {"point": point}, Caller(run=RUN)
    with _Dying(settings.data_dir / "runs.sqlite", last=point) as journal:
        await journal.begin(RUN, definition=WORKFLOW, workflows={}, inputs=inputs, caller=caller, at=now())
        async with Gateway(settings) as gateway:
            await run(WORKFLOW, inputs, gateway=gateway, journal=journal, caller=caller)


async def _second_pass(settings: Settings, began: float) -> dict[str, Any]:
    first: list[float] = []

    def tell(event: Event) -> None:
        if isinstance(event, StepFinished) and event.kind == "llm" and not event.reused and event.started:
            first.append(event.started.timestamp() - began)

    async with Orchestrator(settings=settings) as orchestrator:
        past = await orchestrator.runs.past(RUN)
        assert past is not None
        told: dict[str, Any] = {
            "recorded": [one.path for one in past.results],
            "cut_off": [one.intent.path for one in past.unsettled],
            "interrupted": list(await orchestrator.interrupted()),
        }
        if past.status == "succeeded":
            end = orchestrator.runs.get_run(RUN)
            return {**told, "status": end.status, "outputs": end.outputs, "reused": 0, "seconds": None}
        result = await orchestrator.resume(RUN, on_event=tell)
    reused = sum(step.reused for step in result.steps)
    seconds = min(first, default=None)
    return {**told, "status": result.status, "outputs": result.outputs, "reused": reused, "seconds": seconds}


def _forked(settings: Settings, point: int, answer: Path) -> int:
    """Runs one of the two programs, and gives how it ended: the first, or with an answer to be written the second."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    status = 1
    try:
        if answer.name == "first":
            anyio.run(_first_pass, settings, point)
        else:
            answer.write_text(json.dumps(anyio.run(_second_pass, settings, time.time())))
        status = 0
    except BaseException:
        traceback.print_exc()  # which the exit below would keep from being told
        raise
    finally:
        os._exit(status)  # nothing of the parent's is to be done again


def _settings(url: str, home: Path) -> Settings:
    home.mkdir()
    (home / "orchestrator.toml").write_text(f'[providers.box]\nbase_url = "{url}"\nmodels = ["scripted"]\n')
    return Settings.load(home / "orchestrator.toml", environ={"ORCHESTRATOR_HOME": str(home)})


def _leave(url: str, folder: Path) -> None:
    anyio.run(_first_pass, _settings(url, folder / "left"), BOUNDARIES // 2)


def _program(url: str, folder: Path, points: Sequence[int]) -> None:
    warm = _settings(url, folder / f"before-{points[0]}")
    anyio.run(_first_pass, warm, -1)  # so that all is imported, once
    anyio.run(_second_pass, warm, 0.0)
    for point in points:
        home = folder / str(point)
        settings = _settings(url, home)
        died = os.WIFSIGNALED(_forked(settings, point, home / "first"))
        _forked(settings, point, home / "second")
        told = {"point": point, "died": died, **json.loads((home / "second").read_text())}
        sys.stdout.write(json.dumps(told) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """What came of one program's death and the other's going on."""

    point: int
    died: bool
    status: str
    outputs: dict[str, Any]
    interrupted: list[str]
    recorded: int
    """Results on record when the second program began."""
    cut_off: int
    """Calls that were then under way for all that is known."""
    again: int
    """Recorded steps that were asked for again."""
    twice: int
    """Calls that were made more than once."""
    asked: int
    """Different calls that were made."""
    seconds: float | None
    """From the second program's first line to the first step that it executed."""


def crashes(folder: Path, points: Sequence[int], *, at_once: int = 100) -> Iterator[Crash]:
    """Dies and goes on at each of the points."""
    for begin in range(0, len(points), at_once):
        part = points[begin : begin + at_once]
        with loopback(_answer) as server:
            command = [sys.executable, __file__, server.url, str(folder), *map(str, part)]
            path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
            done = subprocess.run(command, capture_output=True, text=True, env=path, check=False, timeout=600)
            if done.returncode:
                raise RuntimeError(done.stderr)
            prompts = [body["messages"][-1]["content"] for body in server.requests]
        for line in done.stdout.splitlines():
            yield _crash(json.loads(line), Counter(prompts))


def seconds_to_go_on(folder: Path) -> float:
    """From the start of `orchestrate resume` by hand, Python's own included, to the first call of a model."""
    with loopback(_answer) as server:
        path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        subprocess.run([sys.executable, __file__, server.url, str(folder), "leave"], env=path, check=False, timeout=60)
        home = folder / "left"
        path |= {"ORCHESTRATOR_HOME": str(home), "ORCHESTRATOR_CONFIG": str(home / "orchestrator.toml")}
        asked, began = len(server.requests), time.monotonic()
        command = [sys.executable, "-m", "orchestrator", "resume", RUN, "--yes"]
        program = subprocess.Popen(command, env=path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while len(server.requests) == asked and program.poll() is None:
            time.sleep(0.001)
        seconds = time.monotonic() - began
        _, told = program.communicate(timeout=60)
    if program.returncode:
        raise RuntimeError(told)
    return seconds


def _crash(told: dict[str, Any], prompts: Counter[str]) -> Crash:
    mark = f"[{told['point']}] "
    asked = Counter({one.removeprefix(mark).split(" ")[0]: n for one, n in prompts.items() if one.startswith(mark)})
    own = {name: told[name] for name in ("point", "died", "status", "outputs", "interrupted", "seconds")}
    return Crash(
        **own,
        recorded=len(told["recorded"]),
        cut_off=len(told["cut_off"]),
        again=sum(asked[path] - 1 for path in told["recorded"]),
        twice=sum(count - 1 for count in asked.values()),
        asked=len(asked),
    )


def _answer(body: dict[str, Any]) -> str:
    """A word made of the prompt, the same for every point."""
    prompt = body["messages"][-1]["content"].partition("] ")[2]
    return hashlib.sha256(prompt.encode()).hexdigest()[:10]


if __name__ == "__main__":
    if sys.argv[3:] == ["leave"]:
        _leave(sys.argv[1], Path(sys.argv[2]))
    else:
        _program(sys.argv[1], Path(sys.argv[2]), [int(one) for one in sys.argv[3:]])
