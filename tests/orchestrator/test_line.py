"""The whole line: the installed command against a real HTTP server, and once on the embedded model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Loopback, loopback

from orchestrator import Orchestrator
from unified_api.settings import Settings

ORCHESTRATE = Path(sysconfig.get_path("scripts")) / "orchestrate"
TASK = "Compare solar and wind power in two short paragraphs, then write a one-line headline for the comparison"
PLAN = {
    "workflow": "1",
    "name": "solar-and-wind",
    "steps": [
        {"id": "solar", "kind": "llm", "prompt": "PART solar", "model": {"tier": "economy"}},
        {"id": "wind", "kind": "llm", "prompt": "PART wind", "model": {"tier": "economy"}},
        {
            "id": "headline",
            "kind": "llm",
            "prompt": "PART headline for {{ steps.solar.output }} / {{ steps.wind.output }}",
            "model": {"tier": "economy"},
        },
    ],
    "outputs": {"headline": "{{ steps.headline.output }}"},
}


def said(body: dict[str, Any]) -> str:
    """The last message of a chat request, in words."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def answer(body: dict[str, Any]) -> str:
    """A model that plans when it is asked to plan and does its part otherwise."""
    text = said(body)
    return f"about {text.removeprefix('PART ')}" if text.startswith("PART ") else json.dumps(PLAN)


