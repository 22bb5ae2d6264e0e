from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.faults import complete, examine, places, tightened
from workflows.model import WorkflowPolicy

SENSITIVITIES = ["public", "internal", "confidential", "restricted"]
numbers = st.integers(1, 1000) | st.floats(0.001, 1000)
policies = st.builds(
    WorkflowPolicy,
    budget_usd=st.none() | numbers,
    deadline_s=st.none() | numbers,
    max_parallel=st.integers(1, 100),
    sensitivity=st.sampled_from(SENSITIVITIES),
)
anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(SENSITIVITIES)
)
written = st.none() | st.dictionaries(
    st.sampled_from(["budget_usd", "deadline_s", "max_parallel", "sensitivity", "other"]), anything
)


def llm(name, prompt, **keys):
    return {"id": name, "kind": "llm", "prompt": prompt, **keys}


def document(*steps, **keys):
    return {"workflow": "1", "name": "x", "steps": list(steps), **keys}


@given(written, policies)
def test_a_plan_never_widens_a_limit_of_the_caller(plan_policy, caller):
    made = tightened(plan_policy, caller)
    for key in ("budget_usd", "deadline_s", "max_parallel"):
        limit = getattr(caller, key)
        if limit is not None:
            assert made[key] <= limit
    assert SENSITIVITIES.index(made["sensitivity"]) >= SENSITIVITIES.index(caller.sensitivity)
    assert set(made) <= set(WorkflowPolicy.model_fields)


def test_the_task_is_an_input_only_where_it_is_referred_to():
    asking = complete(document(llm("a", "Do {{ inputs.task }}")), None)
    assert list(asking["inputs"]) == ["task"]
    assert "inputs" not in complete(document(llm("a", "Do it"), inputs={"task": {"type": "string"}}), None)


def test_an_input_with_a_default_is_filled_and_one_without_is_a_fault():
    filled = document(llm("a", "{{ inputs.n }}"), inputs={"n": {"type": "string", "default": "x"}})
    assert examine(complete(filled, None), tools={}).errors == ()
    empty = document(llm("a", "{{ inputs.n }}"), inputs={"n": {"type": "string"}})
    assert [one.code for one in examine(complete(empty, None), tools={}).errors] == ["unfilled_input"]


def test_a_reference_to_a_later_step_is_a_fault_of_a_plan():
    late = document(llm("a", "{{ steps.b.output }}"), llm("b", "p"))
    assert [one.code for one in examine(late, tools={}).errors] == ["forward_reference"]


@pytest.mark.parametrize("where", ["prompt", "system", "when"])
def test_words_that_read_like_a_reference_are_a_fault_wherever_a_template_stands(where):
    step = llm("b", "p") | {where: "the {a} and <output of step 1>"}
    findings = examine(document(llm("a", "p"), step), tools={}).findings
    found = [one for one in findings if one.code == "unresolved_reference"]
    assert {one.pointer for one in found} == {f"/steps/1/{where}"}
    assert len(found) == 2


def test_findings_are_placed_by_the_name_of_the_step():
    wrong = document(llm("a", "{{ steps.x.output }}"), {"kind": "llm"}, outputs={"o": "{{ steps.y.output }}"})
    findings = examine(wrong, tools={}).findings
    assert set(places(wrong, findings).values()) <= {"step 'a'", "step number 2", "outputs"}
    assert "step number 2" in places(wrong, findings).values()


@pytest.mark.parametrize(
    "value", [None, [], "x", {"steps": None}, {"steps": [1, None, "x"]}, {"steps": {}, "outputs": []}]
)
def test_what_is_no_plan_gives_findings_and_no_crash(value):
    assert examine(complete(value, None), tools={}).errors
