"""What a running step can reach: the gateway, the tools, the values so far, and the limits of its run."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from executors.budget import Budget
from executors.events import Event
from executors.failures import StepFailure
from executors.labels import Labels
from executors.layout import Layouts
from executors.slots import Slots
from executors.tools import ToolRegistry
from unified_api.clock import Clock
from unified_api.types import (
    Attempt,
    Caller,
    EmbedResponse,
    ImageResponse,
    Json,
    Policy,
    Quality,
    Response,
    Sensitivity,
    Usage,
)
from unified_api.types.sensitivity import most_sensitive
from workflows.expressions import ExpressionError, Scope, render_value
from workflows.model import ModelChoice, ModelNeeds, Step, Workflow
from workflows.templates import templates

if TYPE_CHECKING:
    from executors.journal.entries import Approval, Decision, Journal
    from unified_api.gateway import Gateway

__all__ = ["Approve", "Frame", "Kind", "Perform", "Receipt", "RunContext", "Spend", "StepRun", "add_usage", "now"]


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

    def absorb(self, other: Receipt) -> None:
        """Adds what a step inside used. Its tries stay its own."""
        self.spent += other.spent
        self.calls += other.calls
        self.uncertain |= other.uncertain
        if other.usage is not None:
            self.usage = add_usage(self.usage, other.usage)

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
    emit: Callable[[Event], None]
    clock: Clock
    random: Random
    slots: Slots
    tokens: bool
    """Whether someone listens to text while it is written."""
    caller: Caller
    """On whose behalf the run is made."""
    kinds: Mapping[str, Kind]
    perform: Perform
    """Executes a step that holds no others, with all its tries."""
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    """Those that steps of kind `workflow` run, by `name@version`."""
    versions: dict[str, str | None] = field(default_factory=dict)
    """Which version of each tool, by name, the run found: see `executors.identity`."""
    spend: Spend | None = None
    """Told what steps under a budget have spent, and hold besides."""
    layouts: Layouts = field(default_factory=Layouts)
    journal: Journal | None = None
    """Where steps that wait for a person keep their questions and find the answers."""
    approve: Approve | None = None
    """Answers questions to persons in this program; None of it leaves one to others."""
    wall: Callable[[], datetime] = now
    """The time of day, by which questions expire: it goes on while no program runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One block of steps under way: what they see, and within which limits they run."""

    context: RunContext
    workflow: Workflow
    """Whose steps they are, and whose policy says what they do where they say nothing."""
    scope: Scope
    labels: Labels
    path: str = ""
    """What stands before the ids of the steps in their paths: empty for the run itself, or as in `each[3]/`."""
    deadline: float | None = None
    """In the clock's seconds."""
    budget: Budget | None = None
    slots: Slots | None = None
    """The places of the workflow, where it runs as a step and allows fewer than the run; None is those of the run."""
    within: tuple[str, ...] = ()
    """The workflows that run as steps around this block, by `name@version`."""
    failed: set[str] | None = None
    """Paths of the steps that failed in an earlier try of a step around them; None where none is tried again."""


@dataclass(slots=True)
class StepRun:
    """One execution of one step."""

    frame: Frame
    step: Step
    path: str
    """Where in the run: `summary`, or `each[3]/summary` inside of a map."""
    label: Sensitivity
    """Of what the step sends, and of its output unless that is declassified."""
    budget: Budget | None
    deadline: float | None
    """End of the present try, in the clock's seconds; that of the step or of what is around it when that is nearer."""
    again: bool = False
    """Whether a try has failed already: then no kept answer will do, which may be the one that failed."""
    receipt: Receipt = field(default_factory=Receipt)
    failed_inside: set[str] | None = None
    """Paths of the steps inside of it that failed; None where no step around them is tried again."""
    reused: bool = False
    """Whether the output was recorded already."""
    possibly_paid: bool = False
    """Whether an earlier execution was cut off, so that nobody knows what it cost."""
    counted: Decimal = Decimal(0)
    """What the budget counts for it so far."""
    held: Decimal = Decimal(0)
    """What the budget holds for its calls under way."""

    @classmethod
    def of(cls, step: Step, frame: Frame) -> StepRun:
        """A step that is about to begin, all that it refers to having ended."""
        label = frame.labels.floor
        if step.sensitivity is not None or not frame.labels.are_floor:
            label = frame.labels.of((source for _, source in templates(step)), step.sensitivity)
        budget, deadline = frame.budget, frame.deadline
        if step.budget_usd is not None:
            budget = Budget(Decimal(str(step.budget_usd)), around=budget, whose="step")
        if step.deadline_s is not None:
            end = frame.context.clock.now() + step.deadline_s
            deadline = end if deadline is None else min(end, deadline)
        path = frame.path + step.id
        again = frame.failed is not None and path in frame.failed
        failed = set[str]() if frame.failed is None and step.retry.attempts > 1 else frame.failed
        return cls(frame, step, path, label, budget, deadline, again, failed_inside=failed)

    @property
    def context(self) -> RunContext:
        return self.frame.context

    @property
    def output_label(self) -> Sensitivity:
        return self.label if self.step.declassify is None else self.step.declassify

    def pay(self, *, held: Decimal, counted: Decimal = Decimal(0)) -> None:
        """More is held for its calls, or less and so much counted instead."""
        self.held += held
        self.counted += counted
        if self.context.spend is not None:
            self.context.spend(self.path, self.counted, self.held)

    def raise_label(self, label: Sensitivity) -> None:
        """The output was made from something of this label too."""
        self.label = most_sensitive(self.label, label)

    def render(self, value: Any) -> Any:
        """A template, or JSON that holds some, with the values so far filled in."""
        try:
            return render_value(value, self.frame.scope)
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
                sensitivity=self.label,
                deadline_s=remaining,
                cache=not self.again,
                caller=self.context.caller,
            )
        return Policy(
            sensitivity=self.label,
            deadline_s=remaining,
            cache=not self.again,
            caller=self.context.caller,
        )


Approve: TypeAlias = Callable[["Approval"], Awaitable["Decision | None"]]
"""Asks a person."""
Kind: TypeAlias = Callable[[Any, StepRun], Awaitable[Json]]
"""Runs one try of a step; each takes its own class of step, which `RunContext.kinds` matches by the step's `kind`."""
Perform: TypeAlias = Callable[[StepRun], Awaitable[Json]]
"""Gives a step's output, or raises StepFailure; what it used and tried is on the step run's receipt."""
Spend: TypeAlias = Callable[[str, Decimal, Decimal], None]
"""Takes the path of a step, what the budget counts for it so far, and what it holds for its calls under way."""
