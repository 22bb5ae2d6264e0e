"""The story of one logical call: every try and every decision, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from unified_api.errors import GatewayError
from unified_api.models import Model, Selection
from unified_api.types import Attempt, AttemptOutcome, Sensitivity

__all__ = ["Purse", "Trail"]


class Purse(Protocol):
    """What pays for the calls that layers make about a call, where that call has a budget of its own."""

    def hold(self, most: Decimal | None) -> None:
        """Room for a call that costs `most` at worst; None is unknown. Raises a GatewayError where there is none."""

    def settle(self, most: Decimal, cost: Decimal | None) -> None:
        """Gives back what was held; None is unknown."""


@dataclass(slots=True)
class Trail:
    """What one logical call has lived through so far; every layer adds to it."""

    selection: Selection | None = None
    """Who may serve, once that is decided."""
    model: Model | None = None
    """Who is answering, once somebody is."""
    records: list[Attempt] = field(default_factory=list)
    purse: Purse | None = None
    sensitivity: Sensitivity | None = None
    """What the request counts as by what was found in it, where that is more than its policy says."""

    @property
    def story(self) -> tuple[Attempt, ...]:
        """Every decision: the tries in order, then the candidates that were dropped."""
        dropped = (
            Attempt(number=0, model=one.model, outcome="dropped", error=one.code, message=one.reason)
            for one in (self.selection.dropped if self.selection is not None else ())
            if one.code != "no_credentials"  # what has no key was never meant to be asked
        )
        return (*self.records, *dropped)

    @property
    def tries(self) -> int:
        return sum(1 for one in self.records if one.number)

    def succeeded(
        self,
        model: Model,
        seconds: float,
        *,
        cost: Decimal | None,
        note: str | None = None,
        confidence: float | None = None,
        received: int = 0,
    ) -> None:
        self.tried(model, "succeeded", seconds, cost=cost, message=note, confidence=confidence, received=received)

    def failed(
        self, model: Model, error: GatewayError, seconds: float, *, cost: Decimal | None = None, received: int = 0
    ) -> None:
        """`cost` is what a stream that broke after `received` characters is taken to have cost."""
        self.tried(
            model,
            "failed",
            seconds,
            error=error.code,
            message=error.message,
            cost=cost,
            billable=error.billable,
            received=received,
        )

    def cancelled(self, model: Model, seconds: float, *, cost: Decimal | None = None, received: int = 0) -> None:
        """The try was not waited for any longer; `cost` is what it is taken to have cost."""
        self.tried(model, "cancelled", seconds, cost=cost, billable=True, received=received)

    def tried(
        self,
        model: Model,
        outcome: AttemptOutcome,
        seconds: float,
        *,
        error: str | None = None,
        message: str | None = None,
        cost: Decimal | None = None,
        billable: bool = False,
        confidence: float | None = None,
        received: int = 0,
    ) -> None:
        self.records.append(
            Attempt(
                number=self.tries + 1,
                model=model.id,
                outcome=outcome,
                error=error,
                message=message,
                seconds=seconds,
                cost_usd=cost,
                billable=billable,
                confidence=confidence,
                received=received,
            )
        )

    def skipped(self, model: Model, code: str, why: str) -> None:
        """The candidate is left alone just now."""
        self.records.append(Attempt(number=0, model=model.id, outcome="skipped", error=code, message=why))

    def cached(self, model: str, why: str) -> None:
        """The answer is one that `model` gave before."""
        self.records.append(Attempt(number=0, model=model, outcome="cached", message=why, cost_usd=Decimal(0)))

    def noted(self, layer: str, code: str, what: str, *, cost: Decimal | None = Decimal(0)) -> None:
        """A layer decided something about the call, such as `privacy` that it is more sensitive than it said.

        `cost` is what a model took that was consulted for it; None is unknown.
        """
        unknown = cost is None
        self.records.append(
            Attempt(number=0, model=layer, outcome="noted", error=code, message=what, cost_usd=cost, billable=unknown)
        )
