"""Which label everything in a workflow carries at most: the join of the labels of all that it may be made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from workflows.base import Sensitivity
from workflows.checks.unit_labels import Given, Passage, UnitLabels
from workflows.checks.units import MOST_STEPS, Around, Site, Unit, counted, run_by, versioned
from workflows.model import Workflow, WorkflowStep
from workflows.stated_labels import SENSITIVITIES

__all__ = ["APART", "SENSITIVITIES", "Flow", "StepLabels", "cleared", "labels_of"]

APART: Final = 2_000
"""Steps up to which each place that a workflow runs at is looked at by itself, and told of."""
_Way: TypeAlias = tuple[str, Given, Around]
"""How a workflow is run: at which place where that matters, what it is given, and what is around it."""


def cleared(recipient: Sensitivity, label: Sensitivity) -> bool:
    """Whether who is cleared so far may be shown what is so labelled."""
    return SENSITIVITIES.index(label) <= SENSITIVITIES.index(recipient)


@dataclass(frozen=True, slots=True)
class StepLabels:
    """The labels of one step. A run may find lower ones, never higher."""

    call: Sensitivity
    """Of what the step sends."""
    output: Sensitivity
    """Of what it gives."""


def labels_of(workflow: Workflow, workflows: Mapping[str, Workflow] | None = None) -> Mapping[str, StepLabels]:
    """The labels of every step by its path, without the numbers of items and rounds: `each/summary`, `sub/answer`.

    `workflows` are those that its steps run, by `name@version`. Of thousands of steps those that are alike are told
    once.
    """
    flow = Flow(workflow, workflows)
    return {site.path: StepLabels(flow.call(site), flow.output(site)) for unit in flow.units for site in unit.sites}


class Flow:
    """A workflow with all that it runs, and the labels of everything.

    What a workflow lets through is worked out once, whoever runs it. With that it is looked at once for each place
    that it runs at; where these are too many, once for each way of running it: for the labels of what it is given,
    and what the steps around it mean for it.
    """

    def __init__(
        self, workflow: Workflow, workflows: Mapping[str, Workflow] | None = None, *, apart: int = APART
    ) -> None:
        others = run_by(workflow, workflows)
        self.counts: Mapping[str, int] = counted({"": workflow, **others}) if others else {}
        """The steps of each workflow with those of all that it runs, by `name@version`; those of the workflow itself
        by an empty name. Empty where it runs no other."""
        self.apart = self.counts.get("", 0) <= apart
        """Whether there is a unit for each place."""
        self._others = others if self.counts.get("", 0) <= MOST_STEPS else {}
        self._passages: dict[str, Passage] = {}
        for name, other in reversed(self._others.items()):
            self._passages[name] = UnitLabels(Unit(other), self._passages, Given()).passage()
        self._labels: dict[Unit, UnitLabels] = {}
        self.units: tuple[Unit, ...] = tuple(self._made(workflow))
        """The workflow first, then those that its steps run, each behind all that run it; none where they have more
        than `MOST_STEPS` steps together."""

    def call(self, site: Site) -> Sensitivity:
        """Of what the step sends."""
        return self._labels[site.unit].call(site)

    def made(self, site: Site) -> Sensitivity:
        """Of what the step's output is made from, whatever it is declassified to."""
        return self._labels[site.unit].made(site)

    def output(self, site: Site) -> Sensitivity:
        """Of what the step gives."""
        return self._labels[site.unit].output(site)

    def of(self, site: Site, source: str) -> Sensitivity:
        """Of what one of the step's templates is made from, and of what the step says itself."""
        return self._labels[site.unit].of(site, source)

    def way(self, site: Site) -> str:
        """How the label of what a step sends came there: `inputs.patient -> summary -> draft`."""
        names, entered = self._labels[site.unit].way(site)
        caller = site.unit.caller
        while entered is not None and caller is not None:
            before, entered = self._labels[caller.unit].way_in(caller, entered)
            names, caller = [*names, *before], caller.unit.caller
        return " -> ".join(dict.fromkeys(name for name in reversed(names) if name))

    def _made(self, workflow: Workflow) -> Iterator[Unit]:
        waiting: dict[str, dict[_Way, Unit]] = {"": {("", Given(), Around()): Unit(workflow)}}
        for name in ("", *self._others):  # each behind all that run it
            for (_, given, _), unit in waiting.pop(name, {}).items():
                labels = self._labels[unit] = UnitLabels(unit, self._passages, given)
                yield unit
                for site in unit.sites:
                    step = site.located.step
                    other = self._others.get(versioned(step)) if isinstance(step, WorkflowStep) else None
                    if isinstance(step, WorkflowStep) and other is not None:
                        way = (site.path if self.apart else "", labels.given(site), site.around)
                        known = waiting.setdefault(versioned(step), {})
                        unit.inner[site.path] = known.setdefault(way, Unit(other, site, around=site.around))
