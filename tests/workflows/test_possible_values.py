"""What can never be there, or never come about, is told before the run."""

from __future__ import annotations

import time
from typing import Any

import pytest

from workflows.checks import inspect


def document(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"workflow": "1", "name": "w", "inputs": {"f": {"type": "boolean"}}, "steps": list(steps)}


NULLABLE = {
    "id": "b",
    "kind": "branch",
    "cases": [{"when": "{{ inputs.f }}"}],
    "else": {"result": {"k": 1}},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{ steps.b.output.k }}", ["optional_field"]),
        ("{{ steps.b.output.k | default(0) }}", []),
        ("{{ steps.b.output.k if steps.b.output else 0 }}", []),
        ("{{ steps.b.output }}", []),
    ],
)
def test_a_field_of_what_may_be_null_is_told(value: str, expected: list[str]):
    told = inspect(document(NULLABLE, {"id": "z", "kind": "set", "value": value})).findings
    assert [(one.code, one.pointer) for one in told] == [(code, "/steps/1/value") for code in expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{ round.previous + 1 }}", ["optional_field"]),
        ("{{ 1 + round.previous }}", ["optional_field"]),
        ("{{ round.previous + 1 if round.previous else 1 }}", []),
        ("{{ round.previous + 1 if round.number > 1 else 1 }}", []),
        ("{{ round.previous }}", []),
    ],
)
def test_computing_with_what_came_before_the_first_round_is_told(value: str, expected: list[str]):
    steps = [{"id": "d", "kind": "set", "value": value}]
    loop = {"id": "l", "kind": "loop", "max_rounds": 3, "steps": steps, "until": "{{ inputs.f }}"}
    assert [one.code for one in inspect(document(loop)).findings] == expected
    assert [one.code for one in inspect(document({**loop, "initial": 0})).findings] == []


@pytest.mark.parametrize(
    ("given", "path", "fields"),
    [
        ({"a": 1}, "steps.x.output[0]", ("a",)),
        (3, "steps.x.output[0]", ()),
        ([1, 2], "steps.x.output[2]", ()),
    ],
)
def test_an_item_that_cannot_be_there_is_told(given: Any, path: str, fields: tuple[str, ...]):
    steps = {"id": "x", "kind": "set", "value": given}, {"id": "z", "kind": "set", "value": f"{{{{ {path} }}}}"}
    (finding,) = (one for one in inspect(document(*steps)).findings if one.severity == "error")
    assert (finding.code, finding.allowed) == ("unknown_output_field", fields)
    good = {"id": "x", "kind": "set", "value": [1, 2, 3]}, steps[1]
    assert not [one for one in inspect(document(*good)).findings if one.severity == "error"]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("{{ inputs.long }}", "has at least 3 items"),
        ("{{ range(5) }}", "has at least 5 items"),
        ("{{ range(1, 6) | list }}", "has at least 5 items"),
    ],
)
def test_a_map_that_never_takes_its_list_is_told(over: str, message: str):
    each = {"id": "m", "kind": "map", "over": over, "max_items": 2, "steps": [{"id": "r", "kind": "set", "value": 1}]}
    asked = {**document(each), "inputs": {"long": {"type": "array", "minItems": 3}}}
    (finding,) = (one for one in inspect(asked).findings if one.severity == "error")
    assert (finding.code, finding.pointer) == ("fan_out_too_large", "/steps/0/over")
    assert message in finding.message


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"default": "approve"}, ["unused_default"]),
        ({"default": "reject", "timeout_s": 5}, ["unused_default"]),
        ({"default": "approve", "expires_s": 5}, []),
        ({"timeout_s": 5}, []),
    ],
)
def test_a_default_that_is_never_taken_is_told(fields: dict[str, Any], expected: list[str]):
    step = {"id": "a", "kind": "approval", "message": "Publish?", **fields}
    assert [one.code for one in inspect(document(step)).findings if one.code != "unused_input"] == expected


DEEP = {
    "id": "a",
    "kind": "llm",
    "prompt": "x",
    "output": {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}},
    },
}


def test_an_item_behind_the_longest_list_is_told():
    inputs = {"rows": {"type": "array", "maxItems": 2, "items": {"type": "string"}}}
    step = {"id": "z", "kind": "set", "value": "{{ inputs.rows[1] }} {{ inputs.rows[2] }}"}
    (finding,) = inspect({**document(step), "inputs": inputs}).findings
    assert (finding.code, "2 items at most" in finding.message) == ("unknown_input_field", True)


def test_a_map_over_a_number_is_told():
    each = {"id": "m", "kind": "map", "over": "{{ 5 }}", "steps": [{"id": "r", "kind": "set", "value": 1}]}
    told = [one.pointer for one in inspect(document(each)).findings if one.code == "type_mismatch"]
    assert told == ["/steps/0/over"]


@pytest.mark.parametrize(
    ("value", "mends"),
    [
        ("{{ steps.a.output.a.b | default('z') }}", ["Write `(steps.a.output.a | default({})).b | default(...)`."]),
        ("{{ steps.a.output.a.b is defined }}", ["Write `(steps.a.output.a | default({})).b is defined`."]),
        ("{{ steps.a.output.a | default({}) }}", []),
        ("{{ (steps.a.output.a | default({})).b | default('z') }}", []),
    ],
)
def test_a_default_helps_the_last_field_of_a_path_alone(value: str, mends: list[str]):
    told = inspect(document(DEEP, {"id": "z", "kind": "set", "value": value})).findings
    assert [one.fix for one in told if one.code == "optional_field"] == mends


def test_a_long_chain_of_conditions_is_checked_in_time():
    steps = [{"id": "s0", "kind": "set", "value": 1, "when": "{{ inputs.f }}"}]
    for number in range(1, 1_500):
        before = f"steps.s{number - 1}.output"
        when = f"{{{{ {before} is defined and inputs.f }}}}"
        steps.append({"id": f"s{number}", "kind": "set", "value": f"{{{{ {before} }}}}", "when": when})
    started = time.process_time()
    assert not [one for one in inspect(document(*steps)).findings if one.code == "unguarded_reference"]
    assert time.process_time() - started < 5
