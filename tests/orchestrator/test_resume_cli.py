from __future__ import annotations

import io
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Loopback, loopback
from running import llm, tool

from orchestrator.cli import main

PATIENCE_S = 20.0
TOOLS = '''
import os, signal
from pathlib import Path

def send(text: str) -> str:
    """Sends, and dies the first time before anybody knows."""
    with Path("sent").open("a") as file:
        file.write(text + chr(10))
    if not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "sent " + text
'''


@dataclass
class Box:
    """A model that answers a prompt with a word made of it, but hangs or fails where it is told to."""

    asked: Counter[str] = field(default_factory=Counter)
    hanging: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)

    def __call__(self, body: dict[str, Any]) -> Answer:
        prompt = body["messages"][-1]["content"]
        self.asked[prompt] += 1
        if prompt in self.failing:
            return Answer(status=400, body=b'{"error": {"message": "it would not"}}')
        return Answer(text=self.answers.get(prompt, f"<{prompt}>"), hang=prompt in self.hanging)


@dataclass
class Shell:
    """Runs commands in a folder of its own, here or in a program that may die."""

    box: Box
    server: Loopback
    here: Callable[..., tuple[int, str, str]]
    folder: Path

    def file(self, *steps: dict[str, Any], name: str = "flow.json", **fields: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps({"workflow": "1", "name": "flow", "steps": steps, **fields}))
        return str(path)

    def program(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "orchestrator", *arguments]
        return subprocess.Popen(command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def until_asked(self, prompt: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self.box.asked[prompt]:
            assert time.monotonic() < end, f"{prompt!r} was never asked"
            time.sleep(0.01)  # another program's clock

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.here("runs", "--json")[1])
        return found


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    box = Box()
    with loopback(box) as server:
        (tmp_path / "orchestrator.toml").write_text(
            f'[providers.box]\nbase_url = "{server.url}"\nmodels = ["scripted"]\n'
        )
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
        monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
        monkeypatch.chdir(tmp_path)

        def here(*arguments: str) -> tuple[int, str, str]:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
            status = main(arguments)
            captured = capsys.readouterr()
            return status, captured.out, captured.err

        yield Shell(box, server, here, tmp_path)


def step(step_id: str, prompt: str, *after: str, **fields: Any) -> dict[str, Any]:
    said = " ".join([prompt, *(f"{{{{ steps.{one}.output }}}}" for one in after)])
    return llm(step_id, said, **{"model": "box/scripted", **fields})


def test_a_failed_run_goes_on_where_it_failed(shell: Shell) -> None:
    flow = shell.file(step("a", "one"), step("b", "two", "a"))
    shell.box.failing = {"two <one>"}
    assert shell.here("workflow", "run", flow)[0] == 1
    shell.box.failing = set()
    [run] = shell.runs()
    status, out, err = shell.here("resume", run["run_id"][:6])
    assert (status, out.strip()) == (0, "<two <one>>")
    assert shell.box.asked == {"one": 1, "two <one>": 2}
    assert "1 recorded result of flow kept" in err
    assert "Failed, tried again: b" in err
    assert "succeeded before" in err
    assert shell.here("resume", run["run_id"])[0] == 1
    assert shell.runs()[0]["status"] == "succeeded"


def twenty(prompt: str) -> list[dict[str, Any]]:
    """A root; nine steps of their own; a step in question, with two below it and seven below those."""
    own = [step(f"own{n}", f"own {n}", "root") for n in range(9)]
    below = [step("below1", "below 1", "asked"), step("below2", "below 2", "asked")]
    deep = [step(f"deep{n}", f"deep {n}", "below1", "own1") for n in range(7)]
    return [step("root", "root"), *own, step("asked", prompt, "root"), *below, *deep]


def test_one_edited_prompt_of_twenty_steps_pays_for_itself_and_what_it_changes(shell: Shell) -> None:
    flow = shell.file(*twenty("ask"), outputs={"all": "{{ steps.deep6.output }}"})
    assert shell.here("workflow", "run", flow)[0] == 0
    assert sum(shell.box.asked.values()) == 20
    [run] = shell.runs()
    edited = shell.file(*twenty("ASK"), name="edited.json", outputs={"all": "{{ steps.deep6.output }}"})

    shell.box.asked.clear()
    status, _, err = shell.here("resume", run["run_id"], "--workflow", edited)
    assert status != 0, "nobody is there to agree"
    assert not shell.box.asked
    assert "10 recorded results" in err
    assert "Paid again: asked\n" in err
    assert "Paid again unless their inputs come out the same: below1, below2, deep0" in err

    shell.box.answers = {"below 1 <ASK <root>>": "<below 1 <ask <root>>>"}
    assert shell.here("resume", run["run_id"], "--workflow", edited, "--yes")[0] == 0
    assert shell.box.asked == {"ASK <root>": 1, "below 1 <ASK <root>>": 1, "below 2 <ASK <root>>": 1}

    again = shell.file(*twenty("Ask"), name="again.json", outputs={"all": "{{ steps.deep6.output }}"})
    shell.box.asked.clear()
    assert shell.here("resume", run["run_id"], "--workflow", again, "--yes")[0] == 0
    assert len(shell.box.asked) == sum(shell.box.asked.values()) == 10, "itself, two and seven"

    same = shell.file(*twenty("aSK"), name="same.json", outputs={"all": "{{ steps.deep6.output }}"})
    shell.box.answers = {"aSK <root>": "<Ask <root>>"}
    shell.box.asked.clear()
    assert shell.here("resume", run["run_id"], "--workflow", same, "--yes")[0] == 0
    assert shell.box.asked == {"aSK <root>": 1}


def test_a_longer_list_pays_for_its_new_items(shell: Shell) -> None:
    each = {"id": "each", "kind": "map", "over": "{{ inputs.names }}", "steps": [step("hail", "hail {{ item }}")]}
    flow = shell.file(each, inputs={"names": {"type": "array", "items": {"type": "string"}}})
    assert shell.here("workflow", "run", flow, "-i", 'names=["Ada", "Cora"]')[0] == 0
    [run] = shell.runs()
    shell.box.asked.clear()
    assert "other inputs" in shell.here("resume", run["run_id"])[2]
    assert "must be array" in shell.here("resume", run["run_id"], "-i", "names=Bea")[2]
    status, out, _ = shell.here("resume", run["run_id"], "-i", 'names=["Ada", "Bea", "Cora"]', "--json")
    assert status == 0
    assert json.loads(out)["outputs"] == {"each": ["<hail Ada>", "<hail Bea>", "<hail Cora>"]}
    assert shell.box.asked == {"hail Bea": 1}


def test_a_program_that_was_killed_is_named_and_its_run_goes_on(shell: Shell) -> None:
    flow = shell.file(step("a", "one"), step("b", "two", "a"))
    shell.box.hanging = {"two <one>"}
    program = shell.program("workflow", "run", flow)
    shell.until_asked("two <one>")
    program.kill()
    program.communicate()
    [run] = shell.runs()
    assert run["status"] == "interrupted"

    shell.box.hanging = set()
    hello = shell.file({"id": "a", "kind": "set", "value": 1}, name="other.json")
    assert f"1 run was interrupted: orchestrate resume {run['run_id']}" in shell.here("workflow", "run", hello)[2]
    status, out, err = shell.here("resume", "--all")
    assert (status, out.strip()) == (0, "<two <one>>")
    assert shell.box.asked == {"one": 1, "two <one>": 2}
    assert "Possibly paid, asked again: b" in err
    assert "Possibly paid twice: b" in err
    assert "No run was interrupted." in shell.here("resume", "--all")[2]


def test_a_run_whose_program_died_is_followed_to_there(shell: Shell) -> None:
    run_id = killed(shell)
    status, out, err = shell.here("runs", "follow", run_id)
    assert (status, out.splitlines()[-1].split()[-2:]) == (1, ["started", "(llm)"])
    assert f"the program of run {run_id} died; `orchestrate resume {run_id}` goes on with it" in " ".join(err.split())


def test_a_run_whose_machine_was_renamed_is_taken_and_ended_by_who_says_so(shell: Shell) -> None:
    run_id = killed(shell)
    with closing(sqlite3.connect(shell.folder / "home" / "data" / "runs.sqlite")) as connection, connection:
        connection.execute("UPDATE journal_runs SET owner = 'renamed/1/2/3'")
    assert shell.runs()[0]["status"] == "running"
    shell.box.hanging = set()
    refused = shell.here("resume", run_id, "--yes")
    assert refused[0] == 1
    assert f"orchestrate resume {run_id} --although-held" in " ".join(refused[2].split())
    assert shell.here("resume", run_id, "--yes", "--although-held")[:2] == (0, "<two <one>>\n")

    other = killed(shell, "three")
    with closing(sqlite3.connect(shell.folder / "home" / "data" / "runs.sqlite")) as connection, connection:
        connection.execute("UPDATE journal_runs SET owner = 'renamed/1/2/3'")
    assert shell.here("cancel", other)[0] == 0
    assert shell.runs()[0]["status"] == "running"
    assert shell.here("cancel", other, "--although-held")[0] == 0
    assert shell.runs()[0]["status"] == "cancelled"


def killed(shell: Shell, first: str = "one") -> str:
    """A run whose program died in its second step."""
    flow = shell.file(step("a", first), step("b", "two", "a"))
    shell.box.hanging = {f"two <{first}>"}
    program = shell.program("workflow", "run", flow)
    shell.until_asked(f"two <{first}>")
    program.kill()
    program.communicate()
    run_id: str = shell.runs()[0]["run_id"]
    return run_id


def test_ctrl_c_leaves_a_run_that_goes_on(shell: Shell) -> None:
    flow = shell.file(step("a", "one"), step("b", "two", "a"))
    shell.box.hanging = {"two <one>"}
    program = shell.program("workflow", "run", flow)
    shell.until_asked("two <one>")
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=PATIENCE_S)
    [run] = shell.runs()
    assert f"orchestrate resume {run['run_id']}" in err
    shell.box.hanging = set()
    assert shell.here("resume", run["run_id"])[:2] == (0, "<two <one>>\n")


