"""Which label everything in one workflow carries, given the labels of what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from workflows.base import Sensitivity
from workflows.blocks import Inner, implied_result
from workflows.checks.units import Site, Unit, versioned
from workflows.frames import Frame
from workflows.graph import implied_outputs
from workflows.linking import declassified
from workflows.model import LoopStep, MapStep, Workflow, WorkflowStep
from workflows.references import usage
from workflows.stated_labels import SENSITIVITIES, input_labels
from workflows.templates import strings, templates

__all__ = ["Given", "Passage", "UnitLabels"]

_DECIDED = ""
"""Stands, beside the names of the inputs, for the fact that the workflow runs."""


@dataclass(frozen=True, slots=True)
class Given:
    """The labels of what another workflow is given by the step that runs it."""

    decided: int = 0
    """Of the fact that it runs."""
    inputs: tuple[int, ...] = ()
    """In the order in which it declares them; empty: nothing is known of them."""


@dataclass(frozen=True, slots=True)
class _Passed:
    """What leaves a workflow: the label that it has anyway, and what that is given it is made from."""

    own: int
    made_from: frozenset[str]
    """Names of inputs, and `_DECIDED`."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a workflow lets through from what it is given, whoever runs it."""

    workflow: Workflow
    outputs: _Passed
    """But for what its own policy makes of them."""
    failures: _Passed


_Passages: TypeAlias = Mapping[str, Passage]
"""By `name@version`."""


@dataclass(slots=True)
class _Node:
    """The label of one thing: its own, joined with those of what it is made from."""

    name: str
    own: int
    sources: list[int]
    level: int = 0


@dataclass(slots=True)
class _Call:
    """What a step gives to the workflow that it runs: nodes."""

    decided: int
    inputs: dict[str, int] = field(default_factory=dict)


