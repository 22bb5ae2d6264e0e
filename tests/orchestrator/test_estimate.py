from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from proving import Models, llm, workflow

from executors.events import RunFinished, RunStarted, StepFinished
from executors.journal.store import SqlJournal
from orchestrator import Orchestrator
from orchestrator.cli import main
from orchestrator.estimate import Estimate, StepEstimate, estimated
from orchestrator.history import Execution, History, history, plain_path
from unified_api.models import Prices
from unified_api.settings import Settings
from unified_api.testing import scripted_gateway
from workflows.model import Workflow
from workflows.models import Candidate, Rates

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DOLLAR = Rates(given=Decimal(0), made=Decimal("0.001"))
TEN = Rates(given=Decimal(0), made=Decimal("0.01"))
CHEAP = Candidate(model="p/cheap", provider="p", clearance="public", least=DOLLAR, usual=DOLLAR, most=DOLLAR)
DEAR = Candidate(model="q/dear", provider="q", clearance="public", least=TEN, usual=TEN, most=TEN)
UNKNOWN = Candidate(model="p/unknown", provider="p", clearance="public")


def past(path: str, *executions: tuple[str | None, float], model: str | None = "p/cheap", **counts: Any) -> History:
    done = tuple(Execution(None if cost is None else Decimal(cost), seconds, model) for cost, seconds in executions)
    return History(len(done), {path: done}, counts)


def of(flow: Workflow, *candidates: Candidate, **options: Any) -> Estimate:
    return estimated(flow, models=Models({"m": candidates or (CHEAP,)}), **options)


def step(estimate: Estimate, path: str) -> StepEstimate:
    return next(one for one in estimate.steps if one.path == path)


def test_without_a_record_prices_and_sizes_count_from_the_usual_to_the_dearest():
    [one] = of(workflow(llm("a", max_tokens=100)), CHEAP, DEAR).steps
    assert (one.source, one.executions) == ("prices", 0)
    assert one.cost_usd.p50 == Decimal("0.1")
    assert one.cost_usd.p95 == Decimal(1)


def test_five_executions_on_record_count_instead():
    seen = past("a", *[("0.5", 2.0)] * 4, ("0.7", 9.0))
    [one] = of(workflow(llm("a")), past=seen).steps
    assert (one.source, one.executions) == ("record", 5)
    assert (one.cost_usd.p50, one.cost_usd.p95) == (Decimal("0.5"), Decimal("0.7"))
    assert (one.seconds.p50, one.seconds.p95) == (2.0, 9.0)


def test_four_are_too_few():
    assert of(workflow(llm("a")), past=past("a", *[("0.5", 2.0)] * 4)).steps[0].source == "prices"


def test_the_record_of_a_model_that_no_longer_serves_the_step_tells_nothing():
    seen = past("a", *[("0.5", 2.0)] * 9, model="z/old")
    assert of(workflow(llm("a")), past=seen).steps[0].source == "prices"


def test_an_unknown_price_is_unknown_and_so_is_the_sum():
    estimate = of(workflow(llm("a"), llm("b", model="n")), UNKNOWN)
    assert step(estimate, "a").cost_usd.p50 is None
    assert estimate.total.cost_usd.p50 is None
    assert estimate.total.unpriced == ("a", "b")
    mixed = estimated(workflow(llm("a"), llm("b", model="n")), models=Models({"m": (CHEAP,), "n": (UNKNOWN,)}))
    assert mixed.total.unpriced == ("b",)
    assert mixed.total.cost_usd.p95 is None
    assert mixed.total.known_usd.p50 is not None
    assert mixed.total.known_usd.p50 > 0


def test_an_unknown_cost_on_record_is_unknown_too():
    seen = past("a", *[("0.5", 2.0)] * 8, (None, 2.0))
    assert of(workflow(llm("a")), past=seen).steps[0].cost_usd.p50 is None


def test_how_long_people_tools_and_hosts_take_is_unknown_and_they_cost_nothing():
    steps = (
        {"id": "t", "kind": "tool", "tool": "x"},
        {"id": "h", "kind": "http", "url": "https://example.com"},
        {"id": "p", "kind": "approval", "message": "x"},
    )
    total = of(workflow(*steps)).total
    assert (total.cost_usd.p50, total.seconds.p50) == (Decimal(0), None)
    assert set(total.untimed) == {"t", "h", "p"}


