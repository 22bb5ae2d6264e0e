"""A branch gives values of one type, whichever of its cases is taken."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.checks.subject import Frame, Located, Subject
from workflows.composed import compatible
from workflows.findings import Finding, pointer
from workflows.model import BranchStep
from workflows.shapes import describe

__all__ = ["one_type"]


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
    for number, (frame, shape) in enumerate(zip(frames, shapes, strict=True)):
        other = next((one for one in range(number) if not compatible(shapes[one], shape)), None)
        if other is None:
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


def _called(frame: Frame) -> str:
    return "`else`" if frame.path[-1] == "else" else f"case {int(frame.path[-1]) + 1}"
