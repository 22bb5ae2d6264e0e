"""A workflow with all that it runs: itself, and for each place the workflows that its steps run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from workflows.findings import Path, pointer
from workflows.frames import Frame, Located, frames
from workflows.graph import Graph
from workflows.model import BranchStep, MapStep, Step, Workflow, WorkflowStep

__all__ = ["MOST_STEPS", "Around", "Site", "Unit", "counted", "may_be_kept", "run_by", "versioned"]

MOST_STEPS: Final = 1_000_000
"""Steps that a workflow may have, those of other workflows counted once for each place that they run at."""


def versioned(step: WorkflowStep) -> str:
    """How the workflow is named that a step runs: `name@version`."""
    return f"{step.workflow}@{step.version}"


@dataclass(frozen=True, slots=True)
class Around:
    """What the steps around a workflow mean for those inside of it."""

    budget_usd: float | None = None
    """The smallest."""
    tried_again: bool = False
    certain: bool = True
    """Whether a run that succeeds must execute the workflow itself."""


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

    @property
    def is_certain(self) -> bool:
        """Whether a run that succeeds must execute the step itself."""
        around = [one.step for one in self.located.around()]
        return (
            self.unit.around.certain
            and not any(_may_be_spared(one) for one in (self.located.step, *around))
            and not any(_may_leave_out(one) for one in around)
            and not may_be_kept(self.located.step, self.unit.workflow)
        )

    @property
    def around(self) -> Around:
        """What it means for a workflow that it runs."""
        outer, steps = self.unit.around, [self.located.step, *(one.step for one in self.located.around())]
        budgets = [outer.budget_usd, self.unit.workflow.policy.budget_usd, *(step.budget_usd for step in steps)]
        return Around(
            min((one for one in budgets if one is not None), default=None),
            outer.tried_again or any(step.retry.attempts > 1 for step in steps),
            self.is_certain,
        )


@dataclass(frozen=True, eq=False)
class Unit:
    """One workflow as it is run: by itself, or by a step of another."""

    workflow: Workflow
    caller: Site | None = None
    """The step that runs it; the first of them, where several run it in the same way."""
    inner: dict[str, Unit] = field(default_factory=dict)
    """By the path of the step that runs it."""
    around: Around = Around()

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


def run_by(workflow: Workflow, workflows: Mapping[str, Workflow] | None) -> dict[str, Workflow]:
    """All that a workflow runs, directly or by way of others, each behind those that run it.

    `workflows` are the others by `name@version`; what is not there, and what leads back to itself, is left out.
    """
    if not workflows:
        return {}
    runs: dict[str, tuple[str, ...]] = {}
    queue = [("", workflow)]
    for name, one in queue:  # grows while it is read
        if name not in runs:
            runs[name] = tuple(dict.fromkeys(other for other in _called(one) if other in workflows))
            queue += [(other, workflows[other]) for other in runs[name]]
    return {name: workflows[name] for name in reversed(Graph.from_parents(runs).sorted_part()) if name}


def counted(others: dict[str, Workflow]) -> dict[str, int]:
    """The steps of each workflow with those of all that it runs, once for each place; `others` as `run_by` gives."""
    counts: dict[str, int] = {}
    for name in reversed(others):
        one = others[name]
        own = sum(len(frame.steps) for frame in frames(one))
        counts[name] = own + sum(counts.get(other, 0) for other in _called(one))
    return counts


def _called(workflow: Workflow) -> Iterator[str]:
    for frame in frames(workflow):
        yield from (versioned(step) for step in frame.steps if isinstance(step, WorkflowStep))


def may_be_kept(step: Step, workflow: Workflow) -> bool:
    """Whether the result of another run may be taken instead of the step's own."""
    return (step.cache or workflow.policy.cache) != "run"


def _may_be_spared(step: Step) -> bool:
    return step.when is not None or step.on_error != "fail"


def _may_leave_out(step: Step) -> bool:
    """Whether a step inside of it may be left out."""
    if isinstance(step, MapStep):
        return not (isinstance(step.over, tuple) and step.over) or step.on_item_error != "fail"
    return isinstance(step, BranchStep)