def test_a_run_is_cancelled_from_another_program(shell: Shell) -> None:
    flow = shell.file(step("a", "one"), step("b", "two", "a"))
    shell.box.hanging = {"two <one>"}
    program = shell.program("workflow", "run", flow)
    shell.until_asked("two <one>")
    [run] = shell.runs()
    assert "under way in another program" in shell.here("resume", run["run_id"], "--yes")[2]
    began = time.monotonic()
    assert shell.here("cancel", run["run_id"])[0] == 0
    _, err = program.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S / 2
    assert program.returncode == 1
    assert "Cancelled" in err
    assert shell.runs()[0]["status"] == "cancelled"
    assert shell.here("cancel", run["run_id"])[0] == 1
    assert shell.server.left.wait(PATIENCE_S), "the call was broken off"


def test_a_cancelled_run_whose_program_died_is_ended_and_not_resumed(shell: Shell) -> None:
    flow = shell.file(step("a", "one"))
    shell.box.hanging = {"one"}
    program = shell.program("workflow", "run", flow)
    shell.until_asked("one")
    program.kill()
    program.communicate()
    [run] = shell.runs()
    assert shell.here("cancel", run["run_id"])[0] == 0
    assert shell.runs()[0]["status"] == "cancelled"
    assert "No run was interrupted." in shell.here("resume", "--all")[2]


