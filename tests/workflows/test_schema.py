from __future__ import annotations

import json
from importlib import resources

import jsonschema
import pytest

from workflows import library
from workflows.schema import generate, schema

STEP = {"id": "a", "kind": "llm", "prompt": "x"}


def test_the_published_schema_is_the_one_that_the_models_give():
    assert schema() == generate(), "run `python -m workflows.schema`"


def test_the_published_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_ready_workflows_satisfy_the_published_schema():
    validator = jsonschema.Draft202012Validator(schema())
    for name in library.names():
        text = resources.files("workflows.library").joinpath(f"{name}.json").read_text(encoding="utf-8")
        assert not list(validator.iter_errors(json.loads(text))), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x", "steps": [STEP]},
        {"workflow": "1", "name": "x", "steps": []},
        {"workflow": "1", "name": "X Y", "steps": [STEP]},
        {"workflow": "1", "name": "x", "steps": [{**STEP, "kind": "nope"}]},
        {"workflow": "1", "name": "x", "steps": [{**STEP, "extra": 1}]},
        {"workflow": "1", "name": "x", "steps": [STEP], "extra": 1},
        {"workflow": "1", "name": "x", "steps": [{**STEP, "model": {"tier": "huge"}}]},
    ],
)
def test_the_published_schema_refuses_what_the_parser_refuses(wrong: dict):
    assert not jsonschema.Draft202012Validator(schema()).is_valid(wrong)


def test_every_key_of_a_step_is_explained_where_its_name_does_not():
    step = schema()["$defs"]["LlmStep"]["properties"]
    assert "description" in step["prompt"]
    assert "description" in step["output"]
