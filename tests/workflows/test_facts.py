"""What is known where a step's output is asked for, so that nothing needless is said of steps that may be skipped."""

from __future__ import annotations

from typing import Any

import pytest
from running import NO_GATEWAY

from executors.runner import run
from workflows.checks import inspect
from workflows.facts import conjuncts, otherwise
from workflows.model import Workflow

F = {"f": {"type": "boolean"}, "g": {"type": "boolean"}}
A = {"id": "a", "kind": "set", "value": {"t": 1}, "when": "{{ inputs.f }}"}
B = {"id": "b", "kind": "set", "value": {"t": 2}, "when": "{{ not inputs.f }}"}


def branch(*cases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "route", "kind": "branch", "cases": list(cases), **fields}


def text(value: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "z", "kind": "set", "value": value, **fields}


def document(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"workflow": "1", "name": "facts", "inputs": F, "steps": list(steps)}


def codes(*steps: dict[str, Any]) -> list[str]:
    return [one.code for one in inspect(document(*steps)).findings if one.severity == "error"]


SAFE = [
    branch(
        {"when": "{{ steps.a.output is not defined }}", "result": 0}, **{"else": {"result": "{{ steps.a.output.t }}"}}
    ),
    branch({"when": "{{ not inputs.f }}", "result": 0}, **{"else": {"result": "{{ steps.a.output.t }}"}}),
    branch(
        {"when": "{{ not inputs.f or inputs.g }}", "result": 0}, {"when": "{{ steps.a.output.t == 1 }}", "result": 1}
    ),
    branch({"when": "{{ inputs.f }}", "result": 0}, **{"else": {"result": "{{ steps.b.output.t }}"}}),
    branch(
        {"when": "{{ inputs.g }}", "result": 0},
        {"when": "{{ not (inputs.f) }}", "result": 1},
        **{"else": {"steps": [{"id": "deep", "kind": "set", "value": "{{ steps.a.output.t }}"}]}},
    ),
    text("{% if inputs.f %}{{ steps.a.output.t }}{% else %}{{ steps.b.output.t }}{% endif %}"),
    text("{% if inputs.g %}{% elif not inputs.f %}{{ steps.b.output.t }}{% else %}{{ steps.a.output.t }}{% endif %}"),
    text("{{ steps.a.output.t if inputs.f else steps.b.output.t }}"),
    text("{{ [0, (steps.a.output.t if inputs.f else 0)] }}"),
    text("{{ steps.a.output | default(steps.b.output) }}"),
    text("{{ inputs.f and steps.a.output.t == 1 }}"),
    text("{{ inputs.f or steps.b.output.t == 2 }}"),
]
UNSAFE = [
    branch({"when": "{{ inputs.f }}", "result": 0}, **{"else": {"result": "{{ steps.a.output.t }}"}}),
    branch({"when": "{{ not inputs.f and inputs.g }}", "result": 0}, **{"else": {"result": "{{ steps.a.output.t }}"}}),
    branch({"when": "{{ steps.a.output.t == 1 }}", "result": 1}, {"when": "{{ not inputs.f }}", "result": 0}),
    text("{% if inputs.f %}{% endif %}{{ steps.a.output.t }}"),
    text("{% if inputs.f %}{% else %}{{ steps.a.output.t }}{% endif %}"),
    text("{% if inputs.f or inputs.g %}{{ steps.a.output.t }}{% endif %}"),
    text("{{ 0 if inputs.f else steps.a.output.t }}"),
    text("{{ steps.a.output | default(steps.b.output.t) }}"),
    text("{{ steps.a.output | default(steps.a.output) }}"),
    text("{{ inputs.f or steps.a.output.t == 1 }}"),
    text("{{ inputs.f and inputs.g or steps.a.output.t == 1 }}"),
    text("{% for one in [] %}{% else %}{{ steps.a.output.t }}{% endfor %}"),
]


@pytest.mark.parametrize("step", SAFE)
async def test_what_always_runs_is_no_unguarded_reference(step: dict[str, Any]):
    assert codes(A, B, step) == []
    workflow = Workflow.model_validate(document(A, B, step))
    for f in (True, False):
        for g in (True, False):
            result = await run(workflow, {"f": f, "g": g}, gateway=NO_GATEWAY)
            assert result.error is None


@pytest.mark.parametrize("step", UNSAFE)
async def test_what_fails_on_some_inputs_is_one(step: dict[str, Any]):
    assert set(codes(A, B, step)) == {"unguarded_reference"}
    workflow = Workflow.model_validate(document(A, B, step))
    results = [await run(workflow, {"f": f, "g": g}, gateway=NO_GATEWAY) for f in (True, False) for g in (True, False)]
    assert any(one.error is not None for one in results)


def test_a_step_whose_failure_skips_it_says_nothing_about_its_condition():
    step = text("{{ steps.a.output | default(steps.b.output) }}")
    assert codes({**A, "on_error": "skip"}, B, step) == ["unguarded_reference"]


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ("not a", {"not ( a )"}, {"a"}),
        ("(a == 'x')", {'a == "x"'}, {'a != "x"'}),
        ("not (a and b)", {"not ( a and b )"}, {"a", "b"}),
        ("a or not b", {"a or not b"}, {"not ( a )", "b"}),
        ("a is undefined", {"a is not defined"}, {"a is defined"}),
        ("a is not undefined", {"a is defined"}, {"a is not defined"}),
        ("a if b else c", {"a if b else c"}, {"not ( a if b else c )"}),
        ("not a and b", {"not ( a )", "b"}, {"not ( not a and b )"}),
    ],
)
def test_a_condition_and_its_contrary_say_what_holds(condition: str, holds: set[str], fails: set[str]):
    assert conjuncts(f"{{{{ {condition} }}}}") == holds
    assert otherwise(f"{{{{ {condition} }}}}") == fails
