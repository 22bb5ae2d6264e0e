"""The labels that the schemas of inputs state, of the whole value or of any part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from workflows.base import Sensitivity
from workflows.model import Workflow
from workflows.subschemas import subschemas

__all__ = ["SENSITIVITIES", "input_labels", "stated"]

SENSITIVITIES: Final[tuple[Sensitivity, ...]] = get_args(Sensitivity)
"""From least to most sensitive."""


def stated(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each `sensitivity` with its pointer in the schema, whether it is a label or not.

    A property of that name is none, nor is what stands in a `default`, a `const` or an `enum`.
    """
    for where, one in subschemas(schema):
        if isinstance(one, Mapping) and "sensitivity" in one:
            yield f"{where}/sensitivity", one["sensitivity"]


def input_labels(workflow: Workflow) -> dict[str, Sensitivity]:
    """What the schemas say of the inputs' values; only those that say something.

    A value is as sensitive as the most sensitive of its parts: templates take it whole as well as in parts.
    """
    found = {name: _highest(schema) for name, schema in workflow.inputs.items()}
    return {name: label for name, label in found.items() if label is not None}


def _highest(schema: Mapping[str, Any]) -> Sensitivity | None:
    written = [label for _, label in stated(schema)]
    return next((label for label in reversed(SENSITIVITIES) if label in written), None) if written else None
