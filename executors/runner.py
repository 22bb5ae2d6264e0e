"""Runs a workflow with its inputs, from the check of the inputs to the outputs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import anyio

from executors.budget import Budget
from executors.context import RunContext, now
from executors.drive import Drive
from executors.edges import sound_graph
from executors.events import Event, RunFinished, RunStarted, RunStatus, StepError
from executors.inputs import InputError, resolve
from executors.result import RunResult
from executors.scheduler import Scheduler
from executors.tools import ToolRegistry
from unified_api.clock import Clock, MonotonicClock
from unified_api.types import Caller, Json
from workflows.expressions import ExpressionError, Scope, render_value
from workflows.graph import Graph, implied_outputs
from workflows.model import Workflow

if TYPE_CHECKING:
    from unified_api.gateway import Gateway

__all__ = ["InputError", "new_run_id", "run"]

TYPICAL_SECONDS: Mapping[str, float] = {"llm": 4.0, "image": 8.0, "embed": 0.5, "tool": 1.0, "set": 0.0}
"""How long a step of each kind tends to take. It only decides which of several ready steps goes first."""


def new_run_id() -> str:
    """Twelve hexadecimal digits, random from the first one on so that short prefixes tell runs apart."""
    return secrets.token_hex(6)


async def run(
    workflow: Workflow,
    inputs: Mapping[str, Json],
    *,
    gateway: Gateway,
    tools: ToolRegistry | None = None,
    on_event: Callable[[Event], None] | None = None,
    tokens: bool | None = None,
    max_parallel: int | None = None,
    caller: Caller = Caller(),
    clock: Clock | None = None,
    random: Random | None = None,
) -> RunResult:
    """Runs every step as soon as all that it depends on has ended, and gives the workflow's outputs.

    The workflow is expected to have passed `workflows.checks.check`. `on_event` is called in the event loop, so it
    must be quick; what it raises ends the run and comes out here. `tokens` says whether text is streamed and told
    as `StepToken`; by default it is when there is an `on_event`. `max_parallel` overrides the workflow's own.
    `caller` is on whose behalf its models are asked; its `run` names the run, which else gets a name of its own.
    A run that fails does not raise: see `RunResult.status` and `.error`. A cancellation ends every step, is told
    as `RunFinished(cancelled)`, and goes on.

    Raises:
        InputError: the inputs do not fit what the workflow declares.
        WorkflowError: a step depends on one that does not exist, or on itself by a circle.
        ValueError: `max_parallel` is below 1.
    """
    limit = workflow.policy.max_parallel if max_parallel is None else max_parallel
    if limit < 1:
        raise ValueError(f"max_parallel is {limit!r}; at least one step must be able to run")
    values = resolve(workflow, inputs)
    graph = sound_graph(workflow)
    scheduler = Scheduler(graph, weights={step.id: TYPICAL_SECONDS[step.kind] for step in workflow.steps})
    clock = clock or MonotonicClock()
    policy = workflow.policy
    run_id = caller.run or new_run_id()
    context = RunContext(
        run_id=run_id,
        gateway=gateway,
        tools=tools if tools is not None else ToolRegistry(),
        scope=Scope(values),
        emit=on_event or _ignore,
        clock=clock,
        random=random or Random(),  # noqa: S311  # spreads retries, guards nothing
        sensitivity=policy.sensitivity,
        budget=None if policy.budget_usd is None else Budget(Decimal(str(policy.budget_usd))),
        deadline=None if policy.deadline_s is None else clock.now() + policy.deadline_s,
        tokens=on_event is not None if tokens is None else tokens,
        caller=replace(caller, run=run_id),
    )
    drive = Drive({step.id: step for step in workflow.steps}, scheduler, limit=limit, context=context)
    return await _run(workflow, graph, context=context, drive=drive)


def _ignore(_: Event) -> None:
    """Nobody listens."""


async def _run(workflow: Workflow, graph: Graph, *, context: RunContext, drive: Drive) -> RunResult:
    began = context.clock.now()
    context.emit(_started(workflow, context))
    outputs: dict[str, Any] = {}
    status: RunStatus = "failed"
    error: StepError | None = StepError("internal_error", "the run broke down; see the error that it raised")
    try:
        await drive.until_done()
        error = drive.error
        if error is None:
            outputs, error = _outputs(implied_outputs(workflow, graph), context.scope)
        status = "failed" if error else "succeeded"
    except anyio.get_cancelled_exc_class():
        status, error = "cancelled", StepError("cancelled", "the run was cancelled before its end")
        raise
    except BaseExceptionGroup as group:
        raise _only(group) from None
    finally:
        drive.cancel_rest()
        end = RunFinished(
            run_id=context.run_id,
            at=now(),
            status=status,
            outputs=outputs,
            cost_usd=drive.cost_usd,
            seconds=context.clock.now() - began,
            error=error,
        )
        context.emit(end)
    return RunResult(
        run_id=end.run_id,
        status=end.status,
        outputs=outputs,
        steps=tuple(drive.finished[step.id] for step in workflow.steps),
        cost_usd=end.cost_usd,
        seconds=end.seconds,
        error=error,
    )


def _started(workflow: Workflow, context: RunContext) -> RunStarted:
    return RunStarted(
        run_id=context.run_id,
        at=now(),
        workflow=workflow.name,
        steps=len(workflow.steps),
        definition=workflow,
        inputs=context.scope.inputs,
    )


def _outputs(templates: Mapping[str, Any], scope: Scope) -> tuple[dict[str, Any], StepError | None]:
    outputs: dict[str, Any] = {}
    for name, value in templates.items():
        try:
            outputs[name] = render_value(value, scope)
        except ExpressionError as error:
            return {}, StepError(error.code, f"output {name!r}: {error.message}")
    return outputs, None


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception itself when the group holds one."""
    cause: BaseException = group
    while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    return cause
