"""Steps of kind `workflow`: run another workflow."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from executors.block import run_steps
from executors.budget import Budget
from executors.context import Frame, StepRun
from executors.failures import StepFailure
from executors.inputs import InputError, resolve
from executors.labels import input_labels
from executors.slots import Slots
from unified_api.types import Json, Sensitivity
from unified_api.types.sensitivity import most_sensitive
from workflows.expressions import ExpressionError, Scope, render_value
from workflows.graph import implied_outputs
from workflows.linking import declassified
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
    name = f"{step.workflow}@{step.version}"
    if name in run.frame.within:
        raise StepFailure("recursive_workflow", f"the workflow {name!r} runs itself")
    policy, clock = workflow.policy, run.context.clock
    if policy.deadline_s is None:
        return await _given_by(step, workflow, _frame(workflow, step, run, end=None), run)
    end = clock.now() + policy.deadline_s
    with clock.scope(end):
        return await _given_by(step, workflow, _frame(workflow, step, run, end=end), run)
    raise StepFailure("deadline_exceeded", f"the deadline of the workflow {workflow.name!r} passed")


async def _given_by(step: WorkflowStep, workflow: Workflow, frame: Frame, run: StepRun) -> dict[str, Json]:
    await run_steps(run.context.layouts.of_workflow(workflow), frame, run)
    return _outputs(step, workflow, frame, run)


def _frame(workflow: Workflow, step: WorkflowStep, run: StepRun, *, end: float | None) -> Frame:
    policy, outer = workflow.policy, run.frame
    stated = input_labels(workflow)
    labels = {name: most_sensitive(_given(name, step, run), stated.get(name)) for name in workflow.inputs}
    budget = run.budget
    if policy.budget_usd is not None:
        budget = Budget(Decimal(str(policy.budget_usd)), around=budget, whose="workflow")
    return Frame(
        context=outer.context,
        workflow=workflow,
        scope=Scope(_inputs(workflow, step, run)),
        labels=outer.labels.alone(most_sensitive(_decided(step, run), policy.sensitivity), labels),
        path=f"{run.path}/",
        deadline=min((one for one in (end, run.deadline) if one is not None), default=None),
        budget=budget,
        slots=Slots(policy.max_parallel, around=outer.slots or outer.context.slots),
        within=(*outer.within, f"{step.workflow}@{step.version}"),
        failed=run.failed_inside,
    )


def _decided(step: WorkflowStep, run: StepRun) -> Sensitivity:
    """The label of the fact that the workflow runs."""
    return run.frame.labels.of(() if step.when is None else (step.when,), step.sensitivity)


def _given(name: str, step: WorkflowStep, run: StepRun) -> Sensitivity:
    """The label of what the step gives for an input."""
    return run.frame.labels.of((source for _, source in strings(step.inputs.get(name), ())))


def _inputs(workflow: Workflow, step: WorkflowStep, run: StepRun) -> dict[str, Any]:
    try:
        return resolve(workflow, run.render(step.inputs))
    except InputError as error:
        raise StepFailure("invalid_input", str(error)) from error


def _outputs(step: WorkflowStep, workflow: Workflow, frame: Frame, run: StepRun) -> dict[str, Json]:
    outputs: dict[str, Json] = {}
    templates = implied_outputs(workflow, frame.context.layouts.of_workflow(workflow).graph)
    for name, value in templates.items():
        try:
            outputs[name] = render_value(value, frame.scope)
        except ExpressionError as error:
            raise StepFailure(error.code, f"output {name!r} of {workflow.name!r}: {error.message}") from error
    label = frame.labels.of(source for _, source in strings(templates, ()))
    run.label = most_sensitive(declassified(step, workflow) or label, run.step.sensitivity)
    return outputs
