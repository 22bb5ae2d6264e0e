"""What every step and block of a workflow costs at least, each step on its cheapest model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from workflows.checks.lengths import least_tokens
from workflows.checks.serving import Asking, Serving, asking
from workflows.checks.units import Site, Unit, may_be_kept
from workflows.model import BranchStep, LoopStep, MapStep, Step

__all__ = ["Least", "Spending"]

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Least:
    """What something costs at least."""

    sure: Decimal = _NOTHING
    """In every run that succeeds."""
    likely: Decimal = _NOTHING
    """Where each list has one item, and no step fails or is answered from what is kept."""

    def __add__(self, other: Least) -> Least:
        return Least(self.sure + other.sure, self.likely + other.likely)

    def times(self, sure: int, likely: int) -> Least:
        return Least(self.sure * sure, self.likely * likely)


class Spending:
    """The least cost of every step and block of a workflow; nothing is counted for prices that nobody knows."""

    def __init__(self, units: tuple[Unit, ...], serving: Serving) -> None:
        self._serving = serving
        self._steps: dict[str, Least] = {}
        self._totals: dict[str, Least] = {}
        for unit in reversed(units):  # those that are run before those that run them
            self._unit(unit)

    def step(self, site: Site) -> Least:
        """Of one execution of the step, when it is not skipped."""
        return self._steps[site.path]

    def total(self, unit: Unit) -> Least:
        return self._totals[unit.name]

    def _unit(self, unit: Unit) -> None:
        for site in reversed(unit.sites):  # inner ones first
            self._steps[site.path] = self._own(unit, site)
        self._totals[unit.name] = self._sum(unit.frames[0].steps, unit.prefix)

    def _own(self, unit: Unit, site: Site) -> Least:
        step = site.located.step
        if (asked := asking(step)) is not None:
            return self._call(unit, site, asked)
        if site.path in unit.inner:
            return self._totals[unit.inner[site.path].name]
        blocks = [self._sum(frame.steps, f"{site.path}/") for frame in unit.held(site)]
        if isinstance(step, MapStep):
            items = len(step.over) if isinstance(step.over, tuple) else None
            sure = 0 if items is None or step.on_item_error != "fail" else items
            return blocks[0].times(sure, 1 if items is None else items)
        if isinstance(step, LoopStep):
            return blocks[0]
        if isinstance(step, BranchStep):
            ways = [*blocks] if step.else_ is not None else [*blocks, Least()]
            return Least(min(one.sure for one in ways), min(one.likely for one in ways))
        return Least()

    def _sum(self, steps: Sequence[Step], prefix: str) -> Least:
        """Of a block. What may be skipped or may fail costs nothing there."""
        parts = (_in_block(step, self._steps[prefix + step.id]) for step in steps if prefix + step.id in self._steps)
        return sum(parts, start=Least())

    def _call(self, unit: Unit, site: Site, step: Asking) -> Least:
        """Of one call of the cheapest model, with what its prompt surely has and the shortest answer."""
        made, given = 0 if step.kind == "embed" else 1, least_tokens(step)
        rates = (one.least for one in self._serving.cheapest(site))
        cost = min((one.cost(given, made) for one in rates if one is not None), default=_NOTHING)
        return Least(_NOTHING if may_be_kept(step, unit.workflow) else cost, cost)


def _in_block(step: Step, cost: Least) -> Least:
    if step.when is not None:
        return Least()
    return cost if step.on_error == "fail" else Least(_NOTHING, cost.likely)