def test_what_only_computes_is_not_said_to_be_estimated_by_prices():
    found = of(workflow({"id": "s", "kind": "set", "value": 1}))
    assert step(found, "s").source == "free"
    assert (found.total.cost_usd.p50, found.total.seconds.p50) == (0, 0)


def test_a_recorded_tool_has_its_time():
    seen = past("t", *[(None, 3.0)] * 5, model=None)
    total = of(workflow({"id": "t", "kind": "tool", "tool": "x"}), past=seen).total
    assert (total.cost_usd.p50, total.seconds.p50) == (Decimal(0), 3.0)


@pytest.mark.parametrize(
    ("flow", "usd", "seconds"),
    [
        (workflow({"id": "m", "kind": "map", "over": [1, 2, 3], "steps": [llm("a")]}), 3, 10),
        (workflow({"id": "m", "kind": "map", "over": [1, 2, 3], "max_parallel": 1, "steps": [llm("a")]}), 3, 30),
        (workflow({"id": "m", "kind": "map", "over": [], "steps": [llm("a")]}), 0, 0),
        (workflow({"id": "m", "kind": "map", "over": list(range(80)), "steps": [llm("a")]}), 80, 100),
    ],
)
def test_lists_of_known_length_are_played_item_by_item(flow: Workflow, usd: int, seconds: float):
    total = of(flow, past=past("m/a", *[("1", 10.0)] * 5)).total
    assert total.cost_usd.p50 == total.cost_usd.p95 == usd
    assert total.seconds.p50 == seconds


def test_inputs_decide_the_length_of_a_list_and_the_case_of_a_branch():
    mapped = {"id": "m", "kind": "map", "over": "{{ inputs.list }}", "steps": [llm("a")]}
    case = {"when": "{{ inputs.list | length > 2 }}", "steps": [llm("b")]}
    branch = {"id": "r", "kind": "branch", "cases": [case], "else": {"steps": [{"id": "n", "kind": "set", "value": 1}]}}
    flow = workflow(mapped, branch, inputs={"list": {"type": "array", "default": [1]}})
    given = of(flow, inputs={"list": [1, 2, 3, 4]})
    assert (step(given, "m/a").times, step(given, "r/b").times, step(given, "r/n").times) == (4, 1, 0)
    usual = of(flow)
    assert (step(usual, "m/a").times, step(usual, "r/b").times, step(usual, "r/n").times) == (1, 0, 1)
    assert given.assumed == usual.assumed == ()


def test_what_is_taken_for_granted_is_told():
    mapped = {"id": "m", "kind": "map", "over": "{{ inputs.list }}", "max_items": 4, "steps": [llm("a")]}
    loop = {"id": "l", "kind": "loop", "steps": [llm("b")], "until": "{{ true }}", "max_rounds": 9}
    estimate = of(workflow(mapped, loop, inputs={"list": {"type": "array"}}))
    assert step(estimate, "m/a").times == 4
    assert 1 <= step(estimate, "l/b").times <= 3
    assert sorted(told.partition(":")[0] for told in estimate.assumed) == ["l", "m"]


def test_the_record_tells_how_many_rounds_there_are():
    loop = {"id": "l", "kind": "loop", "steps": [llm("b")], "until": "{{ true }}", "max_rounds": 9}
    estimate = of(workflow(loop), past=past("l/b", *[("1", 1.0)] * 5, l=(7,) * 5))
    assert step(estimate, "l/b").times == 7
    assert estimate.total.cost_usd.p50 == 7
    assert estimate.assumed == ()


def test_what_the_inputs_skip_is_not_counted():
    flow = workflow(llm("a", when="{{ inputs.go }}"), inputs={"go": {"default": False}})
    assert of(flow).total.cost_usd.p95 == 0
    assert of(flow, inputs={"go": True}).total.cost_usd.p50 != 0


