from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workflows.library as library
from planner.mend import mend
from workflows.checks import inspect
from workflows.tools import ToolSpec

SEARCH = {
    "web_search": ToolSpec(
        "web_search", "", {"type": "object", "properties": {"query": {"type": "string"}, "count": {"type": "integer"}}}
    )
}
LIBRARY = sorted((Path(library.__file__).parent).glob("*.json"))


def llm(name, prompt, **keys):
    return {"id": name, "kind": "llm", "prompt": prompt, **keys}


def steps_of(*steps, **keys):
    mended = mend({"steps": list(steps), **keys}, tools=SEARCH)
    return mended.document["steps"], [one.code for one in mended.mends]


def test_a_plan_without_version_and_name_gets_both():
    document = mend({"steps": [llm("a", "p")]}, name="My task!").document
    assert (document["workflow"], document["name"]) == ("1", "my-task")
    assert mend({"workflow": 1, "name": "Solar & Wind", "steps": []}).document["name"] == "solar-wind"


def test_ids_become_identifiers_together_with_their_references():
    steps, codes = steps_of(
        llm("1", "p"),
        llm("step two", "{{ steps.1.output }}"),
        llm("第三", "<1> {{ step two }} {{ steps.step-two }}", after=["1"]),
    )
    assert [step["id"] for step in steps] == ["step_1", "step_two", "step_3"]
    assert steps[1]["prompt"] == "{{ steps.step_1.output }}"
    assert steps[2]["after"] == ["step_1"]
    assert codes.count("id") == 3


def test_ids_that_would_collide_are_kept_apart():
    steps, _ = steps_of(llm("a b", "p"), llm("a_b", "p"), llm("a-b", "{{ steps.a_b.output }}"))
    assert [step["id"] for step in steps] == ["a_b_2", "a_b", "a_b_3"]
    assert steps[2]["prompt"] == "{{ steps.a_b.output }}"


def test_two_steps_of_one_id_are_left_to_the_checks():
    mended = mend({"steps": [llm("a", "p"), llm("a", "q"), llm("b", "{{ steps.a.output }}")]})
    assert {one.code for one in inspect(mended.document).findings} >= {"duplicate_id"}


def test_steps_are_put_in_the_order_of_their_references():
    steps, codes = steps_of(llm("c", "{{ steps.b.output }}"), llm("a", "p"), llm("b", "{{ steps.a.output }}"))
    assert [step["id"] for step in steps] == ["a", "b", "c"]
    assert codes == ["order"]


@pytest.mark.parametrize(
    "steps",
    [
        [llm("a", "{{ steps.b.output }}"), llm("b", "{{ steps.a.output }}")],
        [llm("b", "{{ steps.b.output }}"), llm("a", "p")],
    ],
)
def test_a_cycle_is_not_broken_up(steps):
    mended = mend({"steps": steps})
    assert mended.document["steps"] == steps
    assert any(one.code in {"cycle", "self_reference"} for one in inspect(mended.document, ordered=True).findings)


@pytest.mark.parametrize("key", ["depends_on", "dependencies", "dependsOn"])
def test_other_words_for_after_are_taken_over(key):
    steps, codes = steps_of(llm("a", "p"), llm("b", "q", **{key: ["a"]}))
    assert steps[1]["after"] == ["a"]
    assert codes == ["key"]


def test_a_key_is_not_taken_over_where_ours_is_there():
    steps, _ = steps_of(llm("a", "p"), llm("b", "q", after=["a"], depends_on=["x"]))
    assert steps[1]["after"] == ["a"]
    assert steps[1]["depends_on"] == ["x"]


def test_other_keys_of_a_tool_call_are_taken_over():
    step = {"step_id": "s", "type": "tool", "tool_name": "Web Search", "args": {"Query": "x", "count": "2"}}
    steps, _ = steps_of(step)
    assert steps == [{"id": "s", "kind": "tool", "tool": "web_search", "arguments": {"query": "x", "count": 2}}]


def test_an_invented_tool_stays_invented():
    steps, codes = steps_of({"id": "a", "kind": "tool", "tool": "image_search", "arguments": {}})
    assert steps[0]["tool"] == "image_search"
    assert codes == []


def test_numbers_in_quotes_become_numbers():
    steps, codes = steps_of(llm("a", "p", max_tokens="500", temperature="0.2", timeout_s="soon"))
    assert (steps[0]["max_tokens"], steps[0]["temperature"], steps[0]["timeout_s"]) == (500, 0.2, "soon")
    assert codes == ["number", "number"]


def test_a_condition_without_braces_becomes_an_expression():
    steps, _ = steps_of(llm("a", "p"), llm("b", "q", when="steps.a.output == 'yes'"))
    assert steps[1]["when"] == "{{ steps.a.output == 'yes' }}"


def test_outputs_are_mended_too():
    document = mend({"steps": [llm("node-0", "p")], "outputs": {"x": "<node-0>"}}).document
    assert document["outputs"] == {"x": "{{ steps.node_0.output }}"}


def test_every_mend_is_said_in_words():
    notes = mend({"steps": [llm("node-0", "p"), llm("b", "Use <node-0>")]}).notes
    assert notes[0] == "step 1, 'node-0', is called 'node_0'"
    assert notes[1].startswith("step 'b': 'Use <node-0>' is 'Use {{ steps.node_0.output }}'")


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_sound_workflow_is_not_touched(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    mended = mend(document)
    assert mended.mends == ()
    assert mended.document == document


words = st.sampled_from(
    [
        "a",
        "b",
        "node-0",
        "1",
        "{{ steps.a.output }}",
        "{{ b }}",
        "<node-0>",
        "$1",
        "#E1",
        "llm",
        "tool",
        "web_search",
        "",
        "x y",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | words | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "id",
        "kind",
        "type",
        "prompt",
        "tool",
        "arguments",
        "args",
        "after",
        "depends_on",
        "when",
        "value",
        "model",
        "max_tokens",
    ]
)
plans = st.fixed_dictionaries(
    {"steps": st.lists(values | st.dictionaries(keys, values, max_size=6), max_size=5)},
    optional={"outputs": values, "name": values, "inputs": values},
)


@given(plans | values)
def test_mending_never_crashes_and_leaves_nothing_to_mend(document):
    once = mend(document, tools=SEARCH)
    again = mend(once.document, tools=SEARCH)
    assert again.document == once.document
    inspect(once.document, tools=SEARCH, ordered=True)


@given(plans)
def test_mending_keeps_every_step(document):
    made = mend(document, tools=SEARCH).document
    assert len(made["steps"]) == len(document["steps"])
