"""Templates that cannot be rendered, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from workflows.checks.subject import Place, Subject
from workflows.conditions import may_hold
from workflows.expressions import template, unknown_name
from workflows.findings import Finding
from workflows.grammar import Problem
from workflows.shapes import Shape, describe

__all__ = ["conditions", "renderable"]

_LONGEST = 80
_ROUND: Final = {
    **dict.fromkeys(("counter", "i", "index", "iteration", "loop", "number", "round"), ".number"),
    **dict.fromkeys(("last", "prev", "previous", "state"), ".previous"),
}
_VARIABLES: Final[dict[str, tuple[frozenset[str], dict[str, str]]]] = {
    "round": (frozenset(_ROUND), _ROUND),
    "index": (frozenset({"counter", "i", "idx", "index", "item_index", "loop"}), {}),
    "item": (frozenset({"current", "each", "element", "entry", "it", "item", "row", "value", "x"}), {}),
}
"""What other systems call the variables, by their kinds, and the fields that are meant."""


def renderable(subject: Subject) -> Iterator[Finding]:
    for place in subject.places:
        compiled = template(place.source)
        unknown = (_unknown(subject, place, name) for name in sorted(compiled.free - place.variables.keys()))
        for problem in (*compiled.problems, *unknown):
            yield Finding(
                code=problem.code,
                pointer=place.pointer,
                message=problem.message,
                allowed=problem.allowed,
                fix=problem.fix,
            )


def _unknown(subject: Subject, place: Place, name: str) -> Problem:
    """What a name may have been meant for, where the workflow has something of that name."""
    problem = unknown_name(name, place.variables)
    fix, allowed = problem.fix, problem.allowed
    meant = _variable_meant(place, name)
    owner = subject.owners.get(name)
    if name in subject.workflow.inputs:
        fix = f"Write `inputs.{name}`: it is an input."
    elif place.frame.sees(name) is not None:
        fix = f"Write `steps.{name}.output`: it is a step."
    elif meant is not None:
        fix, allowed = f"Write `{meant}`.", tuple(dict.fromkeys([meant, *allowed]))
    elif owner is not None:
        fix = (
            f"Use it inside of {owner.step.id!r} alone, or have the `result` of {owner.step.id!r} hold what is needed."
        )
    return replace(problem, fix=fix, allowed=allowed)


def _variable_meant(place: Place, name: str) -> str | None:
    """What another system's word for the item, its number or the round is called here."""
    for kind, (words, field) in _VARIABLES.items():
        found = [one.name for one in place.variables.values() if one.kind == kind]
        if found and name.lower() in words:
            return f"{found[-1]}{field.get(name.lower(), '')}"
    return None


def conditions(subject: Subject) -> Iterator[Finding]:
    """A condition is one expression, whose value is true or false."""
    for place in subject.places:
        if place.step is None or place.path[-1] not in {"when", "until"} or not _is_condition(place):
            continue
        compiled = template(place.source)
        if not compiled.whole and not compiled.problems:
            inside, key = place.source.strip(), place.path[-1]
            bare = compiled.literal and "{" not in inside
            yield Finding(
                code="invalid_expression",
                pointer=place.pointer,
                message=f"`{key}` must be exactly one expression; this is a text",
                fix=f"Write `{{{{ {inside} }}}}`."
                if bare and inside
                else "Write one `{{ ... }}` and nothing around it.",
            )
        elif compiled.whole and not compiled.problems:
            yield from _no_condition(subject, place)
    yield from _always_true(subject)


def _no_condition(subject: Subject, place: Place) -> Iterator[Finding]:
    """A condition of a type that is neither true nor false fails when it is asked for."""
    shape = subject.shapes.of_template(place.source, place.frame)
    if not may_hold(types := shape.types()):
        inside = place.source.strip().strip("{}-+ \n\t")
        yield Finding(
            code="type_mismatch",
            pointer=place.pointer,
            message=f"`{place.path[-1]}` must give true or false, and this is {describe(shape)}",
            fix=_as_condition(shape, inside, types or frozenset()),
        )


def _as_condition(shape: Shape, inside: str, types: frozenset[str]) -> str:
    told = inside if len(inside) <= _LONGEST else "..."
    if "null" in types:
        return f"Ask whether it is there: `{{{{ {told} is not none }}}}`, or compare it."
    if types == {"array"}:
        return f"Ask how long it is: `{{{{ {told} | length > 0 }}}}`."
    if types == {"object"}:
        fields = _truths(shape)
        return f"Write `{{{{ {told}.{fields[0]} }}}}`." if fields else "Ask for one of its fields."
    return f"Compare it: `{{{{ {told} | trim | lower == 'yes' }}}}`."


def _truths(shape: Shape) -> list[str]:
    """The fields of an object that are true or false."""
    named = shape.schema.get("properties", {}) if isinstance(shape.schema, dict) else {}
    children = ((name, shape.child(name)) for name in named)
    return [name for name, one in children if isinstance(one, Shape) and one.types() == frozenset({"boolean"})]


def _always_true(subject: Subject) -> Iterator[Finding]:
    """An object with fields is always true, which nobody asks on purpose."""
    for place in subject.places:
        for reference in (*place.usage.references, *place.usage.variables):
            if not reference.asked or (reference.root == "variables" and reference.name not in place.variables):
                continue
            found = subject.shapes.of_reference(reference, place.frame)
            if isinstance(found, Shape) and _has_fields(found):
                fields = _truths(found)
                better = f"`{reference.text}.{fields[0]}`" if fields else "one of its fields"
                yield Finding(
                    code="type_mismatch",
                    pointer=place.pointer,
                    message=f"`{reference.text}` is an object, which is always true",
                    fix=f"Ask for {better}.",
                )


def _has_fields(shape: Shape) -> bool:
    """Whether the value is an object for certain, and not an empty one."""
    return all(
        one.types() == frozenset({"object"}) and isinstance(one.schema, dict) and bool(one.schema.get("required"))
        for one in shape.alternatives()
    )


def _is_condition(place: Place) -> bool:
    """Whether the place is a condition itself and no field of that name in some value."""
    return len(place.path) == 1 or (place.path[0] == "cases" and len(place.path) == 3)
