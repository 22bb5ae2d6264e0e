"""Which label everything in a workflow carries at most: the join of the labels of all that it may be made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.base import Sensitivity
from workflows.blocks import Inner, implied_result
from workflows.checks.units import Site, Unit, units
from workflows.frames import Frame
from workflows.graph import implied_outputs
from workflows.model import LoopStep, MapStep, Workflow, WorkflowStep
from workflows.references import usage
from workflows.stated_labels import SENSITIVITIES, input_labels
from workflows.templates import strings, templates

__all__ = ["SENSITIVITIES", "Flow", "StepLabels", "cleared", "labels_of"]


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

    `workflows` are those that its steps run, by `name@version`.
    """
    flow = Flow(units(workflow, workflows))
    return {site.path: StepLabels(flow.call(site), flow.output(site)) for unit in flow.units for site in unit.sites}


@dataclass(slots=True)
class _Node:
    """The label of one thing: its own, joined with those of what it is made from."""

    name: str
    own: int
    sources: list[int]
    level: int = 0


class Flow:
    """The labels of a workflow, worked out once, and the ways that they took.

    Each thing that has a label is a node that leads to what is made from it. The highest labels are followed first,
    so that each node is reached once, on a shortest way.
    """

    def __init__(self, units: tuple[Unit, ...]) -> None:
        self.units = units
        self._nodes: list[_Node] = []
        self._inputs: dict[tuple[str, str], int] = {}
        self._calls: dict[str, int] = {}
        self._made: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._blocks: dict[Frame, int] = {}
        for unit in units:
            self._declare(unit)
        for unit in units:
            self._connect(unit)
        self._came = self._followed()

    def call(self, site: Site) -> Sensitivity:
        """Of what the step sends."""
        return self._label(self._calls[site.path])

    def made(self, site: Site) -> Sensitivity:
        """Of what the step's output is made from, whatever it is declassified to."""
        return self._label(self._made[site.path])

    def output(self, site: Site) -> Sensitivity:
        """Of what the step gives."""
        return self._label(self._outputs[site.path])

    def way(self, site: Site) -> str:
        """How the label of what a step sends came there: `inputs.patient -> summary -> draft`."""
        node: int | None = self._calls[site.path]
        names: list[str] = []
        while node is not None:
            names.append(self._nodes[node].name)
            node = self._came.get(node)
        return " -> ".join(dict.fromkeys(name for name in reversed(names) if name))

    def _label(self, node: int) -> Sensitivity:
        return SENSITIVITIES[self._nodes[node].level]

    def _node(self, name: str = "", own: Sensitivity | None = None, *, of: Iterable[int] = ()) -> int:
        self._nodes.append(_Node(name, 0 if own is None else SENSITIVITIES.index(own), list(of)))
        return len(self._nodes) - 1

    def _declare(self, unit: Unit) -> None:
        """A node for everything of a unit that something may be made from."""
        floor = self._blocks[unit.frames[0]] = self._node("policy.sensitivity", unit.workflow.policy.sensitivity)
        labels = input_labels(unit.workflow)
        for name in unit.workflow.inputs:
            self._inputs[unit.name, name] = self._node(f"inputs.{name}", labels.get(name), of=[floor])
        for site in unit.sites:
            step, path = site.located.step, site.path
            self._calls[path] = self._node(path, step.sensitivity, of=[self._blocks[site.located.frame]])
            self._made[path] = self._node()
            self._failed[path] = self._node(of=[self._calls[path], self._made[path]])
            self._outputs[path] = self._node(path, step.declassify)
            for frame in unit.held(site):
                self._blocks[frame] = self._node(of=[self._calls[path]])

    def _connect(self, unit: Unit) -> None:
        for site in unit.sites:
            path = site.path
            self._nodes[self._calls[path]].sources.extend(self._named(unit, _sources(site)))
            self._nodes[self._made[path]].sources.extend(self._made_from(unit, site))
            if site.located.step.declassify is None:
                self._nodes[self._outputs[path]].sources.append(self._made[path])

    def _made_from(self, unit: Unit, site: Site) -> Iterable[int]:
        """What a step's output is made from."""
        step = site.located.step
        inner = unit.inner.get(site.path)
        failed = list(self._failures(unit, site, inner))
        self._nodes[self._failed[site.path]].sources.extend(failed)
        if step.on_error != "fail" or (isinstance(step, MapStep) and step.on_item_error != "fail"):
            yield from failed  # what stands in its place tells that something failed
        if inner is not None and isinstance(step, WorkflowStep):
            yield from self._run(step, unit, inner)
            if step.when is None and step.on_error == "fail":
                return  # otherwise there may be no outputs, which tells of what was sent
        yield self._calls[site.path]
        for frame in unit.held(site):
            yield from self._block(unit, site, frame)

    def _block(self, unit: Unit, site: Site, frame: Frame) -> Iterable[int]:
        """What a block gives to the output of the step that holds it."""
        step = site.located.step
        given = list(self._named(unit, (source for _, source in strings(_result(frame), ()))))
        if isinstance(step, LoopStep):
            given += self._named(unit, (step.until,))
        is_seen_again = step.retry.attempts > 1 or (isinstance(step, LoopStep) and step.max_rounds > 1)
        if is_seen_again:  # a round decides whether there is another one, and sees what the last one gave
            self._nodes[self._blocks[frame]].sources.extend(given)
        return [self._blocks[frame], *given]

    def _failures(self, unit: Unit, site: Site, inner: Unit | None) -> Iterable[int]:
        """What a failure of the step may tell of: what the steps inside of it send."""
        prefix = f"{site.path}/"
        frames = unit.held(site) if inner is None else inner.frames[:1]
        for frame in frames:
            for step in frame.steps:
                if step.on_error == "fail" and prefix + step.id in self._failed:
                    yield self._failed[prefix + step.id]

    def _run(self, step: WorkflowStep, unit: Unit, inner: Unit) -> Iterable[int]:
        """What is given to another workflow, and what it gives."""
        policy, block = inner.workflow.policy, self._blocks[inner.frames[0]]
        if inner.caller is not None:
            self._nodes[block].sources.append(self._decided(step, unit, inner.caller))
        for name in inner.workflow.inputs:
            given = (source for _, source in strings(step.inputs.get(name), ()))
            self._nodes[self._inputs[inner.name, name]].sources.extend(self._named(unit, given))
        if policy.declassify is not None:
            yield self._node("policy.declassify", policy.declassify)
            yield self._node(inner.name, step.sensitivity)
            return
        outputs = implied_outputs(inner.workflow, inner.frames[0].graph)
        yield block
        yield from self._named(inner, (source for _, source in strings(outputs, ())))

    def _decided(self, step: WorkflowStep, unit: Unit, site: Site) -> int:
        """That another workflow runs at all."""
        node = self._node(site.path, step.sensitivity, of=[self._blocks[site.located.frame]])
        if step.when is not None:
            self._nodes[node].sources.extend(self._named(unit, (step.when,)))
        return node

    def _named(self, unit: Unit, sources: Iterable[str]) -> Iterable[int]:
        """The nodes of the inputs and steps that templates name.

        Not of variables: a block carries the label of what they are taken from.
        """
        for source in sources:
            for one in usage(source).references:
                if one.root == "inputs" and (unit.name, one.name) in self._inputs:
                    yield self._inputs[unit.name, one.name]
                elif one.root == "steps" and one.name in unit.by_id:
                    yield self._outputs[unit.by_id[one.name].path]

    def _followed(self) -> dict[int, int]:
        """Gives every node its label; the source that each label came from, where it is not the node's own."""
        targets: list[list[int]] = [[] for _ in self._nodes]
        for number, node in enumerate(self._nodes):
            for source in node.sources:
                targets[source].append(number)
        came: dict[int, int] = {}
        done: set[int] = set()
        for level in range(len(SENSITIVITIES) - 1, 0, -1):
            queue = [number for number, node in enumerate(self._nodes) if node.own == level and number not in done]
            done.update(queue)
            for number in queue:  # grows while it is read
                self._nodes[number].level = level
                for target in targets[number]:
                    if target not in done:
                        done.add(target)
                        came[target] = number
                        queue.append(target)
        return came


def _sources(site: Site) -> Iterable[str]:
    return (source for _, source in templates(site.located.step))


def _result(frame: Frame) -> Any:
    return implied_result(Inner((), frame.steps, frame.result))
