"""Runs a workflow with its inputs, from the check of the inputs to the outputs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import anyio

from executors.budget import Budget
from executors.context import Approve, Frame, Perform, RunContext, now
from executors.drive import Drive
from executors.events import Event, RunFinished, RunStarted, RunStatus, StepError
from executors.inputs import InputError, resolve
from executors.journal.entries import Journal, Past
from executors.kinds import KINDS
from executors.labels import Labels, input_labels
from executors.layout import Layout, Layouts
from executors.recording import Recording
from executors.result import RunResult
from executors.resumption import Resumption
from executors.slots import Slots
from executors.steps import tries
from executors.tools import ToolRegistry
from unified_api.clock import Clock, MonotonicClock
from unified_api.types import Caller, Json
from workflows.blocks import is_container, nested_steps
from workflows.expressions import ExpressionError, Scope, render_value
from workflows.graph import implied_outputs
from workflows.model import Workflow

if TYPE_CHECKING:
    from unified_api.gateway import Gateway

__all__ = ["InputError", "new_run_id", "run"]


def new_run_id() -> str:
    """Twelve hexadecimal digits, random from the first one on so that short prefixes tell runs apart."""
    return secrets.token_hex(6)


async def run(  # noqa: PLR0913  # keyword-only: all that a run may need of the world around it
    workflow: Workflow,
    inputs: Mapping[str, Json],
    *,
    gateway: Gateway,
    tools: ToolRegistry | None = None,
    on_event: Callable[[Event], None] | None = None,
    tokens: bool | None = None,
    max_parallel: int | None = None,
    caller: Caller = Caller(),
    workflows: Mapping[str, Workflow] | None = None,
    journal: Journal | None = None,
    past: Past | Resumption | None = None,
    execute: Perform | None = None,
    approve: Approve | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
) -> RunResult:
    """Runs every step as soon as all that it depends on has ended, and gives the workflow's outputs.

    The workflow is expected to have passed `workflows.checks.check`. `on_event` is called in the event loop, so it
    must be quick; what it raises ends the run and comes out here. `tokens` says whether text is streamed and told
    as `StepToken`; by default it is when there is an `on_event`. `max_parallel` overrides the workflow's own.
    `caller` is on whose behalf its models are asked; its `run` names the run, which else gets a name of its own.
    `workflows` are those that its steps of kind `workflow` run, by `name@version`.
    With a `journal`, what is paid for is written down before and after; with a `past`, the run goes on from
    what earlier passes of it have written. The journal is told every event before `on_event` is.
    `execute` executes steps that are not recorded, elsewhere than in this process. `approve` asks a person what a
    step of kind `approval` wants to know; the journal is asked for an answer meanwhile.
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
    layouts = Layouts()
    layout = layouts.of_workflow(workflow)
    clock = clock or MonotonicClock()
    policy = workflow.policy
    run_id = caller.run or new_run_id()
    budget = None if policy.budget_usd is None else Budget(Decimal(str(policy.budget_usd)))
    past = Resumption(past=past) if isinstance(past, Past) else past
    recording = _recording(workflow, workflows or {}, journal=journal, past=past, budget=budget)
    if recording is not None and execute is not None:
        recording.execute = execute
    context = RunContext(
        run_id=run_id,
        gateway=gateway,
        tools=tools if tools is not None else ToolRegistry(),
        emit=_telling(journal, on_event),
        clock=clock,
        random=random or Random(),  # noqa: S311  # spreads retries, guards nothing
        slots=Slots(limit),
        tokens=on_event is not None if tokens is None else tokens,
        caller=replace(caller, run=run_id),
        kinds=KINDS,
        perform=tries if recording is None else recording,
        workflows=workflows or {},
        layouts=layouts,
        journal=journal,
        approve=approve,
        spend=None if journal is None else partial(_spend, journal, run_id),
    )
    frame = Frame(
        context=context,
        workflow=workflow,
        scope=Scope(values),
        labels=Labels(policy.sensitivity, inputs=input_labels(workflow)),
        deadline=None if policy.deadline_s is None else clock.now() + policy.deadline_s,
        budget=budget,
    )
    return await _Run(frame, layout, past=past, recording=recording).result()


