from hypothesis import given
from hypothesis import strategies as st

from unified_api.local.bounded_schema import MAX_ITEMS, MAX_LENGTH, bounded

leaves = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"enum": ["a", "b"]}])
schemas = st.recursive(
    leaves,
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda fields: {"type": "object", "properties": fields, "required": sorted(fields)},
            st.dictionaries(st.sampled_from(["a", "type", "items"]), inner, max_size=3),
        )
        | st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=8,
)


def without_limits(schema):
    if isinstance(schema, dict):
        return {k: without_limits(v) for k, v in schema.items() if k not in ("maxLength", "maxItems")}
    return [without_limits(each) for each in schema] if isinstance(schema, list) else schema


def nodes(schema):
    yield schema
    below = [schema.get("items"), *schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for each in below:
        if each is not None:
            yield from nodes(each)


@given(schemas)
def test_every_open_string_and_array_gets_a_limit_and_nothing_else_changes(schema):
    result = bounded(schema)

    assert without_limits(result) == schema
    for node in nodes(result):
        assert ("maxLength" in node) == (node.get("type") == "string")
        assert ("maxItems" in node) == (node.get("type") == "array")


@given(schemas)
def test_bounding_twice_is_bounding_once(schema):
    assert bounded(bounded(schema)) == bounded(schema)


def test_limits_of_the_schema_itself_stay():
    schema = {"type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 9}}

    assert bounded(schema) == schema


def test_a_schema_that_asks_for_more_than_the_limits_is_left_open():
    schema = {"type": "array", "minItems": MAX_ITEMS + 1, "items": {"type": "string", "minLength": MAX_LENGTH + 1}}

    assert bounded(schema) == schema


def test_shared_definitions_are_bounded_and_negations_are_not():
    schema = {"$defs": {"name": {"type": "string"}}, "$ref": "#/$defs/name", "not": {"type": "array"}}

    assert bounded(schema) == {**schema, "$defs": {"name": {"type": "string", "maxLength": MAX_LENGTH}}}
