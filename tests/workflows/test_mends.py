from __future__ import annotations

import json
import time
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.checks import inspect
from workflows.findings import Finding
from workflows.model import Step
from workflows.models import ModelProblem
from workflows.reading import read_text

STEP = {"id": "a", "kind": "llm", "prompt": "x"}
GOOD = json.dumps(
    {"workflow": "1", "name": "x", "steps": [{**STEP, "temperature": 0.5, "after": [], "retry": {"attempts": 2}}]}
)


def told(text: str) -> Finding:
    (finding,) = read_text(text).findings
    assert finding.code == "invalid_json"
    return finding


def mend_of(step: Any, **keys: Any) -> str | None:
    (finding,) = inspect({"workflow": "1", "name": "x", "steps": [step], **keys}).findings
    assert finding.code == "wrong_type"
    return finding.fix


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ('{"a": 1,}', "Leave out the comma before `}`."),
        ('{"a": [1,\n]}', "Leave out the comma before `]`."),
        ('{"a": 1,, "b": 2}', "Leave out the comma: nothing stands before it."),
        ("{'a': 1}", "Put double quotes around keys"),
        ("{“a”: 1}", "Put double quotes around keys"),
        ("{\"a\": 'x'}", "Put double quotes around texts"),
        ("{name: 1}", 'Put double quotes around keys: `"name"`.'),
        ('{"a": hello}', 'Put double quotes around texts: `"hello"`.'),
        ('{"a": None}', "Write `null` instead of `None`."),
        ('{"a": True}', "Write `true` instead of `True`."),
        ('{"a": 1 // why\n}', "Leave out the comment: JSON has none."),
        ('{"a": /* why */ 1}', "Leave out the comment: JSON has none."),
        ('{"a": 1, # why\n "b": 2}', "Leave out the comment: JSON has none."),
        ('{"a": 1 "b": 2}', 'Write a comma (`,`) before `"b":`.'),
        ("[1 2]", "Write a comma (`,`) before `2]`."),
        ('[{"a": 1} {"b": 2}]', 'Write a comma (`,`) before `{"b":`.'),
        ('{"a" 1}', "Write a colon (`:`) before `1`."),
        ('{"a" = 1}', "Write a colon (`:`) instead of `=`."),
        ('{"a": }', "Write a value behind the colon"),
        ('{"a": [1}', "Close the list with `]` before `}`."),
        ('["a": 1]', "Put keys and values between `{` and `}`"),
        ('{"a": 1}}', "Leave out the extra `}`."),
        ('{"a": 1} and so on', "Leave out what stands behind"),
        ('{"a": "x', "Close the text with a double quote"),
        ('{"a": "x\ny"}', "write a line break inside of it as `\\n`"),
        ('{"a": "x\ty"}', "Write a tab inside of a text as `\\t`."),
        ('{"a": "C:\\dir"}', "Write a backslash inside of a text twice"),
        ('{"a": "he said "no""}', 'Write a double quote inside of a text as `\\"`'),
        ('{"a": .5}', "Write a digit before the decimal point"),
        ('{"a": 007}', "without leading zeros"),
        ('{"a": 1; "b": 2}', "Write a comma instead of `;`."),
        ('{"a": ...}', "Write out what `...` stands for"),
        ("", "Write a JSON object"),
        ("Here is your plan", "Write a JSON object"),
    ],
)
def test_a_slip_in_json_is_told_with_its_mend(text: str, fix: str):
    assert fix in (told(text).fix or "")


def test_brackets_that_are_open_are_named_with_their_place():
    finding = told('{\n "a": "}]",\n "b": [{"c": 1}, {')
    assert finding.fix == "Complete the text and write `}]}` at its end: the `{` of line 3, column 18 is open."
    assert (finding.line, finding.column) == (3, 19)
    assert "found the end of the text" in finding.message


def test_what_was_expected_and_found_is_told():
    assert told('{"a": [1\n "b"]}').message.endswith("expected a comma or the end of the list, found '\"b\"]}'")
    assert "expected a key in double quotes, found 'a: 1}'" in told("{a: 1}").message
    assert told('{"a": "x\ny"}').message == "the text is not JSON: invalid control character"


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 3), st.text(max_size=3))
def test_every_text_that_is_no_json_comes_with_a_mend(start: int, length: int, instead: str):
    for finding in read_text(GOOD[:start] + instead + GOOD[start + length :]).findings:
        assert finding.fix
        assert finding.message


def test_the_mend_of_a_long_text_is_found_at_once():
    long = '{"a": [' + '"x\\"]", {"b": [1, 2]}, ' * 100_000
    start = time.process_time()
    assert "`]}`" in (told(long).fix or "")
    assert "double quote" in (told(long + '"' + "[\\\\" * 100_000).fix or "")
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("keys", "fix"),
    [
        ({"temperature": "0.5"}, "Write a number without quotes: `0.5`."),
        ({"temperature": "hot"}, "Write a number without quotes."),
        ({"temperature": True}, "Write a number, such as 1."),
        ({"max_tokens": "9"}, "Write a whole number without quotes: `9`."),
        ({"max_tokens": "9.5"}, "Write a whole number without quotes."),
        ({"max_tokens": 1.5}, "Write it without a fraction."),
        ({"max_tokens": [1]}, "Write a whole number, such as 1."),
        ({"prompt": 5}, 'Put double quotes around it: `"5"`.'),
        ({"prompt": True}, 'Put double quotes around it: `"true"`.'),
        ({"prompt": None}, "Write a text in double quotes."),
        ({"prompt": ["a"]}, "Write a text in double quotes."),
        ({"after": "b"}, 'Put it into a list: `["b"]`.'),
        ({"after": {"b": 1}}, "Write a list: `[...]`."),
        ({"after": None}, "Leave the key out, or write a list."),
        ({"retry": 3}, "Write an object: `{...}`."),
        ({"model": 3}, "Write a model's name, or an object with `tier` and `needs`."),
        ({"model": {"needs": [None]}}, None),
        ({"on_error": ["skip"]}, 'Write "fail", "skip", or an object with `output`.'),
    ],
)
def test_a_value_of_a_wrong_type_is_told_with_its_mend(keys: dict[str, Any], fix: str | None):
    if fix is None:
        assert all(one.fix for one in inspect({"workflow": "1", "name": "x", "steps": [{**STEP, **keys}]}).findings)
    else:
        assert mend_of({**STEP, **keys}) == fix


