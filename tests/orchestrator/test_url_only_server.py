"""A local server named only by its address plans a task and runs steps with an `output`, schemas or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Loopback, loopback
from running import llm, workflow_of

from executors.runner import run
from orchestrator.catalog import CatalogModels
from planner.plan import plan
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from workflows.checks import check

REFUSED = Answer(
    status=400,
    body=b'{"error":{"message":"\'response_format.type\' must be \'text\'","type":"invalid_request_error"}}',
)
PLAN = {
    "name": "x",
    "description": "",
    "steps": [{"kind": "llm", "id": "a", "prompt": "Say it"}],
    "outputs": [{"name": "a", "value": "{{ steps.a.output }}"}],
}


def settings(server: Loopback, folder: Path, extra: str = "") -> Settings:
    path = folder / "orchestrator.toml"
    path.write_text(f'[providers.box]\nbase_url = "{server.url}"\n{extra}\n', "utf-8")
    return Settings.load(path, environ={"ORCHESTRATOR_HOME": str(folder)})


def schemaless(*texts: str) -> Any:
    """A server that takes no schema and gives these texts in turn, the last for ever."""
    left = list(texts)

    def script(body: dict[str, Any]) -> Answer:
        if "response_format" in body:
            return REFUSED
        if "tools" in body:
            return Answer(status=400, body=b'{"error": "this model does not support tools"}')
        return Answer(text=left.pop(0) if len(left) > 1 else left[0])

    return script


def extracting(schema: dict[str, Any], model: str) -> Any:
    return workflow_of(llm("a", "List two words", output=schema, model=model), outputs={"a": "{{ steps.a.output }}"})


WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 2}


@pytest.mark.parametrize("model", ["box/scripted", "auto"])
@pytest.mark.parametrize("extra", ["", "capabilities = { structured_output = [], tools = [] }"])
@pytest.mark.parametrize(
    ("schema", "texts", "value"),
    [
        (WORDS, ('["a"]', '["a", "b"]'), ["a", "b"]),
        ({"enum": ["yes", "no"]}, ("Perhaps", "yes"), "yes"),
        ({"type": "integer"}, ("```json\n4\n```",), 4),
    ],
)
async def test_a_step_with_output_is_asked_in_words_checked_and_asked_again(
    model: str, extra: str, schema: dict[str, Any], texts: tuple[str, ...], value: Any, tmp_path: Path
) -> None:
    with loopback(schemaless(*texts)) as server:
        async with Gateway(settings(server, tmp_path, extra), random=lambda: 0.0) as gateway:
            workflow = extracting(schema, model)
            assert check(workflow, models=CatalogModels(gateway.catalog)) == ()
            result = await run(workflow, {}, gateway=gateway)
    assert result.outputs == {"a": value}
    asked = [body["messages"] for body in server.requests if not {"response_format", "tools"} & set(body)]
    assert len(asked) == len(texts)
    assert all(json.dumps(schema) in messages[-1]["content"] for messages in asked)


async def test_a_server_that_takes_schemas_is_sent_an_object_and_the_step_gets_its_value(tmp_path: Path) -> None:
    with loopback('{"value": ["a"]}', '{"value": ["a", "b"]}') as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            result = await run(extracting(WORDS, "box/scripted"), {}, gateway=gateway)
    assert result.outputs == {"a": ["a", "b"]}
    assert [body["response_format"]["json_schema"]["schema"]["type"] for body in server.requests] == ["object"] * 2


async def test_a_server_that_ignores_the_schema_is_told_of_it_when_its_answer_does_not_fit(tmp_path: Path) -> None:
    with loopback("Here you are: sun and moon", '["sun", "moon"]') as server:
        async with Gateway(settings(server, tmp_path)) as gateway:
            result = await run(extracting(WORDS, "box/scripted"), {}, gateway=gateway)
    assert result.outputs == {"a": ["sun", "moon"]}
    assert json.dumps(WORDS) in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize("extra", ["", "capabilities = { structured_output = [] }"])
async def test_a_task_is_planned_by_a_server_that_takes_no_schema(extra: str, tmp_path: Path) -> None:
    with loopback(schemaless(f"Sure!\n```json\n{json.dumps(PLAN)}\n```")) as server:
        async with Gateway(settings(server, tmp_path, extra), random=lambda: 0.0) as gateway:
            made = await plan("Say something", gateway=gateway, model="auto", models=CatalogModels(gateway.catalog))
    assert (made.planner, made.model) == ("model", "box/scripted")
    assert [step.id for step in made.workflow.steps] == ["a"]


async def test_a_stated_need_of_structured_output_still_insists(tmp_path: Path) -> None:
    with loopback(schemaless("[]")) as server:
        async with Gateway(settings(server, tmp_path, "capabilities = { structured_output = [] }")) as gateway:
            workflow = extracting(WORDS, {"needs": ["structured_output"]})  # type: ignore[arg-type]  # as in a file
            found = check(workflow, models=CatalogModels(gateway.catalog))
    assert [one.code for one in found] == ["no_credentials"]  # others could, had they a key
