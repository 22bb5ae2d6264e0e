"""Runs a workflow many times in thought: what a whole run costs and takes, from what its steps do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from orchestrator.expectation import Expected, Expecting
from orchestrator.history import ENOUGH, History
from workflows.blocks import is_container
from workflows.checks.units import Site, Unit
from workflows.expressions import ExpressionError, Scope, render_value
from workflows.frames import Frame
from workflows.model import BranchStep, LoopStep, MapStep, Step, WorkflowStep
from workflows.references import usage
from workflows.templates import strings

__all__ = ["Rehearsal", "Sample"]

_WORK: Final = 40_000
"""Executions of steps that are thought through at most, so that an estimate takes less than a second."""
_MOST_SAMPLES, _LEAST_SAMPLES = 1_000, 4
_ITEMS: Final = (16, 8, 4, 2, 1)
"""Items of a list that are thought through; the others are taken to be like them."""
_ASSUMED_ITEMS: Final = 10
_ASSUMED_ROUNDS: Final = 3
_UNDECIDED: Final = object()


@dataclass(slots=True)
class Sample:
    """One run in thought."""

    cost: float = 0.0
    seconds: float = 0.0
    work: float = 0.0
    """Seconds of everything that takes a place among the running steps."""
    times: dict[str, float] = field(default_factory=dict)
    """How often each step was executed."""
    costs: dict[str, float] = field(default_factory=dict)
    """What all executions of each step cost."""
    others: dict[Unit, Sample] = field(default_factory=dict)
    """One execution of each workflow that is run at several places."""


class Rehearsal:
    """Plays the steps of units through by chance, seeded, so that the same workflow gives the same estimate."""

    def __init__(self, units: Sequence[Unit], expecting: Expecting, past: History, inputs: Mapping[str, Any]) -> None:
        self._root = units[0]
        self._past = past
        self._inputs: dict[str, dict[str, Any]] = {"": dict(inputs)}
        self.assumed: dict[str, str] = {}
        """What nobody said, and is taken for granted, by the paths of steps."""
        self._sites: dict[str, Site] = {}
        self.expected: dict[str, Expected] = {}
        self._counts: dict[str, Callable[[Random], int]] = {}
        runs = Counter(inner for unit in units for inner in unit.inner.values())
        self._shared = {unit for unit, times in runs.items() if times > 1}
        self._orders: dict[tuple[Unit, Frame], list[tuple[Site, tuple[str, ...]]]] = {}
        for unit in units:
            for site in unit.sites:
                self._sites[site.path] = site
                self._know(site, expecting)
        self._items = next((most for most in _ITEMS if self._size(most) <= _WORK // 10), 1)

    def samples(self, seed: int) -> list[Sample]:
        """As many runs in thought as there is time for."""
        number = int(_WORK / max(self._size(self._items), 1))
        random = Random(seed)  # noqa: S311  # an estimate guards nothing
        return [self._run(random) for _ in range(min(max(number, _LEAST_SAMPLES), _MOST_SAMPLES))]

    def _know(self, site: Site, expecting: Expecting) -> None:
        step = site.located.step
        if isinstance(step, MapStep):
            self._counts[site.path] = self._length(site, step)
        elif isinstance(step, LoopStep):
            self._counts[site.path] = self._rounds(site, step)
        elif not isinstance(step, BranchStep) and site.path not in site.unit.inner:
            self.expected[site.path] = expecting.of(site)

    def _length(self, site: Site, step: MapStep) -> Callable[[Random], int]:
        known = len(step.over) if isinstance(step.over, tuple) else self._given(site, step.over)
        if known is not None:
            return lambda _: known
        past = self._past.counts.get(site.path, ())
        if len(past) >= ENOUGH:
            return lambda random: random.choice(past)
        count = min(_ASSUMED_ITEMS, step.max_items)
        self.assumed[site.path] = f"the length of its list is not known, and taken to be {count}"
        return lambda _: count

    def _rounds(self, site: Site, step: LoopStep) -> Callable[[Random], int]:
        past = [min(count, step.max_rounds) for count in self._past.counts.get(site.path, ())]
        if len(past) >= ENOUGH:
            return lambda random: random.choice(past)
        most = min(_ASSUMED_ROUNDS, step.max_rounds)
        if most > 1:
            self.assumed[site.path] = f"how many rounds it has is not known, and taken to be 1 to {most}"
        return lambda random: random.randint(1, most)

    def _given(self, site: Site, source: str) -> int | None:
        """The length of a list that the inputs alone decide."""
        value = self._decided(site.unit, source)
        return len(value) if isinstance(value, list) else None

    def _holds(self, site: Site, condition: str) -> bool | None:
        """Whether a condition holds that the inputs alone decide."""
        value = self._decided(site.unit, condition)
        return None if value is _UNDECIDED else bool(value)

    def _decided(self, unit: Unit, value: Any) -> Any:
        """What templates give that name nothing but inputs that are known."""
        used = [usage(source) for _, source in strings(value, ())]
        if any(one.variables or any(name.root != "inputs" for name in one.references) for one in used):
            return _UNDECIDED
        try:
            return render_value(value, Scope(self._known(unit)))
        except ExpressionError:
            return _UNDECIDED

    def _known(self, unit: Unit) -> dict[str, Any]:
        """The inputs of a unit that are known."""
        found = {} if unit in self._shared else self._inputs.get(unit.name)
        if found is None:
            schemas = unit.workflow.inputs.items()
            found = {name: schema["default"] for name, schema in schemas if "default" in schema}
            step = None if unit.caller is None else unit.caller.located.step
            if unit.caller is not None and isinstance(step, WorkflowStep):
                given = {name: self._decided(unit.caller.unit, value) for name, value in step.inputs.items()}
                found = {**found, **given}
            found = {name: value for name, value in found.items() if value is not _UNDECIDED}
            self._inputs[unit.name] = found
        return found

    def _size(self, items: int) -> int:
        """Executions of steps in one run in thought, at most."""
        return self._size_of(self._root.frames[0], self._root, items, set())

    def _size_of(self, frame: Frame, unit: Unit, items: int, seen: set[Unit]) -> int:
        size = 0
        for located in frame.located:
            path = _path(frame, unit, located.step)
            site = self._sites.get(path)
            inner = unit.inner.get(path)
            if inner is None or inner in seen:
                size += 1
            else:
                seen.update([inner] if inner in self._shared else [])
                size += self._size_of(inner.frames[0], inner, items, seen)
            held = [] if site is None else [self._size_of(one, unit, items, seen) for one in unit.held(site)]
            times = items if isinstance(located.step, MapStep) else 1
            times = min(_ASSUMED_ROUNDS, located.step.max_rounds) if isinstance(located.step, LoopStep) else times
            size += sum(held) * times
        return size

    def _run(self, random: Random) -> Sample:
        sample = Sample()
        seconds, work = self._block(self._root.frames[0], self._root, random, sample, 1.0)
        sample.work = work
        sample.seconds = max(seconds, work / self._root.workflow.policy.max_parallel)
        sample.cost = sum(sample.costs.values())
        return sample

    def _block(self, frame: Frame, unit: Unit, random: Random, sample: Sample, times: float) -> tuple[float, float]:
        """Seconds from the start of a block to its end, and those of all its steps; `times` it is executed."""
        ends: dict[str, float] = {}
        work = 0.0
        for site, parents in self._ordered(frame, unit):
            took, busy = self._step(site, random, sample, times)
            ends[site.located.step.id] = max((ends[parent] for parent in parents), default=0.0) + took
            work += busy
        return max(ends.values(), default=0.0), work

    def _ordered(self, frame: Frame, unit: Unit) -> list[tuple[Site, tuple[str, ...]]]:
        """The steps of a block, each behind those that it waits for."""
        found = self._orders.get((unit, frame))
        if found is None:
            graph, own = frame.graph, frame.own
            found = [
                (self._sites[_path(frame, unit, own[one].step)], graph.parents(one)) for one in graph.sorted_part()
            ]
            self._orders[unit, frame] = found
        return found

    def _step(self, site: Site, random: Random, sample: Sample, times: float) -> tuple[float, float]:
        step, unit, path = site.located.step, site.unit, site.path
        if not self._starts(site, step.when, random):
            return 0.0, 0.0
        sample.times[path] = sample.times.get(path, 0.0) + times
        expected = self.expected.get(path)
        if expected is not None:
            cost, seconds = expected.draw(random)
            sample.costs[path] = sample.costs.get(path, 0.0) + cost * times
            return seconds, 0.0 if is_container(step) else seconds
        inner = unit.inner.get(path)
        if inner is not None:
            seconds, work = self._other(inner, random, sample, times)
            return max(seconds, work / inner.workflow.policy.max_parallel), work
        frames = list(unit.held(site))
        if isinstance(step, MapStep):
            return self._map(site, frames[0], random, sample, times)
        if isinstance(step, LoopStep):
            rounds = [self._block(frames[0], unit, random, sample, times) for _ in range(self._counts[path](random))]
            return sum(one[0] for one in rounds), sum(one[1] for one in rounds)
        chosen = self._case(site, step, frames, random) if isinstance(step, BranchStep) else None
        return (0.0, 0.0) if chosen is None else self._block(chosen, unit, random, sample, times)

    def _starts(self, site: Site, condition: str | None, random: Random) -> bool:
        """Whether a step is executed: as the inputs decide, or as often as it was, or else always."""
        holds = True if condition is None else self._holds(site, condition)
        if holds is not None:
            return holds
        ended = self._past.ended.get(site.path, 0)
        if ended >= ENOUGH:
            return random.random() * ended < self._past.executed.get(site.path, 0)
        self.assumed.setdefault(site.path, "whether it is executed is not known, and it is taken to be")
        return True

    def _other(self, unit: Unit, random: Random, sample: Sample, times: float) -> tuple[float, float]:
        """Another workflow. One that is run at several places is played once: the others are taken to be like it."""
        if unit not in self._shared:
            return self._block(unit.frames[0], unit, random, sample, times)
        played = sample.others.get(unit)
        if played is None:
            played = sample.others[unit] = Sample(others=sample.others)
            played.seconds, played.work = self._block(unit.frames[0], unit, random, played, 1.0)
        for path, often in played.times.items():
            sample.times[path] = sample.times.get(path, 0.0) + often * times
        for path, cost in played.costs.items():
            sample.costs[path] = sample.costs.get(path, 0.0) + cost * times
        return played.seconds, played.work

    def _map(self, site: Site, frame: Frame, random: Random, sample: Sample, times: float) -> tuple[float, float]:
        count = self._counts[site.path](random)
        if not count:
            return 0.0, 0.0
        played = min(count, self._items)
        items = [self._block(frame, site.unit, random, sample, times * count / played) for _ in range(played)]
        step, policy = site.located.step, site.unit.workflow.policy
        most = (step.max_parallel if isinstance(step, MapStep) else None) or policy.max_parallel
        beside = min(most, count)
        slowest, total = max(one[0] for one in items), sum(one[0] for one in items) * count / played
        waves = slowest if count <= beside else max(slowest, total / beside)
        return waves, sum(one[1] for one in items) * count / played

    def _case(self, site: Site, step: BranchStep, frames: list[Frame], random: Random) -> Frame | None:
        """The case that runs: the first that surely holds, before it any that may."""
        possible: list[Frame | None] = []
        for case, frame in zip(step.cases, frames, strict=False):
            holds = self._holds(site, case.when)
            if holds is not False:
                possible.append(frame)
            if holds:
                break
        else:
            possible.append(frames[-1] if step.else_ is not None else None)
        if len(possible) == 1:
            return possible[0]
        weights = self._chosen(site, frames, possible)
        if weights is None:
            self.assumed.setdefault(site.path, "which case runs is not known, and each taken to be as likely")
            return random.choice(possible)
        return random.choices(possible, weights)[0]

    def _chosen(self, site: Site, frames: list[Frame], possible: list[Frame | None]) -> list[int] | None:
        """How often each of these cases ran; None where too few runs tell. A block without steps tells nothing itself:
        it ran where no other did.
        """
        path, past = site.path, self._past
        told = {frame: past.ended.get(_path(frame, site.unit, frame.steps[0]), 0) for frame in frames if frame.steps}
        rest = max(past.executed.get(path, 0) - sum(told.values()), 0)
        weights = [rest if one is None else told.get(one, rest) for one in possible]
        return weights if past.executed.get(path, 0) >= ENOUGH and any(weights) else None


def _path(frame: Frame, unit: Unit, step: Step) -> str:
    ids = [step.id]
    owner = frame.owner
    while owner is not None:
        ids.append(owner.step.id)
        owner = owner.frame.owner
    return unit.prefix + "/".join(reversed(ids))
