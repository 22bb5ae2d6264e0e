from __future__ import annotations

import pytest

from planner.casts import cast_arguments, cast_value

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "deep": {"type": "boolean"},
        "tags": {"type": "array"},
        "options": {"type": "object"},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "any": {},
    },
    "required": ["text"],
}


@pytest.mark.parametrize(
    ("name", "given", "cast"),
    [
        ("count", "3", 3),
        ("count", " -3 ", -3),
        ("count", 3.0, 3),
        ("ratio", "2.5", 2.5),
        ("ratio", "2", 2),
        ("deep", "True", True),
        ("deep", "false", False),
        ("tags", '["a", "b"]', ["a", "b"]),
        ("options", "{'a': 1}", {"a": 1}),
        ("limit", "10", 10),
        ("text", 3, "3"),
    ],
)
def test_a_value_is_brought_to_the_type_that_is_asked_for(name, given, cast):
    made = cast_value(given, SCHEMA["properties"][name])
    assert made == cast
    assert type(made) is type(cast)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("count", "three"),
        ("count", "3.5"),
        ("count", 3.5),
        ("count", "{{ steps.a.output }}"),
        ("count", True),
        ("deep", "yes"),
        ("deep", 1),
        ("tags", "a, b"),
        ("tags", '["a"'),
        ("text", True),
        ("text", ["a"]),
        ("any", "3"),
        ("limit", "null"),
    ],
)
def test_a_value_whose_meaning_is_in_doubt_stays_as_it_is(name, given):
    assert cast_value(given, SCHEMA["properties"][name]) is given


def test_arguments_get_the_names_of_the_tool():
    made, notes = cast_arguments({"Text": "a", "the_count": "2"}, SCHEMA)
    assert made == {"text": "a", "count": 2}
    assert notes == ("argument 'Text' is 'text'", "argument 'the_count' is 'count'", "argument 'count': \"2\" is 2")


def test_an_argument_of_another_name_is_not_taken_for_one_of_the_tool():
    given = {"language": "French", "text_language": "fr"}
    assert cast_arguments(given, SCHEMA) == (given, ())


def test_two_arguments_are_never_made_one():
    given = {"Text": "a", "TEXT": "b"}
    assert cast_arguments(given, SCHEMA)[0] == given
    given = {"text": "a", "input_text": "b"}
    assert cast_arguments(given, SCHEMA)[0] == given


def test_a_null_for_an_optional_argument_is_left_out_and_for_a_needed_one_kept():
    assert cast_arguments({"text": None, "count": None, "limit": None}, SCHEMA)[0] == {"text": None, "limit": None}
