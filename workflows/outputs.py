"""The shape of every step's output, as far as it is known before the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from workflows.blocks import may_be_skipped
from workflows.composed import any_item, known, list_of, movable, object_of, union
from workflows.expressions import template
from workflows.frames import Frame, Located, Variable
from workflows.inference import form
from workflows.model import (
    BranchStep,
    EmbedStep,
    HttpStep,
    LoopStep,
    MapStep,
    Recover,
    SetStep,
    Step,
    ToolStep,
    Workflow,
    WorkflowStep,
)
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
_NUMBER: Final = Shape.of({"type": "integer"})
_NULL: Final = Shape.of({"type": "null"})
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_DECISION: Final = Shape.of(
    {
        **CLOSED,
        "properties": {
            "approved": {"type": "boolean"},
            "by": _TEXT_OR_NULL,
            "comment": _TEXT_OR_NULL,
            "expired": {"type": "boolean"},
        },
        "required": ["approved", "by", "comment", "expired"],
    }
)
_HEADERS: Final = Shape.of({"type": "object", "additionalProperties": {"type": "string"}})
_FAILED_ITEM: Final = Shape.of(
    {
        **CLOSED,
        "properties": {
            "error": {
                **CLOSED,
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
                "required": ["code", "message"],
            }
        },
        "required": ["error"],
    }
)


_BY_KIND: Final = {"llm": TEXT, "image": Shape.of(IMAGE), "approval": _DECISION}


class Shapes:
    """Knows the shapes of the inputs, of the variables, and of all steps' outputs of one workflow."""

    def __init__(
        self,
        workflow: Workflow,
        frames: tuple[Frame, ...],
        *,
        tools: Mapping[str, ToolSpec] | None = None,
        called: Callable[[WorkflowStep], Shape] = lambda _step: ANY,
    ) -> None:
        """`frames` are those of the workflow, its own steps first; `called` knows what a sub-workflow gives."""
        self._tools = tools or {}
        self._called_workflow = called
        self._inputs = {name: Shape.of(schema) for name, schema in workflow.inputs.items()}
        self._outputs: dict[Located, Shape] = {}
        self._given: dict[Located, Shape] = {}
        self._variables: dict[Variable, Shape] = {}
        self._inside: dict[Located, list[Frame]] = {}
        for frame in frames:
            if frame.owner is not None:
                self._inside.setdefault(frame.owner, []).append(frame)
        self._learn(frames[0])

    def _learn(self, frame: Frame) -> None:
        # Parents first; those in a cycle come last, and see nothing of each other.
        for step_id in dict.fromkeys([*frame.graph.sorted_part(), *frame.own]):
            located = frame.own[step_id]
            shape = self._given[located] = self._worked_out(located)
            if isinstance(located.step.on_error, Recover) and shape is not ANY:
                shape = union([shape, known(located.step.on_error.output)])
            self._outputs[located] = shape

    def output(self, located: Located) -> Shape:
        """The shape of a step's output."""
        return self._outputs.get(located, ANY)

    def given(self, located: Located) -> Shape:
        """The shape of what a step gives when all goes well, and not its stand-in."""
        return self._given.get(located, ANY)

    def of_reference(self, reference: Reference, frame: Frame) -> Shape | Absent:
        """The shape of what a reference means in a block, or why there can be no such value."""
        return self.base(reference, frame).follow(reference.path)

    def base(self, reference: Reference, frame: Frame) -> Shape:
        """The shape of the whole output, input or variable that a reference starts from."""
        if reference.root == "inputs":
            return self._inputs.get(reference.name, ANY)
        if reference.root == "variables":
            variable = frame.variables.get(reference.name)
            return ANY if variable is None else self._variables.get(variable, ANY)
        located = frame.sees(reference.name)
        return ANY if located is None else self.output(located)

    def of_template(self, source: str, frame: Frame) -> Shape:
        """The shape of a template rendered in a block."""
        if not template(source).whole:
            return TEXT
        used = usage(source)
        whole = [one for one in (*used.references, *used.variables) if one.whole]
        if len(whole) != 1:
            known_form = form(source)
            return ANY if known_form is None else Shape(known_form, known_form, free=True)
        found = self.of_reference(whole[0], frame)
        return ANY if isinstance(found, Absent) else found

    def of_value(self, value: Any, frame: Frame) -> Shape:
        """The shape of a JSON value whose strings are templates."""
        if isinstance(value, str):
            return self.of_template(value, frame)
        inferred = self._schema(value, frame)
        return Shape(inferred, inferred, free=True)

    def _schema(self, value: Any, frame: Frame) -> Any:
        if isinstance(value, str):
            shape = self.of_template(value, frame)
            # A schema whose references point into another document cannot be moved into this one.
            return shape.schema if movable(shape) else True
        if isinstance(value, dict):
            properties = {key: self._schema(one, frame) for key, one in value.items()}
            return {**CLOSED, "properties": properties, "required": list(properties)}
        if isinstance(value, list | tuple):
            items = [self._schema(one, frame) for one in value]
            return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
        return of_value(value)

    def result(self, frame: Frame) -> Shape:
        """The shape of what a block gives: its result, or the output of the last of its steps."""
        if frame.result is not None:
            return self.of_value(frame.result, frame)
        if not frame.steps:
            return _NULL
        last = frame.own[frame.steps[-1].id]
        shape = self.output(last)
        return union([shape, _NULL]) if may_be_skipped(last.step) else shape

    def of_outputs(self, outputs: Mapping[str, Any], frame: Frame) -> Shape:
        """The shape of what the workflow gives; without `outputs` those of its last steps by their ids."""
        if outputs:
            return self.of_value(dict(outputs), frame)
        last = {one: self.output(frame.own[one]) for one in frame.graph.sinks()}
        skipped = {one for one in last if may_be_skipped(frame.own[one].step)}
        return object_of({one: union([shape, _NULL]) if one in skipped else shape for one, shape in last.items()})

    def _worked_out(self, located: Located) -> Shape:
        """The shape of what a step gives when all goes well; learns what there is to know of its blocks."""
        step = located.step
        if isinstance(step, MapStep):
            return self._mapped(step, located)
        if isinstance(step, LoopStep):
            return self._looped(step, located)
        if isinstance(step, BranchStep):
            return self._branched(step, located)
        return self._called_workflow(step) if isinstance(step, WorkflowStep) else self._plain(step, located.frame)

    def _plain(self, step: Step, frame: Frame) -> Shape:
        if isinstance(step, EmbedStep):
            return self._embedding(step, frame)
        if isinstance(step, HttpStep):
            return object_of({"status": _NUMBER, "headers": _HEADERS, "body": Shape.of(step.output)})
        declared = getattr(step, "output", None)  # some kinds have none
        if declared is not None:
            return Shape.of(declared)
        if isinstance(step, SetStep):
            return self.of_value(step.value, frame)
        return self._called(step) if isinstance(step, ToolStep) else _BY_KIND.get(step.kind, ANY)

    def _called(self, step: ToolStep) -> Shape:
        tool = self._tools.get(step.tool)
        return Shape.of(dict(tool.returns)) if tool is not None and tool.returns is not None else ANY

    def _embedding(self, step: EmbedStep, frame: Frame) -> Shape:
        if not isinstance(step.input, str):
            return Shape.of(_VECTORS)
        types = self.of_template(step.input, frame).types()
        if types == frozenset({"string"}):
            return Shape.of(_VECTOR)
        return Shape.of(_VECTORS if types == frozenset({"array"}) else {"type": "array"})

    def _mapped(self, step: MapStep, located: Located) -> Shape:
        item = any_item(self.of_value(step.over, located.frame))
        (inner,) = self._inside[located]
        for variable in inner.variables.values():
            if variable.owner is located:
                self._variables[variable] = _NUMBER if variable.kind == "index" else item
        self._learn(inner)
        result = self.result(inner)
        return list_of(union([result, _FAILED_ITEM]) if step.on_item_error == "keep" else result)

    def _looped(self, step: LoopStep, located: Located) -> Shape:
        """A round's result may be made from that of the round before it, of which nothing is known at first."""
        (inner,) = self._inside[located]
        variable = inner.variables[step.as_]
        self._variables[variable] = object_of({"number": _NUMBER, "previous": ANY})
        self._learn(inner)
        result = self.result(inner)
        before = union([self.of_value(step.initial, located.frame), result])
        self._variables[variable] = object_of({"number": _NUMBER, "previous": before})
        return result

    def _branched(self, step: BranchStep, located: Located) -> Shape:
        for inner in self._inside[located]:
            self._learn(inner)
        if step.output is not None:
            return Shape.of(step.output)
        return union([self.result(inner) for inner in self._inside[located]])