def test_a_chain_takes_the_sum_and_what_runs_beside_only_the_slowest():
    seen = History(5, {name: (Execution(Decimal(1), 10.0, "p/cheap"),) * 5 for name in "abc"})
    chain = workflow(llm("a"), llm("b", "{{ steps.a.output }}"), llm("c", "{{ steps.b.output }}"))
    assert of(chain, past=seen).total.seconds.p50 == 30
    assert of(workflow(llm("a"), llm("b"), llm("c")), past=seen).total.seconds.p50 == 10
    narrow = workflow(llm("a"), llm("b"), llm("c"), policy={"max_parallel": 1})
    assert of(narrow, past=seen).total.seconds.p50 == 30


def test_another_workflow_is_played_in_its_place():
    call = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}
    inner = workflow(llm("a"), name="inner")
    estimate = of(workflow(call), past=past("sub/a", *[("2", 5.0)] * 5), workflows={"inner@1.0.0": inner})
    assert (estimate.total.cost_usd.p50, estimate.total.seconds.p50) == (2, 5.0)


def test_the_same_workflow_has_the_same_estimate_and_a_large_one_is_quick():
    steps = [llm(f"s{n}", f"{{{{ steps.s{n - 1}.output }}}}" if n else "x") for n in range(3_000)]
    flow = workflow(*steps, {"id": "m", "kind": "map", "over": list(range(500)), "steps": [llm("a")]})
    began = time.process_time()
    first = of(flow)
    assert time.process_time() - began < 5  # a second and less on a machine that has nothing else to do
    assert of(flow) == first


def doubled(depth: int) -> dict[str, Workflow]:
    """Each runs the next one twice, the last one asks a model."""
    found = {f"w{depth}@1.0.0": workflow(llm("a", "x"), name=f"w{depth}")}
    for place in range(depth):
        calls = [
            {"id": one, "kind": "workflow", "workflow": f"w{place + 1}", "version": "1.0.0"} for one in ("one", "two")
        ]
        found[f"w{place}@1.0.0"] = workflow(*calls, name=f"w{place}")
    return found


def test_a_workflow_that_is_run_at_many_places_is_played_once_and_counted_often():
    others = doubled(16)
    began = time.process_time()
    estimate = of(others.pop("w0@1.0.0"), workflows=others, past=past("one/x", ("1", 1.0)))
    assert time.process_time() - began < 5
    [only] = estimate.steps
    assert only.times == 2**16
    one, all_of_them = only.cost_usd.p50, estimate.total.cost_usd.p50
    assert one is not None
    assert all_of_them is not None
    assert all_of_them == pytest.approx(one * 2**16, rel=Decimal("0.5"))


def test_what_more_than_a_million_steps_cost_is_unknown():
    others = doubled(26)
    total = of(others.pop("w0@1.0.0"), workflows=others).total
    assert (total.cost_usd.p50, total.unpriced) == (None, ("one", "two"))


def test_paths_lose_their_numbers():
    assert plain_path("each[3]/sub/refine[12]/draft") == "each/sub/refine/draft"


def recorded(journal: SqlJournal, number: int, *, name: str = "seen", status: str = "succeeded") -> None:
    run_id = f"{number:012x}"
    journal(RunStarted(run_id=run_id, at=NOON, workflow=name, steps=1))
    for item in range(3):
        journal(
            StepFinished(
                run_id=run_id,
                at=NOON + timedelta(seconds=number),
                step_id=f"each[{item}]/a",
                kind="llm",
                status="succeeded",
                started=NOON,
                model="scripted/model",
                cost_usd=Decimal("0.25"),
            )
        )
    journal(
        RunFinished(
            run_id=run_id, at=NOON, status=status, outputs={}, cost_usd=Decimal("0.75"), seconds=1.0, error=None
        )
    )


def test_the_record_is_read_by_the_workflows_name_and_by_successful_runs(tmp_path: Path):
    with SqlJournal(tmp_path / "runs.sqlite") as journal:
        for number in range(1, 4):
            recorded(journal, number)
        recorded(journal, 10, name="another")
        recorded(journal, 11, status="failed")
        journal.flush()
        seen = history(journal, "seen")
    assert seen.runs == 3
    assert seen.counts == {"each": (3, 3, 3)}
    assert sorted(one.seconds for one in seen.executions["each/a"]) == [1.0] * 3 + [2.0] * 3 + [3.0] * 3


