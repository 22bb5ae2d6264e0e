"""A workflow with all that it runs: itself, and once for each place the workflows that its steps run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from workflows.findings import Path, pointer
from workflows.frames import Frame, Located, frames
from workflows.model import Workflow, WorkflowStep

__all__ = ["MOST_STEPS", "Site", "Unit", "units", "versioned"]

MOST_STEPS: Final = 200_000
"""Steps that are looked at, those of other workflows counted once for each place that they run at."""


def versioned(step: WorkflowStep) -> str:
    """How the workflow is named that a step runs: `name@version`."""
    return f"{step.workflow}@{step.version}"


@dataclass(frozen=True, eq=False, slots=True)
class Site:
    """A step at one place of a run, however many items or rounds there are."""

    located: Located
    unit: Unit
    path: str
    """As the paths of step runs, without the numbers of items and rounds: `each/summary`, `sub/answer`."""

    def at(self, *path: str | int) -> str:
        """The pointer of something inside the step; of what runs it, where the step is another workflow's."""
        caller = self.unit.caller
        return self.located.at(*path) if caller is None else caller.at("workflow")


@dataclass(frozen=True, eq=False)
class Unit:
    """One workflow as it is run: by itself, or by a step of another."""

    workflow: Workflow
    caller: Site | None = None
    """The step that runs it."""
    inner: dict[str, Unit] = field(default_factory=dict)
    """By the path of the step that runs it."""

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        return frames(self.workflow)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Its steps, however deep, each behind those that it stands in."""
        paths: dict[Path, str] = {}
        found: list[Site] = []
        for frame in self.frames:
            start = self.prefix if frame.owner is None else f"{paths[frame.owner.path]}/"
            for located in frame.located:
                paths[located.path] = start + located.step.id
                found.append(Site(located, self, start + located.step.id))
        return tuple(found)

    @cached_property
    def by_id(self) -> Mapping[str, Site]:
        """Of two steps with one id the first."""
        return {site.located.step.id: site for site in reversed(self.sites)}

    def held(self, site: Site) -> Iterator[Frame]:
        """The blocks that a step holds."""
        yield from self._held.get(site.located.path, ())

    @cached_property
    def _held(self) -> dict[Path, list[Frame]]:
        held: dict[Path, list[Frame]] = {}
        for frame in self.frames:
            if frame.owner is not None:
                held.setdefault(frame.owner.path, []).append(frame)
        return held

    @property
    def name(self) -> str:
        """The path of the step that runs it; empty for the workflow that is looked at."""
        return "" if self.caller is None else self.caller.path

    @property
    def prefix(self) -> str:
        """What the paths of its steps begin with."""
        return "" if self.caller is None else f"{self.caller.path}/"

    @property
    def place(self) -> str:
        """The pointer of the workflow in the document that is looked at."""
        return pointer() if self.caller is None else self.caller.at("workflow")


def units(workflow: Workflow, workflows: Mapping[str, Workflow] | None = None) -> tuple[Unit, ...]:
    """The workflow first, then those that its steps run, each behind the one that runs it.

    `workflows` are the others by `name@version`; what is not there, and what runs itself, is left out, as is what lies
    beyond `MOST_STEPS`.
    """
    found = [Unit(workflow)]
    left = MOST_STEPS - len(found[0].sites)
    for unit in found:  # grows while it is read
        for site in unit.sites:
            step = site.located.step
            other = (workflows or {}).get(versioned(step)) if isinstance(step, WorkflowStep) else None
            if other is None or (other.name, other.version) in _around(unit):
                continue
            inner = Unit(other, site)
            left -= len(inner.sites)
            if left < 0:
                return tuple(found)
            unit.inner[site.path] = inner
            found.append(inner)
    return tuple(found)


def _around(unit: Unit) -> set[tuple[str, str]]:
    around = {(unit.workflow.name, unit.workflow.version)}
    while unit.caller is not None:
        unit = unit.caller.unit
        around.add((unit.workflow.name, unit.workflow.version))
    return around
