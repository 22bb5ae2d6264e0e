from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from rich.spinner import Spinner

from executors.events import Event, RunStarted, StepError, StepFinished, StepRetrying, StepStarted, StepToken
from orchestrator.cli import console, words
from orchestrator.cli.dag import dag_table, stages
from orchestrator.cli.errors import bordered, show_tracebacks
from orchestrator.cli.progress import Progress
from orchestrator.cli.step_table import steps_table
from unified_api.types import Usage
from workflows.graph import Graph
from workflows.model import Workflow
from workflows.parse import from_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GREETING = '{"workflow": "1", "name": "greeting", "steps": [{"id": "hello", "kind": "set", "value": "Hello"}]}'


def chain(*steps: tuple[str, str]) -> Workflow:
    """Steps `(id, ids it waits for)`."""
    return from_json(
        {
            "workflow": "1",
            "name": "chain",
            "steps": [
                {"id": name, "kind": "llm", "prompt": f"do {name}", "after": after.split()} for name, after in steps
            ],
        }
    )


def shown(renderable: object, *, width: int = 160) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(renderable)
    return console.export_text()


def finished(step_id: str, **fields: Any) -> StepFinished:
    values: dict[str, Any] = {"status": "succeeded", "started": NOW, "kind": "llm", **fields}
    return StepFinished(run_id="r", at=NOW + timedelta(seconds=1.5), step_id=step_id, **values)


@pytest.mark.parametrize(
    ("value", "local", "text"),
    [
        (None, True, "unknown"),
        (Decimal(0), True, "free (local)"),
        (Decimal(0), False, "$0"),
        (Decimal("1.23456"), False, "$1.2346"),
        (Decimal("0.00123"), False, "$0.0012"),
        (Decimal("0.00000123"), False, "$1.2e-6"),
    ],
)
def test_a_cost_is_never_rounded_to_nothing_and_unknown_is_never_zero(value: Decimal | None, local: bool, text: str):
    assert words.cost(value, local=local) == text


def test_tokens_say_what_a_provider_left_out():
    assert words.tokens(Usage(input_tokens=1200, output_tokens=3)) == "1,200 + 3"
    assert words.tokens(Usage(output_tokens=3)) == "? + 3"
    assert words.tokens(Usage()) == words.tokens(None) == ""


def test_text_of_a_model_cannot_steer_the_terminal():
    assert words.clean("a\x1b[2Jb\x1b]0;title\x07c\rd\te\n\x08") == "abcd\te\n"
    assert words.one_line("  a\n\tb  " + "x" * 100, width=10) == "a b xxxxx…"


HOSTILE = "[bold]x[/bold] [/nothing] \x1b]0;owned\x07\x1b[2J\x9b2Jend\\"


def test_what_models_and_servers_say_stands_literally_in_every_table():
    text = shown(
        steps_table(
            [finished("a", model=f"acme/{HOSTILE}", provider="acme")],
        ),
        width=300,
    )
    progress = Progress(chain(("a", "")))
    progress(StepStarted(run_id="r", at=NOW, step_id="a", kind="llm"))
    progress(StepToken(run_id="r", step_id="a", text=HOSTILE))
    workflow = from_json({"workflow": "1", "name": "x", "steps": [{"id": "a", "kind": "llm", "prompt": HOSTILE}]})
    for told in (text, shown(progress, width=300), shown(dag_table(workflow, graph=Graph.of(workflow)), width=300)):
        assert "[bold]x[/bold] [/nothing] " in told
        assert "end\\" in told
        assert "\x1b" not in told
        assert "owned" not in told


def test_a_line_for_people_cannot_steer_the_terminal_whatever_it_repeats(capsys: pytest.CaptureFixture[str]):
    console.say(HOSTILE)
    console.print_line(HOSTILE)
    told = capsys.readouterr()
    assert told.err == told.out == "[bold]x[/bold] [/nothing] 2Jend\\\n"


def test_a_traceback_cannot_steer_the_terminal_either(capsys: pytest.CaptureFixture[str]):
    @bordered
    def broken() -> int:
        raise ValueError(HOSTILE)

    show_tracebacks(wanted=True)
    with pytest.raises(typer.Exit):
        broken()
    show_tracebacks(wanted=False)
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "\x1b" not in told
    assert "\x9b" not in told


def test_a_spinner_takes_brackets_as_they_are():
    spinner = Spinner("dots")
    spinner.update(text=console.plain("asking a/[/b] [bold]c[/bold]"))
    assert "asking a/[/b] [bold]c[/bold]" in shown(spinner)


def test_steps_stand_in_the_stage_that_their_longest_chain_gives():
    graph = Graph.of(chain(("d", "b c"), ("a", ""), ("b", "a"), ("c", ""), ("e", "")))
    assert stages(graph) == [["a", "c", "e"], ["b"], ["d"]]


def test_a_graph_says_who_waits_for_whom_and_what_runs_in_parallel():
    workflow = chain(("a", ""), ("b", ""), ("c", "a b"))
    lines = [line.rstrip() for line in shown(dag_table(workflow, graph=Graph.of(workflow))).splitlines()]
    assert "at once, 2 in parallel" in lines[0]
    assert re.search(r"then +c +llm .*← a, b", lines[2])