def _recording(
    workflow: Workflow,
    workflows: Mapping[str, Workflow],
    *,
    journal: Journal | None,
    past: Resumption | None,
    budget: Budget | None,
) -> Recording | None:
    """What remembers results; None where nothing would ever look for one."""
    if journal is None and past is None and not any(map(_tries_again, (workflow, *workflows.values()))):
        return None
    if past is None:
        return Recording(journal=journal, budget=budget)
    if budget is not None:
        budget.recall(past.counted_usd, known_to=None)
    memory = past.memory(workflow, workflows)
    return Recording(journal=journal, memory=memory, budget=budget, again=past.again)


def _tries_again(workflow: Workflow) -> bool:
    """Whether some step is tried as a whole with the steps inside of it."""
    return any(
        one.retry.attempts > 1
        for step in workflow.steps
        if is_container(step)
        for one in (step, *(inner for _, inner in nested_steps(step)))
        if is_container(one)
    )


def _spend(journal: Journal, run_id: str, path: str, spent: Decimal, held: Decimal) -> None:
    journal.spend(run_id, path, spent=spent, held=held)


def _telling(journal: Journal | None, on_event: Callable[[Event], None] | None) -> Callable[[Event], None]:
    """Whom each event is told: the journal first."""
    if journal is None or on_event is None:
        return journal or on_event or _ignore

    def tell(event: Event) -> None:
        journal(event)
        on_event(event)

    return tell


def _ignore(_: Event) -> None:
    """Nobody listens."""


class _Run:
    """One run from its first event to its last."""

    def __init__(
        self, frame: Frame, layout: Layout, *, past: Resumption | None = None, recording: Recording | None = None
    ) -> None:
        self._frame = frame
        self._past = past
        self._recording = recording
        self._context = frame.context
        self._workflow = frame.workflow
        self._graph = layout.graph
        self._drive = Drive(layout, frame=frame)
        self._outputs: dict[str, Any] = {}
        self._error: StepError | None = StepError("internal_error", "the run broke down; see the error that it raised")

    async def result(self) -> RunResult:
        began = self._context.clock.now()
        self._context.emit(_started(self._frame) if self._past is None else self._past.event(self._frame))
        status: RunStatus = "failed"
        try:
            await self._work()
            status = "failed" if self._error else "succeeded"
        except anyio.get_cancelled_exc_class():
            status, self._error = "cancelled", StepError("cancelled", "the run was cancelled before its end")
            raise
        except BaseExceptionGroup as group:
            raise _only(group) from None
        finally:
            end = self._end(status, self._context.clock.now() - began)
        return RunResult.of(end, [self._drive.finished[step.id] for step in self._workflow.steps])

    async def _work(self) -> None:
        """Returns when nothing runs any more: all steps ended, one failed for good, or the deadline passed."""
        drive, deadline = self._drive, self._frame.deadline
        if deadline is None:
            await drive.until_done()
        else:
            with self._context.clock.scope(deadline) as scope:
                await drive.until_done()
            if scope.cancelled_caught and drive.error is None:
                drive.error = self._late()
        self._error = drive.error
        if self._error is None:
            self._outputs, self._error = _outputs(implied_outputs(self._workflow, self._graph), self._frame.scope)

    def _late(self) -> StepError:
        steps = len(self._workflow.steps)
        left = steps - sum(end.status != "cancelled" for end in self._drive.finished.values())
        told = f"the deadline (policy.deadline_s) passed with {left} of {steps} steps not done"
        return StepError("deadline_exceeded", told)

    def _end(self, status: RunStatus, seconds: float) -> RunFinished:
        self._drive.cancel_rest()
        spent, earlier = self._cost()
        end = RunFinished(
            run_id=self._context.run_id,
            at=now(),
            status=status,
            outputs=self._outputs,
            cost_usd=spent,
            seconds=seconds,
            error=self._error,
            earlier_usd=earlier,
        )
        self._context.emit(end)
        return end

    def _cost(self) -> tuple[Decimal | None, Decimal | None]:
        """What all passes of the run cost, and what of it the earlier ones did."""
        receipt = self._drive.receipt
        now_usd = None if receipt.uncertain else receipt.spent
        if self._past is None or self._recording is None:
            return now_usd, Decimal(0)
        left = self._recording.memory.left_usd
        return None if left is None or now_usd is None else now_usd + left, self._past.cost_usd


def _started(frame: Frame) -> RunStarted:
    workflow = frame.workflow
    return RunStarted(
        run_id=frame.context.run_id,
        at=now(),
        workflow=workflow.name,
        steps=len(workflow.steps),
        definition=workflow,
        inputs=frame.scope.inputs,
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
