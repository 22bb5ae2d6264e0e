"""What the planner and the ready workflows really send to OpenAI, judged by its document and its pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from corpus import needs_corpora
from openai_rules import chat_faults, openai_faults, responses_faults, strict_faults

import workflows.library as library
from executors.runner import run
from planner.form import patch_schema, plan_schema
from planner.plan import plan
from unified_api.gateway import Gateway
from unified_api.settings import Environment, Settings
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock
from unified_api.wire.strict_schema import fits_strict
from workflows.tools import ToolSpec

KEYED = Settings(environment=Environment({"OPENAI_API_KEY": "sk-test"}))
TOOLS = {
    "web_search": ToolSpec("web_search", "Searches", {"type": "object", "properties": {"query": {"type": "string"}}})
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
FAULTY = {
    "name": "x",
    "description": "",
    "steps": [{"kind": "llm", "id": "a", "prompt": "Say {{ steps.nowhere.output }}"}],
    "outputs": [{"name": "a", "value": "{{ steps.a.output }}"}],
}
GOOD = {**FAULTY, "steps": [{"kind": "llm", "id": "a", "prompt": "Say it"}]}
GIVEN = {"string": "In short.", "integer": 100, "array": ["name", "date"]}


def filled(schema: dict[str, Any]) -> Any:
    """Some value that satisfies the schema, as a model that is held to it would give."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return filled(schema["anyOf"][0])
    match schema["type"]:
        case "object":
            return {name: filled(one) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [filled(schema["items"])] * schema.get("minItems", 1)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "In short."


def answered(path: str, body: dict[str, Any], text: str) -> HttpAnswer:
    if path.endswith("/responses"):
        content = [{"type": "output_text", "text": text, "annotations": []}]
        message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
        usage = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}
        head = {"id": "resp_1", "object": "response", "status": "completed", "model": body["model"]}
        return HttpAnswer(pieces=(json.dumps({**head, "output": [message], "usage": usage}).encode(),))
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    answer = {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
    return HttpAnswer(pieces=(json.dumps(answer).encode(),))


def reasons(body: dict[str, Any]) -> bool:
    """Whether the model thinks first: gpt-5.1, 5.2 and 5.4 do so only when they are told an effort."""
    if body["model"].startswith(("gpt-5.1", "gpt-5.2", "gpt-5.4")):
        return body.get("reasoning_effort", "none") != "none"
    return bool(body["model"].startswith(("gpt-5", "o")))


class OpenAI:
    """OpenAI's address as a transport that keeps the requests and answers each as a model would."""

    def __init__(self, *texts: str) -> None:
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self._texts = list(texts)
        self.transport = FaultyTransport(self._answer, clock=ManualClock())

    def _answer(self, request: Any) -> HttpAnswer:
        assert request.url.host == "api.openai.com"
        body = json.loads(request.content)
        self.bodies.append((request.url.path, body))
        if request.url.path.endswith("/images/generations"):
            return HttpAnswer(pieces=(json.dumps({"created": 0, "data": [{"b64_json": PIXEL}]}).encode(),))
        if self._texts:
            return answered(request.url.path, body, self._texts.pop(0))
        wanted = body.get("response_format", {}).get("json_schema") or body.get("text", {}).get("format")
        return answered(request.url.path, body, json.dumps(filled(wanted["schema"])) if wanted else "In short.")

    def faults(self) -> list[str]:
        found: list[str] = []
        for path, body in self.bodies:
            if path.endswith("/images/generations"):
                found += openai_faults(body, name="CreateImageRequest")
            elif path.endswith("/responses"):
                found += responses_faults(body)
            else:
                found += chat_faults(body, reasons=reasons(body))
        return found

    def strict(self) -> list[bool]:
        formats = [body["response_format"] for _, body in self.bodies if "response_format" in body]
        return [one["json_schema"]["strict"] for one in formats]


@needs_corpora
@pytest.mark.parametrize("model", ["openai/gpt-5.1", "openai/gpt-4o", "auto"])
@pytest.mark.parametrize("tools", [{}, TOOLS])
async def test_the_planners_questions_are_ones_that_openai_takes(model: str, tools: dict[str, ToolSpec]) -> None:
    server = OpenAI(json.dumps(FAULTY), json.dumps({"steps": GOOD["steps"], "removed": [], "outputs": None}))
    async with Gateway(KEYED, backend=server.transport) as gateway:
        made = await plan("Say something with openai/gpt-4o", gateway=gateway, model=model, tools=tools)
    assert made.rounds == len(server.bodies) == 2
    names = [body["response_format"]["json_schema"]["name"] for _, body in server.bodies]
    assert names == ["plan", "correction"]
    assert server.faults() == []
    assert server.strict() == [True, True]


@pytest.mark.parametrize("make", [plan_schema, patch_schema])
@pytest.mark.parametrize("tools", [(), ("web_search", "other")])
def test_plans_are_decoded_strictly(make: Any, tools: tuple[str, ...]) -> None:
    assert fits_strict(make(tools, models=("a/b",)))
    assert strict_faults(make(tools, models=("a/b",))) == []


@needs_corpora
@pytest.mark.parametrize("name", library.names())
async def test_every_step_of_a_ready_workflow_asks_what_openai_takes(name: str) -> None:
    workflow = library.load(name)
    inputs = {key: GIVEN[schema["type"]] for key, schema in workflow.inputs.items() if "default" not in schema}
    server = OpenAI()
    async with Gateway(KEYED, backend=server.transport) as gateway:
        result = await run(workflow, inputs, gateway=gateway)
    assert result.status == "succeeded", result.error
    asking = [step for step in workflow.steps if step.kind in ("llm", "image")]
    ended = {step.step_id for step in result.steps if step.status == "succeeded"}
    assert len(server.bodies) >= len([step for step in asking if step.id in ended])
    assert server.faults() == []
