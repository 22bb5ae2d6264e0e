from __future__ import annotations

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
