from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from workflows.expansion import MOST_SCHEMAS
from workflows.shapes import Absent, Shape
from workflows.validation import schema_findings, value_findings

SEVEN = "http://json-schema.org/draft-07/schema#"


def seconds(action: Callable[[], Any]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def doubling(levels: int, word: str = "allOf") -> dict[str, Any]:
    """A schema in which each of a row of named schemas refers to the next one twice."""
    named: dict[str, Any] = {f"s{level}": {word: [{"$ref": f"#/$defs/s{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/s0", "$defs": {**named, f"s{levels}": {"type": "integer"}}}


def misfits(value: Any, schema: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding.pointer, finding.message) for finding in value_findings(value, schema, code="x")]


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_references_that_double_are_refused_above_the_limit_and_cheap_below(word: str):
    assert schema_findings(doubling(10, word)) == ()
    assert seconds(lambda: misfits("x", doubling(10, word))) < 0.3
    assert misfits("x", doubling(10, word))
    (finding,) = schema_findings(doubling(40, word))
    assert finding.code == "invalid_schema"
    assert f"{MOST_SCHEMAS:,} are allowed" in finding.message
    assert "Refer to each schema once" in (finding.fix or "")
    assert finding.pointer.startswith("/$defs/s")


def test_old_dialects_are_counted_too():
    tripled = {
        "$schema": SEVEN,
        "definitions": {
            f"s{level}": {"dependencies": {name: {"$ref": f"#/definitions/s{level + 1}"} for name in "abc"}}
            for level in range(20)
        }
        | {"s20": {}},
    }
    assert "5,000 are allowed" in schema_findings(tripled)[0].message


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"type": "string"}, {"$ref": "#"}]},
        {"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"if": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_leads_back_to_itself_for_the_same_value_is_refused(schema: dict[str, Any]):
    (finding,) = schema_findings(schema)
    assert "refers to itself without an end" in finding.message


def test_a_long_row_of_references_is_counted_without_recursion():
    row: dict[str, Any] = {f"s{n}": {"allOf": [{"$ref": f"#/$defs/s{n + 1}"}]} for n in range(5_000)}
    assert schema_findings({"$ref": "#/$defs/s0", "$defs": {**row, "s5000": {}}}) == ()


def test_as_many_schemas_as_are_written_out_may_be_used():
    options = [{"const": number} for number in range(2 * MOST_SCHEMAS)]
    assert schema_findings({"anyOf": options, "properties": {"x": {"$ref": "#/anyOf/0"}}}) == ()


def test_a_schema_that_describes_its_own_fields_twice_is_checked_in_time_that_grows_with_the_value():
    branches = [
        {"type": "object", "properties": {"op": {"const": word}, "of": {"$ref": "#/$defs/node"}}, "required": ["op"]}
        for word in ("not", "minus")
    ]
    schema = {"$ref": "#/$defs/node", "$defs": {"node": {"anyOf": [{"type": "integer"}, *branches]}}}
    good: Any = 1
    bad: Any = "x"
    for _ in range(25):
        good, bad = {"op": "minus", "of": good}, {"op": "minus", "of": bad}
    assert schema_findings(schema) == ()
    assert seconds(lambda: misfits(good, schema)) < 1
    assert misfits(good, schema) == []
    assert misfits(bad, schema)
    shape = Shape.of(schema)
    assert seconds(lambda: shape.follow(("of",) * 40)) < 1
    assert not isinstance(shape.follow(("of",) * 40), Absent)


def test_a_value_seen_twice_under_a_reference_is_told_at_both_of_its_places():
    schema = {
        "properties": {key: {"$ref": "#/$defs/n"} for key in "ab"},
        "$defs": {"n": {"items": {"type": "integer"}}},
    }
    shared = ["x"]
    assert misfits({"a": shared, "b": shared}, schema) == [
        ("/a/0", "'x' is not of type 'integer'"),
        ("/b/0", "'x' is not of type 'integer'"),
    ]


ITEMS = st.lists(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-2, 2)
        | st.sampled_from([1.0, -0.0, 0.5, 1e300, 10**300, 2**64, 2.0**64]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=4,
    ),
    max_size=5,
)


@given(ITEMS)
def test_items_are_equal_where_json_schema_says_so(items: list[Any]):
    schema = {"uniqueItems": True, "minItems": 0}
    assert (misfits(items, schema) == []) == Draft202012Validator(schema).is_valid(items)


def test_whether_thousands_of_objects_differ_is_found_at_once():
    schema = {"type": "array", "uniqueItems": True}
    items: list[Any] = [{"id": number, "tags": {"a": [number]}} for number in range(3_000)]
    assert misfits(items, schema) == []
    assert seconds(lambda: misfits(items, schema)) < 0.5
    (told,) = misfits([1, *items, 1.0], schema)
    assert "items 0 and 3001 are equal" in told[1]
    assert misfits([1, True, "1", [1], {"a": 1}], schema) == []


def test_numbers_made_to_share_pythons_hash_are_told_apart_at_once():
    schema = {"type": "array", "uniqueItems": True}
    modulus = 2**61 - 1
    assert seconds(lambda: misfits([number * modulus for number in range(5_000)], schema)) < 0.5


@pytest.mark.parametrize(
    "keywords",
    [
        {"patternProperties": {"^(a+)+$": {"type": "integer"}}},
        {"patternProperties": {"^(a+)+$": True}, "additionalProperties": False},
        {"propertyNames": {"pattern": "^(a+)+$"}},
    ],
)
def test_a_pattern_for_keys_that_explodes_does_not_hold_everything_up(keywords: dict[str, Any]):
    value = {"a" * 32 + "!": 1}
    start = time.process_time()
    assert bool(misfits(value, {"type": "object", **keywords})) == (len(keywords) > 1 or "propertyNames" in keywords)
    assert time.process_time() - start < 1


def test_keys_are_held_against_their_patterns_and_the_rest_against_the_remainder():
    schema: dict[str, Any] = {
        "properties": {"n": True},
        "patternProperties": {"^i_": {"type": "integer"}},
        "additionalProperties": {"type": "string"},
    }
    assert misfits({"n": None, "i_a": 1, "s": "x"}, schema) == []
    assert misfits({"i_a": "x", "s": 1}, schema) == [
        ("/i_a", "'x' is not of type 'integer'"),
        ("/s", "1 is not of type 'string'"),
    ]
    closed = {**schema, "additionalProperties": False}
    assert misfits({"s": 1}, closed) == [("", "'s' does not match any of the regexes: '^i_'")]
    del closed["patternProperties"]
    assert misfits({"n": 1, "s": 1, "t": 1}, closed) == [
        ("", "Additional properties are not allowed ('s', 't' were unexpected)")
    ]


@pytest.mark.parametrize("pattern", ["^(a+)+$", "a?" * 30 + "a" * 30, "(a|a)" * 30 + "b"])
def test_the_remainder_of_patterns_that_may_explode_is_refused_and_of_plain_ones_is_not(pattern: str):
    (finding,) = schema_findings({"patternProperties": {pattern: True}, "unevaluatedProperties": False})
    assert finding.pointer == f"/patternProperties/{pattern}"
    plain = {"patternProperties": {"^x-": True}, "unevaluatedProperties": False}
    assert schema_findings(plain) == ()
    assert misfits({"x-a": 1}, plain) == []
    assert misfits({"y": 1}, plain)


def test_a_schema_whose_unknown_words_look_like_known_ones_is_counted():
    assert (
        schema_findings({"$schema": SEVEN, "dependentSchemas": 5, "$ref": "#/definitions/a", "definitions": {"a": {}}})
        == ()
    )
