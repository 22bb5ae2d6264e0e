from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planner.repair import can_patch, faulty, patched
from workflows.findings import Finding


def llm(name, prompt="p"):
    return {"id": name, "kind": "llm", "prompt": prompt}


DOCUMENT = {"name": "x", "steps": [llm("a"), llm("b"), llm("c")], "outputs": {"c": "{{ steps.c.output }}"}}


def finding(pointer):
    return Finding(code="some_code", pointer=pointer, message="m")


def ids(document):
    return [step["id"] for step in document["steps"]]


def test_findings_name_the_steps_they_point_into():
    assert faulty(DOCUMENT, [finding("/steps/1/prompt"), finding("/steps/2"), finding("/outputs/c")]) == {"b", "c"}


def test_a_named_step_is_replaced_and_others_are_not():
    answer = {"steps": [llm("a", "changed"), llm("b", "corrected")]}
    made = patched(DOCUMENT, answer, named=frozenset({"b"}))
    assert [step["prompt"] for step in made["steps"]] == ["p", "corrected", "p"]
    assert made["outputs"] == DOCUMENT["outputs"]


def test_a_new_step_stands_before_the_corrected_one_that_follows_it():
    made = patched(DOCUMENT, {"steps": [llm("new"), llm("b"), llm("late")]}, named=frozenset({"b"}))
    assert ids(made) == ["a", "new", "b", "c", "late"]


def test_only_named_steps_can_be_removed():
    made = patched(DOCUMENT, {"steps": [], "removed": ["a", "b", "nobody"]}, named=frozenset({"b"}))
    assert ids(made) == ["a", "c"]


def test_outputs_are_replaced_only_when_given():
    made = patched(
        DOCUMENT, {"steps": [], "outputs": [{"name": "b", "value": "{{ steps.b.output }}"}]}, named=frozenset()
    )
    assert made["outputs"] == {"b": "{{ steps.b.output }}"}
    assert patched(DOCUMENT, {"steps": [], "outputs": None}, named=frozenset()) == DOCUMENT


def test_one_step_alone_is_a_correction_too():
    made = patched(DOCUMENT, llm("b", "corrected"), named=frozenset({"b"}))
    assert made["steps"][1]["prompt"] == "corrected"


def test_faults_outside_of_the_steps_need_a_whole_new_plan():
    assert can_patch(DOCUMENT, [finding("/steps/0/prompt"), finding("/outputs/c")])
    assert not can_patch(DOCUMENT, [finding("/inputs/x")])
    assert not can_patch({"steps": [llm("a"), llm("a")]}, [finding("/steps/0")])
    assert not can_patch({"steps": [{"kind": "llm"}]}, [finding("/steps/0")])
    assert not can_patch({"steps": []}, [finding("/steps")])
    assert not can_patch(None, [])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "b", "new"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["steps", "removed", "outputs", "id", "kind", "name", "value"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@given(json_values, st.frozensets(st.sampled_from(["a", "b", "c"])))
def test_whatever_the_answer_the_good_steps_are_kept(answer, named):
    made = patched(DOCUMENT, answer, named=named)
    for step in DOCUMENT["steps"]:
        if step["id"] not in named:
            assert step in made["steps"]
