"""What a workflow holds and nothing makes use of."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.blocks import nested_steps
from workflows.checks.subject import Frame, Place, Subject
from workflows.findings import Finding, pointer
from workflows.model import ApprovalStep, HttpStep, Step, ToolStep, WorkflowStep

__all__ = ["unused"]

_ACTING = (ToolStep, HttpStep, ApprovalStep, WorkflowStep)


def unused(subject: Subject) -> Iterator[Finding]:
    """Inputs that nothing reads, and steps whose result goes nowhere."""
    read = {reference.name for _, reference in subject.references() if reference.root == "inputs"}
    for name in subject.workflow.inputs:
        if name not in read:
            yield Finding(
                code="unused_input",
                severity="warning",
                pointer=pointer("inputs", name),
                message=f"the input {name!r} is never used",
                fix=f"Use `{{{{ inputs.{name} }}}}` somewhere, or take the input out.",
            )
    yield from _unused_steps(subject)


def _unused_steps(subject: Subject) -> Iterator[Finding]:
    asked = _asked(subject)
    for frame in subject.frames:
        if frame.owner is None and not subject.workflow.outputs:
            continue  # what no other step waits for is an output then
        reached = _reached(frame, asked.get(frame, []))
        for step_id, located in frame.own.items():
            if step_id not in reached:
                yield _nowhere(frame, step_id, located.pointer)


def _asked(subject: Subject) -> dict[Frame, list[str]]:
    """What the templates name that are rendered when a whole block has ended."""
    asked: dict[Frame, list[str]] = {}
    for place in subject.places:
        if place.waits is None:
            asked.setdefault(place.frame, []).extend(_steps(place))
    for frame in subject.frames:
        if frame.owner is not None and frame.result is None and frame.steps:
            asked.setdefault(frame, []).append(frame.steps[-1].id)
    return asked


def _steps(place: Place) -> Iterator[str]:
    return (one.name for one in place.usage.references if one.root == "steps")


def _reached(frame: Frame, asked: list[str]) -> set[str]:
    """The steps of a block that something is made of which is asked for, and those that may act."""
    wanted = [*asked, *(step.id for step in frame.steps if _acts(step))]
    reached = {name for name in wanted if name in frame.own}
    queue = list(reached)
    for one in queue:  # grows while it is read
        for parent in frame.graph.parents(one):
            if parent not in reached:
                reached.add(parent)
                queue.append(parent)
    return reached


def _acts(step: Step) -> bool:
    return isinstance(step, _ACTING) or any(isinstance(one, _ACTING) for _, one in nested_steps(step))


def _nowhere(frame: Frame, step_id: str, where: str) -> Finding:
    goal = "the outputs" if frame.owner is None else f"the result of {frame.owner.step.id!r}"
    key = "outputs" if frame.owner is None else "result"
    return Finding(
        code="unused_step",
        severity="warning",
        pointer=where,
        message=f"nothing of the step {step_id!r} reaches {goal}",
        fix=f"Refer to it in `{key}`, or take the step out.",
    )