FILE = {
    "workflow": "1", "name": "seen", "inputs": {"list": {"type": "array"}},
    "steps": [{"id": "each", "kind": "map", "over": "{{ inputs.list }}",
               "steps": [{"id": "a", "kind": "llm", "model": "scripted/model", "prompt": "{{ item }}"}]}],
}  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], Orchestrator]:
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path)})
    prices = Prices(input=Decimal(1), output=Decimal(10))
    return lambda: Orchestrator(
        gateway=scripted_gateway({"scripted/model": "hello"}, settings=settings, prices=prices), settings=settings
    )


async def test_an_orchestrator_estimates_by_its_own_runs(make: Callable[[], Orchestrator]):
    async with make() as orchestrator:
        before = orchestrator.estimate(FILE, {"list": [1, 2]})
        assert step(before, "each/a").source == "prices"
        result = await orchestrator.run_workflow(FILE, {"list": ["a", "b", "c", "d", "e"]})
        after = orchestrator.estimate(FILE, {"list": ["a", "b", "c", "d", "e"]})
    told = step(after, "each/a")
    assert (told.source, told.executions, after.runs) == ("record", 5, 1)
    assert result.cost_usd is not None
    assert after.total.cost_usd.p50 == pytest.approx(result.cost_usd, rel=Decimal("0.01"))


