from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inputs import InputSyntaxError, parse_inputs, typed

FILES = {"a.txt": "text of a", "-": "piped"}


def read(name: str) -> str:
    return FILES[name]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "5", "5"),
        ({"type": "string"}, "", ""),
        ({"type": "string"}, "a=b=c", "a=b=c"),
        ({"type": "integer"}, "5", 5),
        ({"type": "number"}, "5", 5),
        ({"type": "number"}, "5.5", 5.5),
        ({"type": "boolean"}, "True", True),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "integer"]}, "seven", "seven"),
        ({"type": "array"}, '["a", 1]', ["a", 1]),
        ({"type": "object"}, '{"a": {}}', {"a": {}}),
        ({"enum": ["low", "high"]}, "low", "low"),
        ({"enum": [1, 2]}, "2", 2),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "x", "x"),
        ({}, "[1]", [1]),
        ({}, "free text", "free text"),
    ],
)
def test_a_value_has_the_type_its_schema_asks_for(schema: dict[str, object], text: str, value: object):
    assert typed("key", text, schema=schema) == value
    assert type(typed("key", text, schema=schema)) is type(value)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer"}, "five"),
        ({"type": "integer"}, "1.5"),
        ({"type": "boolean"}, "1"),
        ({"type": "array"}, "a,b"),
        ({"type": "number"}, "NaN"),
        ({"type": "object"}, "[]"),
    ],
)
def test_a_value_of_another_type_is_refused_with_an_example(schema: dict[str, object], text: str):
    with pytest.raises(InputSyntaxError, match=r"'size' must be .*write it as JSON, such as size="):
        typed("size", text, schema=schema)


def test_files_standard_input_and_escapes():
    schemas = {name: {"type": "string"} for name in "abcd"}
    words = ["a=@a.txt", "b=-", "c=@@handle", "d=x@y"]
    assert parse_inputs(words, schemas, read=read) == {"a": "text of a", "b": "piped", "c": "@handle", "d": "x@y"}


@pytest.mark.parametrize("word", ["", "topic", "=value"])
def test_a_word_without_a_key_or_a_value_is_refused(word: str):
    with pytest.raises(InputSyntaxError, match="KEY=VALUE"):
        parse_inputs([word], {}, read=read)


def test_a_key_given_twice_is_refused():
    with pytest.raises(InputSyntaxError, match="'a' is given twice"):
        parse_inputs(["a=1", "a=2"], {}, read=read)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_json_value_can_be_given(value: object):
    assert typed("key", json.dumps(value), schema={}) == value


def test_bytes_that_are_no_text_are_refused_and_not_replaced():
    with pytest.raises(InputSyntaxError, match="the input 'a' is no valid text"):
        parse_inputs(["a=\udcff"], {}, read=read)
