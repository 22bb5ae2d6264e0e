"""Which label each value of a run carries: the join of the labels of all that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unified_api.types import Sensitivity
from unified_api.types.sensitivity import SENSITIVITIES, most_sensitive
from workflows.expressions import template
from workflows.model import Workflow
from workflows.references import usage

__all__ = ["Labels", "input_labels"]


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of what templates can see in one block of steps."""

    floor: Sensitivity
    """Of everything in the block: the policy's label, joined with the labels of what decided that the block runs."""
    inputs: Mapping[str, Sensitivity] = field(default_factory=dict)
    steps: dict[str, Sensitivity] = field(default_factory=dict)
    """Of the outputs of the steps that have ended, those around the block included."""
    variables: Mapping[str, Sensitivity] = field(default_factory=dict)

    def of(self, templates: Iterable[str], *more: Sensitivity | None) -> Sensitivity:
        """The label of what is made from these templates here."""
        return most_sensitive(self.floor, *more, *(label for source in templates for label in self._named(source)))

    def _named(self, source: str) -> Iterable[Sensitivity | None]:
        for one in usage(source).references:
            yield (self.inputs if one.root == "inputs" else self.steps).get(one.name)
        for name in template(source).free:
            yield self.variables.get(name)

    def inside(self, floor: Sensitivity, variables: Mapping[str, Sensitivity] | None = None) -> Labels:
        """Those of a block inside: what is set there is not seen here."""
        return replace(
            self,
            floor=most_sensitive(self.floor, floor),
            steps=dict(self.steps),
            variables={**self.variables, **(variables or {})},
        )


def input_labels(workflow: Workflow) -> dict[str, Sensitivity]:
    """What the schemas of the inputs say of their values; only those that say something."""
    stated: dict[str, Any] = {name: schema.get("sensitivity") for name, schema in workflow.inputs.items()}
    return {name: label for name, label in stated.items() if label in SENSITIVITIES}
