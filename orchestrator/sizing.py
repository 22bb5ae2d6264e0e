"""How long the prompts of steps are: by recursion over all that their templates stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from orchestrator.history import ENOUGH, History
from orchestrator.sketch import BYTES_A_TOKEN, NOTHING, Range, Sketch, known, listed, merged, named
from workflows.checks.lengths import least_bytes
from workflows.checks.serving import Asking
from workflows.checks.units import Site, Unit
from workflows.frames import Frame
from workflows.lexer import scan
from workflows.model import BranchStep, LlmStep, LoopStep, MapStep, SetStep, WorkflowStep
from workflows.references import Reference, usage
from workflows.templates import templates

__all__ = ["Sizes", "guess_told"]

_VALUE: Final = Range(100, 1_000)
"""Tokens of a value that nobody knows, such as an input that is not given."""
_PICTURE: Final = Range(800, 1_600)
"""Tokens of a picture that a model is shown."""
_ITEMS: Final = 10
_DEEPEST: Final = 60
"""Values that are followed from one to the next; what is farther away is guessed."""


class Sizes:
    """Knows what is known of the values of a run."""

    def __init__(
        self, units: Sequence[Unit], past: History, given: Mapping[str, Any], answer: Callable[[LlmStep], Range]
    ) -> None:
        self._past = past
        self._given = given
        self._answer = answer
        self._callers: dict[Unit, list[Site]] = {}
        for unit in units:
            for site in unit.sites if unit.inner else ():
                if site.path in unit.inner:
                    self._callers.setdefault(unit.inner[site.path], []).append(site)
        self._found: dict[tuple[Unit, str, str], Sketch | None] = {}
        self._depth = 0

    def prompt(self, site: Site, step: Asking) -> Sketch:
        """Of all texts and pictures that a model is sent for the step."""
        frame, size, guessed = site.located.frame, Range(0, 0), frozenset[str]()
        for path, source in templates(step):
            if path[0] == "images":
                size += _PICTURE
            elif path[0] != "when":
                one = self._text(site.unit, frame, source)
                size, guessed = size + one.size, guessed | one.guessed
        own = least_bytes(step) / BYTES_A_TOKEN if isinstance(step, LlmStep) and step.output is not None else 0
        return Sketch(size + Range(own, own), guessed=guessed)

    def _value(self, unit: Unit, frame: Frame, value: Any) -> Sketch:
        """Of a JSON value with templates in it."""
        if isinstance(value, str):
            return self._text(unit, frame, value)
        if isinstance(value, dict):
            return named({key: self._value(unit, frame, one) for key, one in value.items()})
        if isinstance(value, list | tuple):
            items = merged([self._value(unit, frame, one) for one in value])
            return listed(items, Range(len(value), len(value)))
        return known(value)

    def _text(self, unit: Unit, frame: Frame, source: str) -> Sketch:
        used = usage(source)
        names = (*used.references, *used.variables)
        if len(names) == 1 and names[0].whole:
            return self._named(unit, frame, names[0])
        plain = sum(
            len(source[one.start : one.end].encode("utf-8", "replace")) for one in scan(source) if one.kind == "text"
        )
        size, guessed = Range(plain / BYTES_A_TOKEN, plain / BYTES_A_TOKEN), frozenset[str]()
        for name in dict.fromkeys(names):
            one = self._named(unit, frame, name)
            size, guessed = size + one.size, guessed | one.guessed
        return Sketch(size, guessed=guessed)

    def _named(self, unit: Unit, frame: Frame, name: Reference) -> Sketch:
        makers = {"inputs": self._input, "steps": self._output, "variables": self._variable}
        key = (unit, name.root, name.name if name.root != "variables" else f"{frame.path} {name.name}")
        if key not in self._found and self._depth < _DEEPEST:
            self._found[key] = None  # what needs itself, such as the round before, starts from nothing
            self._depth += 1
            self._found[key] = makers[name.root](unit, frame, name.name)
            self._depth -= 1
        found = self._found.get(key, _guess(name.text))
        if found is None:
            return NOTHING
        for part in name.path:
            found = found.part(part)
        return found

    def _input(self, unit: Unit, _: Frame, name: str) -> Sketch:
        schema = unit.workflow.inputs.get(name, {})
        if unit.caller is None:
            return known(self._given[name]) if name in self._given else _guess(f"inputs.{name}")
        found = []
        for site in self._callers.get(unit, [unit.caller]):
            step = site.located.step
            if isinstance(step, WorkflowStep) and name in step.inputs:
                found.append(self._value(site.unit, site.located.frame, step.inputs[name]))
            else:
                found.append(known(schema.get("default", "")))
        return merged(found)

    def _variable(self, unit: Unit, frame: Frame, name: str) -> Sketch:
        variable = frame.variables.get(name)
        if variable is None or variable.kind == "index":
            return known(10)
        step = variable.owner.step
        if isinstance(step, LoopStep):
            result = self._value(unit, frame, _result(next(unit.held(unit.by_id[step.id]))))
            return Sketch(result.size, {"number": known(1), "previous": result}, guessed=result.guessed)
        if not isinstance(step, MapStep):
            return NOTHING
        over = self._value(unit, variable.owner.frame, step.over)
        if over.item is not None:
            return over.item
        share = 1 / max(self._count(unit.by_id[step.id], step).p50, 1)
        return Sketch(over.size * Range(share, share), guessed=over.guessed)

    def _count(self, site: Site, step: MapStep) -> Range:
        """The items of a map."""
        over = self._value(site.unit, site.located.frame, step.over)
        if over.count is not None:
            return over.count
        past = sorted(self._past.counts.get(site.path, ()))
        if len(past) >= ENOUGH:
            return Range(past[len(past) // 2], past[min(int(len(past) * 0.95), len(past) - 1)])
        count = min(_ITEMS, step.max_items)
        return Range(count, count)

    def _output(self, unit: Unit, _: Frame, name: str) -> Sketch:
        site = unit.by_id.get(name)
        if site is None:
            return NOTHING
        step, frame = site.located.step, site.located.frame
        if isinstance(step, LlmStep):
            return Sketch(self._answer(step))
        if isinstance(step, SetStep):
            return self._value(unit, frame, step.value)
        return self._held(site)

    def _held(self, site: Site) -> Sketch:
        """What a step gives that holds others, or whose output nobody knows."""
        step, unit = site.located.step, site.unit
        blocks = [self._value(unit, one, _result(one)) for one in unit.held(site)]
        if isinstance(step, MapStep):
            return listed(blocks[0], self._count(site, step))
        if isinstance(step, LoopStep | BranchStep):
            return merged(blocks)
        inner = unit.inner.get(site.path)
        return (
            _guess(f"steps.{step.id}.output") if inner is None else self._value(inner, inner.frames[0], _outputs(inner))
        )


def _result(frame: Frame) -> Any:
    """The template of what a block gives."""
    if frame.result is not None or not frame.steps:
        return frame.result
    return f"{{{{ steps.{frame.steps[-1].id}.output }}}}"


def _outputs(unit: Unit) -> dict[str, Any]:
    """The templates of what a workflow gives: those of its last steps, where it says nothing."""
    frame = unit.frames[0]
    needed = {parent for step in frame.own for parent in frame.graph.parents(step)}
    return unit.workflow.outputs or {one: f"{{{{ steps.{one}.output }}}}" for one in frame.own if one not in needed}


def _guess(what: str) -> Sketch:
    return Sketch(_VALUE, guessed=frozenset({what}))


def guess_told(what: str) -> str:
    """In words."""
    return f"{what}: how long it is is not known, and taken to be {_VALUE.p50:g} to {_VALUE.p95:,g} tokens"
