from __future__ import annotations

from typing import Any

import pytest

from workflows.checks import inspect


def told(*steps: dict[str, Any], **keys: Any) -> list[tuple[str, str, str]]:
    found = inspect({"workflow": "1", "name": "x", "steps": list(steps), **keys}).findings
    return [(one.code, one.severity, one.pointer) for one in found if not one.code.startswith("unused")]


def each(over: Any, *steps: dict[str, Any], step_id: str = "m", **keys: Any) -> dict[str, Any]:
    inner = steps or ({"id": "s", "kind": "set", "value": 1},)
    return {"id": step_id, "kind": "map", "over": over, "steps": list(inner), **keys}


@pytest.mark.parametrize(
    ("over", "schema", "severity"),
    [
        ([1, 2, 3], {}, "error"),
        ("{{ range(3) }}", {}, "error"),
        ("{{ inputs.q }}", {"minItems": 3, "maxItems": 3}, "error"),
        ("{{ inputs.q }}", {"minItems": 1, "maxItems": 3}, "warning"),
        ("{{ inputs.q }}", {"maxItems": 3}, "warning"),
    ],
)
def test_a_list_that_may_be_short_enough_is_no_error(over: Any, schema: dict[str, Any], severity: str):
    found = told(each(over, max_items=2), inputs={"q": {"type": "array", **schema}})
    assert found == [("fan_out_too_large", severity, "/steps/0/over")]


def test_a_list_that_an_earlier_step_writes_down_is_surely_too_long():
    written = {"id": "a", "kind": "set", "value": [1, 2, 3]}
    assert told(written, each("{{ steps.a.output }}", max_items=2))[0][:2] == ("fan_out_too_large", "error")


def test_maps_inside_of_each_other_are_an_error_only_where_they_surely_run_too_often():
    def deep(over: Any) -> dict[str, Any]:
        last = each(over, step_id="c", **{"as": "z"})
        return each(over, each(over, last, step_id="b", **{"as": "y"}))

    inputs = {"q": {"type": "array"}}
    at = "/steps/0/steps/0/steps/0/max_items"
    assert told(deep("{{ inputs.q }}"), inputs=inputs) == [("fan_out_too_large", "warning", at)]
    assert told(deep("{{ range(101) }}")) == [("fan_out_too_large", "error", at)]


def test_one_case_among_many_like_each_other_is_told():
    cases = [{"when": "{{ true }}", "result": {"a": {"b": [1, "x"]}}} for _ in range(98)]
    odd = [{"when": "{{ true }}", "result": {"a": number}} for number in (1, 2)]
    step = {"id": "r", "kind": "branch", "cases": [*cases, *odd], "else": {}}
    assert told(step) == [("mixed_results", "error", "/steps/0/cases/98/result")]
    assert told({**step, "cases": cases}) == []