@pytest.mark.parametrize("how", ["--again", "--took-place"])
def test_what_must_not_be_done_twice_waits_for_a_word(shell: Shell, how: str) -> None:
    (shell.folder / "mail.py").write_text(TOOLS)
    flow = shell.file(tool("mail", "send", {"text": "hello"}), step("b", "tell", "mail"))
    program = shell.program("workflow", "run", flow, "--tools", "mail.py")
    program.communicate(timeout=PATIENCE_S)
    assert program.returncode == -signal.SIGKILL
    [run] = shell.runs()
    resume = ("resume", run["run_id"], "--tools", "mail.py")
    status, _, err = shell.here(*resume)
    assert status == 1
    told = " ".join(err.split())
    assert "nobody knows whether it was done" in told
    assert f"orchestrate resume {run['run_id']} --again mail" in told
    assert "was under way" in shell.here(*resume, "--again", "b")[2]
    word = "mail" if how == "--again" else 'mail="sent hello"'
    assert shell.here(*resume, how, word)[:2] == (0, "<tell sent hello>\n")
    assert (shell.folder / "sent").read_text().splitlines() == ["hello"] * (2 if how == "--again" else 1)


def test_the_events_of_a_run_are_read_again_from_any_point(shell: Shell) -> None:
    shell.here("workflow", "run", shell.file(step("a", "one"), step("b", "two", "a")))
    [run] = shell.runs()
    lines = shell.here("runs", "follow", run["run_id"])[1].splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1].endswith("run succeeded")
    rest = shell.here("runs", "follow", run["run_id"], "--after", "3", "--json")[1].splitlines()
    assert [json.loads(line)["seq"] for line in rest] == list(range(4, len(lines) + 1))
    assert json.loads(rest[-1])["event"] == "RunFinished"


def test_wrong_words_are_told(shell: Shell) -> None:
    assert shell.here("resume")[0] != 0
    assert shell.here("resume", "abc", "--all")[0] != 0
    assert "no JSON" in shell.here("resume", "abc", "--took-place", "a={")[2]
    assert "abc" in shell.here("resume", "abc")[2]
    assert "abc" in shell.here("cancel", "abc")[2]
