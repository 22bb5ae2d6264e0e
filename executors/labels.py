"""Which label each value of a run carries: the join of the labels of all that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unified_api.types import Sensitivity
from unified_api.types.sensitivity import cleared, most_sensitive
from workflows.expressions import template
from workflows.references import usage
from workflows.stated_labels import input_labels

__all__ = ["Labels", "input_labels"]


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of what templates can see in one block of steps. Only those above the floor are kept."""

    floor: Sensitivity
    """Of everything in the block: the policy's label, joined with the labels of what decided that the block runs."""
    inputs: Mapping[str, Sensitivity] = field(default_factory=dict)
    steps: dict[str, Sensitivity] = field(default_factory=dict)
    """Of the outputs of the steps that have ended, those around the block included."""
    variables: Mapping[str, Sensitivity] = field(default_factory=dict)

    def of(self, templates: Iterable[str], *more: Sensitivity | None) -> Sensitivity:
        """The label of what is made from these templates here."""
        named = () if self.are_floor else self._named(templates)
        return most_sensitive(self.floor, *more, *named)

    @property
    def are_floor(self) -> bool:
        """Whether all that templates see here is labelled as the floor."""
        return not (self.inputs or self.steps or self.variables)

    def _named(self, templates: Iterable[str]) -> Iterable[Sensitivity | None]:
        for source in templates:
            for one in usage(source).references:
                yield (self.inputs if one.root == "inputs" else self.steps).get(one.name)
            for name in template(source).free if self.variables else ():
                yield self.variables.get(name)

    def end(self, step_id: str, label: Sensitivity) -> None:
        """A step of the block has ended."""
        if label != self.floor and not cleared(self.floor, label):
            self.steps[step_id] = label

    def inside(
        self, floor: Sensitivity, variables: Mapping[str, Sensitivity] | None = None, *, steps: Iterable[str] = ()
    ) -> Labels:
        """Those of a block inside, which sees these steps of the ones around it: what is set there is not seen here."""
        floor = most_sensitive(self.floor, floor)
        return Labels(
            floor,
            inputs=_above(floor, self.inputs),
            steps=_above(floor, {name: self.steps[name] for name in steps if name in self.steps} if self.steps else {}),
            variables=_above(floor, {**self.variables, **(variables or {})}),
        )

    def alone(self, floor: Sensitivity, inputs: Mapping[str, Sensitivity]) -> Labels:
        """Those of another workflow, which sees nothing but its inputs."""
        floor = most_sensitive(self.floor, floor)
        return Labels(floor, inputs=_above(floor, inputs))


def _above(floor: Sensitivity, labels: Mapping[str, Sensitivity]) -> dict[str, Sensitivity]:
    return {name: label for name, label in labels.items() if not cleared(floor, label)} if labels else {}
