"""A branch gives values of one type, whichever of its cases is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from workflows.checks.subject import Frame, Located, Subject
from workflows.composed import compatible, movable
from workflows.findings import Finding, pointer
from workflows.model import BranchStep
from workflows.shapes import Shape, describe

__all__ = ["one_type"]

_MOST_SHAPES: Final = 50
"""Cases of different shapes that the others are held against; of a value with more shapes nothing is known anyway."""


def one_type(subject: Subject) -> Iterator[Finding]:
    """Where `output` says the type, each result is held against it instead."""
    blocks: dict[Located, list[Frame]] = {}
    for frame in subject.frames:
        if frame.owner is not None and isinstance(frame.owner.step, BranchStep) and frame.owner.step.output is None:
            blocks.setdefault(frame.owner, []).append(frame)
    for owner, frames in blocks.items():
        yield from _mixed(subject, owner, frames)


def _mixed(subject: Subject, owner: Located, frames: list[Frame]) -> Iterator[Finding]:
    shapes = [subject.shapes.result(frame) for frame in frames]
    distinct: dict[Any, int] = {}
    for number, (frame, shape) in enumerate(zip(frames, shapes, strict=True)):
        key = _spelled(shape)
        if key in distinct:
            continue
        other = next((one for one in distinct.values() if not compatible(shapes[one], shape)), None)
        if other is None:
            if len(distinct) < _MOST_SHAPES:
                distinct[key] = number
            continue
        given, before = describe(shape), describe(shapes[other])
        differ = f"{given}, and {_called(frames[other])} gives {before}"
        if given == before:
            differ = f"{given} with fields or items of other types than {_called(frames[other])}"
        yield Finding(
            code="mixed_results",
            pointer=pointer(*frame.path, *(() if frame.result is None else ("result",))),
            message=f"the branch {owner.step.id!r} gives values of several types: {_called(frame)} gives {differ}",
            fix="Give each case a `result` of the same make, or give the branch an `output` that all of them satisfy.",
        )
        return


def _spelled(shape: Shape) -> Any:
    """What two shapes have in common that are the same."""
    if not movable(shape):
        return id(shape.schema), id(shape.root)
    try:
        return orjson.dumps(shape.schema)
    except orjson.JSONEncodeError:  # an integer of more than 64 bits
        return id(shape.schema)


def _called(frame: Frame) -> str:
    return "`else`" if frame.path[-1] == "else" else f"case {int(frame.path[-1]) + 1}"
