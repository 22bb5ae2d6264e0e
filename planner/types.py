"""What planning gives back: a checked workflow and how it came to be, or the reasons why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from unified_api.types import Json, Usage
from workflows.findings import Finding
from workflows.model import Workflow

__all__ = ["Plan", "PlanError", "PlannerKind", "TaskError"]

PlannerKind = Literal["model", "library", "rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A workflow that passed every check, made for one task."""

    workflow: Workflow
    planner: PlannerKind
    """Who made it: a model, a match in the library of ready workflows, or the rules."""
    model: str | None = None
    """`provider/model` that wrote the plan, when a model did."""
    inputs: dict[str, Json] = field(default_factory=dict)
    """Values for the workflow's inputs; the run needs no others."""
    notes: tuple[str, ...] = ()
    """In words: what was mended, what was asked again, why the rules planned."""
    rounds: int = 0
    """How often a model was asked."""
    cost_usd: Decimal | None = Decimal(0)
    """What the planning cost, all rounds together; None when the cost of one is unknown."""
    most_usd: Decimal = Decimal(0)
    """The same with what is unknown at its worst: what a budget must count."""
    usage: Usage = field(default_factory=Usage)
    """Tokens of all rounds together."""


class TaskError(ValueError):
    """The task cannot be planned as it stands: it is empty, too long, or no text. `str()` says what to do."""


class PlanError(Exception):
    """No sound plan came about; `reasons` holds every finding against the last one.

    `rounds`, `cost_usd` and `usage` tell what the attempt cost, as in `Plan`.
    """

    def __init__(
        self,
        message: str,
        *,
        reasons: tuple[Finding, ...],
        model: str | None = None,
        notes: tuple[str, ...] = (),
        rounds: int = 0,
        cost_usd: Decimal | None = Decimal(0),
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reasons = reasons
        self.model = model
        self.notes = notes
        self.rounds = rounds
        self.cost_usd = cost_usd
        self.usage = usage or Usage()

    def __str__(self) -> str:
        told = (f"  {reason}" for reason in self.reasons if reason.message != self.message)
        return "\n".join([self.message, *told])
