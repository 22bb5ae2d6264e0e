from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executors.answers import documents

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
CONTAINERS = st.lists(JSON) | st.dictionaries(st.text(), JSON)
PROSE = st.text(st.characters(exclude_characters="{}[]`"))


@given(JSON)
@settings(deadline=None)
def test_a_text_that_is_json_is_that_one_document(value: Any):
    assert documents(f"  {json.dumps(value)}\n") == [value]


@given(CONTAINERS, PROSE, PROSE)
@settings(deadline=None)
def test_a_document_is_found_inside_prose_and_fences(value: Any, before: str, after: str):
    text = json.dumps(value)
    assert documents(f"{before}\n```json\n{text}\n```\n{after}") == [value]
    assert documents(f"x{before} {text} {after}x") == [value]


@given(CONTAINERS, st.integers(2, 4))
@settings(deadline=None)
def test_a_document_said_several_times_is_one(value: Any, times: int):
    assert documents(json.dumps(value) * times) == [value]


@given(st.text())
@settings(deadline=None)
def test_whatever_a_model_says_is_read_without_an_error(text: str):
    documents(text)
    documents("{" + text)
    documents("```\n" + text)


@given(PROSE)
@settings(deadline=None)
def test_prose_holds_no_document(text: str):
    assert documents(f"Well, {text}") == []


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 100_000,
        "[1," * 100_000,
        "{ [ " * 50_000,
        "NaN",
        '{"a": NaN}',
        '{"a": [1e999]}',
        '{"a": "\\ud800"}',
        "[" * 300 + "]" * 300,
        "Well, " + "[" * 300 + "]" * 300,
        "```json\n" + " " * 300_000,
    ],
)
def test_hostile_texts_are_read_quickly_and_give_nothing(text: str):
    assert documents(text) == []


def test_different_documents_are_all_given():
    assert documents('First {"a": 1}, then {"a": 2}.') == [{"a": 1}, {"a": 2}]


def test_true_and_one_are_different_documents():
    assert documents("[true] [1]") == [[True], [1]]
