"""Every fault of a model call, injected into every kind of step that makes one."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from running import MODEL, asked, failure, gateway_of, statuses, tool, workflow_of

from executors.events import Event, RunFinished, StepFinished
from executors.runner import run
from executors.tools import ToolRegistry
from unified_api.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedResponseError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
)
from unified_api.testing import ALL_CAPABILITIES, ScriptedModel

STEPS: dict[str, dict[str, Any]] = {
    "text": {"kind": "llm", "prompt": "Say it."},
    "json": {"kind": "llm", "prompt": "Say it.", "output": {"type": "object"}},
    "image": {"kind": "image", "prompt": "a tree"},
    "embed": {"kind": "embed", "input": "a tree"},
}
FAULTS = {
    AuthenticationError: "authentication",
    ConnectionFailedError: "attempts_exhausted",
    ContentRefusedError: "refused",
    InvalidRequestError: "invalid_request",
    MalformedResponseError: "attempts_exhausted",
    QuotaError: "quota",
    RateLimitError: "attempts_exhausted",
    ServerError: "attempts_exhausted",
    TimedOutError: "timed_out",
}


def step(name: str, step_id: str = "a", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "model": MODEL, **STEPS[name], **fields}


class Hanging:
    """A model that never answers and notices when it is no longer waited for."""

    def __init__(self) -> None:
        self.asked = 0
        self.left = 0
        self.waiting = anyio.Event()

    async def __call__(self, _: Any) -> str:
        self.asked += 1
        self.waiting.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.left += 1
        raise AssertionError("it was woken")


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_ends_the_step_with_its_code_and_its_story(fault: type[Any], name: str, listening: bool):
    model = ScriptedModel(fault("as planned"))
    result = await asked(model, step(name), on_event=(lambda _: None) if listening else None)
    code, message = failure(result)
    assert code == FAULTS[fault]
    assert message.startswith("step 'a': ")
    assert "as planned" in message
    [ended] = result.steps
    tries = [attempt.number for attempt in ended.attempts if attempt.number]  # others are decisions
    assert tries == list(range(1, model.calls + 1))


@pytest.mark.parametrize("name", STEPS)
async def test_a_call_that_hangs_is_left_when_its_step_times_out(name: str):
    model = Hanging()
    code, _ = failure(await asked(model, step(name, timeout_s=0.01)))
    assert (code, model.asked, model.left) == ("timed_out", 1, 1)


@pytest.mark.parametrize("name", STEPS)
async def test_a_call_is_left_when_another_step_fails(name: str):
    model = Hanging()

    async def fail() -> None:
        await model.waiting.wait()
        raise ValueError("broken")

    workflow = workflow_of(step(name), tool("b", "fail"))
    result = await run(workflow, {}, gateway=gateway_of(model), tools=ToolRegistry([fail]))
    assert statuses(result) == {"a": "cancelled", "b": "failed"}
    assert model.left == 1


@pytest.mark.parametrize("name", STEPS)
async def test_a_call_is_left_when_the_run_is_cancelled(name: str):
    model = Hanging()
    events: list[Event] = []
    async with anyio.create_task_group() as tasks:

        async def cancel() -> None:
            await model.waiting.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(cancel)
        await asked(model, step(name), on_event=events.append)
    assert model.left == 1
    assert [event.status for event in events if isinstance(event, StepFinished | RunFinished)] == ["cancelled"] * 2


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_that_no_model_can_serve_says_so(name: str):
    gateway = gateway_of("never", capabilities=ALL_CAPABILITIES - {"chat", "embeddings", "image_output"})
    code, _ = failure(await run(workflow_of(step(name, model="auto")), {}, gateway=gateway))
    assert code == "no_candidate"
    code, message = failure(await run(workflow_of(step(name, model="nobody/nothing")), {}, gateway=gateway))
    assert code == "configuration"
    assert "nobody" in message
