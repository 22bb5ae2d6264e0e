"""How a run goes on: what earlier passes of it left, and what a person said about it since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from executors.context import now
from executors.events import RunResumed
from executors.identity import MEANING
from executors.journal.entries import Past, Recorded
from executors.memory import Memory, counted, is_untold
from workflows.blocks import nested_steps
from workflows.model import MapStep, Step, Workflow, WorkflowStep

if TYPE_CHECKING:
    from executors.context import Frame

__all__ = ["Resumption", "ids_of", "is_fatal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A run's past, as its next pass takes it up."""

    past: Past
    again: Collection[str] = ()
    """Paths of the steps that a person wants done again although nobody knows whether they were done."""
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
        return Memory.of(
            self.past.results,
            self.past.unsettled,
            unchanged=self._unchanged(workflow, workflows),
            is_fatal=lambda failed: is_fatal(failed, workflow, workflows),
            died=self.past.status == "running",
        )

    def _unchanged(self, workflow: Workflow, workflows: Mapping[str, Workflow]) -> frozenset[str]:
        """The ids of the steps that say what they said when the results were recorded."""
        if self.past.definition is None:
            return frozenset(ids_of(workflow, *workflows.values()))
        then = _all(self.past.definition, *self.past.workflows.values())
        return frozenset(
            step.id for step in _all(workflow, *workflows.values()).values() if _same(step, then.get(step.id))
        )

    def event(self, frame: Frame) -> RunResumed:
        """What is told first of the pass."""
        return RunResumed(
            run_id=frame.context.run_id, at=now(), definition=frame.workflow, kept=self.kept, again=self.repeated
        )


def ids_of(*workflows: Workflow) -> tuple[str, ...]:
    """The ids of all steps, wherever they stand, in the order of the files."""
    return tuple(_all(*workflows))


def is_fatal(failed: Recorded, workflow: Workflow, workflows: Mapping[str, Workflow]) -> bool:
    """Whether the failure of the step at this path fails the whole run, so that a resumed run is to try it anew."""
    steps = _all(workflow)
    for part in failed.path.split("/"):
        step = steps.get(part.partition("[")[0])
        if step is None or step.on_error != "fail" or (isinstance(step, MapStep) and step.on_item_error != "fail"):
            return False
        if isinstance(step, WorkflowStep):
            inner = workflows.get(f"{step.workflow}@{step.version}")
            steps = {} if inner is None else _all(inner)
    return True


def _all(*workflows: Workflow) -> dict[str, Step]:
    """Every step, however deep, by its id."""
    steps = [step for workflow in workflows for step in workflow.steps]
    return {one.id: one for step in steps for one in (step, *(inner for _, inner in nested_steps(step)))}


def _same(step: Step, then: Step | None) -> bool:
    if then is None or then.kind != step.kind:
        return False
    return all(getattr(step, name) == getattr(then, name) for name in MEANING.get(step.kind, ()))