class Line:
    """The command in a folder of its own, with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "ORCHESTRATOR_HOME": str(folder / "home"), "LANG": "C.UTF-8"}

    def configure(self, server: Loopback, **more: object) -> None:
        """Names the server in orchestrator.toml: all that a local server needs."""
        lines = ["[providers.mine]", f'base_url = "{server.url}"', *(f"{k} = {json.dumps(v)}" for k, v in more.items())]
        (self.folder / "orchestrator.toml").write_text("\n".join(lines))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(ORCHESTRATE), *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(stdin, timeout=90)
        assert "Traceback" not in err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback(answer) as running:
        yield running


def test_a_task_is_planned_by_the_model_run_in_parallel_and_reported(line: Line, server: Loopback):
    line.configure(server)
    ended = line.run("run", TASK)
    assert ended.returncode == 0
    assert ended.stdout == "about headline for about solar / about wind\n"
    assert "planned by mine/scripted" in ended.stderr
    assert "at once, 2 in parallel" in ended.stderr
    assert "← solar, wind" in ended.stderr
    assert "headline: succeeded on mine/scripted" in ended.stderr
    assert "Succeeded: 3 steps" in ended.stderr
    assert "unknown" in ended.stderr
    assert "demo" not in ended.stderr
    asked = [said(body) for body in server.requests[1:]]
    assert sorted(asked[:2]) == ["PART solar", "PART wind"]
    assert asked[2] == "PART headline for about solar / about wind"


def test_a_run_as_json_tells_everything(line: Line, server: Loopback):
    line.configure(server)
    ended = line.run("run", "-", "--json", stdin=TASK)
    assert ended.returncode == 0
    run = json.loads(ended.stdout)
    assert list(run) == ["run_id", "status", "plan", "outputs", "steps", "cost_usd", "seconds"]
    assert run["plan"]["name"] == "solar-and-wind"
    assert run["outputs"] == {"headline": "about headline for about solar / about wind"}
    assert run["cost_usd"] is None
    assert [step["id"] for step in run["steps"]] == ["solar", "wind", "headline"]
    for step in run["steps"]:
        assert step["provider"] == "mine"
        assert step["model"] == "mine/scripted"
        assert step["quality"] is None
        assert step["usage"]["input_tokens"] == 11
        assert [attempt["number"] for attempt in step["attempts"] if attempt["outcome"] != "dropped"] == [1]
        assert step["started"].endswith("Z")
    record = json.loads(line.run("runs", "show", run["run_id"], "--json").stdout)
    assert record["outputs"] == run["outputs"]


def test_a_key_in_the_environment_is_enough_and_the_cost_is_known(line: Line):
    with loopback(answer, key="sk-right") as server:
        line.environment["OPENAI_API_KEY"] = "sk-right"
        (line.folder / "orchestrator.toml").write_text(f'[providers.openai]\nbase_url = "{server.url}"\n')
        ended = line.run("run", TASK, "--model", "openai/gpt-5-mini", "--json")
        run = json.loads(ended.stdout)
        assert run["status"] == "succeeded"
        assert {step["model"] for step in run["steps"]} == {"openai/gpt-5-mini"}
        assert "sk-right" not in ended.stdout + ended.stderr


def test_a_wrong_key_is_said_once_and_never_shown(line: Line):
    with loopback(answer, key="sk-right") as server:
        line.environment["OPENAI_API_KEY"] = "sk-wrong-secret"
        (line.folder / "orchestrator.toml").write_text(f'[providers.openai]\nbase_url = "{server.url}"\n')
        ended = line.run("run", TASK)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "OPENAI_API_KEY" in ended.stderr
    assert "sk-wrong-secret" not in ended.stderr


def test_a_server_that_cannot_be_reached_is_named(line: Line):
    (line.folder / "orchestrator.toml").write_text(
        '[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["scripted"]\n'
    )
    ended = line.run("run", TASK, "--model", "mine/scripted")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "127.0.0.1:9" in ended.stderr


def test_a_server_that_is_down_never_ends_in_a_stand_ins_answer(line: Line):
    (line.folder / "orchestrator.toml").write_text('[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\n')
    ended = line.run("run", TASK, "--yes")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "mine does not answer" in ended.stderr
    assert "127.0.0.1:9" in ended.stderr
    assert "Start the server" in ended.stderr
    assert not list((line.folder / "home").rglob("*.gguf"))
    assert line.run("plan", TASK).returncode == 0
    doctor = line.run("doctor", "--json")
    assert doctor.returncode == 1
    assert [check["name"] for check in json.loads(doctor.stdout)["checks"] if check["verdict"] == "error"] == [
        "servers"
    ]


def test_a_planner_that_talks_nonsense_is_refused_with_reasons(line: Line):
    with loopback(lambda _: "I would rather not plan, thank you.") as server:
        line.configure(server)
        ended = line.run("run", TASK)
        assert ended.returncode == 1
        assert ended.stdout == ""
        assert "no sound plan" in ended.stderr
        assert 1 < len(server.requests) <= 3


def test_a_step_that_fails_fails_the_run_and_what_finished_is_on_record(line: Line):
    def failing(body: dict[str, Any]) -> str | Answer:
        return Answer(status=400) if "PART headline" in said(body) else answer(body)

    with loopback(failing) as server:
        line.configure(server)
        ended = line.run("run", TASK, "--json")
    run = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert run["status"] == "failed"
    assert {step["id"]: step["status"] for step in run["steps"]} == {
        "solar": "succeeded",
        "wind": "succeeded",
        "headline": "failed",
    }
    assert run["steps"][2]["error"]["message"]
    assert run["steps"][2]["error"]["message"].removeprefix("step 'headline': ") in ended.stderr
    assert json.loads(line.run("runs", "show", run["run_id"], "--json").stdout)["status"] == "failed"


def test_an_interrupt_ends_cleanly_and_keeps_what_finished(line: Line):
    reached = threading.Event()

    def slow(body: dict[str, Any]) -> str | Answer:
        if "PART headline" not in said(body):
            return answer(body)
        reached.set()
        return Answer(hang=True)

    with loopback(slow) as server:
        line.configure(server)
        process = line.start("run", TASK)
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert server.left.wait(10)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "Interrupted" in err
    assert "Finished before that: solar, wind" in err or "Finished before that: wind, solar" in err
    (summary,) = json.loads(line.run("runs", "list", "--json").stdout)
    assert summary["status"] == "cancelled"
    assert summary["run_id"] in err


def test_a_budget_that_cannot_be_kept_stops_the_run(line: Line, server: Loopback):
    line.configure(server)
    ended = line.run("run", TASK, "--budget", "0.000001")
    assert ended.returncode == 1
    assert "budget" in ended.stderr.lower()


def test_a_deadline_ends_a_run_that_hangs(line: Line):
    with loopback(lambda body: Answer(hang=True) if said(body).startswith("PART") else answer(body)) as server:
        line.configure(server)
        ended = line.run("run", TASK, "--deadline", "1")
    assert ended.returncode == 1
    assert "deadline" in ended.stderr


def test_restricted_data_stays_off_a_server_that_is_not_cleared(line: Line, server: Loopback):
    line.configure(server, clearance="internal")
    ended = line.run("run", TASK, "--sensitivity", "restricted", "--model", "mine/scripted")
    assert ended.returncode == 1
    assert "restricted" in ended.stderr
    assert server.requests == []


async def test_the_python_way_streams_tokens_over_http(tmp_path: Path, server: Loopback):
    (tmp_path / "orchestrator.toml").write_text(f'[providers.mine]\nbase_url = "{server.url}"\n')
    settings = Settings.load(tmp_path / "orchestrator.toml", environ={"ORCHESTRATOR_HOME": str(tmp_path)})
    async with Orchestrator(settings=settings) as orchestrator:
        events = [event async for event in orchestrator.stream(TASK)]
    tokens = [event.text for event in events if getattr(event, "step_id", "") == "headline" and hasattr(event, "text")]
    assert "".join(tokens) == "about headline for about solar / about wind"
    assert len(tokens) > 1


def test_the_module_is_the_command_too(line: Line):
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator", "--version"],
        env=line.environment,
        cwd=line.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == line.run("--version").stdout


def weights() -> Path | None:
    from unified_api.local import weights as local

    return local.find(Settings.load().cache_dir)


@pytest.mark.skipif(weights() is None, reason="no weights here: orchestrate models pull local")
@pytest.mark.skipif(not ORCHESTRATE.exists(), reason="the command orchestrate is not installed")
def test_the_whole_line_on_the_embedded_model(line: Line):
    found = weights()
    assert found is not None
    cache = line.folder / "home" / "cache"
    cache.mkdir(parents=True)
    (cache / "models").symlink_to(found.parent)
    ended = line.run("run", "Name one colour of the sky and then write it as a headline", "--json")
    run = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert run["status"] == "succeeded"
    assert {step["provider"] for step in run["steps"]} == {"local"}
    assert {step["quality"] for step in run["steps"]} == {"demo"}
    assert run["cost_usd"] == 0
    assert all(isinstance(value, str) and value for value in run["outputs"].values())
    assert "planned by the rules\n" in ended.stderr
    assert "free (local)" in ended.stderr
    assert "Quality demo" in ended.stderr
    assert "OPENAI_API_KEY" in ended.stderr


def test_the_doctor_counts_a_configured_server_that_answers_as_enough(line: Line):
    with loopback("unused") as server:
        line.configure(server)
        doctor = line.run("doctor")
    assert doctor.returncode == 0
    assert "ok       servers: mine serves scripted" in doctor.stdout
    assert "no provider's key is set" not in doctor.stdout


def test_a_planner_that_never_answers_is_given_up_at_the_deadline(line: Line):
    with loopback(Answer(hang=True)) as server:
        line.configure(server)
        ended = line.run("run", TASK, "--deadline", "0.3")
    assert ended.returncode == 1
    assert "Error: no plan was made within 0.3 s, the deadline; allow more time" in ended.stderr
