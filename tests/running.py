"""Shared by the tests of running: short workflows, and what came of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from executors.result import RunResult
from executors.runner import run
from executors.tools import ToolRegistry
from unified_api.gateway import Gateway
from unified_api.models import Prices
from unified_api.testing import ManualClock, scripted_gateway
from workflows.model import Workflow

__all__ = [
    "MODEL",
    "NO_GATEWAY",
    "PRICES",
    "asked",
    "failure",
    "gateway_of",
    "llm",
    "outcome",
    "statuses",
    "tool",
    "value",
    "workflow_of",
]

MODEL = "scripted/model"
PRICES = Prices(input=Decimal(1), output=Decimal(10))
NO_GATEWAY = cast("Gateway", None)  # for runs of which no step asks a model


def workflow_of(*steps: dict[str, Any], **fields: Any) -> Workflow:
    return Workflow.model_validate({"workflow": "1", "name": "test", "steps": steps, **fields})


def value(step_id: str, value: Any = 1, **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "set", "value": value, **fields}


def tool(step_id: str, name: str, arguments: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "tool", "tool": name, "arguments": arguments or {}, **fields}


def llm(step_id: str = "a", prompt: str = "Say it.", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "llm", "prompt": prompt, "model": MODEL, **fields}


async def outcome(
    workflow: Workflow, *functions: Any, given: dict[str, Any] | None = None, **options: Any
) -> RunResult:
    """Runs a workflow of tools and values."""
    return await run(workflow, given or {}, gateway=NO_GATEWAY, tools=ToolRegistry(functions), **options)


async def asked(
    script: Any, *steps: dict[str, Any], given: dict[str, Any] | None = None, on_event: Any = None, **fields: Any
) -> RunResult:
    """Runs the steps on one scripted model."""
    async with gateway_of(script) as gateway:
        return await run(workflow_of(*steps, **fields), given or {}, gateway=gateway, on_event=on_event)


def gateway_of(script: Any, *, prices: Prices | None = PRICES, **facts: Any) -> Gateway:
    return scripted_gateway({MODEL: script}, prices=prices, clock=ManualClock(), **facts)


def statuses(result: RunResult) -> dict[str, str]:
    return {step.step_id: step.status for step in result.steps}


def failure(result: RunResult) -> tuple[str, str]:
    """Code and message of a run that failed."""
    assert result.status == "failed"
    assert result.error is not None
    return result.error.code, result.error.message
