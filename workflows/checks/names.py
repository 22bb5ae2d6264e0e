"""Ids and references: every name means something that is in sight, and nothing waits for itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from workflows.checks.subject import Frame, Located, Place, Subject
from workflows.findings import Finding
from workflows.model import LoopStep
from workflows.references import Reference

__all__ = ["cycles", "duplicate_ids", "order_only", "resolved"]

_MOST_NAMES_SHOWN = 20
_MOST_NAMES = 1_000
"""Names that one that is unknown is compared with."""


def duplicate_ids(subject: Subject) -> Iterator[Finding]:
    for located in subject.steps:
        first = subject.by_id[located.step.id]
        if first is not located:
            taken = f"step {first.number + 1} of the list" if first.frame is subject.frame else f"`{first.pointer}`"
            yield Finding(
                code="duplicate_id",
                pointer=located.at("id"),
                message=f"the id {located.step.id!r} is taken by {taken} already",
                fix="Give the step another id.",
            )


def resolved(subject: Subject) -> Iterator[Finding]:
    """Every reference names a step or an input that is in sight and, in a plan, that stands before."""
    for place, reference in subject.references():
        if reference.root == "inputs":
            if reference.name not in subject.workflow.inputs:
                yield _unknown_input(subject, place, reference)
            continue
        target = place.frame.sees(reference.name)
        if target is None:
            yield _unseen(subject, place.frame, reference.name, place.pointer)
        elif (waiting := place.waiting(target)) is not None:
            yield from _order(subject, waiting, target, place)


def order_only(subject: Subject) -> Iterator[Finding]:
    """The same for `after`, which names steps of the same block alone."""
    for located in subject.steps:
        for position, name in enumerate(located.step.after):
            target = located.frame.own.get(name)
            where = located.at("after", position)
            if target is not None:
                yield from _order(subject, located, target, where)
            elif (outer := located.frame.sees(name)) is not None:
                yield _after_outside(located, outer, where)
            else:
                yield _unseen(subject, located.frame, name, where)


def _unknown_input(subject: Subject, place: Place, reference: Reference) -> Finding:
    names = tuple(subject.workflow.inputs)
    near = subject.suggestions.nearest(reference.name, names)
    if near:
        fix = f"Did you mean `inputs.{near[0]}`?"
    elif place.frame.sees(reference.name) is not None:
        fix = f"Write `steps.{reference.name}.output`: it is a step."
    elif reference.name in place.variables:
        fix = f"Write `{reference.name}`: it is a variable."
    else:
        fix = f'Declare it under `inputs`: {{"{reference.name}": {{"type": "string"}}}}.'
    return Finding(
        code="unknown_input",
        pointer=place.pointer,
        message=f"there is no input {reference.name!r}",
        allowed=_shown(near, names),
        fix=fix,
    )


def _unseen(subject: Subject, frame: Frame, name: str, where: str) -> Finding:
    target = subject.by_id.get(name)
    return _unknown_step(subject, frame, name, where) if target is None else _out_of_sight(frame, target, where)


def _unknown_step(subject: Subject, frame: Frame, name: str, where: str) -> Finding:
    seen = tuple(islice((one for outer in frame.outwards() for one in outer.own), _MOST_NAMES))
    near = subject.suggestions.nearest(name, seen, within=frame)
    fix = f"Did you mean {near[0]!r}?" if near else "Name a step of this workflow."
    if not near and name in subject.workflow.inputs:
        fix = f"Write `inputs.{name}`: it is an input."
    elif not near and name in frame.variables:
        fix = f"Write `{name}`: it is a variable."
    return Finding(
        code="unknown_step",
        pointer=where,
        message=f"there is no step {name!r}",
        allowed=_shown(near, seen),
        fix=fix,
    )


def _out_of_sight(frame: Frame, target: Located, where: str) -> Finding:
    """A step inside of another one gives nothing but by way of that one's output."""
    outer = tuple(frame.outwards())
    holder = next(one for one in target.around() if one.frame in outer)
    name = holder.step.id
    if any(one.owner is holder for one in outer):
        fix = f"Move {target.step.id!r} before {name!r}: the blocks of one branch do not see each other."
    else:
        fix = f"Write `steps.{name}.output`, and have the `result` of {name!r} hold what is needed."
    return Finding(
        code="out_of_sight",
        pointer=where,
        message=f"the step {target.step.id!r} stands inside of {name!r} and is not seen from here",
        allowed=tuple(dict.fromkeys(one for block in outer for one in block.own))[:_MOST_NAMES_SHOWN],
        fix=fix,
    )


def _after_outside(located: Located, target: Located, where: str) -> Finding:
    holder = located.frame.waiting(target)
    name = target.step.id
    whose = f"that of {holder.step.id!r}" if holder is not None and holder is not target else "another step's"
    return Finding(
        code="out_of_sight",
        pointer=where,
        message=f"`after` names steps of the same block, and {name!r} stands in a block around it",
        allowed=tuple(one for one in located.frame.own if one != located.step.id)[:_MOST_NAMES_SHOWN],
        fix=f"Take {name!r} out of this `after`, and put it into {whose} if it must end first.",
    )


def _shown(near: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*near, *names[:_MOST_NAMES_SHOWN]]))


def _order(subject: Subject, waiting: Located, target: Located, where: Place | str) -> Iterator[Finding]:
    """What is wrong where one step waits for another of its own block."""
    if target is waiting:
        yield _self_reference(target, where)
    elif subject.ordered and target.number > waiting.number:
        name, later = waiting.step.id, target.step.id
        yield Finding(
            code="forward_reference",
            pointer=_pointer(where),
            message=f"the step {name!r} refers to {later!r}, which comes later",
            allowed=tuple(one.id for one in waiting.frame.steps[: waiting.number])[-_MOST_NAMES_SHOWN:],
            fix=f"Move {later!r} before {name!r}, or refer to an earlier step.",
        )


def _self_reference(target: Located, where: Place | str) -> Finding:
    name = target.step.id
    message = f"the step {name!r} waits for itself: {name} -> {name}"
    fix = "Refer to an earlier step or to an input."
    if isinstance(where, Place) and where.waits is not target:
        message = f"this stands inside of {name!r}, whose output is there only when all inside of it has ended"
        step = target.step
        fix = f"Refer to `{step.as_}.previous`." if isinstance(step, LoopStep) else "Refer to a step inside of it."
    return Finding(code="self_reference", pointer=_pointer(where), message=message, fix=fix)


def _pointer(where: Place | str) -> str:
    return where.pointer if isinstance(where, Place) else where


def cycles(subject: Subject) -> Iterator[Finding]:
    """One finding for each tangle of steps that wait for each other; a self-reference is a finding of its own."""
    for frame in subject.frames:
        for cycle in frame.graph.cycles():
            if len(cycle) > 2:
                yield Finding(
                    code="cycle",
                    pointer=frame.own[cycle[0]].pointer,
                    message=f"the steps wait for each other: {_way(cycle)}",
                    fix="Take one of these references or `after` entries out.",
                )


def _way(cycle: list[str]) -> str:
    if len(cycle) <= 14:
        return " -> ".join(cycle)
    return " -> ".join([*cycle[:6], f"... {len(cycle) - 12} more ...", *cycle[-6:]])
