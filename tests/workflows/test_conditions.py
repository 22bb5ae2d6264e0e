"""What counts as true in `when` and `until`, before the run and while it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.checks import inspect
from workflows.conditions import holds, may_hold
from workflows.expressions import ExpressionError, Scope
from workflows.inference import form
from workflows.references import usage

RELEASE = {"id": "release", "kind": "approval", "message": "Publish?"}
TEXT = {"id": "text", "kind": "llm", "prompt": "Yes or no?"}
LIST = {"id": "list", "kind": "llm", "prompt": "List", "output": {"type": "array", "items": {"type": "string"}}}
NOTE = {"type": ["string", "null"], "default": None}


def found(*steps: dict[str, Any], **fields: Any) -> list[tuple[str, str, str | None]]:
    document = {"workflow": "1", "name": "conditions", "steps": list(steps), **fields}
    return [(one.code, one.pointer, one.fix) for one in inspect(document).findings if one.severity == "error"]


def gated(condition: str) -> dict[str, Any]:
    return {"id": "after", "kind": "set", "value": "x", "when": f"{{{{ {condition} }}}}"}


@pytest.mark.parametrize("value", [True, 1, 2.5, False, 0, None])
def test_truth_values_numbers_and_null_are_conditions(value: Any):
    assert holds("{{ inputs.x }}", Scope({"x": value}), key="when") is bool(value)


@pytest.mark.parametrize("value", ["no", "", "true", [], [1], {}, {"approved": False}])
def test_a_text_a_list_and_an_object_are_neither_true_nor_false(value: Any):
    with pytest.raises(ExpressionError, match="`when` must give true or false") as caught:
        holds("{{ inputs.x }}", Scope({"x": value}), key="when")
    assert caught.value.code == "invalid_condition"


@pytest.mark.parametrize(
    ("parent", "condition", "mend"),
    [
        (RELEASE, "steps.release.output", "steps.release.output.approved"),
        (TEXT, "steps.text.output", "| trim | lower == 'yes'"),
        (TEXT, "steps.text.output | trim", "| trim | lower == 'yes'"),
        (LIST, "steps.list.output", "| length > 0"),
        (RELEASE, "steps.release.output.comment", "is not none"),
        (RELEASE, "not steps.release.output", "steps.release.output.approved"),
        (RELEASE, "steps.release.output and inputs.go", "steps.release.output.approved"),
    ],
)
def test_a_condition_that_is_neither_is_told_before_the_run(parent: dict[str, Any], condition: str, mend: str):
    [(code, where, fix)] = found(parent, gated(condition), inputs={"go": {"type": "boolean"}})
    assert (code, where) == ("type_mismatch", "/steps/1/when")
    assert mend in (fix or "")


def test_it_is_told_of_cases_and_of_what_ends_a_loop_too():
    branch = {"id": "b", "kind": "branch", "cases": [{"when": "{{ steps.text.output }}", "result": 1}]}
    loop = {"id": "l", "kind": "loop", "max_rounds": 2, "steps": [TEXT], "until": "{{ steps.text.output }}"}
    assert [one[:2] for one in found(TEXT, branch)] == [("type_mismatch", "/steps/1/cases/0/when")]
    assert [one[:2] for one in found(loop)] == [("type_mismatch", "/steps/0/until")]


def test_a_statement_in_a_text_that_asks_whether_an_object_is_true_is_told():
    text = "{% if steps.release.output %}yes{% else %}no{% endif %}"
    assert [one[:2] for one in found(RELEASE, {"id": "z", "kind": "set", "value": text})] == [
        ("type_mismatch", "/steps/1/value")
    ]


@pytest.mark.parametrize(
    "condition",
    [
        "steps.release.output.approved",
        "not steps.release.output.expired",
        "steps.release.output is defined",
        "steps.text.output | length",
        "steps.text.output == 'yes'",
        "steps.text.output and true",
        "inputs.anything",
        "inputs.note is not none",
        "inputs.rows | length > 0 and inputs.note",
        "(steps.release.output | default({})).approved",
    ],
)
def test_what_may_be_true_or_false_is_no_fault(condition: str):
    inputs = {"anything": {}, "note": NOTE, "rows": {"type": "array"}}
    assert found(RELEASE, TEXT, gated(condition), inputs=inputs) == []


def test_types_that_are_not_known_may_be_conditions():
    assert may_hold(None)
    assert may_hold({"null"})
    assert may_hold({"string", "boolean"})
    assert not may_hold({"string", "null"})


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("inputs.a | trim", "string"),
        ("inputs.a | trim == 'x'", "boolean"),
        ("(inputs.a == 1) and not inputs.b", "boolean"),
        ("inputs.a ~ 'x'", "string"),
        ("inputs.a | split(',')", "array"),
        ("inputs.a | split(',') | length", "integer"),
        ("(1, 2)", "array"),
        ("inputs.a | split(',')[0]", None),
        ("(inputs.a | trim).b", None),
        ("inputs.a if inputs.b == 1 else 'x'", None),
        ("inputs.a and inputs.b == 1", None),
        ("inputs.a + 1", None),
    ],
)
def test_the_form_of_an_expression_tells_its_type(expression: str, kind: str | None):
    known = form(f"{{{{ {expression} }}}}")
    assert (known and known["type"]) == kind


@pytest.mark.parametrize(
    ("expression", "bounds"),
    [
        ("range(5)", (5, 5)),
        ("range(2, 9, 3) | list", (3, 3)),
        ("range(inputs.n)", (None, None)),
        ("range()", (None, None)),
    ],
)
def test_a_range_of_known_numbers_has_a_known_length(expression: str, bounds: tuple[int | None, int | None]):
    known = form(f"{{{{ {expression} }}}}") or {}
    assert (known.get("minItems"), known.get("maxItems")) == bounds


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("{{ not inputs.a }}", True),
        ("{{ inputs.a and 1 }}", True),
        ("{{ 'x' if inputs.a else 'y' }}", True),
        ("{% if inputs.a %}x{% endif %}", True),
        ("{{ inputs.a }}", False),
        ("{{ not inputs.a == 1 }}", False),
        ("{{ 1 == inputs.a and 2 }}", False),
        ("{{ not inputs.a | length }}", False),
    ],
)
def test_a_reference_knows_whether_its_truth_is_asked(source: str, asked: bool):
    assert usage(source).references[0].asked is asked
