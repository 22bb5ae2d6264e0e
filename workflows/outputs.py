"""The shape of every step's output, as far as it is known before the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from workflows.expressions import template
from workflows.graph import Graph
from workflows.model import EmbedStep, ImageStep, LlmStep, Recover, SetStep, Step, ToolStep, Workflow
from workflows.references import Reference, usage
from workflows.shapes import ANY, CLOSED, Absent, Shape, of_value
from workflows.tools import ToolSpec

__all__ = ["IMAGE", "Shapes"]

TEXT: Final = Shape.of({"type": "string"})
IMAGE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "type": {"const": "image"},
        "media_type": {"type": "string"},
        "url": {"type": "string"},
        "placeholder": {"type": "boolean"},
    },
    "required": ["type", "media_type", "url", "placeholder"],
    "additionalProperties": False,
}
"""What an image step gives: `url` is a data: or an https: address."""
_VECTOR: Final[dict[str, Any]] = {"type": "array", "items": {"type": "number"}}
_VECTORS: Final[dict[str, Any]] = {"type": "array", "items": _VECTOR}


class Shapes:
    """Knows the shapes of the inputs and of the steps' outputs of one workflow."""

    def __init__(self, workflow: Workflow, graph: Graph, tools: Mapping[str, ToolSpec] | None) -> None:
        self._tools = tools or {}
        self._inputs = {name: Shape.of(schema) for name, schema in workflow.inputs.items()}
        self._outputs: dict[str, Shape] = {}
        steps = {step.id: step for step in reversed(workflow.steps)}
        # Parents first; those in a cycle come last, and see nothing of each other.
        for step_id in dict.fromkeys([*graph.sorted_part(), *steps]):
            self._outputs[step_id] = self._output(steps[step_id])

    def output(self, step_id: str) -> Shape:
        """The shape of a step's output; `ANY` for a step that does not exist."""
        return self._outputs.get(step_id, ANY)

    def of_reference(self, reference: Reference) -> Shape | Absent:
        """The shape of what a reference means, or why there can be no such value."""
        return self.base(reference).follow(reference.path)

    def base(self, reference: Reference) -> Shape:
        """The shape of the whole output or input that a reference starts from."""
        if reference.root == "inputs":
            return self._inputs.get(reference.name, ANY)
        return self.output(reference.name)

    def of_template(self, source: str) -> Shape:
        """The shape of a rendered template."""
        if not template(source).whole:
            return TEXT
        references = usage(source).references
        if len(references) != 1 or not references[0].whole:
            return ANY
        found = self.of_reference(references[0])
        return ANY if isinstance(found, Absent) else found

    def of_value(self, value: Any) -> Shape:
        """The shape of a JSON value whose strings are templates."""
        inferred = self._schema(value)
        return Shape(inferred, inferred)

    def _schema(self, value: Any) -> Any:
        if isinstance(value, str):
            shape = self.of_template(value)
            # A schema whose references point into another document cannot be moved into this one.
            return True if "$ref" in str(shape.schema) else shape.schema
        if isinstance(value, dict):
            properties = {key: self._schema(one) for key, one in value.items()}
            return {**CLOSED, "properties": properties, "required": list(properties)}
        if isinstance(value, list | tuple):
            return {"type": "array", "prefixItems": [self._schema(one) for one in value]}
        return of_value(value)

    def _output(self, step: Step) -> Shape:
        shape = self._declared(step)
        if not isinstance(step.on_error, Recover) or shape is ANY:
            return shape
        stand_in = of_value(step.on_error.output)
        return Shape({"anyOf": [shape.schema, stand_in]}, shape.root)

    def _declared(self, step: Step) -> Shape:
        if isinstance(step, LlmStep):
            return TEXT if step.output is None else Shape.of(step.output)
        if isinstance(step, ImageStep):
            return Shape.of(IMAGE)
        if isinstance(step, EmbedStep):
            return self._embedding(step)
        if isinstance(step, SetStep):
            return Shape.of(step.output) if step.output is not None else self.of_value(step.value)
        return self._called(step) if isinstance(step, ToolStep) else ANY

    def _called(self, step: ToolStep) -> Shape:
        if step.output is not None:
            return Shape.of(step.output)
        tool = self._tools.get(step.tool)
        return Shape.of(dict(tool.returns)) if tool is not None and tool.returns is not None else ANY

    def _embedding(self, step: EmbedStep) -> Shape:
        if not isinstance(step.input, str):
            return Shape.of(_VECTORS)
        types = self.of_template(step.input).types()
        if types == frozenset({"string"}):
            return Shape.of(_VECTOR)
        return Shape.of(_VECTORS if types == frozenset({"array"}) else {"type": "array"})
