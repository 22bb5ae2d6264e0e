"""How a run goes on: what earlier passes of it left, and what a person said about it since."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from executors.context import now
from executors.events import RunResumed
from executors.identity import MEANING
from executors.journal.entries import Past, Recorded
from executors.memory import Memory, counted, is_untold, place_of
from workflows.blocks import inner_blocks
from workflows.model import MapStep, Step, Workflow, WorkflowStep

if TYPE_CHECKING:
    from executors.context import Frame

__all__ = ["Resumption", "Steps", "ids_of", "is_fatal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A run's past, as its next pass takes it up."""

    past: Past
    again: Collection[str] = ()
    """Paths or ids of the steps that a person wants done again although nobody knows whether they were done."""
    told: Collection[str] = ()
    """Paths of the steps whose recorded results are what a person said just now, instead of doing them again."""
    kept: int = 0
    """How many recorded results are known to be used again."""
    repeated: tuple[str, ...] = ()
    """Paths of the steps that had been executed and are executed again, as far as it is known before."""

    @property
    def cost_usd(self) -> Decimal | None:
        """What earlier passes paid; None when that is unknown."""
        costs = [one.cost_usd for one in self.past.results]
        spent = sum((one.spent_usd for one in self.past.unsettled), Decimal(0))
        if None in costs or any(map(is_untold, self.past.unsettled)):
            return None
        return sum((cost for cost in costs if cost is not None), spent)

    @property
    def counted_usd(self) -> Decimal:
        """What a budget counts for them: calls that were cut off at the most that they may have cost."""
        recorded = sum(map(counted, self.past.results), Decimal(0))
        return recorded + sum((one.spent_usd + one.held_usd for one in self.past.unsettled), Decimal(0))

    def memory(self, workflow: Workflow, workflows: Mapping[str, Workflow]) -> Memory:
        """The results that the steps of the workflow may take."""
        steps, past = Steps(workflow, workflows), self.past
        then = None if past.definition is None else Steps(past.definition, past.workflows)
        return Memory.of(
            self.past.results,
            self.past.unsettled,
            unchanged=_Unchanged(steps, then),
            told=self.told,
            is_fatal=lambda failed: is_fatal(failed, steps),
            died=self.past.status == "running",
        )

    def event(self, frame: Frame) -> RunResumed:
        """What is told first of the pass."""
        return RunResumed(
            run_id=frame.context.run_id, at=now(), definition=frame.workflow, kept=self.kept, again=self.repeated
        )


def ids_of(*workflows: Workflow) -> tuple[str, ...]:
    """The ids of all steps, wherever they stand, in the order of the files."""
    return tuple(dict.fromkeys(step.id for one in workflows for _, step in _placed(one.steps, "")))


def is_fatal(failed: Recorded, steps: Steps) -> bool:
    """Whether this failure fails the whole run, so that a resumed run is to try its step anew."""
    if failed.error is not None and failed.error.code == "journal_failed":
        return True
    chain = steps.around(place_of(failed.path))
    return bool(chain) and all(
        one.on_error == "fail" and (not isinstance(one, MapStep) or one.on_item_error == "fail") for one in chain
    )


class Steps:
    """The steps of a run by where they stand: `each/summary`, or `sub/summary` in a workflow that it runs."""

    def __init__(self, workflow: Workflow, workflows: Mapping[str, Workflow]) -> None:
        self._workflow = workflow
        self._workflows = workflows
        self._known: dict[str, Mapping[str, Step]] = {}
        self._around: dict[str, tuple[Step, ...]] = {}

    def around(self, place: str) -> tuple[Step, ...]:
        """The step and those that it stands in, outermost first; nothing where no step is."""
        if place not in self._around:
            self._around[place] = tuple(self._walk(place))
        return self._around[place]

    def _walk(self, place: str) -> list[Step]:
        found: list[Step] = []
        name, inside = "", ""
        for part in place.split("/"):
            inside = f"{inside}/{part}" if inside else part
            step = self._of(name).get(inside)
            if step is None:
                return []
            found.append(step)
            if isinstance(step, WorkflowStep):
                name, inside = f"{step.workflow}@{step.version}", ""
        return found

    def _of(self, name: str) -> Mapping[str, Step]:
        """Those of the run itself, or of a workflow that it runs."""
        if name not in self._known:
            workflow = self._workflows.get(name) if name else self._workflow
            self._known[name] = {} if workflow is None else dict(_placed(workflow.steps, ""))
        return self._known[name]


class _Unchanged(Container[str]):
    """The places of the steps that say what they said then."""

    def __init__(self, now: Steps, then: Steps | None) -> None:
        self._now = now
        self._then = then
        self._found: dict[object, bool] = {}

    def __contains__(self, place: object) -> bool:
        if place not in self._found:
            self._found[place] = self._is(str(place))
        return self._found[place]

    def _is(self, place: str) -> bool:
        now = self._now.around(place)
        if not now or self._then is None:
            return bool(now)
        then = self._then.around(place)
        return bool(then) and _same(now[-1], then[-1])


def _placed(steps: Iterable[Step], before: str) -> Iterator[tuple[str, Step]]:
    for step in steps:
        place = before + step.id
        yield place, step
        for block in inner_blocks(step):
            yield from _placed(block.steps, f"{place}/")


def _same(step: Step, then: Step) -> bool:
    if then.kind != step.kind:
        return False
    return all(getattr(step, name) == getattr(then, name) for name in MEANING.get(step.kind, ()))