class UnitLabels:
    """The labels of one workflow, worked out once, and the ways that they took.

    Each thing that has a label is a node that leads to what is made from it. The highest labels are followed first,
    so that each node is reached once, on a shortest way.
    """

    def __init__(self, unit: Unit, passages: _Passages, given: Given) -> None:
        self._unit = unit
        self._passages = passages
        self._nodes: list[_Node] = []
        self._inputs: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self._made: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._blocks: dict[Frame, int] = {}
        self._runs: dict[str, _Call] = {}
        self._entered: dict[int, tuple[str, int]] = {}
        self._declare(given)
        for site in unit.sites:
            self._connect(site)
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

    def of(self, site: Site, source: str) -> Sensitivity:
        """Of what a template of the step is made from, and of what the step says itself."""
        step = site.located.step
        own = 0 if step.sensitivity is None else SENSITIVITIES.index(step.sensitivity)
        nodes = [self._blocks[site.located.frame], *self._named((source,))]
        return SENSITIVITIES[max(own, *(self._nodes[node].level for node in nodes))]

    def given(self, site: Site) -> Given:
        """What the step gives to the workflow that it runs."""
        run = self._runs[site.path]
        return Given(self._nodes[run.decided].level, tuple(self._nodes[node].level for node in run.inputs.values()))

    def passage(self) -> Passage:
        """What the workflow lets through."""
        frame = self._unit.frames[0]
        outputs = implied_outputs(self._unit.workflow, frame.graph)
        given = self._passed([self._blocks[frame], *self._named(source for _, source in strings(outputs, ()))])
        failures = self._passed(self._failures(self._unit.frames[:1], self._unit.prefix))
        return Passage(self._unit.workflow, given, failures)

    def way(self, site: Site) -> tuple[list[str], str | None]:
        """How the label of what a step sends came there, the last first; see `_way`."""
        return self._way(self._calls[site.path])

    def way_in(self, site: Site, name: str) -> tuple[list[str], str | None]:
        """The same for what the step gives to the workflow that it runs."""
        run = self._runs[site.path]
        return self._way(run.inputs.get(name, run.decided))

    def _way(self, node: int) -> tuple[list[str], str | None]:
        """The names on the way, and by which input the label came in where it came from outside."""
        names = [self._nodes[node].name]
        while node in self._came:
            node = self._came[node]
            names.append(self._nodes[node].name)
        name, own = self._entered.get(node, (None, 0))
        return names, name if own < self._nodes[node].level else None

    def _label(self, node: int) -> Sensitivity:
        return SENSITIVITIES[self._nodes[node].level]

    def _node(self, name: str = "", own: Sensitivity | None = None, *, of: Iterable[int] = ()) -> int:
        self._nodes.append(_Node(name, 0 if own is None else SENSITIVITIES.index(own), list(of)))
        return len(self._nodes) - 1

    def _from_outside(self, node: int, name: str, level: int) -> None:
        """The node stands for something that the workflow is given."""
        self._entered[node] = name, self._nodes[node].own
        self._nodes[node].own = max(self._nodes[node].own, level)

    def _declare(self, given: Given) -> None:
        """A node for everything that something may be made from."""
        unit, labels = self._unit, input_labels(self._unit.workflow)
        floor = self._blocks[unit.frames[0]] = self._node("policy.sensitivity", unit.workflow.policy.sensitivity)
        self._from_outside(floor, _DECIDED, given.decided)
        for place, name in enumerate(unit.workflow.inputs):
            node = self._inputs[name] = self._node(f"inputs.{name}", labels.get(name), of=[floor])
            self._from_outside(node, name, given.inputs[place] if given.inputs else 0)
        for site in unit.sites:
            step, path = site.located.step, site.path
            self._calls[path] = self._node(path, step.sensitivity, of=[self._blocks[site.located.frame]])
            self._made[path] = self._node()
            self._failed[path] = self._node(of=[self._calls[path], self._made[path]])
            self._outputs[path] = self._node(path, step.declassify)
            for frame in unit.held(site):
                self._blocks[frame] = self._node(of=[self._calls[path]])

    def _connect(self, site: Site) -> None:
        path = site.path
        self._nodes[self._calls[path]].sources.extend(self._named(_sources(site)))
        self._nodes[self._made[path]].sources.extend(self._made_from(site))
        if site.located.step.declassify is None:
            self._nodes[self._outputs[path]].sources.append(self._made[path])

    def _made_from(self, site: Site) -> Iterable[int]:
        """What a step's output is made from."""
        step = site.located.step
        passage = self._passages.get(versioned(step)) if isinstance(step, WorkflowStep) else None
        failed = list(self._failures(self._unit.held(site), f"{site.path}/"))
        if passage is not None and isinstance(step, WorkflowStep):
            self._runs[site.path] = self._call(site, step, passage)
            failed = [self._let_through(site, passage.failures)]
        self._nodes[self._failed[site.path]].sources.extend(failed)
        if step.on_error != "fail" or (isinstance(step, MapStep) and step.on_item_error != "fail"):
            yield from failed  # what stands in its place tells that something failed
        if passage is not None and isinstance(step, WorkflowStep):
            stated = declassified(step, passage.workflow)
            outputs = passage.outputs if stated is None else _Passed(SENSITIVITIES.index(stated), frozenset())
            yield self._let_through(site, outputs)
            yield self._node(site.path, step.sensitivity)
            if step.when is None and step.on_error == "fail":
                return  # otherwise there may be no outputs, which tells of what was sent
        yield self._calls[site.path]
        for frame in self._unit.held(site):
            yield from self._block(site, frame)

    def _block(self, site: Site, frame: Frame) -> Iterable[int]:
        """What a block gives to the output of the step that holds it."""
        step = site.located.step
        given = list(self._named(source for _, source in strings(_result(frame), ())))
        if isinstance(step, LoopStep):
            given += self._named((step.until,))
        is_seen_again = step.retry.attempts > 1 or (isinstance(step, LoopStep) and step.max_rounds > 1)
        if is_seen_again:  # a round decides whether there is another one, and sees what the last one gave
            self._nodes[self._blocks[frame]].sources.extend(given)
        return [self._blocks[frame], *given]

    def _failures(self, frames: Iterable[Frame], prefix: str) -> Iterator[int]:
        """What a failure of the steps of blocks may tell of: what these send."""
        for frame in frames:
            for step in frame.steps:
                if step.on_error == "fail" and prefix + step.id in self._failed:
                    yield self._failed[prefix + step.id]

    def _call(self, site: Site, step: WorkflowStep, passage: Passage) -> _Call:
        """What is given to another workflow: by its inputs, and by its running at all."""
        decided = self._node(site.path, step.sensitivity, of=[self._blocks[site.located.frame]])
        if step.when is not None:
            self._nodes[decided].sources.extend(self._named((step.when,)))
        call = _Call(decided)
        for name in passage.workflow.inputs:
            given = (source for _, source in strings(step.inputs.get(name), ()))
            call.inputs[name] = self._node(of=self._named(given))
        return call

    def _let_through(self, site: Site, passed: _Passed) -> int:
        run = self._runs[site.path]
        node = self._node(site.path, SENSITIVITIES[passed.own])
        self._nodes[node].sources.extend(run.inputs.get(name, run.decided) for name in sorted(passed.made_from))
        return node

    def _passed(self, ends: Iterable[int]) -> _Passed:
        """All that some nodes are made from."""
        queue = list(dict.fromkeys(ends))
        seen = set(queue)
        for node in queue:  # grows while it is read
            fresh = [one for one in self._nodes[node].sources if one not in seen]
            seen.update(fresh)
            queue += fresh
        own = max((self._nodes[node].own for node in seen), default=0)
        return _Passed(own, frozenset(self._entered[node][0] for node in seen if node in self._entered))

    def _named(self, sources: Iterable[str]) -> Iterator[int]:
        """The nodes of the inputs and steps that templates name.

        Not of variables: a block carries the label of what they are taken from.
        """
        for source in sources:
            for one in usage(source).references:
                if one.root == "inputs" and one.name in self._inputs:
                    yield self._inputs[one.name]
                elif one.root == "steps" and one.name in self._unit.by_id:
                    yield self._outputs[self._unit.by_id[one.name].path]

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
