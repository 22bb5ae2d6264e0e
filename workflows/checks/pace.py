"""How long every step and block of a workflow takes at least."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from workflows.checks.serving import Serving, asking
from workflows.checks.units import Site, Unit, may_be_kept
from workflows.frames import Frame
from workflows.model import BranchStep, MapStep, Step

__all__ = ["Pace", "Took"]


@dataclass(frozen=True, slots=True)
class Took:
    """The least seconds of something."""

    path: float = 0.0
    """From its start to its end, however much runs beside."""
    work: float = 0.0
    """Of all its steps one after the other."""
    way: tuple[str, ...] = ()
    """The steps of the slowest way through it."""


class Pace:
    """The least time of every step and block: only models are known to take any.

    Waits before second tries are not counted, and nothing that may be skipped, fail, or be taken from another run.
    """

    def __init__(self, units: tuple[Unit, ...], serving: Serving) -> None:
        self._serving = serving
        self._steps: dict[str, Took] = {}
        self._totals: dict[str, Took] = {}
        for unit in reversed(units):  # those that are run before those that run them
            for site in reversed(unit.sites):  # inner ones first
                self._steps[site.path] = self._own(unit, site)
            self._totals[unit.name] = self._block(unit.frames[0], unit.prefix)

    def step(self, site: Site) -> Took:
        """Of one try of the step, when it is not skipped."""
        return self._steps[site.path]

    def total(self, unit: Unit) -> Took:
        """Of the whole workflow."""
        return self._totals[unit.name]

    def _own(self, unit: Unit, site: Site) -> Took:
        step = site.located.step
        if asking(step) is not None:
            seconds = min((one.least_s for one in self._serving.candidates(site)), default=0.0)
            return Took() if may_be_kept(step, unit.workflow) else Took(seconds, seconds)
        if site.path in unit.inner:
            return self._totals[unit.inner[site.path].name]
        blocks = [self._block(frame, f"{site.path}/") for frame in unit.held(site)]
        if isinstance(step, MapStep):
            return _items(step, blocks[0], unit.workflow.policy.max_parallel)
        if isinstance(step, BranchStep):
            ways = [*blocks] if step.else_ is not None else [*blocks, Took()]
            shortest = min(ways, key=lambda one: one.path)
            return Took(shortest.path, min(one.work for one in ways), shortest.way)
        return blocks[0] if blocks else Took()

    def _block(self, frame: Frame, prefix: str) -> Took:
        graph = frame.graph
        steps = {step.id: step for step in reversed(frame.steps)}
        ends: dict[str, float] = {}
        came: dict[str, str | None] = {}
        for one in graph.sorted_part():
            before = max(graph.parents(one), key=lambda parent: ends.get(parent, 0.0), default=None)
            came[one] = before
            ends[one] = (0.0 if before is None else ends[before]) + self._counted(steps[one], prefix).path
        last = max(ends, key=ends.__getitem__, default=None)
        if last is None or not ends[last]:
            return Took()
        work = sum(self._counted(step, prefix).work for step in steps.values())
        return Took(ends[last], work, self._way(last, came, steps, prefix))

    def _counted(self, step: Step, prefix: str) -> Took:
        """Of a step among others: nothing where it may be skipped, or may fail at once."""
        spared = step.when is not None or step.on_error != "fail"
        return Took() if spared else self._steps.get(prefix + step.id, Took())

    def _way(
        self, last: str | None, came: dict[str, str | None], steps: dict[str, Step], prefix: str
    ) -> tuple[str, ...]:
        """The steps on the way to the last one that take any time."""
        way: list[str] = []
        while last is not None:
            if self._counted(steps[last], prefix).path:
                way.append(last)
            last = came[last]
        return tuple(reversed(way))


def _items(step: MapStep, block: Took, most: int) -> Took:
    """Of the items of a list whose length is known; of one whose length is not, nothing."""
    count = len(step.over) if isinstance(step.over, tuple) and step.on_item_error == "fail" else 0
    beside = min(step.max_parallel or most, max(count, 1))
    return Took(block.path * ceil(count / beside), block.work * count, block.way)
