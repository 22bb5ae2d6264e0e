"""How often the steps inside of maps and loops may run: never without a bound, and never too often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from workflows.checks.subject import Located, Subject
from workflows.findings import Finding, Severity
from workflows.model import LoopStep, MapStep
from workflows.shapes import Shape

__all__ = ["MOST_REPEATS", "bounded", "most_items"]

MOST_REPEATS: Final = 1_000_000
"""Times that a step inside of maps and loops may run in one run of the workflow."""


def bounded(subject: Subject) -> Iterator[Finding]:
    """An error where a list is too long, or a step runs too often, for certain; a warning where it may be."""
    repeats: dict[Located, int] = {}
    surely: dict[Located, int] = {}
    for located in subject.steps:  # what holds a step stands before it
        owner = located.frame.owner
        around, least = (repeats[owner], surely[owner]) if owner is not None else (1, 1)
        own = _own(subject, located)
        repeats[located] = around * own
        surely[located] = least * _fewest(subject, located)
        if isinstance(located.step, MapStep):
            yield from _too_long(subject, located, located.step)
        passed = around <= MOST_REPEATS < repeats[located] or least <= MOST_REPEATS < surely[located]
        if own > 1 and passed:
            yield _too_often(located, around, own, severity="error" if surely[located] > MOST_REPEATS else "warning")


def _own(subject: Subject, located: Located) -> int:
    step = located.step
    if isinstance(step, MapStep):
        return min(step.max_items, most_items(subject, located) or step.max_items)
    return step.max_rounds if isinstance(step, LoopStep) else 1


def _fewest(subject: Subject, located: Located) -> int:
    """A loop has one round at least."""
    return _fewest_items(subject, located, located.step) if isinstance(located.step, MapStep) else 1


def most_items(subject: Subject, located: Located) -> int | None:
    """The length of the longest list that a map may be given, where it is known; None for steps of other kinds."""
    step = located.step
    if not isinstance(step, MapStep):
        return None
    if not isinstance(step.over, str):
        return len(step.over)
    shape = subject.shapes.of_template(step.over, located.frame)
    bounds = [_bound(one) for one in shape.alternatives()]
    return max((one for one in bounds if one is not None), default=0) if None not in bounds and bounds else None


def _fewest_items(subject: Subject, located: Located, step: MapStep) -> int:
    """The length of the shortest list that a map may be given."""
    if not isinstance(step.over, str):
        return len(step.over)
    schemas = [one.schema for one in subject.shapes.of_template(step.over, located.frame).alternatives()]
    bounds = [one.get("minItems", 0) if isinstance(one, dict) else 0 for one in schemas]
    return int(min(bounds, default=0))


def _bound(shape: Shape) -> int | None:
    schema = shape.schema if isinstance(shape.schema, dict) else {}
    bound = schema.get("maxItems")
    if schema.get("items") is False and isinstance(first := schema.get("prefixItems"), list):
        return len(first)
    return int(bound) if isinstance(bound, int | float) else None


def _too_long(subject: Subject, located: Located, step: MapStep) -> Iterator[Finding]:
    longest, shortest = most_items(subject, located), _fewest_items(subject, located, step)
    if longest is None and shortest > step.max_items:
        longest = shortest
    if longest is not None and longest > step.max_items:
        verb = "has" if not isinstance(step.over, str) else "has at least" if longest == shortest else "may have"
        yield Finding(
            code="fan_out_too_large",
            severity="error" if shortest > step.max_items else "warning",
            pointer=located.at("over"),
            message=f"the list {verb} {longest:,} items, and the map takes {step.max_items:,} at most",
            fix=f"Raise `max_items` to {longest:,}, or make the list shorter."
            if longest <= 100_000
            else "Bound the list by `maxItems` in its schema.",
        )


def _too_often(located: Located, around: int, own: int, *, severity: Severity) -> Finding:
    key = "max_items" if isinstance(located.step, MapStep) else "max_rounds"
    holders = " in ".join(repr(one.step.id) for one in located.around() if isinstance(one.step, MapStep | LoopStep))
    return Finding(
        code="fan_out_too_large",
        severity=severity,
        pointer=located.at(key),
        message=f"the steps inside of {located.step.id!r} in {holders} may run {around * own:,} times, "
        f"and {MOST_REPEATS:,} are allowed",
        fix=f"Lower `{key}` here to {max(1, MOST_REPEATS // around):,} or less, or the bounds of the steps around it.",
    )
