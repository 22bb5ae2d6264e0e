from __future__ import annotations

import json
from pathlib import Path

import pytest

from workflows.findings import Finding, WorkflowError
from workflows.parse import from_json, parse, read

STEP = {"id": "a", "kind": "llm", "prompt": "x"}


def document(*steps: dict, **keys) -> dict:
    return {"workflow": "1", "name": "x", "steps": list(steps or [STEP]), **keys}


def findings(source) -> tuple[Finding, ...]:
    with pytest.raises(WorkflowError) as caught:
        parse(source) if isinstance(source, str | bytes) else from_json(source)
    return caught.value.findings


def found(source) -> list[tuple[str, str]]:
    return [(finding.code, finding.pointer) for finding in findings(source)]


def test_a_workflow_is_read_from_text_bytes_value_and_file(tmp_path: Path):
    text = json.dumps(document())
    file = tmp_path / "w.json"
    file.write_text(text)
    assert parse(text) == parse(text.encode()) == from_json(document()) == read(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_document(encoding: str):
    assert parse(json.dumps(document(description="Grüße"), ensure_ascii=False).encode(encoding)).description == "Grüße"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("{", "not JSON"),
        ('{"a": 1,}', "not JSON"),
        ('{"workflow": "1"} {}', "goes on after"),
        (b'{"name": "\xff"}', "not UTF-8"),
        (b"\xff\xfe{", "not UTF-8"),
        ("9" * 5000, "too long"),
        ("---\nsteps:\n- a", "not JSON"),
    ],
)
def test_a_text_that_is_no_json_is_one_finding_that_says_so(text: str | bytes, words: str):
    (finding,) = findings(text)
    assert finding.code == "invalid_json"
    assert words in finding.message


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("document:\n  dsl: '1.0.3'", "YAML"),
        ("# mine\n{}", "comments"),
        ("// mine\n{}", "comments"),
        ("```json\n{}\n```", "fences"),
    ],
)
def test_what_was_given_instead_of_json_is_recognised(text: str, word: str):
    assert word in (findings(text)[0].fix or "")


def test_the_place_where_reading_stopped_is_named():
    (finding,) = findings('{\n  "workflow": "1",\n  oops\n}')
    assert (finding.line, finding.column) == (3, 3)
    assert "'oops'" in finding.message


@pytest.mark.parametrize("bomb", ["[" * 100_000, '{"a":' * 100_000, '{"steps":' + "[" * 500 + "]" * 500 + "}"])
def test_deep_nesting_is_a_finding_and_no_crash(bomb: str):
    assert findings(bomb)[0].code in {"too_deep", "invalid_json"}


def test_a_value_that_holds_itself_is_too_deep():
    value = document()
    value["description"] = value
    assert found(value)[0][0] == "too_deep"


def test_a_file_of_more_than_32_mib_is_not_even_read():
    assert found(b" " * (32 * 1024 * 1024 + 1)) == [("too_large", "")]


def test_a_key_written_twice_is_an_error_at_its_place():
    text = (
        '{"workflow": "1", "name": "x",\n "steps": [{"id": "a", "kind": "set", "value": 1, "value": {"b": 1, "b": 2}}]}'
    )
    doubled = findings(text)
    assert [(one.code, one.pointer) for one in doubled] == [
        ("duplicate_key", "/steps/0/value"),
        ("duplicate_key", "/steps/0/value/b"),
    ]
    assert doubled[0].line == 2


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(number: str):
    text = json.dumps(document({"id": "a", "kind": "set", "value": 0})).replace(": 0}", f": {number}}}")
    assert found(text) == [("invalid_value", "/steps/0/value")]


def test_half_a_character_is_refused_by_place():
    assert found(json.dumps(document({**STEP, "prompt": "\ud800"}))) == [("invalid_value", "/steps/0/prompt")]
    assert found(json.dumps(document(outputs={"\udfff": 1})))[0][0] == "invalid_value"


def test_a_number_of_a_thousand_digits_is_refused_and_one_of_thirty_kept():
    assert found(json.dumps(document({"id": "a", "kind": "set", "value": 10**1000}))) == [
        ("invalid_value", "/steps/0/value")
    ]
    step = parse(json.dumps(document({"id": "a", "kind": "set", "value": 10**30}))).steps[0]
    assert step.value == 10**30


def test_values_that_are_no_json_are_refused():
    assert found(document({"id": "a", "kind": "set", "value": {1, 2}})) == [("wrong_type", "/steps/0/value")]
    assert found(document({"id": "a", "kind": "set", "value": {1: 2}})) == [("wrong_type", "/steps/0/value")]


@pytest.mark.parametrize("value", [None, 3, [], "text", True])
def test_a_workflow_is_an_object(value):
    source = json.dumps(value) if isinstance(value, str) else value
    assert found(source) == [("wrong_type", "")]


