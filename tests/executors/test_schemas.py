from __future__ import annotations

import time
from typing import Any

import pytest
from running import outcome, value, workflow_of

from executors.schemas import InvalidSchemaError, complaints

POINT = {"type": "object", "properties": {"x": {"type": "number"}, "tags": {"items": {"type": "string"}}}}


def test_a_value_that_fits_has_no_complaints():
    assert complaints({"x": 1, "tags": ["a"]}, POINT) == []


def test_every_complaint_names_its_place():
    assert sorted(complaints({"x": "1", "tags": ["a", 2]}, POINT)) == [
        "/tags/1: 2 is not of type 'string'",
        "/x: '1' is not of type 'number'",
    ]


def test_many_complaints_are_cut_short():
    said = complaints([None] * 100, {"items": {"type": "integer"}})
    assert len(said) == 9
    assert said[-1] == "... and more"


def test_a_long_value_is_not_quoted_whole():
    [said] = complaints("x" * 100_000, {"type": "integer"})
    assert len(said) < 400


def test_the_branch_that_nearly_fits_is_the_one_that_is_explained():
    schema = {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"n": {"type": "integer"}}}]}
    assert complaints({"n": "x"}, schema) == ["/n: 'x' is not of type 'integer'"]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "strin"}, "the schema is wrong at /type"),
        ({"properties": {"x": {"minimum": "low"}}}, "/properties/x/minimum"),
        ({"properties": {"x": {"pattern": "("}}}, "/properties/x/pattern"),
        ({"$ref": "#/$defs/missing"}, "'#/$defs/missing' leads to no schema"),
        (
            {"$ref": "https://example.com/schema.json"},
            "'https://example.com/schema.json' lies elsewhere, and nothing is fetched",
        ),
    ],
)
async def test_a_schema_that_cannot_be_used_is_told_and_nothing_is_fetched(schema: dict[str, Any], said: str):
    with pytest.raises(InvalidSchemaError, match=said.replace("$", r"\$")):
        complaints({"x": "1"}, schema)
    result = await outcome(workflow_of(value("a", {"x": "1"}, output=schema)))
    assert result.error is not None
    assert result.error.code == "invalid_schema"


def test_a_schema_that_refers_to_itself_can_be_used():
    tree = {"properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert complaints({"child": {"child": {"n": "x"}}}, tree) == ["/child/child/n: 'x' is not of type 'integer'"]


def test_a_pattern_that_explodes_on_a_short_text_does_not_hold_everything_up():
    began = time.process_time()
    assert complaints("a" * 5_000 + "!", {"type": "string", "pattern": "^(a+)+$"})
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^[a-z0-9]+(-[a-z0-9]+)*$", "a-b", "a--b"),
        ("b", "abc", "acd"),
        (r"^(?!no)\w+$", "yes", "nope"),
        (r"^(.)\1$", "aa", "ab"),
        (r"^\d{4}-\d\d$", "2026-01", "2026-1"),
    ],
)
def test_a_pattern_means_the_same_in_either_engine(pattern: str, good: str, bad: str):
    assert complaints(good, {"type": "string", "pattern": pattern}) == []
    assert "does not match" in complaints(bad, {"type": "string", "pattern": pattern})[0]