def test_a_step_that_is_no_object_is_told_how_one_looks():
    assert 'Write a step: `{"id"' in (mend_of("summarise") or "")


JSON = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just([None]) | st.just({"a": 1})
)


@given(st.sampled_from(["workflow", "name", "description", "version", "inputs", "steps", "outputs", "policy"]), JSON)
def test_every_wrong_type_at_the_top_has_a_mend(key: str, value: Any):
    for finding in inspect({"workflow": "1", "name": "x", "steps": [STEP], key: value}).findings:
        assert finding.code != "wrong_type" or finding.fix


@given(
    st.sampled_from(["llm", "image", "embed", "set", "tool"]),
    st.sampled_from([name for kind in get_args(get_args(Step)[0]) for name in kind.model_fields]),
    JSON | st.just({"tier": None}) | st.just({"attempts": None}) | st.just({"needs": [None]}) | st.just({"q": None}),
)
def test_every_wrong_type_in_a_step_has_a_mend(kind: str, key: str, value: Any):
    for finding in inspect({"workflow": "1", "name": "x", "steps": [{**STEP, "kind": kind, key: value}]}).findings:
        assert finding.code != "wrong_type" or finding.fix


@given(st.sampled_from(["deadline_s", "budget_usd", "sensitivity", "tier", "max_parallel"]), JSON)
def test_every_wrong_type_in_a_policy_or_an_input_has_a_mend(key: str, value: Any):
    document = {"workflow": "1", "name": "x", "steps": [STEP], "policy": {key: value}, "inputs": {"q": value}}
    for finding in inspect(document).findings:
        assert finding.code != "wrong_type" or finding.fix


EACH = {"id": "m", "kind": "map", "over": [1], "as": "row"}
ROUNDS = {"id": "m", "kind": "loop", "max_rounds": 2, "until": "{{ true }}"}


@pytest.mark.parametrize(
    ("around", "word", "mend"),
    [
        (EACH, "item", "Write `row`."),
        (EACH, "loop.index", "Write `row_index`."),
        (ROUNDS, "loop.index", "Write `round.number`."),
        (ROUNDS, "iteration", "Write `round.number`."),
        (ROUNDS, "previous", "Write `round.previous`."),
        (ROUNDS, "round.index", "Did you mean `round.number`?"),
        (ROUNDS, "round.last", "Did you mean `round.previous`?"),
    ],
)
def test_another_systems_word_for_a_variable_is_told_as_ours(around: dict[str, Any], word: str, mend: str):
    step = {**around, "steps": [{"id": "s", "kind": "set", "value": f"{{{{ {word} }}}}"}]}
    findings = inspect({"workflow": "1", "name": "x", "steps": [step]}).findings
    assert [one.fix for one in findings if one.severity == "error"] == [mend]


@pytest.mark.parametrize(
    ("step", "mend"),
    [
        ({"kind": "workflow", "workflow": "child.json", "version": "1.0.0"}, "Write 'child', say."),
        ({"kind": "workflow", "workflow": "../wf/my child", "version": "1.0.0"}, "Write 'my-child', say."),
        ({**ROUNDS, "max_rounds": 5000, "steps": []}, "Write a number of at most 1000."),
        ({**EACH, "max_items": 0, "steps": []}, "Write a number of at least 1."),
        ({"kind": "http", "url": "https://a.org", "expect": ["2xx"]}, "Write each status, such as 200."),
        ({"kind": "http", "url": "https://a.org", "expect": 201}, "Put it into a list: `[201]`."),
        ({"kind": "set", "value": 1, "timeout_s": -1}, "Write a number above 0."),
        (
            {"kind": "set", "value": "{{ 1 | slugged }}"},
            "Use a filter of the language, or compute the value in a tool.",
        ),
    ],
)
def test_what_is_out_of_bounds_is_told_with_what_is_in_them(step: dict[str, Any], mend: str):
    findings = inspect({"workflow": "1", "name": "x", "steps": [{"id": "s", **step}]}).findings
    assert mend in [one.fix for one in findings]


class NoModels:
    """A catalogue that knows no model."""

    def problem(self, model: object, **_: object) -> ModelProblem:
        return ModelProblem(code="unknown_model", message=f"there is no model {model!r}", fix="Write another name.")


def test_a_model_that_is_a_template_is_told_what_chooses_between_models():
    step = {"id": "s", "kind": "llm", "prompt": "x", "model": "{{ inputs.m }}"}
    document = {"workflow": "1", "name": "x", "inputs": {"m": {"type": "string"}}, "steps": [step]}
    fixes = [one.fix or "" for one in inspect(document, models=NoModels()).findings if one.severity == "error"]
    assert [fix[:35] for fix in fixes] == ["A model is no template: use a `bran"]