def test_every_mistake_of_shape_is_told_once_and_at_its_place():
    broken = document(
        {"id": "a b", "kind": "llm", "promt": "x"},
        {"id": "b", "kind": "lm"},
        {"id": "c", "type": "llm"},
        3,
        {
            **STEP,
            "id": "e",
            "model": {"teir": 1, "tier": "high"},
            "on_error": "skp",
            "temperature": "0.5",
            "after": "a",
        },
        {"id": "f", "kind": "embed", "input": [1], "model": 3, "on_error": {"otput": 1}, "retry": {"attempts": 0}},
        workflow=1,
        inputs={"a b": {}},
        tasks=[],
    )
    assert sorted(found(broken)) == sorted(
        [
            ("invalid_value", "/workflow"),
            ("invalid_value", "/inputs/a b"),
            ("invalid_value", "/steps/0/id"),
            ("missing_key", "/steps/0/prompt"),
            ("unknown_key", "/steps/0/promt"),
            ("unknown_kind", "/steps/1/kind"),
            ("missing_key", "/steps/2/kind"),
            ("wrong_type", "/steps/3"),
            ("unknown_key", "/steps/4/model/teir"),
            ("invalid_value", "/steps/4/model/tier"),
            ("invalid_value", "/steps/4/on_error"),
            ("wrong_type", "/steps/4/temperature"),
            ("wrong_type", "/steps/4/after"),
            ("wrong_type", "/steps/5/input/0"),
            ("wrong_type", "/steps/5/model"),
            ("missing_key", "/steps/5/on_error/output"),
            ("unknown_key", "/steps/5/on_error/otput"),
            ("invalid_value", "/steps/5/retry/attempts"),
            ("unknown_key", "/tasks"),
        ]
    )


@pytest.mark.parametrize(
    ("step", "first"),
    [
        ({"id": "a", "kind": "llm", "promt": "x"}, "prompt"),
        ({**STEP, "depends_on": ["b"]}, "after"),
        ({**STEP, "condition": "x"}, "when"),
        ({**STEP, "Temperature": 1}, "temperature"),
        ({"id": "a", "kind": "tool", "tool": "t", "args": {}}, "arguments"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_that_was_meant(step: dict, first: str):
    unknown = next(finding for finding in findings(document(step)) if finding.code == "unknown_key")
    assert unknown.allowed[0] == first
    assert repr(first) in (unknown.fix or "")


def test_a_wrong_word_is_told_with_the_nearest_right_one():
    (kind,) = findings(document({"id": "a", "kind": "imge", "prompt": "x"}))
    assert (kind.code, kind.allowed[0]) == ("unknown_kind", "image")
    (tier,) = findings(document({**STEP, "model": {"tier": "Premum"}}))
    assert tier.allowed[0] == "premium"


@pytest.mark.parametrize(
    ("keys", "offered"),
    [({"name": "My Flow!"}, "my-flow"), ({"name": "___"}, "my-workflow"), ({"version": "1"}, "1.0.0")],
)
def test_a_name_that_is_none_comes_with_one_that_is(keys: dict, offered: str):
    (finding,) = findings(document(**keys))
    assert finding.allowed == (offered,)
    assert parse(json.dumps(document(**keys | {next(iter(keys)): offered})))


@pytest.mark.parametrize("offered_for", ["my step", "1st", "étape", "a-b", "_", "x" * 80])
def test_an_id_that_is_none_comes_with_one_that_is(offered_for: str):
    (finding,) = findings(document({**STEP, "id": offered_for}))
    assert finding.pointer == "/steps/0/id"
    assert from_json(document({**STEP, "id": finding.allowed[0]}))


@pytest.mark.parametrize(
    "keys",
    [{"temperature": True}, {"temperature": "1"}, {"max_tokens": 1.5}, {"max_tokens": "9"}, {"timeout_s": False}],
)
def test_nothing_is_converted(keys: dict):
    assert found(document({**STEP, **keys})) == [("wrong_type", f"/steps/0/{next(iter(keys))}")]


def test_a_whole_number_stands_for_a_number():
    assert parse(json.dumps(document({**STEP, "temperature": 1}))).steps[0].temperature == 1.0


def test_lines_and_columns_show_the_key_even_behind_strange_texts():
    lines = [
        '{"workflow": "1",',
        ' "name": "x",',
        r' "description": "a \" } ] , \u00e9",',
        ' "steps": [',
        '  {"id": "a",',
        '   "kind": "llm", "promt": 1}]}',
    ]
    text = "\n".join(lines)
    places = {finding.pointer: (finding.line, finding.column) for finding in findings(text)}
    assert places["/steps/0/promt"] == (6, 19)
    assert places["/steps/0/prompt"] == (5, 3)  # missing: the place of the step


def test_thousands_of_mistakes_are_told_in_seconds():
    import time

    start = time.process_time()
    many = findings(
        json.dumps(document(*({"id": f"s{n}", "kind": "llm", "promt": "x"} for n in range(1000))), indent=1)
    )
    assert len(many) == 2000
    assert many[-1].line is not None
    assert time.process_time() - start < 5
