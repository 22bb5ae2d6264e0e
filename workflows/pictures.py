"""The addresses of images that a step asks a model about: who fetches one is sent what its address was made from."""

from __future__ import annotations

from workflows.blocks import nested_steps
from workflows.expressions import template
from workflows.model import ImageStep, Workflow

__all__ = ["tells_nothing"]


def tells_nothing(source: str, workflow: Workflow) -> bool:
    """Whether the address that a template gives was made from nothing: it is written out, or that of an image step."""
    made = template(source)
    path = made.path or ()
    if path[:1] != ("steps",) or path[2:] not in {("output",), ("output", "url")}:
        return made.literal
    steps = (one for step in workflow.steps for one in (step, *(deep for _, deep in nested_steps(step))))
    return any(isinstance(step, ImageStep) and step.id == path[1] for step in steps)
