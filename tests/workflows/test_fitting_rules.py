from __future__ import annotations

from typing import Any

import pytest

from workflows.checks import inspect
from workflows.fitting import misfit
from workflows.parse import from_json
from workflows.shapes import Shape, of_value
from workflows.sources import Shelf
from workflows.tools import ToolSpec

NEEDS_A = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}
TIMES = ToolSpec(
    name="times",
    description="",
    parameters={
        "type": "object",
        "properties": {"n": {"type": "integer"}, "deep": {"type": "object", "properties": {"n": {"type": "number"}}}},
    },
)


def document(*steps: dict[str, Any], name: str = "x") -> dict[str, Any]:
    return {"workflow": "1", "name": name, "steps": list(steps)}


def given(value: Any, step_id: str = "z", **keys: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "set", "value": value, **keys}


def told(*steps: dict[str, Any], **options: Any) -> list[tuple[str, str, str]]:
    found = inspect(document(*steps), **options).findings
    return [(one.code, one.severity, one.pointer) for one in found if not one.code.startswith("unused")]


def branch(**case: Any) -> dict[str, Any]:
    return {
        "id": "r",
        "kind": "branch",
        "cases": [{"when": "{{ true }}", **case}],
        "else": {"result": {"a": "x"}},
        "output": NEEDS_A,
    }


@pytest.mark.parametrize(
    ("steps", "where"),
    [
        ([given({"b": "{{ 1 }}"}, output=NEEDS_A)], "/steps/0/value"),
        ([given({"b": 1}, "c"), given("{{ steps.c.output }}", output=NEEDS_A)], "/steps/1/value"),
        ([given({"k": {"b": "{{ 1 }}"}}, output={"properties": {"k": NEEDS_A}})], "/steps/0/value/k"),
        ([given([{"b": 1}], "c"), given("{{ steps.c.output }}", output={"items": NEEDS_A, "type": "array"})],
         "/steps/1/value"),
        ([given({"a": "x", "c": "{{ 1 }}"}, output={**NEEDS_A, "additionalProperties": False})], "/steps/0/value"),
        ([given(["{{ 1 }}"], output={"type": "array", "minItems": 2})], "/steps/0/value"),
        ([given(["{{ 1 }}", 2], output={"type": "array", "maxItems": 1})], "/steps/0/value"),
        ([branch(result={"b": "{{ 1 }}"})], "/steps/0/cases/0/result"),
        ([branch(steps=[given({"b": 1})])], "/steps/0/cases/0/steps"),
    ],
)  # fmt: skip
def test_what_lacks_a_required_field_or_has_too_much_is_told_with_templates_in_it(
    steps: list[dict[str, Any]], where: str
):
    assert told(*steps) == [("type_mismatch", "error", where)]


def test_an_input_of_another_workflow_has_its_required_fields():
    other = document(given("{{ inputs.q.a }}"), name="other") | {"inputs": {"q": NEEDS_A}}
    shelf = Shelf([from_json(other)])
    call = {"id": "w", "kind": "workflow", "workflow": "other", "version": "1.0.0"}
    assert told({**call, "inputs": {"q": {"b": "{{ 1 }}"}}}, workflows=shelf) == [
        ("type_mismatch", "error", "/steps/0/inputs/q")
    ]
    assert told({**call, "inputs": {"q": {"a": "{{ 'x' }}"}}}, workflows=shelf) == []


@pytest.mark.parametrize(
    "actual",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": False, "patternProperties": {"^a": {}}},
        {"anyOf": [of_value({}), of_value({"a": "x"})]},
        {"type": ["object", "null"], "properties": {"b": {}}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "integer"}}},
    ],
)
def test_what_may_satisfy_a_schema_is_not_told(actual: dict[str, Any]):
    assert misfit(Shape.of(actual), Shape.of(NEEDS_A)) is None


def test_schemas_that_lead_back_to_themselves_are_held_against_each_other_once():
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert misfit(Shape.of(tree), Shape.of({**tree, "title": "other"})) is None
    found = misfit(Shape.of(of_value({"next": {"next": {}}})), Shape.of(tree))
    assert found is not None
    assert found.path == ("next", "next")


@pytest.mark.parametrize(
    ("argument", "code", "severity"),
    [
        ({"n": "5"}, "invalid_argument", "warning"),
        ({"n": True}, "invalid_argument", "warning"),
        ({"n": "many"}, "invalid_argument", "error"),
        ({"n": "5.5"}, "invalid_argument", "error"),
        ({"n": None}, "invalid_argument", "error"),
        ({"n": "{{ steps.text.output }}"}, "type_mismatch", "warning"),
        ({"n": "{{ true }}"}, "type_mismatch", "warning"),
        ({"n": "{{ steps.list.output }}"}, "type_mismatch", "error"),
        ({"deep": "{{ steps.deep.output }}"}, "type_mismatch", "warning"),
        ({"deep": {"n": "1", "m": "{{ true }}"}}, "invalid_argument", "warning"),
    ],
)
def test_what_a_function_reads_as_a_number_is_only_warned_of(argument: dict[str, Any], code: str, severity: str):
    steps = given("5", "text"), given(["5"], "list"), given({"n": "5"}, "deep")
    call = {"id": "c", "kind": "tool", "tool": "times", "arguments": argument}
    found = told(*steps, call, tools={"times": TIMES})
    assert [one[:2] for one in found] == [(code, severity)]


def test_what_a_server_makes_of_another_type_nobody_knows():
    call = {"id": "c", "kind": "tool", "tool": "s.times", "arguments": {"n": "5"}}
    assert [one[:2] for one in told(call, tools={"s.times": TIMES})] == [("invalid_argument", "error")]


def test_null_may_stand_in_for_any_output():
    model = {"id": "a", "kind": "llm", "prompt": "x", "on_error": {"output": None}}
    assert told(model) == []
    assert [one[0] for one in told({**model, "on_error": {"output": 1}})] == ["invalid_stand_in"]
