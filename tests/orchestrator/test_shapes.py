from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from executors.events import StepError, StepFinished
from executors.result import RunResult
from orchestrator.shapes import check_shape, jsonable, model_shape, plan_shape, run_shape
from planner.types import Plan
from unified_api.models import DataPolicy, Model, Prices
from unified_api.types import Attempt, Usage
from workflows.findings import Finding
from workflows.parse import from_json, parse

WORKFLOW = from_json(
    {
        "workflow": "1",
        "name": "one-step",
        "inputs": {"topic": {"type": "string"}},
        "steps": [{"id": "a", "kind": "llm", "prompt": "About {{ inputs.topic }}"}],
    }
)


def finished() -> StepFinished:
    berlin = timezone(timedelta(hours=1))
    return StepFinished(
        run_id="r",
        at=datetime(2026, 5, 1, 12, 0, 1, 250_000, tzinfo=UTC),
        step_id="a",
        kind="llm",
        status="failed",
        started=datetime(2026, 5, 1, 13, 0, 0, tzinfo=berlin),
        error=StepError("timed_out", "too slow"),
        model="acme/large",
        provider="acme",
        usage=Usage(input_tokens=3, output_tokens=4),
        cost_usd=Decimal("0.00012"),
        attempts=(Attempt(number=1, model="acme/large", outcome="failed", error="timed_out", seconds=1.0),),
    )


def test_a_run_has_the_keys_that_programs_rely_on():
    result = RunResult(
        run_id="r", status="failed", outputs={}, steps=(finished(),), cost_usd=Decimal("0.00012"), seconds=1.5
    )
    shape = json.loads(json.dumps(run_shape(result, WORKFLOW)))
    assert list(shape) == ["run_id", "status", "plan", "outputs", "steps", "cost_usd", "seconds"]
    step = shape["steps"][0]
    assert list(step) == [
        *("id", "kind", "status", "model", "provider", "quality", "started", "ended"),
        *("usage", "cost_usd", "attempts", "error", "reused"),
    ]
    assert step["started"] == "2026-05-01T12:00:00.000Z"
    assert step["ended"] == "2026-05-01T12:00:01.250Z"
    assert step["cost_usd"] == 0.00012
    assert step["usage"]["input_tokens"] == 3
    assert step["usage"]["cached_input_tokens"] is None
    assert step["attempts"][0]["outcome"] == "failed"
    assert step["error"] == {"code": "timed_out", "message": "too slow", "path": ""}


def test_an_unknown_cost_is_null_and_a_free_one_is_zero():
    assert jsonable(None) is None
    assert jsonable(Decimal(0)) == 0


def test_the_plan_of_a_run_is_a_workflow_that_can_be_read_again():
    result = RunResult(run_id="r", status="succeeded", outputs={}, steps=(), cost_usd=None, seconds=0.0)
    shape = run_shape(result, WORKFLOW)
    assert isinstance(shape, dict)
    assert parse(json.dumps(shape["plan"])) == WORKFLOW


def test_a_plans_inputs_become_defaults_so_that_the_file_runs_alone():
    shape = plan_shape(Plan(workflow=WORKFLOW, planner="library", inputs={"topic": "tides"}))
    assert isinstance(shape, dict)
    assert shape["inputs"] == {"topic": {"type": "string", "default": "tides"}}
    assert from_json(shape).steps == WORKFLOW.steps


def test_a_check_is_ok_with_warnings_and_not_with_errors():
    warning = Finding(code="unused_input", severity="warning", pointer="/inputs/x", message="unused")
    error = Finding(code="cycle", pointer="/steps", message="a circle", allowed=("a",), fix="Break it.")
    assert check_shape([]) == {"ok": True, "findings": []}
    assert check_shape([warning])["ok"] is True
    shape = check_shape([error, warning])
    assert shape["ok"] is False
    assert [list(found)[:6] for found in shape["findings"]] == [
        ["code", "severity", "pointer", "message", "allowed", "fix"]
    ] * 2


def test_a_model_has_the_keys_that_programs_rely_on():
    model = Model(
        id="acme/large",
        provider="acme",
        name="large",
        wire="openai_chat",
        capabilities=frozenset({"streaming", "chat"}),
        context=1000,
        prices=Prices(input=Decimal("0.15"), output=Decimal("0.6")),
        data_policy=DataPolicy(clearance="internal", source="https://acme.example/data", as_of=date(2026, 5, 1)),
    )
    shape = json.loads(json.dumps(model_shape(model)))
    assert list(shape) == [
        *("id", "provider", "wire", "capabilities", "context", "max_output", "modalities", "prices", "data_policy"),
        *("unsupported", "tier", "quality", "ready", "missing"),
    ]
    assert shape["modalities"] == {"input": ["text"], "output": ["text"]}
    assert (shape["data_policy"]["retention"], shape["data_policy"]["as_of"]) == (None, "2026-05-01")
    assert shape["capabilities"] == ["chat", "streaming"]
    assert shape["prices"] == {"input": 0.15, "output": 0.6, "cached_input": None}


def test_numbers_and_text_that_json_cannot_hold_are_replaced():
    assert jsonable([float("nan"), float("inf"), "a\ud800b"]) == [None, None, "a?b"]


def test_a_value_without_a_shape_is_refused():
    with pytest.raises(TypeError, match="object has no JSON shape"):
        jsonable(object())
