"""Runs of steps inside of steps, as the command line shows them: by counts and rounds, and failures by path."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from running import asked, llm, outcome, value, workflow_of

from executors.events import Event, RunResumed, RunStarted, StepFinished, StepStarted, StepWaiting
from orchestrator.cli import main, report
from orchestrator.cli.dag import dag_table
from orchestrator.cli.inside import Inside, is_inside, root
from orchestrator.cli.progress import MOST_FAILURES, Progress
from orchestrator.cli.step_table import MOST_FAILURES as MOST_ROWS
from orchestrator.cli.step_table import steps_table
from unified_api.types import Usage
from workflows.graph import Graph
from workflows.model import Workflow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def shown(renderable: object, *, width: int = 160) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(renderable)
    return console.export_text()


def each(items: Any = "{{ inputs.numbers }}", *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    inside = steps or (value("tenth", "{{ 10 // number }}"), value("more", "{{ steps.tenth.output + 1 }}"))
    return {"id": "each", "kind": "map", "over": items, "as": "number", "steps": list(inside), **fields}


def started(path: str, kind: str = "set") -> StepStarted:
    return StepStarted(run_id="r", at=NOW, step_id=path, kind=kind)


def finished(path: str, status: Any = "succeeded", **fields: Any) -> StepFinished:
    values: dict[str, Any] = {"kind": "set", "started": NOW, **fields}
    return StepFinished(run_id="r", at=NOW + timedelta(seconds=1.5), step_id=path, status=status, **values)


async def followed(
    workflow: Workflow, given: dict[str, Any] | None = None, *, plain: bool = False, watch: Callable[[str], None] = str
) -> Progress:
    """The progress of a real run; `watch` is told what is shown after each event."""
    progress = Progress(workflow, plain=plain)

    def follow(event: Event) -> None:
        progress(event)
        watch(shown(progress))

    await outcome(workflow, given=given, on_event=follow)
    return progress


NUMBERS = {"numbers": {"type": "array", "items": {"type": "integer"}}}


def test_a_path_says_in_which_step_of_the_workflow_it_lies() -> None:
    assert [root(path) for path in ("a", "a[3]/b", "a/b", "a[1]/b[2]/c", "a/b[2]/c")] == ["a"] * 5
    assert [is_inside(path) for path in ("a", "a[3]/b", "a/b")] == [False, True, True]


async def test_a_map_is_one_row_that_counts_its_items() -> None:
    workflow = workflow_of(each(), inputs=NUMBERS)
    seen: list[str] = []
    await followed(workflow, {"numbers": list(range(1, 121))}, watch=seen.append)
    counts = [int(found[1]) for text in seen if (found := re.search(r"running +each (\d+)/120", text))]
    assert counts == sorted(counts)
    assert set(counts) >= {0, 37, 119, 120}
    assert max(len(text.splitlines()) for text in seen) == 1


async def test_the_length_of_a_list_that_a_step_gives_is_known_too() -> None:
    workflow = workflow_of(value("list", "{{ range(7) | list }}"), each("{{ steps.list.output }}", value("a", 1)))
    seen: list[str] = []
    await followed(workflow, watch=seen.append)
    assert any("each 6/7" in text for text in seen)


async def test_lines_tell_a_map_by_tenths_and_failures_by_path(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = workflow_of(each(on_item_error="keep"), inputs=NUMBERS)
    await followed(workflow, {"numbers": [number % 50 for number in range(200)]}, plain=True)
    told = capsys.readouterr().err
    assert len(re.findall(r"each: \d+/200", told)) == 10
    assert "each: 200/200 (4 failed)" in told
    assert told.count("each[0]/tenth: failed: ") == told.count("each[50]/tenth: failed: ") == 1
    assert "each: succeeded in" in told
    assert "200 items, 4 steps failed" in told
    assert len(told.splitlines()) < 20


def test_a_list_of_unknown_length_is_told_of_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(workflow_of(each("{{ inputs.numbers }}", value("a")), inputs=NUMBERS), plain=True)
    progress(started("each", "map"))
    for number in range(250):
        progress(finished(f"each[{number}]/a"))
    assert re.findall(r"each: (\d+)/\?", capsys.readouterr().err) == ["1", "10", "100"]


async def test_many_failures_are_told_up_to_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    progress = await followed(
        workflow_of(each(on_item_error="drop"), inputs=NUMBERS), {"numbers": [0] * 100}, plain=True
    )
    assert capsys.readouterr().err.count(": failed") == MOST_FAILURES
    table = shown(steps_table(progress.finished))
    assert table.count("/tenth") == MOST_ROWS
    assert "each (100 items, 100 steps failed)" in table


async def test_a_loop_tells_its_round(capsys: pytest.CaptureFixture[str]) -> None:
    loop = {"id": "refine", "kind": "loop", "max_rounds": 5, "initial": 0, "until": "{{ steps.draft.output == 3 }}",
            "steps": [value("draft", "{{ round.previous + 1 }}")]}  # fmt: skip
    seen: list[str] = []
    progress = await followed(workflow_of(loop), plain=True, watch=seen.append)
    told = capsys.readouterr().err
    assert [line.split("refine: ")[1] for line in told.splitlines() if "round" in line and "at most" in line][1:] == [
        f"round {number} of at most 5" for number in (1, 2, 3)
    ]
    assert any("refine round 2 of at most 5" in text for text in seen)
    assert "refine (3 rounds)" in shown(steps_table(progress.finished))


async def test_a_branch_tells_the_steps_of_the_case_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    branch = {"id": "route", "kind": "branch", "cases": [{"when": "{{ true }}", "steps": [value("answer")]}]}
    await followed(workflow_of(branch), plain=True)
    told = capsys.readouterr().err
    assert "route/answer: started" in told
    assert "route/answer: succeeded" in told


async def test_money_and_tokens_inside_are_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = []
    inside = llm("say", "Say {{ number }}.")
    result = await asked(lambda _: "word", each([1, 2, 3], inside), on_event=events.append)
    assert result.error is None
    ends = [event for event in events if isinstance(event, StepFinished)]
    inner = [end for end in ends if is_inside(end.step_id)]
    assert len(inner) == 3
    spent = sum(end.usage.output_tokens or 0 for end in inner if end.usage)
    report.show_totals(ends, status="succeeded", cost=result.cost_usd, seconds=1.0, run_id="r")
    told = capsys.readouterr().err
    assert "1 step and 3 inside of them" in told
    assert f"+ {spent} tokens" in told
    row = next(line for line in shown(steps_table(ends)).splitlines() if "each" in line)
    assert re.search(r"each \(3 items\) +succeeded .*\$", row), "the step's row says what all of it cost"


def test_the_error_of_a_step_inside_is_told_once_by_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    from executors.events import StepError

    error = StepError("boom", "step 'each[3]/a': it broke", "each[3]/a")
    report.show_remarks(
        [finished("each", "failed", kind="map", error=error), finished("each[3]/a", "failed", error=error)], error=error
    )
    assert capsys.readouterr().err.strip() == "each[3]/a: it broke"


def test_a_run_of_the_record_with_many_steps_inside_is_summed_up() -> None:
    ends = [finished("each", kind="map", cost_usd=Decimal("0.5"), usage=Usage(input_tokens=3, output_tokens=4))]
    ends += [finished(f"each[{number}]/{name}") for number in range(5_000) for name in ("a", "b")]
    ends += [finished("refine", kind="loop"), *(finished(f"refine[{number}]/a") for number in (1, 2))]
    text = shown(steps_table(ends))
    assert "each (5,000 items)" in text
    assert "$0.5" in text
    assert "refine (2 rounds)" in text
    assert len(text.splitlines()) == 3


def test_a_step_that_is_tried_again_counts_from_the_beginning() -> None:
    inside = Inside("map", width=1, total=4)
    for number in range(3):
        inside.end(finished(f"each[{number}]/a"))
    assert inside.told() == "3/4"
    inside.again()
    inside.end(finished("each[0]/a"))
    assert inside.told() == "1/4"


def test_items_count_once_all_that_stands_directly_inside_has_ended() -> None:
    inside = Inside("map", width=2, total=2)
    for path in ("m[0]/a", "m[0]/b/x", "m[0]/b/y", "m[1]/a"):
        inside.end(finished(path))
    assert inside.told() == "0/2"
    inside.end(finished("m[0]/b"))
    assert inside.told() == "1/2"


def test_who_is_waited_for_and_how_long_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    question = {"id": "ask", "kind": "approval", "message": "Send it?"}
    progress = Progress(workflow_of(question, each([1], {**question, "id": "inner"})), plain=True)
    for path in ("ask", "each[0]/inner"):
        progress(started(root(path), "approval"))
        progress(
            StepWaiting(
                run_id="r", at=NOW, step_id=path, message="Send\x1b[2J it?\nPlease.", expires=NOW.replace(year=2030)
            )
        )
    told = capsys.readouterr().err
    assert re.search(r"ask: waits for a person until 20\d\d-\S+ \S+: Send it\? Please\.", told)
    assert "each[0]/inner: waits for a person" in told
    assert "Send it? Please." in shown(progress)


def test_what_was_done_by_an_earlier_pass_of_the_run_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(workflow_of(value("list"), each("{{ inputs.numbers }}"), inputs=NUMBERS), plain=True)
    progress.see_inputs({"numbers": [1, 2, 3]})
    progress(RunResumed(run_id="r", at=NOW, kept=1))
    progress(finished("list", reused=True))
    progress(started("each", "map"))
    told = capsys.readouterr().err
    assert "list: succeeded before" in told
    assert "each: started (map, 3 items)" in told
    assert re.search(r"list +succeeded before", shown(steps_table(progress.finished)))


def test_events_of_steps_that_nobody_knows_change_nothing() -> None:
    progress = Progress(workflow_of(value("a")))
    progress(RunStarted(run_id="r", at=NOW, workflow="x", steps=1))
    progress(started("ghost[1]/a"))
    progress(finished("ghost"))
    assert "pending" in shown(progress)


def test_the_graph_of_a_workflow_shows_the_steps_inside_below_and_further_in() -> None:
    case = {
        "when": "{{ inputs.numbers | length > 0 }}",
        "steps": [value("one"), value("two", "{{ steps.one.output }}")],
    }
    branch = {"id": "route", "kind": "branch", "cases": [case], "else": {"steps": [value("other")]}}
    workflow = workflow_of(each([1], branch), value("last", "{{ steps.each.output }}"), inputs=NUMBERS)
    lines = [line.rstrip() for line in shown(dag_table(workflow, graph=Graph.of(workflow))).splitlines()]
    known = ["each", "route", "one", "two", "other", "last"]
    names = [next(word for word in line.split() if word in known) for line in lines]
    assert names == known
    indents = [line.index(name) for line, name in zip(lines, names, strict=True)]
    assert indents == [indents[0] + 2 * depth for depth in (0, 1, 2, 2, 2, 0)]
    assert "when inputs.numbers" in lines[2]
    assert "← one" in lines[3]
    assert "else" in lines[4]


def test_a_graph_with_many_steps_inside_is_cut() -> None:
    workflow = workflow_of(each([1], *(value(f"s{number}") for number in range(500))))
    assert len(shown(dag_table(workflow, graph=Graph.of(workflow))).splitlines()) == 60


def test_the_command_shows_a_run_with_steps_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    workflow = workflow_of(each(on_item_error="keep"), inputs=NUMBERS)
    (tmp_path / "w.json").write_text(workflow.model_dump_json(exclude_defaults=True))
    assert main(["workflow", "run", "w.json", "-i", "numbers=[1, 0, 2]"]) == 0
    told = capsys.readouterr().err
    assert "each (3 items, 1 step failed)" in told
    assert "each[1]/tenth: the expression fails" in told
    assert "1 step and 6 inside of them" in told
    run = re.search(r"run (\w+)", told.split("Succeeded")[1])
    assert run is not None
    assert main(["runs", "show", run[1]]) == 0
    assert "each (3 items, 1 step failed)" in capsys.readouterr().err
