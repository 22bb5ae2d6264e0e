from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from proving import candidate, found, llm, workflow

from workflows.checks import check, inspect
from workflows.digest import digest
from workflows.findings import WorkflowError
from workflows.linking import linked
from workflows.model import Workflow
from workflows.models import Candidate, ModelProblem, Rates
from workflows.parse import from_json
from workflows.sources import Shelf

CENT = candidate(each="0.01")
DEAR = candidate(each="0.01", most="0.20")
CALL = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}


def each(*steps: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"id": "outer", "kind": "map", "over": [1], "steps": list(steps), **keys}


@pytest.mark.parametrize(
    ("keys", "severity"),
    [({}, "error"), ({"when": "{{ true }}"}, "warning"), ({"on_error": "skip"}, "warning")],
)
def test_a_budget_that_may_never_be_needed_is_no_error(keys: dict[str, Any], severity: str):
    step = each(llm("a"), llm("b"), budget_usd=0.01, **keys)
    assert found(workflow(step), CENT) == [("over_budget", severity, "/steps/0/budget_usd")]
    inner = workflow(llm("a"), llm("b"), name="inner", policy={"budget_usd": 0.01})
    told = found(workflow({**CALL, **keys}), CENT, workflows={"inner@1.0.0": inner})
    assert told == [("over_budget", severity, "/steps/0/workflow")]


def test_a_call_has_to_fit_the_budgets_of_the_steps_around_it():
    assert found(workflow(each(llm("a"), budget_usd=0.1)), DEAR) == [
        ("over_budget", "warning", "/steps/0/steps/0/model")
    ]
    assert found(workflow(each(llm("a"), budget_usd=0.2)), DEAR) == []


@pytest.mark.parametrize("keys", [{"budget_usd": 0.1}, {}])
def test_a_call_has_to_fit_the_budgets_of_the_workflows_that_run_it(keys: dict[str, Any]):
    inner = {"inner@1.0.0": workflow(llm("a"), name="inner")}
    policy = {} if keys else {"policy": {"budget_usd": 0.1}}
    assert found(workflow({**CALL, **keys}, **policy), DEAR, workflows=inner) == [
        ("over_budget", "warning", "/steps/0/workflow")
    ]


def test_a_model_that_answers_briefly_costs_no_more_than_its_longest_answer():
    rates = Rates(given=Decimal(0), made=Decimal("0.001"))
    short = Candidate(model="p/m", provider="p", clearance="public", least=rates, most=rates, max_output=100)
    policy = {"budget_usd": 0.2}
    assert found(workflow(llm("a"), policy=policy), short) == []


@pytest.mark.parametrize(
    ("keys", "severity"),
    [({}, "error"), ({"on_item_error": "keep"}, "warning"), ({"over": []}, "warning")],
)
def test_what_a_map_may_leave_out_is_no_certain_call(keys: dict[str, Any], severity: str):
    told = found(workflow(each(llm("a"), **keys), policy={"budget_usd": 1}), candidate())
    assert told == [("unknown_price", severity, "/steps/0/steps/0/model")]


def test_what_may_be_kept_is_no_certain_call():
    told = found(workflow(llm("a", cache="deterministic"), policy={"budget_usd": 1}), candidate())
    assert told == [("unknown_price", "warning", "/steps/0/model")]


class Hosts:
    """Everything may be sent anything, but for one host."""

    def problem(self, choice, *, needs, sensitivity) -> ModelProblem | None:
        return None

    def clearance_of_host(self, host: str):
        return "public" if host == "a.example:80" else "restricted"

    def clearance_of_tool(self, name: str):
        return "restricted"


def leaks(flow: Workflow, **options: Any) -> list[tuple[str, str]]:
    told = check(flow, recipients=Hosts(), **options)
    return [(one.code, one.pointer) for one in told if one.code == "insufficient_clearance"]


def test_plain_http_is_another_recipient_and_so_is_what_another_workflow_sends_to():
    inputs = {"q": {"type": "string", "sensitivity": "confidential"}}
    send = {"id": "h", "kind": "http", "url": "http://a.example/x", "method": "POST", "body": "{{ inputs.q }}"}
    assert leaks(workflow(send, inputs=inputs)) == [("insufficient_clearance", "/steps/0/url")]
    assert leaks(workflow({**send, "url": "https://a.example/x"}, inputs=inputs)) == []
    outer = workflow({**CALL, "inputs": {"q": "{{ inputs.q }}"}}, inputs=inputs)
    inner = workflow(send, name="inner", inputs=inputs)
    assert leaks(outer, workflows={"inner@1.0.0": inner}) == [("insufficient_clearance", "/steps/0/workflow")]


def unguarded(*steps: dict[str, Any], **inputs: Any) -> list[str]:
    found = inspect({"workflow": "1", "name": "x", "steps": list(steps), "inputs": inputs}).findings
    return [one.pointer for one in found if one.code == "unguarded_reference"]


def test_one_of_two_conditions_is_not_known_to_hold():
    skipped = {"id": "a", "kind": "set", "value": 1, "when": "{{ inputs.x }}"}
    inputs = {"x": {"type": "boolean"}, "y": {"type": "boolean"}}
    user = {"id": "b", "kind": "set", "value": "{{ steps.a.output }}"}
    assert unguarded(skipped, {**user, "when": "{{ inputs.x and inputs.y }}"}, **inputs) == []
    assert unguarded(skipped, {**user, "when": "{{ inputs.x or inputs.y }}"}, **inputs) == ["/steps/1/value"]


def test_what_held_of_an_outer_variable_is_not_known_of_an_inner_one():
    skipped = {"id": "a", "kind": "set", "value": 1, "when": "{{ one }}"}
    user = {"id": "b", "kind": "set", "value": "{{ steps.a.output }}"}
    over = "{{ inputs.l }}"
    flags = {"type": "array", "items": {"type": "boolean"}}

    def nested(name: str) -> dict[str, Any]:
        inner = {"id": "n", "kind": "map", "over": over, "as": name, "steps": [skipped, user]}
        return {"id": "m", "kind": "map", "over": over, "as": "one", "steps": [{**inner, "when": "{{ one }}"}]}

    assert unguarded(nested("other"), l=flags) == []
    assert unguarded(nested("one"), l=flags) == ["/steps/0/steps/0/steps/1/value"]


def test_the_pins_of_what_is_run_by_way_of_another_hold_too():
    last = from_json({"workflow": "1", "name": "last", "steps": [{"id": "a", "kind": "set", "value": 1}]})
    call = {"id": "c", "kind": "workflow", "version": "1.0.0"}

    def source(pin: str) -> Shelf:
        steps = [{**call, "workflow": "last", "digest": pin}]
        return Shelf([last, from_json({"workflow": "1", "name": "middle", "steps": steps})])

    top = from_json({"workflow": "1", "name": "top", "steps": [{**call, "workflow": "middle"}]})
    assert list(linked(top, source(digest(last)))) == ["last@1.0.0", "middle@1.0.0"]
    other = digest(top)
    with pytest.raises(WorkflowError) as raised:
        linked(top, source(other))
    assert [one.code for one in raised.value.findings] == ["digest_mismatch"]
