"""What the checks know of steps inside of steps: sight, shapes, guards, repetition, and what is left over."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.checks import inspect
from workflows.checks.subject import Subject
from workflows.findings import Finding
from workflows.parse import from_json
from workflows.shapes import describe


def llm(step_id: str, prompt: str = "x", **keys: Any) -> dict:
    return {"id": step_id, "kind": "llm", "prompt": prompt, **keys}


def value(step_id: str, value: Any, **keys: Any) -> dict:
    return {"id": step_id, "kind": "set", "value": value, **keys}


def each(over: Any, *steps: dict, **keys: Any) -> dict:
    return {"id": "each", "kind": "map", "over": over, "steps": list(steps), **keys}


def rounds(*steps: dict, **keys: Any) -> dict:
    return {"id": "again", "kind": "loop", "max_rounds": 3, "until": "{{ true }}", "steps": list(steps), **keys}


def branch(*cases: dict, **keys: Any) -> dict:
    return {"id": "route", "kind": "branch", "cases": list(cases), **keys}


def case(*steps: dict, when: str = "{{ inputs.q }}", **keys: Any) -> dict:
    return {"when": when, "steps": list(steps), **keys}


def document(*steps: dict, **keys: Any) -> dict:
    return {"workflow": "1", "name": "x", "inputs": {"q": {}}, "steps": list(steps), **keys}


def findings(*steps: dict, **keys: Any) -> list[Finding]:
    told = inspect(document(*steps, **keys)).findings
    return [finding for finding in told if finding.code != "unused_input"]


def found(*steps: dict, **keys: Any) -> list[tuple[str, str]]:
    return [(finding.code, finding.pointer) for finding in findings(*steps, **keys)]


TITLED = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "score": {"type": "number"}},
    "required": ["title", "score"],
}


def test_steps_inside_see_their_own_block_and_those_around_it():
    inner = rounds(
        llm("deep", "{{ steps.out.output }} {{ steps.near.output }} {{ item }} {{ item_index }} {{ round.number }}")
    )
    assert found(llm("out"), each([1], llm("near", "{{ item }}"), inner)) == []


def test_a_reference_into_a_block_is_told_what_holds_it():
    (finding,) = findings(each([1], rounds(llm("deep", "{{ item }}"))), llm("last", "{{ steps.deep.output }}"))
    assert (finding.code, finding.pointer) == ("out_of_sight", "/steps/1/prompt")
    assert finding.fix == "Write `steps.each.output`, and have the `result` of 'each' hold what is needed."
    assert finding.allowed == ("each", "last")


def test_a_reference_to_a_sibling_of_a_block_around_names_the_nearest_step_in_sight():
    (finding,) = findings(llm("outer"), each([1], llm("deep", "{{ item }} {{ steps.outr.output }}")))
    assert (finding.code, finding.allowed[0]) == ("unknown_step", "outer")


def test_what_is_suggested_is_in_sight_of_the_place_that_errs():
    wrong = llm("b", "{{ item }} {{ steps.drft.output }}")
    told = findings(each([1], llm("draft"), wrong), llm("c", "{{ steps.drft.output }}"))
    near = {one.pointer: one.fix for one in told if one.code == "unknown_step"}
    assert near == {
        "/steps/0/steps/1/prompt": "Did you mean 'draft'?",
        "/steps/1/prompt": "Name a step of this workflow.",
    }


@pytest.mark.parametrize(
    ("holder", "output", "fine"),
    [
        (each([1], llm("a", "{{ item }}")), [], True),
        (each([1], llm("a", "{{ item }}")), ["x"], True),
        (each([1], llm("a", "{{ item }}")), [1], False),
        (each([1], llm("a", "{{ item }}")), {}, False),
        (rounds(value("a", {"n": 1})), {"n": 2}, True),
        (rounds(value("a", {"n": 1})), {"n": "x"}, False),
        (branch(case(result="a")), None, True),
        (branch(case(result="a")), 1, False),
        ({"id": "h", "kind": "http", "url": "https://a.example"}, {"status": 0, "headers": {}, "body": 1}, True),
        ({"id": "h", "kind": "http", "url": "https://a.example"}, "", False),
        ({"id": "h", "kind": "approval", "message": "?"}, {"approved": True}, False),
    ],
)
def test_a_stand_in_is_of_the_make_of_what_the_step_gives(holder: dict, output: Any, fine: bool):
    told = [one for one in found({**holder, "on_error": {"output": output}}) if one[0] == "invalid_stand_in"]
    assert bool(told) != fine


@pytest.mark.parametrize(
    ("prompt", "fix"),
    [
        ("{{ round.previous }} {{ steps.again.output }}", "Refer to `round.previous`."),
        ("{{ inputs.round }}", "Write `round`: it is a variable."),
        ("{{ steps.round.output }}", "Write `round`: it is a variable."),
    ],
)
def test_a_mend_knows_the_variables(prompt: str, fix: str):
    (finding,) = findings(rounds(llm("a", prompt)))
    assert finding.fix == fix


@pytest.mark.parametrize(
    ("prompt", "fix"),
    [
        ("{{ paperr.x }} {{ paper }}", "Did you mean `paper`?"),
        ("{{ q }} {{ paper }}", "Write `inputs.q`: it is an input."),
        ("{{ outer }} {{ paper }}", "Write `steps.outer.output`: it is a step."),
        ("{{ zebra }} {{ paper }}", "Write `inputs.zebra` for an input or `steps.zebra.output` for a step."),
    ],
)
def test_a_name_that_means_nothing_is_told_with_what_was_meant(prompt: str, fix: str):
    (finding,) = findings(llm("outer"), each([1], llm("a", prompt), **{"as": "paper"}))
    assert (finding.code, finding.fix) == ("unknown_name", fix)


def test_a_variable_is_not_seen_outside_of_its_map():
    (finding,) = findings(each([1], llm("a", "{{ paper }}"), **{"as": "paper"}), llm("b", "{{ paper }}"))
    assert (finding.code, finding.pointer) == ("unknown_name", "/steps/1/prompt")
    assert finding.fix == "Use it inside of 'each' alone, or have the `result` of 'each' hold what is needed."


def test_a_container_and_what_it_needs_form_a_cycle():
    (finding,) = findings(each([1], llm("a", "{{ item }} {{ steps.b.output }}")), llm("b", "{{ steps.each.output }}"))
    assert (finding.code, finding.pointer) == ("cycle", "/steps/0")
    assert finding.message == "the steps wait for each other: each -> b -> each"


def test_a_cycle_inside_is_told_where_it_is():
    steps = llm("a", "{{ item }}", after=["b"]), llm("b", after=["a"])
    assert found(each([1], *steps)) == [("cycle", "/steps/0/steps/0")]


def test_a_plan_refers_to_earlier_steps_also_from_inside():
    steps = each([1], llm("a", "{{ item }} {{ steps.late.output }}")), llm("late")
    told = inspect(document(*steps), ordered=True).findings
    assert ("forward_reference", "/steps/0/steps/0/prompt") in [(one.code, one.pointer) for one in told]
    assert found(*steps) == []


def shape(*steps: dict, step: str, **keys: Any) -> str:
    subject = Subject(from_json(document(*steps, **keys)))
    return describe(subject.shapes.output(subject.by_id[step]))


def test_the_output_of_a_step_that_holds_steps_is_that_of_its_block():
    assert shape(each([1], llm("a")), step="each") == "a list"
    assert shape(rounds(value("a", 3)), step="again") == "a number"
    assert shape(rounds(llm("a", when="{{ inputs.q }}")), step="again") == "null or text"
    assert shape(branch(case(llm("a")), case(result="b")), step="route") == "text"
    assert shape(branch(case(result={"a": 1}), output={"type": "object"}), step="route") == "an object"
    assert shape({"id": "a", "kind": "approval", "message": "?"}, step="a") == "an object"


@pytest.mark.parametrize(
    ("giver", "path", "code"),
    [
        (each([1], llm("a", "{{ item }}", output=TITLED)), "[0].title", None),
        (each([1], llm("a", "{{ item }}", output=TITLED)), "[0].titel", "unknown_output_field"),
        (each([1], llm("a", "{{ item }}", output=TITLED), on_item_error="keep"), "[0].error.code", "optional_field"),
        (each([1], llm("a", "{{ item }}", output=TITLED), on_item_error="keep"), "[0].fault", "unknown_output_field"),
        (each([1], value("a", 1), result={"i": "{{ item_index }}", "t": "{{ steps.a.output }}"}), "[0].i", None),
        (each([1], value("a", "{{ item_index }}")), "[0].x", "unknown_output_field"),
        (rounds(llm("a", output=TITLED)), ".score", None),
        (rounds(llm("a", output=TITLED)), ".points", "unknown_output_field"),
        (branch(case(llm("a", output=TITLED)), **{"else": {"result": {"title": ""}}}), ".title", None),
        (branch(case(llm("a", output=TITLED)), **{"else": {"result": {"title": ""}}}), ".score", "optional_field"),
        ({"id": "each", "kind": "http", "url": "https://a.example", "output": TITLED}, ".body.title", None),
        ({"id": "each", "kind": "http", "url": "https://a.example"}, ".title", "unknown_output_field"),
        ({"id": "each", "kind": "http", "url": "https://a.example"}, ".headers.etag", None),
        ({"id": "each", "kind": "approval", "message": "?"}, ".comment", None),
        ({"id": "each", "kind": "approval", "message": "?"}, ".who", "unknown_output_field"),
    ],
)  # fmt: skip
def test_paths_lead_through_what_blocks_give(giver: dict, path: str, code: str | None):
    told = found(giver, value("taker", f"{{{{ steps.{giver['id']}.output{path} }}}}"))
    assert told == ([(code, "/steps/1/value")] if code else [])


@pytest.mark.parametrize(
    ("over", "prompt", "code"),
    [
        ([{"t": 1}, {"t": 2}], "{{ item.t }}", None),
        ([{"t": 1}, {"t": 2}], "{{ item.u }}", "unknown_variable_field"),
        ([{"t": 1}, {"u": 2}], "{{ item.u }}", "optional_field"),
        ("{{ inputs.rows }}", "{{ item.title }}", None),
        ("{{ inputs.rows }}", "{{ item.titel }}", "unknown_variable_field"),
        ("{{ inputs.rows }}", "{{ item_index.x }}", "unknown_variable_field"),
        ("{{ inputs.rows }}", "{% for item in [1] %}{{ item.x }}{% endfor %}{{ item_index }}", None),
        ("{{ inputs.rows | reverse }}", "{{ item.anything }}", None),
    ],
)
def test_items_have_the_shape_of_the_lists_items(over: Any, prompt: str, code: str | None):
    told = found(each(over, llm("a", prompt)), inputs={"rows": {"type": "array", "items": TITLED}})
    assert told == ([(code, "/steps/0/steps/0/prompt")] if code else [])


def test_the_round_before_has_the_shape_of_a_result_or_of_what_comes_first():
    result = {"text": "{{ steps.a.output }}"}
    assert found(rounds(llm("a", "{{ round.previous.text }}"), result=result, initial={"text": ""})) == []
    assert found(rounds(llm("a", "{{ round.previous.txt }}"), result=result, initial={"text": ""})) == [
        ("unknown_variable_field", "/steps/0/steps/0/prompt")
    ]
    (finding,) = findings(rounds(llm("a", "{{ round.previous.text }}"), result=result))
    assert finding.code == "optional_field"
    assert "first round" in finding.message
    careful = "{% if round.number > 1 %}{{ round.previous.text }}{% endif %}"
    assert found(rounds(llm("a", careful), result=result)) == []


def test_a_picture_stays_one_on_its_way_through_a_map():
    pictures = {**each([1], {"id": "drawn", "kind": "image", "prompt": "{{ item }}"}), "id": "many"}
    told = found(pictures, each("{{ steps.many.output }}", llm("seen", "{{ item }}")))
    assert told == [("type_mismatch", "/steps/1/steps/0/prompt")]
    assert found(pictures, each("{{ steps.many.output }}", llm("seen", "x", images=["{{ item }}"]))) == []


@pytest.mark.parametrize(
    ("one", "other", "mixed"),
    [
        ("a", "b", False),
        ("a", 1, True),
        (1, 2.5, False),
        ("a", None, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": "x"}, True),
        ([1], ["x"], True),
        ([1], [2, 3], False),
        ("{{ inputs.q }}", 1, False),
        ({"a": {"b": [1]}}, {"a": {"b": [True]}}, True),
    ],
)
def test_the_results_of_a_branch_are_of_one_type(one: Any, other: Any, mixed: bool):
    told = found(branch(case(result=one), **{"else": {"result": other}}))
    assert told == ([("mixed_results", "/steps/0/else/result")] if mixed else [])


def test_results_that_satisfy_the_branchs_own_schema_may_differ():
    either = {"type": ["string", "integer"]}
    assert found(branch(case(result="a"), **{"else": {"result": 1}}, output=either)) == []
    told = found(branch(case(llm("a")), **{"else": {"result": True}}, output=either))
    assert told == [("invalid_value", "/steps/0/else/result")]
    assert found(branch(case(llm("a")), output={"type": "object"})) == [("type_mismatch", "/steps/0/cases/0/steps")]


SKIPPED = llm("a", when="{{ inputs.q == 1 }}")


@pytest.mark.parametrize(
    "steps",
    [
        (SKIPPED, each([1], llm("b", "{{ item }} {{ steps.a.output }}"), when="{{ inputs.q == 1 }}")),
        (SKIPPED, branch(case(llm("b", "{{ steps.a.output }}"), when="{{ inputs.q == 1 }}"))),
        (SKIPPED, branch(case(llm("b", "{{ steps.a.output }}"), when="{{ steps.a.output is defined }}"))),
        (SKIPPED, branch(case(result="{{ steps.a.output }}", when="{{ inputs.q == 1 and inputs.q }}"))),
        (branch(case(when="{{ inputs.q > 1 }}")), llm("b", "{{ steps.route.output }}", when="{{ inputs.q > 1 }}")),
        (branch(case(llm("in")), **{"else": {}}), llm("b", "{{ steps.route.output }}")),
        (each([1], SKIPPED, llm("b", "{{ item }}{{ steps.a.output | default('') }}")),),
        (rounds(SKIPPED, until="{{ steps.a.output is defined and steps.a.output == 'x' }}"),),
        (each([1], llm("a", "{{ item }}", when="{{ item }}")), llm("b", "{{ steps.each.output }}")),
    ],
)  # fmt: skip
def test_what_may_be_skipped_is_guarded_by_what_holds_around(steps: tuple[dict, ...]):
    assert found(*steps) == []


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        ((SKIPPED, each([1], llm("b", "{{ item }} {{ steps.a.output }}"))), "/steps/1/steps/0/prompt"),
        ((SKIPPED, each("{{ steps.a.output }}", llm("b", "{{ item }}"))), "/steps/1/over"),
        ((SKIPPED, branch(case(llm("b", "{{ steps.a.output }}")))), "/steps/1/cases/0/steps/0/prompt"),
        ((branch(case(llm("in"))), llm("b", "{{ steps.route.output }}")), "/steps/1/prompt"),
        ((each([1], SKIPPED, llm("b", "{{ item }}"), result=["{{ steps.a.output }}"]),), "/steps/0/result/0"),
        ((rounds(SKIPPED, until="{{ steps.a.output == 'x' }}"),), "/steps/0/until"),
        (
            (
                llm("a", when="{{ inputs.q }}"),
                branch(case(), when="{{ inputs.q }}"),
                llm("b", "{{ steps.route.output }}", when="{{ inputs.q == 2 }}"),
            ),
            "/steps/2/prompt",
        ),
    ],
)  # fmt: skip
def test_what_may_be_skipped_is_not_taken_for_granted_inside(steps: tuple[dict, ...], pointer: str):
    told = [one for one in findings(*steps) if one.code == "unguarded_reference"]
    assert [one.pointer for one in told] == [pointer]


def test_a_condition_on_an_outer_variable_says_nothing_of_an_inner_one_of_that_name():
    skipped = llm("a", "{{ item }}", when="{{ item == 1 }}")
    inner = {**each([2], llm("b", "{{ steps.a.output }} {{ item }}", when="{{ item == 1 }}")), "id": "inner"}
    told = found(each([1], skipped, inner))
    assert told == [
        ("unguarded_reference", "/steps/0/steps/1/steps/0/prompt"),
        ("shadowed_variable", "/steps/0/steps/1/as"),
    ]


@pytest.mark.parametrize(
    ("over", "schema", "most", "fine"),
    [
        ([1, 2, 3], {}, 3, True),
        ([1, 2, 3], {}, 2, False),
        ("{{ inputs.q }}", {"type": "array", "maxItems": 5}, 5, True),
        ("{{ inputs.q }}", {"type": "array", "maxItems": 5}, 4, False),
        ("{{ inputs.q }}", {"type": "array"}, 4, True),
        ("{{ inputs.q }}", {"anyOf": [{"type": "array", "maxItems": 2}, {"type": "array", "maxItems": 9}]}, 8, False),
    ],
)
def test_a_map_takes_the_longest_list_that_it_may_be_given(over: Any, schema: dict, most: int, fine: bool):
    told = found(each(over, llm("a", "{{ item }}"), max_items=most), inputs={"q": schema})
    assert told == ([] if fine else [("fan_out_too_large", "/steps/0/over")])


def test_maps_and_loops_inside_of_each_other_are_bounded_together():
    deep = {**each("{{ item }}", llm("a", "{{ one }}"), max_items=1_000, **{"as": "one"}), "id": "deep"}
    assert found(each("{{ inputs.q }}", deep)) == []
    assert found(each("{{ inputs.q }}", deep, max_items=1_001)) == [("fan_out_too_large", "/steps/0/steps/0/max_items")]
    short = {"q": {"type": "array", "maxItems": 10}}
    assert found(each("{{ inputs.q }}", deep, max_items=1_001), inputs=short) == []
    told = findings(each("{{ inputs.q }}", {**deep, "steps": [rounds(llm("a", "{{ one }}"))]}))
    assert [(one.code, one.pointer) for one in told] == [("fan_out_too_large", "/steps/0/steps/0/steps/0/max_rounds")]
    assert "3,000,000 times" in told[0].message


def test_what_acts_inside_of_a_step_is_in_use():
    sent = {"id": "sent", "kind": "http", "url": "https://a.example", "method": "POST", "body": "{{ item }}"}
    assert found(each([1], sent, llm("b")), llm("c"), outputs={"o": "{{ steps.c.output }}"}) == []
    told = found(each([1], llm("b", "{{ item }}")), llm("c"), outputs={"o": "{{ steps.c.output }}"})
    assert told == [("unused_step", "/steps/0")]
    assert found(each([1], llm("a", "{{ item }}"), llm("b"), result="{{ steps.a.output }}")) == [
        ("unused_step", "/steps/0/steps/1")
    ]


@pytest.mark.parametrize("name", ["inputs", "steps", "loop", "range", "namespace", "in", "not", "true", "none"])
def test_a_variable_must_not_be_called_like_what_templates_know(name: str):
    told = found(rounds(llm("a"), **{"as": name}))
    assert told == [("reserved_name", "/steps/0/as")]


@pytest.mark.parametrize("name", ["round", "items", "first", "inputs_", "step", "title"])
def test_a_variable_may_be_called_like_a_filter(name: str):
    assert found(each([{"x": 1}], llm("a", f"{{{{ {name}.x }}}}"), **{"as": name})) == []
