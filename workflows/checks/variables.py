"""The names that maps and loops give to the steps inside of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from workflows.checks.subject import Located, Subject
from workflows.findings import Finding
from workflows.frames import Variable
from workflows.grammar import FUNCTIONS, ROOTS
from workflows.model import LoopStep, MapStep
from workflows.references import RESERVED

__all__ = ["named", "used"]

_TAKEN: Final = ROOTS | RESERVED


def named(subject: Subject) -> Iterator[Finding]:
    """A variable hides nothing that templates know."""
    for frame in subject.frames:
        if frame.owner is None or not isinstance(frame.owner.step, MapStep | LoopStep):
            continue
        owner = frame.owner
        names = [name for name, variable in frame.variables.items() if variable.owner is owner]
        hidden = [name for name in names if name in owner.variables]
        yield from (_reserved(owner, name) for name in names if name in _TAKEN)
        if hidden:
            yield _hiding(owner, hidden[0], owner.variables[hidden[0]])


def _reserved(owner: Located, name: str) -> Finding:
    what = "a function of the language" if name in FUNCTIONS else "a word of the language"
    return Finding(
        code="reserved_name",
        pointer=owner.at("as"),
        message=f"the variable must not be called {name!r}: that is {what}",
        fix="Write another name, such as 'item' or 'one'.",
    )


def _hiding(owner: Located, name: str, other: Variable) -> Finding:
    return Finding(
        code="shadowed_variable",
        severity="warning",
        pointer=owner.at("as"),
        message=f"{name!r} of {owner.step.id!r} hides that of {other.owner.step.id!r} around it",
        fix="Give one of them another name by `as`.",
    )


def used(subject: Subject) -> Iterator[Finding]:
    """A map that asks nothing of its items does the same again and again."""
    if len(subject.frames) == 1:
        return
    read = {
        place.variables[one.name].owner
        for place in subject.places
        for one in place.usage.variables
        if one.name in place.variables
    }
    for located in subject.steps:
        if isinstance(located.step, MapStep) and located not in read:
            name = located.step.as_
            yield Finding(
                code="unused_variable",
                severity="warning",
                pointer=located.pointer,
                message=f"nothing inside of {located.step.id!r} uses its item, so the same is done for each of them",
                fix=f"Use `{{{{ {name} }}}}` in its steps.",
            )