def test_a_large_graph_is_cut():
    workflow = chain(*((f"s{number}", "") for number in range(500)))
    assert len(shown(dag_table(workflow, graph=Graph.of(workflow))).splitlines()) == 60


def test_progress_follows_the_events_of_a_run():
    progress = Progress(chain(("a", ""), ("b", "a")))
    events: list[Event] = [
        RunStarted(run_id="r1", at=NOW, workflow="chain", steps=2),
        StepStarted(run_id="r1", at=NOW, step_id="a", kind="llm"),
        StepToken(run_id="r1", step_id="a", text="Once upon "),
        StepToken(run_id="r1", step_id="a", text="a time"),
    ]
    for event in events:
        progress(event)
    text = shown(progress)
    assert re.search(r"running +a .*Once upon a time", text)
    assert re.search(r"pending +b", text)
    progress(StepRetrying(run_id="r1", at=NOW, step_id="a", attempt=2, delay_s=1, error=StepError("x", "busy")))
    assert "Once" not in shown(progress)
    progress(finished("a", model="acme/large"))
    assert re.search(r"succeeded +a +acme/large", shown(progress))
    assert progress.run_id == "r1"
    assert [step.step_id for step in progress.finished] == ["a"]


def test_progress_of_many_steps_fits_the_screen_and_shows_those_that_run():
    progress = Progress(chain(*((f"s{number}", "") for number in range(300))))
    progress(StepStarted(run_id="r", at=NOW, step_id="s250", kind="llm"))
    text = shown(progress)
    assert len(text.splitlines()) <= 60
    assert re.search(r"running +s250", text)
    assert "1 running" in text
    assert "299 pending" in text


def test_the_table_of_steps_has_every_column_and_folds_only_names_where_it_is_narrow():
    steps = [
        finished(
            "a_step_with_a_long_name_indeed",
            model="acme/some-very-long-model-name-20260101",
            provider="acme",
            quality="demo",
            usage=Usage(input_tokens=10, output_tokens=20),
            cost_usd=Decimal("0.0021"),
        ),
        finished("b", model="acme/x", provider="acme", status="failed", cost_usd=None),
    ]
    wide = shown(steps_table(steps, width=160), width=160)
    narrow = shown(steps_table(steps, width=80), width=80)
    for part in ("succeeded", "failed", "acme", "1.50", "$0.0021", "unknown"):
        assert part in wide
        assert part in narrow
    assert "demo" in wide
    assert "10 + 20" in wide
    assert "…" not in narrow, "nothing is lost of a name"


def test_columns_that_say_nothing_are_left_out():
    text = shown(steps_table([finished("a", kind="set")]))
    assert text.split() == ["step", "status", "seconds", "a", "succeeded", "1.50"]


def test_where_the_terminal_is_narrow_a_graph_still_says_who_waits_and_what_is_asked():
    workflow = chain(
        ("facts_solar_power", ""), ("facts_wind_power", ""), ("compare", "facts_solar_power facts_wind_power")
    )
    text = shown(dag_table(workflow, graph=Graph.of(workflow), width=80), width=80)
    assert "at once (2)" in text
    assert "← facts_solar_power" in text
    assert "do facts_wind_power" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def on_terminal(*arguments: str, folder: Path) -> str:
    """What a person sees of the command, with its control sequences."""
    try:
        leader, follower = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be made here: {error}")
    environment = {**os.environ, "TERM": "xterm-256color", "ORCHESTRATOR_HOME": str(folder / "home"), "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        env=environment,
        cwd=folder,
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    process.wait(30)
    os.close(leader)
    return seen.decode()


def test_on_a_terminal_the_run_is_drawn_in_place_and_coloured(tmp_path: Path):
    (tmp_path / "greeting.json").write_text(GREETING)
    seen = on_terminal("workflow", "run", "greeting.json", folder=tmp_path)
    assert "\x1b[?25l" in seen, "the cursor is hidden while the progress is drawn"
    assert seen.count("\x1b[?25h") >= 1
    assert "\x1b[32m" in seen
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    assert re.search(r"Hello\r\nstep +status", plain)
    assert "Succeeded: 1 step" in plain


def test_a_line_that_is_folded_keeps_its_indentation(tmp_path: Path):
    described = {**json.loads(GREETING), "description": "word " * 30}
    (tmp_path / "greeting.json").write_text(json.dumps(described))
    seen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", on_terminal("workflow", "run", "greeting.json", folder=tmp_path))
    lines = [line.rstrip() for line in seen.splitlines() if "word word" in line]
    assert len(lines) > 1
    assert all(line.startswith("  word") for line in lines)


def test_a_person_without_a_task_is_told_how_to_give_one(tmp_path: Path):
    assert 'orchestrate run "your task"' in on_terminal("run", folder=tmp_path)


def test_what_is_to_be_approved_is_shown_as_it_is_and_not_without_end() -> None:
    assert words.material("a\nb") == "a\nb"
    assert words.material({"title": "N\x1b"}) == '{\n  "title": "N\\u001b"\n}'
    long = words.material("x" * 5_000)
    assert long.startswith("x" * 4_000 + "\n...")
    assert "5,000 characters" in long


def test_nothing_makes_a_terminal_show_words_in_another_order_than_they_stand() -> None:
    assert words.clean("pay \u202e001\u202c x\u200by") == r"pay \u202e001\u202c x\u200by"
