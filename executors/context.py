"""What a running step can reach: the gateway, the tools, the values so far, and the limits of its run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from executors.budget import Budget
from executors.events import Event
from executors.failures import StepFailure
from executors.tools import ToolRegistry
from unified_api.clock import Clock
from unified_api.types import (
    Attempt,
    Caller,
    EmbedResponse,
    ImageResponse,
    Policy,
    Quality,
    Response,
    Sensitivity,
    Usage,
)
from workflows.expressions import ExpressionError, Scope, render_value
from workflows.model import ModelChoice, ModelNeeds

if TYPE_CHECKING:
    from unified_api.gateway import Gateway

__all__ = ["Receipt", "RunContext", "StepRun", "add_usage", "now"]


def now() -> datetime:
    """The wall clock, for events."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Receipt:
    """What the model calls of one step used, every try and every re-ask together."""

    model: str | None = None
    provider: str | None = None
    quality: Quality | None = None
    usage: Usage | None = None
    attempts: tuple[Attempt, ...] = ()
    shares: tuple[int, ...] = ()
    """How many of the attempts each call took, in order."""
    spent: Decimal = Decimal(0)
    calls: int = 0
    uncertain: bool = False
    """Whether some call may have cost something that nobody knows."""

    @property
    def cost_usd(self) -> Decimal | None:
        """None when there was no call, or the price of one is unknown."""
        return self.spent if self.calls and not self.uncertain else None

    def add(self, response: Response | EmbedResponse | ImageResponse) -> None:
        self.model, self.provider, self.quality = response.model, response.provider, response.quality
        self.usage = add_usage(self.usage, response.usage)

    def tell(self, story: tuple[Attempt, ...]) -> None:
        """Adds what one call tried and decided."""
        self.attempts += story
        self.shares += (len(story),)

    def charge(self, cost: Decimal | None) -> None:
        """Adds what one call cost; None is unknown, and makes the sum so."""
        self.calls += 1
        if cost is None:
            self.uncertain = True
        else:
            self.spent += cost


def add_usage(total: Usage | None, more: Usage) -> Usage:
    """The sum; a count that one side does not know stays unknown."""
    if total is None:
        return more
    return Usage(
        input_tokens=_sum(total.input_tokens, more.input_tokens),
        output_tokens=_sum(total.output_tokens, more.output_tokens),
        cached_input_tokens=_sum(total.cached_input_tokens, more.cached_input_tokens),
        cache_write_tokens=_sum(total.cache_write_tokens, more.cache_write_tokens),
        reasoning_tokens=_sum(total.reasoning_tokens, more.reasoning_tokens),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


@dataclass(slots=True, kw_only=True)
class RunContext:
    """Shared by all steps of a run."""

    run_id: str
    gateway: Gateway
    tools: ToolRegistry
    scope: Scope
    emit: Callable[[Event], None]
    clock: Clock
    random: Random
    sensitivity: Sensitivity
    budget: Budget | None
    deadline: float | None
    """In the clock's seconds."""
    tokens: bool
    """Whether someone listens to text while it is written."""
    caller: Caller
    """On whose behalf the run is made."""


@dataclass(slots=True)
class StepRun:
    """One execution of one step."""

    context: RunContext
    step_id: str
    deadline: float | None = None
    """End of the present try, in the clock's seconds; the run's deadline when that is nearer."""
    again: bool = False
    """Whether a try has failed already: then no kept answer will do, which may be the one that failed."""
    receipt: Receipt = field(default_factory=Receipt)

    def render(self, value: Any) -> Any:
        """A template, or JSON that holds some, with the values so far filled in."""
        try:
            return render_value(value, self.context.scope)
        except ExpressionError as error:
            raise StepFailure(error.code, error.message) from error

    def text(self, template: str, *, what: str) -> str:
        """A template whose value must be text; a number or a structure is written as JSON."""
        value = self.render(template)
        if isinstance(value, str):
            return value
        if value is None:
            raise StepFailure("absent_value", f"`{what}` is null, but text is needed")
        # Not orjson, which refuses integers of more than 64 bits.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def policy(self, model: ModelChoice) -> Policy:
        """The wishes that go with a call for this step."""
        remaining = None if self.deadline is None else max(0.0, self.deadline - self.context.clock.now())
        if isinstance(model, ModelNeeds):
            return Policy(
                needs=frozenset(model.needs),
                tier=model.tier,
                sensitivity=self.context.sensitivity,
                deadline_s=remaining,
                cache=not self.again,
                caller=self.context.caller,
            )
        return Policy(
            sensitivity=self.context.sensitivity,
            deadline_s=remaining,
            cache=not self.again,
            caller=self.context.caller,
        )