def test_the_command_prints_totals_and_json(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "a" * 40)
    file = tmp_path / "file.json"
    file.write_text(json.dumps(FILE).replace("scripted/model", "openai/gpt-4o"), encoding="utf-8")
    assert main(["estimate", str(file), "--input", "list=[1, 2, 3]"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("cost: $")
    assert "time: " in shown.out
    assert "each/a" in shown.err
    assert main(["estimate", str(file), "--input", "list=[1, 2, 3]", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["steps"][0]["source"] == "prices"
    assert told["steps"][0]["times"] == 3
    assert told["total"]["cost_usd"]["p50"] < told["total"]["cost_usd"]["p95"]


async def test_a_workflow_beside_the_file_is_estimated_in_its_place(make: Callable[[], Orchestrator], tmp_path: Path):
    (tmp_path / "seen.json").write_text(json.dumps(FILE), encoding="utf-8")
    call = {"id": "sub", "kind": "workflow", "workflow": "seen", "version": "1.0.0", "inputs": {"list": [1, 2]}}
    outer = tmp_path / "outer.json"
    outer.write_text(json.dumps({"workflow": "1", "name": "outer", "steps": [call]}), encoding="utf-8")
    async with make() as orchestrator:
        estimate = orchestrator.estimate(outer)
    [one] = estimate.steps
    assert (one.path, one.times) == ("sub/each/a", 2)
    assert estimate.assumed == ()
    assert estimate.total.cost_usd.p50 is not None


def test_the_command_says_that_the_unknown_is_unknown(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    file = tmp_path / "file.json"
    steps = [{"id": "p", "kind": "approval", "message": "x"}]
    file.write_text(json.dumps({"workflow": "1", "name": "x", "steps": steps}), encoding="utf-8")
    assert main(["estimate", str(file)]) == 0
    assert "time: unknown, for p; all others: 0 s" in capsys.readouterr().out


def test_an_input_that_cannot_be_read_is_told_before_anything(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    file = tmp_path / "file.json"
    file.write_text(json.dumps(FILE), encoding="utf-8")
    assert main(["estimate", str(file), "--input", "list=nothing"]) == 2
    assert "list" in capsys.readouterr().err


ASKED = (Execution(Decimal(1), 1.0, "p/cheap"),) * 20


def test_the_record_tells_how_often_a_step_with_a_condition_is_executed():
    flow = workflow(llm("j"), llm("b", when="{{ steps.j.output == 'yes' }}"))
    seen = History(20, {"j": ASKED, "b": ASKED}, ended={"j": 20, "b": 20}, executed={"j": 20, "b": 2})
    estimate = of(flow, past=seen)
    assert step(estimate, "b").times == pytest.approx(0.1, abs=0.05)
    assert estimate.total.cost_usd.p50 == 1
    assert estimate.assumed == ()
    assert "b: whether it is executed" in of(flow).assumed[0]


@pytest.mark.parametrize("otherwise", [{}, {"else": {"result": "none"}}])
def test_the_record_tells_how_often_each_case_runs(otherwise: dict[str, Any]):
    case = {"when": "{{ steps.j.output == 'yes' }}", "steps": [llm("b")]}
    flow = workflow(llm("j"), {"id": "r", "kind": "branch", "cases": [case], **otherwise})
    seen = History(20, {"j": ASKED, "r/b": ASKED}, ended={"r": 20, "r/b": 2}, executed={"r": 20, "r/b": 2})
    estimate = of(flow, past=seen)
    assert step(estimate, "r/b").times == pytest.approx(0.1, abs=0.05)
    assert estimate.assumed == ()
    assert of(flow).assumed == ("r: which case runs is not known, and each taken to be as likely",)


def test_the_record_keeps_what_was_left_out_and_lists_without_items(tmp_path: Path):
    with SqlJournal(tmp_path / "runs.sqlite") as journal:
        journal(RunStarted(run_id="a", at=NOON, workflow="seen", steps=2))
        for name, kind, status in (("m", "map", "succeeded"), ("b", "llm", "skipped")):
            started = NOON if kind == "map" else None
            journal(StepFinished(run_id="a", at=NOON, step_id=name, kind=kind, status=status, started=started))
        journal(RunFinished(run_id="a", at=NOON, status="succeeded", outputs={}, cost_usd=Decimal(0), seconds=1.0))
        journal.flush()
        seen = history(journal, "seen")
    assert seen.counts == {"m": (0,)}
    assert (seen.ended["b"], seen.executed["b"], seen.executed["m"]) == (1, 0, 1)


GIVEN = Rates(given=Decimal("0.001"), made=Decimal(0))
READER = Candidate(model="p/reader", provider="p", clearance="public", least=GIVEN, usual=GIVEN, most=GIVEN)
BOOK = "word " * 8_000  # 10,000 tokens
INNER = workflow(llm("a", "{{ inputs.x }}"), name="inner", inputs={"x": {"type": "string"}})


@pytest.mark.parametrize(
    ("steps", "path", "usd"),
    [
        ([{"id": "m", "kind": "map", "over": "{{ inputs.docs }}", "steps": [llm("a", "{{ item.text }}")]}], "m/a", 10),
        ([{"id": "s", "kind": "set", "value": ["{{ inputs.x }}"]}, llm("a", "{{ steps.s.output }}")], "a", 10),
        ([{"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0",
           "inputs": {"x": "{{ inputs.x }}"}}], "sub/a", 10),
        ([{"id": "m", "kind": "map", "over": [1, 2, 3],
           "steps": [{"id": "s", "kind": "set", "value": "{{ inputs.x }}"}]},
          llm("a", "{{ steps.m.output }}")], "a", 30),
        ([{"id": "l", "kind": "loop", "until": "{{ false }}", "max_rounds": 2, "initial": "x",
           "steps": [llm("a", "{{ round.previous }}")], "result": "{{ inputs.x }}"}], "l/a", 10),
    ],
)  # fmt: skip
def test_a_prompt_is_as_long_as_what_comes_to_it_by_whatever_way(steps: list[dict[str, Any]], path: str, usd: int):
    flow = workflow(*steps, inputs={"x": {"type": "string"}, "docs": {"type": "array"}})
    given = {"x": BOOK, "docs": [{"text": BOOK, "other": BOOK}] * 2}
    estimate = of(flow, READER, inputs=given, workflows={"inner@1.0.0": INNER})
    assert float(step(estimate, path).cost_usd.p50 or 0) == pytest.approx(usd, rel=0.01)
    assert not [told for told in estimate.assumed if "tokens" in told]


def test_a_size_that_nobody_knows_is_told():
    steps = ({"id": "t", "kind": "tool", "tool": "x"}, {"id": "s", "kind": "set", "value": "{{ steps.t.output }}"})
    flow = workflow(*steps, llm("a", "{{ steps.s.output }} {{ inputs.x }}"), inputs={"x": {"type": "string"}})
    told = [one for one in of(flow, READER).assumed if "tokens" in one]
    assert [one.partition(":")[0] for one in told] == ["inputs.x", "steps.t.output"]
