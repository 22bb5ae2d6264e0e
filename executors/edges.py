"""The graph of steps that are about to run, refused where it could never end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workflows.findings import Finding, WorkflowError, pointer
from workflows.graph import Graph
from workflows.model import Step
from workflows.nearest import nearest
from workflows.references import parents

__all__ = ["sound_graph"]


def sound_graph(steps: Sequence[Step], *, nested: bool = False) -> Graph:
    """Who waits for whom. What steps inside of another step need of those around it has ended before them.

    Raises:
        WorkflowError: an id is used twice, a step names one that does not exist, or steps wait in a circle.
    """
    named: dict[str, tuple[str, ...]] = {}
    place_of: dict[str, int] = {}
    findings: list[Finding] = []
    for place, step in enumerate(steps):
        if step.id in place_of:
            findings.append(_finding("duplicate_id", place, f"another step has the id {step.id!r} too."))
        place_of[step.id] = place
        named[step.id] = parents(step)
    for step_id, waits in () if nested else named.items():
        findings += [_unknown(name, step_id, place_of) for name in waits if name not in place_of]
    graph = Graph.from_parents(named)
    circle = None if findings else graph.cycle()
    if circle:
        findings.append(_finding("cycle", place_of[circle[0]], f"steps wait in a circle: {' -> '.join(circle)}."))
    if findings:
        raise WorkflowError(tuple(findings))
    return graph


def _unknown(name: str, step_id: str, places: Mapping[str, int]) -> Finding:
    near = nearest(name, sorted(places))
    return _finding(
        "unknown_step",
        places[step_id],
        f"step {step_id!r} depends on {name!r}, which is no step.",
        allowed=near,
        fix=f"Name {near[0]!r}." if near else None,
    )


def _finding(code: str, place: int, message: str, *, allowed: tuple[str, ...] = (), fix: str | None = None) -> Finding:
    return Finding(code=code, pointer=pointer("steps", place), message=message, allowed=allowed, fix=fix)
