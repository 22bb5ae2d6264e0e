from __future__ import annotations

from typing import Any

import pytest
from running import NO_GATEWAY

from executors.events import StepFinished
from executors.labels import input_labels as of_run
from executors.runner import run
from workflows.checks import check
from workflows.checks.labels import labels_of
from workflows.model import Workflow
from workflows.stated_labels import input_labels

LABEL = {"type": "string", "sensitivity": "restricted"}
INSIDE: dict[str, dict[str, Any]] = {
    "/properties/ssn": {"properties": {"ssn": LABEL}},
    "/items": {"items": LABEL},
    "/prefixItems/0": {"prefixItems": [LABEL]},
    "/$defs/secret": {"properties": {"ssn": {"$ref": "#/$defs/secret"}}, "$defs": {"secret": LABEL}},
    "/definitions/secret": {"properties": {"ssn": {"$ref": "#/definitions/secret"}}, "definitions": {"secret": LABEL}},
    "/anyOf/1": {"anyOf": [{"type": "null"}, LABEL]},
    "/oneOf/0": {"oneOf": [LABEL]},
    "/allOf/0": {"allOf": [LABEL]},
    "/additionalProperties": {"additionalProperties": LABEL},
    "/patternProperties/^s": {"patternProperties": {"^s": LABEL}},
    "/if": {"if": LABEL},
    "/then": {"if": {"type": "object"}, "then": LABEL},
    "/items/properties/a~1b": {"items": {"properties": {"a/b": LABEL}}},
    "/properties/sensitivity": {"properties": {"sensitivity": LABEL}},
}
OUTSIDE: dict[str, dict[str, Any]] = {
    "a property of that name": {"properties": {"sensitivity": {"type": "string"}}},
    "a default": {"default": {"sensitivity": "restricted"}},
    "a constant": {"const": {"sensitivity": "restricted"}},
    "a choice": {"enum": [{"sensitivity": "restricted"}]},
    "an example": {"examples": [{"sensitivity": "restricted"}]},
}


def workflow(schema: dict[str, Any], **keys: Any) -> Workflow:
    steps = [{"id": "a", "kind": "set", "value": "{{ inputs.x }}"}]
    return Workflow.model_validate({"workflow": "1", "name": "n", "inputs": {"x": schema}, "steps": steps, **keys})


@pytest.mark.parametrize("where", INSIDE)
def test_an_input_is_labelled_as_the_part_at(where: str):
    stated = workflow(INSIDE[where])
    assert input_labels(stated) == of_run(stated) == {"x": "restricted"}
    assert labels_of(stated)["a"].output == "restricted"


@pytest.mark.parametrize("what", OUTSIDE)
def test_no_label_is_stated_by(what: str):
    assert input_labels(workflow(OUTSIDE[what])) == {}
    assert [one.code for one in check(workflow(OUTSIDE[what])) if one.severity == "error"] == []


def test_the_most_sensitive_part_counts():
    parts = {"a": {"sensitivity": "internal"}, "b": {"sensitivity": "confidential"}}
    assert input_labels(workflow({"sensitivity": "public", "properties": parts})) == {"x": "confidential"}


@pytest.mark.parametrize("where", INSIDE)
def test_an_unknown_label_inside_of_a_schema_is_told_where_it_stands(where: str):
    schema = workflow(INSIDE[where]).model_dump(mode="json")["inputs"]["x"]
    inner = schema
    for name in where[1:].split("/"):
        key = name.replace("~1", "/")
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    inner["sensitivity"] = "Restricted"
    [told] = [one for one in check(workflow(schema)) if one.code == "unknown_label"]
    assert (told.pointer, told.fix) == (f"/inputs/x{where}/sensitivity", "Did you mean 'restricted'?")


async def test_a_run_labels_an_input_by_its_parts():
    ends: list[Any] = []
    flow = workflow({"type": "object", "properties": {"ssn": LABEL}})
    await run(flow, {"x": {"ssn": "1"}}, gateway=NO_GATEWAY, on_event=ends.append)
    assert [one.label for one in ends if isinstance(one, StepFinished)] == ["restricted"]
