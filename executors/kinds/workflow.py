"""Steps of kind `workflow`: run another workflow."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from executors.block import run_steps
from executors.budget import Budget
from executors.context import Frame, StepRun
from executors.failures import StepFailure
from executors.inputs import InputError, resolve
from executors.labels import Labels, input_labels
from unified_api.types import Json
from unified_api.types.sensitivity import most_sensitive
from workflows.expressions import ExpressionError, Scope, render_value
from workflows.graph import implied_outputs
from workflows.model import Workflow, WorkflowStep
from workflows.templates import strings

__all__ = ["run"]


async def run(step: WorkflowStep, run: StepRun) -> Json:
    """The outputs of the workflow.

    Raises:
        StepFailure: `unknown_workflow`, `invalid_input`, or that of a step inside.
    """
    workflow = run.context.workflows.get(f"{step.workflow}@{step.version}")
    if workflow is None:
        raise StepFailure(
            "unknown_workflow", f"there is no workflow {step.workflow!r} of version {step.version!r} at hand"
        )
    frame = _frame(workflow, step, run)
    end = frame.context.clock.now() + workflow.policy.deadline_s if workflow.policy.deadline_s is not None else None
    if end is None:
        await run_steps(workflow.steps, frame, run)
        return _outputs(workflow, frame, run)
    with frame.context.clock.scope(end):
        await run_steps(workflow.steps, frame, run)
        return _outputs(workflow, frame, run)
    raise StepFailure("deadline_exceeded", f"the deadline of the workflow {workflow.name!r} passed")


def _frame(workflow: Workflow, step: WorkflowStep, run: StepRun) -> Frame:
    policy = workflow.policy
    floor = most_sensitive(run.frame.labels.floor, run.step.sensitivity, policy.sensitivity)
    stated = input_labels(workflow)
    deadline, budget = run.deadline, run.budget
    if policy.deadline_s is not None:
        end = run.context.clock.now() + policy.deadline_s
        deadline = end if deadline is None else min(end, deadline)
    if policy.budget_usd is not None:
        budget = Budget(Decimal(str(policy.budget_usd)), around=budget, whose="workflow")
    return replace(
        run.frame,
        workflow=workflow,
        scope=Scope(_inputs(workflow, step, run)),
        labels=Labels(
            floor, inputs={name: most_sensitive(_given(name, step, run), stated.get(name)) for name in workflow.inputs}
        ),
        path=f"{run.path}/",
        deadline=deadline,
        budget=budget,
    )


def _given(name: str, step: WorkflowStep, run: StepRun) -> Any:
    """The label of what the step gives for an input."""
    given = (source for _, source in strings(step.inputs.get(name), ()))
    when = () if step.when is None else (step.when,)
    return run.frame.labels.of((*given, *when), step.sensitivity)


def _inputs(workflow: Workflow, step: WorkflowStep, run: StepRun) -> dict[str, Any]:
    try:
        return resolve(workflow, run.render(step.inputs))
    except InputError as error:
        raise StepFailure("invalid_input", str(error)) from error


def _outputs(workflow: Workflow, frame: Frame, run: StepRun) -> dict[str, Json]:
    outputs: dict[str, Json] = {}
    templates = implied_outputs(workflow, frame.context.graph(workflow.steps))
    for name, value in templates.items():
        try:
            outputs[name] = render_value(value, frame.scope)
        except ExpressionError as error:
            raise StepFailure(error.code, f"output {name!r} of {workflow.name!r}: {error.message}") from error
    label = frame.labels.of(source for _, source in strings(templates, ()))
    run.label = label if workflow.policy.declassify is None else workflow.policy.declassify
    return outputs
