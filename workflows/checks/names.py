"""Ids, references and order: every name means something, nothing waits for itself, nothing is left over."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Place, Subject
from workflows.findings import Finding, pointer
from workflows.model import ToolStep
from workflows.references import Reference

__all__ = ["cycles", "duplicate_ids", "order_only", "resolved", "unused"]

_MOST_NAMES_SHOWN = 20


def duplicate_ids(subject: Subject) -> Iterator[Finding]:
    for number, step in enumerate(subject.workflow.steps):
        first = subject.numbers[step.id]
        if first != number:
            yield Finding(
                code="duplicate_id",
                pointer=pointer("steps", number, "id"),
                message=f"the id {step.id!r} is taken by step {first + 1} of the list already",
                fix="Give the step another id.",
            )


def resolved(subject: Subject) -> Iterator[Finding]:
    """Every reference names a step or an input that exists and, in a plan, that stands before."""
    for place, reference in subject.references():
        if reference.root == "inputs":
            if reference.name not in subject.workflow.inputs:
                yield _unknown_input(subject, place, reference)
        elif reference.name not in subject.numbers:
            yield _unknown_step(subject, place.pointer, reference.name)
        elif place.step is not None:
            yield from _order(subject, place.number, reference.name, place.pointer)


def order_only(subject: Subject) -> Iterator[Finding]:
    """The same for `after`."""
    for number, step in enumerate(subject.workflow.steps):
        for position, name in enumerate(step.after):
            where = pointer("steps", number, "after", position)
            if name not in subject.numbers:
                yield _unknown_step(subject, where, name)
            else:
                yield from _order(subject, number, name, where)


def _unknown_input(subject: Subject, place: Place, reference: Reference) -> Finding:
    names = tuple(subject.workflow.inputs)
    near = subject.suggestions.nearest(reference.name, names)
    if near:
        fix = f"Did you mean `inputs.{near[0]}`?"
    elif reference.name in subject.numbers:
        fix = f"Write `steps.{reference.name}.output`: it is a step."
    else:
        fix = f'Declare it under `inputs`: {{"{reference.name}": {{"type": "string"}}}}.'
    return Finding(
        code="unknown_input",
        pointer=place.pointer,
        message=f"there is no input {reference.name!r}",
        allowed=_shown(near, names),
        fix=fix,
    )


def _unknown_step(subject: Subject, where: str, name: str) -> Finding:
    near = subject.suggestions.nearest(name, subject.numbers)
    fix = f"Did you mean {near[0]!r}?" if near else "Name a step of this workflow."
    if not near and name in subject.workflow.inputs:
        fix = f"Write `inputs.{name}`: it is an input."
    return Finding(
        code="unknown_step",
        pointer=where,
        message=f"there is no step {name!r}",
        allowed=_shown(near, tuple(subject.numbers)),
        fix=fix,
    )


def _shown(near: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*near, *names[:_MOST_NAMES_SHOWN]]))


def _order(subject: Subject, number: int, name: str, where: str) -> Iterator[Finding]:
    step = subject.workflow.steps[number]
    if name == step.id:
        yield Finding(
            code="self_reference",
            pointer=where,
            message=f"the step {name!r} waits for itself: {name} -> {name}",
            fix="Refer to an earlier step or to an input.",
        )
    elif subject.ordered and subject.numbers[name] > number:
        yield Finding(
            code="forward_reference",
            pointer=where,
            message=f"the step {step.id!r} refers to {name!r}, which comes later",
            allowed=tuple(one.id for one in subject.workflow.steps[:number])[-_MOST_NAMES_SHOWN:],
            fix=f"Move {name!r} before {step.id!r}, or refer to an earlier step.",
        )


def cycles(subject: Subject) -> Iterator[Finding]:
    """One finding for each tangle of steps that wait for each other; a self-reference is a finding of its own."""
    for cycle in subject.graph.cycles():
        if len(cycle) > 2:
            number = subject.numbers[cycle[0]]
            yield Finding(
                code="cycle",
                pointer=pointer("steps", number),
                message=f"the steps wait for each other: {_way(cycle)}",
                fix="Take one of these references or `after` entries out.",
            )


def _way(cycle: list[str]) -> str:
    if len(cycle) <= 14:
        return " -> ".join(cycle)
    return " -> ".join([*cycle[:6], f"... {len(cycle) - 12} more ...", *cycle[-6:]])


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
    if subject.workflow.outputs:
        yield from _unused_steps(subject)


def _unused_steps(subject: Subject) -> Iterator[Finding]:
    wanted = [step.id for step in subject.workflow.steps if isinstance(step, ToolStep)]
    for place in reversed(subject.places):
        if place.step is not None:
            break
        wanted.extend(one.name for one in place.usage.references if one.root == "steps")
    reached = {name for name in wanted if name in subject.numbers}
    queue = list(reached)
    for one in queue:  # grows while it is read
        for parent in subject.graph.parents(one):
            if parent not in reached:
                reached.add(parent)
                queue.append(parent)
    for step_id, number in subject.numbers.items():
        if step_id not in reached:
            yield Finding(
                code="unused_step",
                severity="warning",
                pointer=pointer("steps", number),
                message=f"nothing of the step {step_id!r} reaches the outputs",
                fix="Refer to it in `outputs`, or take the step out.",
            )
