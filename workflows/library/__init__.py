"""The ready workflows that come with the product, one JSON file each beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.model import Workflow

__all__ = ["Summary", "load", "names", "summaries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a list of workflows shows of one."""

    name: str
    description: str
    inputs: tuple[str, ...]
    steps: int


def names() -> tuple[str, ...]:
    """The names that `load` takes, sorted."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in files if name.endswith(".json")))


def load(name: str) -> Workflow:
    """One ready workflow.

    Raises `KeyError`, naming the nearest names, for a name that the library does not have.
    """
    if name not in names():
        # Lazy, with `parse`: listing the library must not cost the import of pydantic.
        from workflows.nearest import nearest

        near = nearest(name, names())
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names())}."
        raise KeyError(f"the library has no workflow {name!r}; {hint}")
    return _load(name)


def summaries() -> tuple[Summary, ...]:
    """Name, description, inputs and number of steps of every ready workflow, sorted by name."""
    return tuple(
        Summary(
            name=name,
            description=workflow.description,
            inputs=tuple(workflow.inputs),
            steps=len(workflow.steps),
        )
        for name in names()
        for workflow in [load(name)]
    )


@cache
def _load(name: str) -> Workflow:
    from workflows.parse import parse

    return parse(resources.files(__name__).joinpath(f"{name}.json").read_bytes())
