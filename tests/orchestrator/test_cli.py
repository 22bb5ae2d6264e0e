from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.cli import main
from orchestrator.cli.errors import CommandError, bordered, show_tracebacks

SOUND = {
    "workflow": "1",
    "name": "greeting",
    "inputs": {"name": {"type": "string"}, "times": {"type": "integer", "default": 1}},
    "steps": [
        {"id": "hello", "kind": "set", "value": "Hello {{ inputs.name }}"},
        {"id": "list", "kind": "set", "value": {"text": "{{ steps.hello.output }}", "times": "{{ inputs.times }}"}},
    ],
    "outputs": {"greeting": "{{ steps.list.output }}"},
}


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in this process, in an empty folder, without keys, configuration or weights."""
    for name in ("OPENAI_API_KEY", "ORCHESTRATOR_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main(arguments)
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return run


def write(path: Path, value: object) -> str:
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return str(path)


COMMANDS = [
    *(["run"], ["plan"], ["check"], ["doctor"], ["workflow"], ["workflow", "run"], ["workflow", "list"]),
    *(["workflow", "show"], ["runs"], ["runs", "list"], ["runs", "show"], ["models"], ["models", "list"]),
    *(["models", "pull"], ["explain"], ["routes"], ["budgets"]),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_teaches_with_an_example(command: Command, words: list[str]):
    ended = command(*words, "--help")
    assert ended.status == 0
    assert " ".join(["orchestrate", *words]) in ended.out
    if words not in (["workflow"], ["runs"], ["models"]):
        assert "Example" in ended.out
        assert ended.out.count("  orchestrate ") >= 1


def test_no_command_shows_the_help(command: Command):
    ended = command()
    assert "orchestrate run" in ended.out + ended.err


@pytest.mark.parametrize(
    "words",
    [["frobnicate"], ["run", "--no-such-option"], ["run", "x", "--max-parallel", "0"], ["run", "x", "--planner", "y"]],
    ids=" ".join,
)
def test_a_wrong_command_line_ends_with_status_2(command: Command, words: list[str]):
    ended = command(*words)
    assert ended.status == 2
    assert ended.out == ""
    assert "Usage" in ended.err


def test_the_version_is_on_stdout(command: Command):
    assert command("--version").out.startswith("orchestrate 0.")


def test_a_workflow_is_run_with_typed_inputs(command: Command, tmp_path: Path):
    file = write(tmp_path / "greeting.json", SOUND)
    ended = command("workflow", "run", file, "--input", "name=Ada", "-i", "times=3")
    assert ended.status == 0
    assert ended.json == {"text": "Hello Ada", "times": 3}
    assert "Succeeded: 2 steps" in ended.err


def test_a_run_as_json_is_one_document_on_stdout(command: Command, tmp_path: Path):
    file = write(tmp_path / "greeting.json", SOUND)
    ended = command("workflow", "run", file, "-i", "name=Ada", "--json")
    assert list(ended.json) == ["run_id", "status", "plan", "outputs", "steps", "cost_usd", "seconds"]
    assert ended.json["outputs"] == {"greeting": {"text": "Hello Ada", "times": 1}}
    assert ended.json["cost_usd"] == 0
    assert [step["id"] for step in ended.json["steps"]] == ["hello", "list"]


def test_inputs_come_from_files_and_from_standard_input(command: Command, tmp_path: Path):
    file = write(tmp_path / "greeting.json", SOUND)
    write(tmp_path / "name.txt", "Grüße 世界")
    assert command("workflow", "run", file, "-i", "name=@name.txt").json["text"] == "Hello Grüße 世界"
    assert command("workflow", "run", file, "-i", "name=-", stdin="مرحبا".encode()).json["text"] == "Hello مرحبا"


def test_a_workflow_is_read_from_standard_input(command: Command):
    ended = command("workflow", "run", "-", "-i", "name=Ada", stdin=json.dumps(SOUND).encode())
    assert ended.status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["-i", "times=three"], 2, "'times' must be integer, not 'three'"),
        (["-i", "name"], 2, "KEY=VALUE"),
        (["-i", "name=a", "-i", "name=b"], 2, "given twice"),
        (["-i", "name=@missing.txt"], 1, "cannot read 'missing.txt': No such file"),
        ([], 1, "name"),
        (["-i", "name=a", "-i", "nmae=b"], 1, "nmae"),
    ],
)
def test_a_wrong_input_is_one_clear_message(
    command: Command, tmp_path: Path, arguments: list[str], status: int, says: str
):
    file = write(tmp_path / "greeting.json", SOUND)
    ended = command("workflow", "run", file, *arguments)
    assert ended.status == status
    assert says in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_a_sound_file_passes_the_check(command: Command, tmp_path: Path):
    ended = command("check", write(tmp_path / "w.json", SOUND), "--json")
    assert ended.status == 0
    assert ended.json == {"ok": True, "findings": []}
    assert "fine" in ended.err


def step(**fields: object) -> dict[str, object]:
    return {"workflow": "1", "name": "bad", "steps": [{"id": "a", "kind": "set", "value": 1, **fields}]}


BAD = {
    "no json": ("{not json", "invalid_json"),
    "empty": ("", "invalid_json"),
    "duplicate key": ('{"workflow": "1", "name": "a", "name": "b", "steps": []}', "duplicate_key"),
    "unknown key": (step(promt="x"), "unknown_key"),
    "dangling reference": (step(value="{{ steps.b.output }}"), "unknown_step"),
    "itself": (step(value="{{ steps.a.output }}"), "self_reference"),
    "wrong type": (step(timeout_s="soon"), "wrong_type"),
    "unknown kind": (step(kind="magic"), "unknown_kind"),
    "broken template": (step(value="{{ inputs. }}"), "invalid_expression"),
    "unknown tool": (
        {"workflow": "1", "name": "bad", "steps": [{"id": "a", "kind": "tool", "tool": "nobody"}]},
        "unknown_tool",
    ),
}


@pytest.mark.parametrize(("content", "code"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_place_and_mend(command: Command, tmp_path: Path, content: object, code: str):
    file = write(tmp_path / "bad.json", content)
    checked = command("check", file, "--json")
    assert checked.status == 1
    assert checked.json["ok"] is False
    assert code in [finding["code"] for finding in checked.json["findings"]]
    run = command("workflow", "run", file)
    assert run.status == 1
    assert code in run.err
    assert run.out == ""
    assert "Traceback" not in run.err + checked.err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00" * 100, b"[" * 100_000, b'"' + b"x" * 300_000])
def test_bytes_that_are_no_workflow_are_refused(command: Command, content: bytes):
    ended = command("check", "-", "--json", stdin=content)
    assert ended.status == 1
    assert ended.json["findings"]


def test_a_template_that_would_run_for_ever_ends_with_a_message(command: Command, tmp_path: Path):
    endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a * b }}{% endfor %}{% endfor %}"
    ended = command("workflow", "run", write(tmp_path / "w.json", step(value=endless)))
    assert ended.status == 1
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", ["nowhere.json", "reserch-brief", "."])
def test_a_name_that_is_nothing_is_said_with_what_is_near(command: Command, name: str):
    ended = command("workflow", "show", name)
    assert ended.status == 1
    assert repr(name) in ended.err
    assert "research-brief" in ended.err or "workflow list" in ended.err


def test_the_library_is_listed_and_each_of_it_can_be_shown_and_checked(command: Command):
    listed = command("workflow", "list", "--json").json
    assert len(listed) >= 8
    for entry in listed:
        shown = command("workflow", "show", entry["name"], "--json")
        assert shown.json["name"] == entry["name"]
        assert shown.err == ""
        assert command("check", entry["name"]).status == 0
    assert "research-brief" in command("workflow", "list").out


CALLS = {
    "workflow": "1",
    "name": "calls",
    "steps": [{"id": "a", "kind": "tool", "tool": "double", "arguments": {"number": 21}}],
}


def test_functions_of_a_file_are_tools(command: Command, tmp_path: Path):
    write(tmp_path / "mine.py", "from math import pi\ndef double(number: int) -> int:\n    return number * 2\n")
    file = write(tmp_path / "calls.json", CALLS)
    assert "unknown_tool" in command("workflow", "run", file).err
    assert command("check", file, "--tools", "mine.py").status == 0
    assert command("workflow", "run", file, "--tools", "mine.py").json == 42


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("x = 1", "offers no tools"),
        ("raise ValueError('broken on purpose')", "ValueError: broken on purpose"),
        ("def (", "SyntaxError"),
        ("def double(*numbers): ...", "double"),
    ],
)
def test_a_file_of_tools_that_cannot_be_used_is_one_clear_message(
    command: Command, tmp_path: Path, content: str, says: str
):
    write(tmp_path / "mine.py", content)
    ended = command("workflow", "run", write(tmp_path / "calls.json", CALLS), "--tools", "mine.py")
    assert ended.status == 1
    assert says in ended.err
    assert "This is a bug" not in ended.err
    assert "no file of tools" in command("check", "calls.json", "--tools", "none.py").err


def test_a_shown_workflow_tells_people_its_graph_and_its_inputs(command: Command):
    ended = command("workflow", "show", "research-brief")
    assert "in parallel" in ended.err
    assert "--input topic=" in ended.err
    assert "←" in ended.err


def test_a_plan_is_the_workflow_alone_and_can_be_checked_and_kept(command: Command, tmp_path: Path):
    ended = command("plan", "Describe the tides and then translate it into French", "--planner", "rules", "--json")
    assert ended.status == 0
    assert ended.json["workflow"] == "1"
    assert "planned by the rules\n" in ended.err
    kept = command("plan", "Describe the tides and then translate it into French", "-o", str(tmp_path / "plan.json"))
    assert kept.out == ""
    assert json.loads((tmp_path / "plan.json").read_text()) == ended.json
    assert command("check", str(tmp_path / "plan.json")).status == 0


def test_a_plan_that_cannot_be_written_says_why(command: Command, tmp_path: Path):
    ended = command("plan", "Describe the tides", "-o", str(tmp_path / "no" / "plan.json"))
    assert ended.status == 1
    assert "cannot write" in ended.err


@pytest.mark.parametrize(
    "task",
    ["比较太阳能和风能，然后写一个标题。", "قارن بين الطاقة الشمسية وطاقة الرياح ثم اكتب عنوانا", "🌊", "a" * 5000],
)
def test_a_task_in_any_script_is_planned(command: Command, task: str):
    ended = command("plan", "-", "--json", stdin=task.encode())
    assert ended.status == 0
    assert ended.json["steps"]


@pytest.mark.parametrize(
    ("stdin", "says"),
    [
        (b"", "empty"),
        (b"  \n\t ", "empty"),
        (b"word " * 40_000, ""),
        (b"\xff\xfe\xfa", "UTF-8"),
    ],
    ids=["empty", "blank", "200 KB", "no text"],
)
def test_a_task_that_cannot_be_planned_is_one_clear_message(command: Command, stdin: bytes, says: str):
    ended = command("plan", stdin=stdin)
    assert ended.status == 1
    assert ended.err.startswith("Error: ")
    assert says in ended.err
    assert len(ended.err) < 1000
    assert ended.out == ""


def test_without_a_terminal_weights_are_not_fetched_unasked(command: Command, tmp_path: Path):
    ended = command("run", "Describe the tides")
    assert ended.status == 1
    assert "orchestrate models pull local" in ended.err
    assert "OPENAI_API_KEY" in ended.err
    assert not list((tmp_path / "home").rglob("*.gguf"))


def test_showing_the_plan_alone_needs_no_model(command: Command):
    ended = command("run", "Describe the tides, then the moon", "--no-run", "--json")
    assert ended.status == 0
    assert ended.json["workflow"] == "1"


def test_a_wrong_configuration_names_file_and_place(command: Command, tmp_path: Path):
    write(tmp_path / "orchestrator.toml", "[providers.acme]\nbase_ur = 'http://127.0.0.1:1/v1'\n")
    for words in (["models"], ["run", "Describe the tides"], ["check", "research-brief"]):
        ended = command(*words)
        assert ended.status == 1
        assert "orchestrator.toml" in ended.err
        assert "base_ur" in ended.err
    doctor = command("doctor", "--json")
    assert doctor.status == 1
    broken = [check for check in doctor.json["checks"] if check["verdict"] == "error"]
    assert [check["name"] for check in broken] == ["orchestrator.toml"]


def test_models_are_listed_with_the_keys_that_programs_rely_on(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    listed = command("models", "list", "--json").json
    assert listed == command("models", "--json").json
    by_id = {model["id"]: model for model in listed}
    assert list(by_id["openai/gpt-5.1"]) == [
        *("id", "provider", "wire", "capabilities", "context", "max_output", "modalities", "prices", "data_policy"),
        *("unsupported", "tier", "quality", "ready", "missing"),
    ]
    assert by_id["openai/gpt-5.1"]["prices"]["input"] > 0
    people = command("models", "--provider", "openai")
    assert "openai/gpt-5.1" in people.out
    assert "mistral" not in people.out


def test_the_doctor_names_keys_and_never_shows_them(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    ended = command("doctor")
    assert "OPENAI_API_KEY" in ended.out + ended.err
    assert "sk-secret-value" not in ended.out + ended.err
    assert ended.status == 0
    checks = {check["name"] for check in command("doctor", "--json").json["checks"]}
    assert {"python", "import names", "packages", "orchestrator.toml", "keys", "local servers"} <= checks


def test_the_doctor_looks_at_folders_without_making_them(command: Command, tmp_path: Path):
    command("doctor")
    assert not (tmp_path / "home").exists()


def test_runs_are_listed_and_shown_from_the_record(command: Command, tmp_path: Path):
    assert command("runs", "list", "--json").json == []
    file = write(tmp_path / "greeting.json", SOUND)
    made = command("workflow", "run", file, "-i", "name=Ada", "--json").json
    (summary,) = command("runs", "list", "--json").json
    assert summary["run_id"] == made["run_id"]
    assert summary["status"] == "succeeded"
    assert made["run_id"] in command("runs").out
    shown = command("runs", "show", made["run_id"][:6], "--json").json
    assert shown["outputs"] == made["outputs"]
    assert shown["plan"]["name"] == "greeting"
    assert list(shown) == list(made)
    assert "Hello Ada" in command("runs", "show", made["run_id"]).out


def test_a_run_that_does_not_exist_is_one_clear_message(command: Command):
    assert "no run has the id" in command("runs", "show", "\udcff").err
    ended = command("runs", "show", "nonesuch")
    assert ended.status == 1
    assert "'nonesuch'" in ended.err


def test_only_the_embedded_model_can_be_pulled(command: Command):
    ended = command("models", "pull", "gpt-5")
    assert ended.status == 2
    assert "'gpt-5'" in ended.err


def test_a_placeholder_image_is_saved_where_asked_and_called_what_it_is(command: Command, tmp_path: Path):
    draws = {
        "workflow": "1",
        "name": "draws",
        "steps": [{"id": "art", "kind": "image", "model": "local/placeholder-image", "prompt": "a lighthouse"}],
    }
    ended = command("workflow", "run", write(tmp_path / "draws.json", draws), "--out", "pictures")
    assert ended.status == 0
    (saved,) = (tmp_path / "pictures").iterdir()
    assert ended.out.strip() == str(saved)
    assert "placeholder" in ended.err
    assert saved.stat().st_size > 0
    default = command("workflow", "run", str(tmp_path / "draws.json"))
    assert Path(default.out.strip()).is_relative_to(tmp_path / "home")


def test_an_image_that_cannot_be_written_is_an_error_and_the_rest_of_the_result_stays(command: Command, tmp_path: Path):
    draws = {
        "workflow": "1",
        "name": "draws",
        "steps": [{"id": "art", "kind": "image", "model": "local/placeholder-image", "prompt": "a lighthouse"}],
        "outputs": {"art": "{{ steps.art.output }}", "text": "kept"},
    }
    write(tmp_path / "taken", "a file")
    ended = command("workflow", "run", write(tmp_path / "draws.json", draws), "--out", "taken/pictures")
    assert ended.status == 1
    assert "art cannot be written" in ended.err
    assert "--out FOLDER` writes it elsewhere" in ended.err
    assert "kept" in ended.out


def test_an_unexpected_error_is_one_line_and_a_traceback_only_on_demand(capsys: pytest.CaptureFixture[str]):
    @bordered
    def broken() -> int:
        raise ZeroDivisionError("by nobody")

    for tracebacks in (True, False):
        show_tracebacks(tracebacks)
        with pytest.raises(typer.Exit) as ended:
            broken()
        said = capsys.readouterr().err
        assert ended.value.exit_code == 1
        assert "ZeroDivisionError: by nobody" in said
        assert ("Traceback" in said) is tracebacks
        assert ("orchestrate --debug" in said) is not tracebacks


def test_an_error_inside_groups_is_told_as_itself(capsys: pytest.CaptureFixture[str]):
    @bordered
    def broken() -> int:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [CommandError("the cause", status=2)])])

    with pytest.raises(typer.Exit) as ended:
        broken()
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "Error: the cause\n"


def test_a_reader_that_leaves_a_pipe_is_no_error(tmp_path: Path):
    environment = {**os.environ, "ORCHESTRATOR_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "orchestrator", "models", "list", "--json"]
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_text_for_people_has_no_colours_where_it_is_no_terminal(command: Command, tmp_path: Path):
    file = write(tmp_path / "greeting.json", SOUND)
    ended = command("workflow", "run", file, "-i", "name=\x1b[31mred")
    assert "\x1b" not in ended.err
    assert all(line == line.rstrip() for line in ended.err.splitlines())


def test_what_is_wrong_in_many_places_alike_is_said_once(command: Command, tmp_path: Path):
    steps = [{"id": f"s{number}", "kind": "set", "value": 1, "colour": 1} for number in range(20)]
    file = write(tmp_path / "many.json", {"workflow": "1", "name": "many", "steps": steps})
    ended = command("check", file)
    assert ended.err.count("'colour' is not known") == 1
    assert "/steps/9/colour (line 1) and 10 more places" in ended.err
    assert "20 to mend" in ended.err
    assert len(command("check", file, "--json").json["findings"]) == 20


def test_missing_inputs_are_named_with_the_way_to_give_them(command: Command, tmp_path: Path):
    ended = command("workflow", "run", write(tmp_path / "w.json", SOUND))
    assert ended.status == 1
    assert "error missing_input at /name: the input 'name' (string) is not given" in ended.err
    assert "Error: error" not in ended.err
    assert ended.err.rstrip().endswith("Give each as --input NAME=VALUE")


def test_an_empty_task_is_refused_before_a_model_is_offered(command: Command):
    ended = command("run", " ")
    assert (ended.status, ended.err) == (1, "Error: the task is empty; say in words what is to be done\n")


def test_without_any_model_the_error_says_so_first(command: Command):
    ended = command("run", "Name a colour")
    assert ended.status == 1
    assert ended.err.startswith("Error: No model can be called")
    assert "export OPENAI_API_KEY" in ended.err


@pytest.mark.parametrize(
    ("name", "task", "told"),
    [
        ("task", "写一首关于海的诗", "写一首关于海的诗"),
        ("write-a-poem-about", "Write a poem about the sea", "Write a poem about the sea"),
        ("draft-critique-revise", "a poem", "draft-critique-revise: a poem"),
    ],
)
def test_the_list_of_runs_tells_what_was_asked(command: Command, tmp_path: Path, name: str, task: str, told: str):
    echo = {"id": "a", "kind": "set", "value": "{{ inputs.task }}"}
    asked = {"workflow": "1", "name": name, "inputs": {"task": {"type": "string"}}, "steps": [echo]}
    assert command("workflow", "run", write(tmp_path / "w.json", asked), "--input", f"task={task}").status == 0
    assert command("runs").out.rstrip("\n").endswith(f"1 step  {told}")


def test_a_provider_that_is_not_known_is_named_with_the_nearest(command: Command):
    ended = command("models", "list", "--provider", "opnai")
    assert (ended.status, ended.out) == (2, "")
    assert "did you mean 'openai'" in ended.err


def ids(listed: str) -> list[str]:
    return [line.split()[0] for line in listed.splitlines()[1:]]


def test_models_are_found_by_what_they_can_do_cost_and_hold(command: Command):
    found = command("models", "--needs", "vision,tools", "--max-input", "0.5", "--context", "200k", "--json").json
    assert len(found) > 10
    for model in found:
        assert {"vision", "tools"} <= set(model["capabilities"])
        assert model["prices"]["input"] <= 0.5
        assert model["context"] >= 200_000
        assert "image" in model["modalities"]["input"]
    every = command("models", "--json").json
    assert len(every) >= 2_000
    fulfil = [
        model["id"]
        for model in every
        if {"vision", "tools"} <= set(model["capabilities"])
        and model["prices"] is not None
        and model["prices"]["input"] is not None
        and model["prices"]["input"] <= 0.5
        and (model["context"] or 0) >= 200_000
    ]
    assert {model["id"] for model in found} == set(fulfil)


def test_models_are_found_by_what_their_provider_does_with_data(command: Command):
    found = command("models", "--clearance", "internal", "--no-training", "--retention", "known", "--json").json
    assert {"openai", "xai", "perplexity"} <= {model["provider"] for model in found}
    for model in found:
        policy = model["data_policy"]
        assert (policy["trains"], policy["clearance"] in {"internal", "confidential", "restricted"}) == (False, True)
        assert policy["retention"] is not None
        if model["provider"] != "local":
            assert policy["source"].startswith("https://")
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", policy["as_of"])


def test_models_are_found_by_words_of_their_name_and_sorted(command: Command):
    ended = command("models", "claude", "sonnet", "-p", "anthropic", "--sort", "input")
    assert ended.status == 0
    assert len(ids(ended.out)) > 3
    assert all(one.startswith("anthropic/claude-") and "sonnet" in one for one in ids(ended.out))
    prices = [float(re.split(r"\s{2,}", line)[3]) for line in ended.out.splitlines()[1:]]
    assert prices == sorted(prices)
    assert "does not train on it" in ended.err
    assert "as of 20" in ended.err


def test_thousands_of_models_are_not_poured_out_unasked(command: Command):
    bare = command("models")
    assert len(bare.out.splitlines()) < 10
    assert re.search(r"[23],\d{3} more models of \d\d providers lack a key", bare.err)
    many = command("models", "--needs", "tools")
    assert len(many.out.splitlines()) == 41
    assert "more match" in many.err
    assert len(command("models", "--needs", "tools", "--all").out.splitlines()) > 1_500


def test_ready_models_come_first_and_alone_if_asked(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    listed = ids(command("models", "--needs", "vision").out)
    assert listed[0].startswith("xai/")
    alone = ids(command("models", "--needs", "vision", "--ready", "--all").out)
    assert alone
    assert {one.partition("/")[0] for one in alone} == {"xai"}
    none = command("models", "--provider", "mistral", "--ready")
    assert none.out == ""
    assert "leave out --ready" in none.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--context", "900M"], "No model has a context of 900,000,000 tokens; nearest:"),
        (["--needs", "vision", "--max-input", "0.0001"], "would without an input price of at most $0.0001"),
        (["gtp-5-mini"], "'gtp-5-mini' in its name; nearest: openai/gpt-5.4-mini"),
        (["--region", "atlantis"], "No model has region atlantis"),
        (["--needs", "vision,rerank"], "No model has vision, rerank; nearest:"),
    ],
)
def test_where_nothing_matches_the_filter_and_what_comes_nearest_are_told(
    command: Command, words: list[str], told: str
):
    ended = command("models", *words)
    assert (ended.status, ended.out) == (0, "")
    assert told in " ".join(ended.err.split())
    assert command("models", *words, "--json").json == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--needs", "visoin"], "did you mean 'vision'"),
        (["--context", "many"], "200000, 200k or 1M"),
        (["--context", "-5"], "200000, 200k or 1M"),
        (["--clearance", "secret"], "confidential"),
        (["--max-input", "-1"], "0"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_with_what_could(command: Command, words: list[str], told: str):
    ended = command("models", *words)
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.err


def test_the_doctor_names_what_a_provider_lacks_beside_its_key(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_API_KEY", "secret-value")
    checks = command("doctor", "--json").json["checks"]
    (lacking,) = (check for check in checks if "lacks" in check["message"])
    assert lacking["message"] == "azure has AZURE_API_KEY and lacks AZURE_RESOURCE_NAME"
    assert lacking["verdict"] == "warning"


def test_models_without_output_tokens_have_one_price(command: Command):
    listed = command("models", "list", "--all", "--provider", "openai").out
    (embedding,) = (line for line in listed.splitlines() if line.startswith("openai/text-embedding-3-small"))
    assert re.split(r"\s{2,}", embedding)[3:5] == ["0.02", "embeddings"]


def test_a_step_that_fails_is_named_once_with_the_expression_at_fault(command: Command, tmp_path: Path):
    share = {"id": "share", "kind": "set", "value": "{{ 1 / inputs.people }}"}
    split = {"workflow": "1", "name": "split", "inputs": {"people": {"type": "integer"}}, "steps": [share]}
    ended = command("workflow", "run", write(tmp_path / "w.json", split), "--input", "people=0")
    assert ended.status == 1
    assert "share: the expression fails: unable to calculate 1 / 0, in `{{ 1 / inputs.people }}`\n" in ended.err
    assert "step 'share'" not in ended.err


def test_a_folder_is_no_workflow_and_a_shells_pipe_is(command: Command, tmp_path: Path):
    assert "is a folder" in command("check", str(tmp_path)).err
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"cat > '{pipe}'"], stdin=subprocess.PIPE) as writer:
        writer.stdin.write(json.dumps(SOUND).encode())  # type: ignore[union-attr]
        writer.stdin.close()  # type: ignore[union-attr]
        assert command("check", str(pipe)).status == 0


def test_a_plan_that_cannot_be_written_to_its_file_is_printed(command: Command):
    ended = command("plan", "Name a colour", "-o", "nowhere/plan.json")
    assert ended.status == 1
    assert ended.json["steps"]
    assert "cannot write 'nowhere/plan.json'" in ended.err


def test_tools_that_end_the_program_when_they_are_imported_are_refused(command: Command, tmp_path: Path):
    write(tmp_path / "leaving.py", "import sys; sys.exit(3)")
    ended = command("check", write(tmp_path / "w.json", SOUND), "--tools", "leaving.py")
    assert ended.status == 1
    assert "'leaving.py' cannot be imported: SystemExit: 3" in ended.err
