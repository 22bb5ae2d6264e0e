"""What one execution of each step is expected to cost and to take: by the record, or by prices and sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal, TypeAlias

from orchestrator.history import ENOUGH, Execution, History
from orchestrator.sizing import Sizes
from orchestrator.sketch import Range
from workflows.checks.serving import Asking, Serving, asking
from workflows.checks.units import Site, Unit
from workflows.model import EmbedStep, ImageStep, SetStep, WorkflowStep
from workflows.models import Candidate, Rates

__all__ = ["Expected", "Expecting", "Source"]

Source: TypeAlias = Literal["record", "prices", "free", "none"]
"""Earlier runs; prices and typical sizes; nothing is asked; nothing is known."""
_USUAL_ANSWER, _LONG_ANSWER = 500, 2_000
"""Tokens of an answer, usually and seldom more, where `max_tokens` does not say less."""
_IMAGE: Final = 6_240
"""Tokens of a large picture of high quality (OpenAI, "Image generation")."""
_FIRST_S, _LATE_S = 0.7, 3.0
"""Seconds to the first token, usually and seldom more."""
_FAST, _SLOW = 60.0, 20.0
"""Tokens that a model writes in a second, usually and seldom less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One execution of a step. None is unknown, which is never nothing."""

    source: Source
    executions: int = 0
    """How many the record has, where it is what counts."""
    cost: Range | None = None
    seconds: Range | None = None
    past: tuple[tuple[float, float], ...] = ()
    """What earlier executions cost and took, drawn from where there are any."""

    def draw(self, random: Random) -> tuple[float, float]:
        """What one execution costs and takes; 0 for what is not known."""
        if self.past:
            return random.choice(self.past)
        deviation = random.gauss(0.0, 1.0)
        cost = 0.0 if self.cost is None else self.cost.at(deviation)
        return cost, 0.0 if self.seconds is None else self.seconds.at(deviation)


class Expecting:
    """Knows what to expect of each step."""

    def __init__(self, serving: Serving, past: History, inputs: Mapping[str, Any], units: Sequence[Unit]) -> None:
        self._serving = serving
        self._past = past
        self._sizes = Sizes(units, past, inputs, _answer)
        self.guessed: set[str] = set()
        """Values whose size prices were counted with, and that nobody knows."""

    def of(self, site: Site) -> Expected:
        """Of a step that holds no others."""
        recorded = self._recorded(site)
        if len(recorded) >= ENOUGH:
            return _by_record(recorded)
        step = asking(site.located.step)
        if step is not None:
            return self._by_prices(site, step)
        if isinstance(site.located.step, SetStep):
            return Expected(source="free", cost=Range(0, 0), seconds=Range(0, 0))
        if isinstance(site.located.step, WorkflowStep):
            return Expected(source="none")  # too many steps to be looked at, or not at hand
        return Expected(source="none", cost=Range(0, 0))  # no model is asked; how long it takes nobody knows

    def _recorded(self, site: Site) -> tuple[Execution, ...]:
        """Those of a model that cannot serve the step now tell nothing of it."""
        found = self._past.executions.get(site.path, ())
        models = {one.model for one in self._serving.candidates(site)}
        return tuple(one for one in found if one.model in models) if models else found

    def _by_prices(self, site: Site, step: Asking) -> Expected:
        candidates = self._serving.candidates(site)
        if not candidates:
            return Expected(source="none")
        prompt = self._sizes.prompt(site, step)
        given, made = prompt.size, _answer(step)
        self.guessed |= prompt.guessed
        usual = candidates[0].usual or candidates[0].most
        dear = [_usd(one.most or one.usual, given.p95, made.p95) for one in candidates]
        known = [cost for cost in dear if cost is not None]
        first = _usd(usual, given.p50, made.p50)
        is_known = first is not None and len(known) == len(dear)
        cost = Range(first, max(*known, first)) if is_known and first is not None else None
        return Expected(source="prices", cost=cost, seconds=_seconds(candidates[0], step, made))


def _by_record(executions: tuple[Execution, ...]) -> Expected:
    seconds = sorted(one.seconds for one in executions)
    costs = sorted(float(one.cost_usd) for one in executions if one.cost_usd is not None)
    asked = any(one.model is not None for one in executions)
    is_known = len(costs) == len(executions) or not asked  # what asks no model has no cost on record
    cost = Range(_quantile(costs, 0.5), _quantile(costs, 0.95)) if costs else Range(0, 0)
    return Expected(
        source="record",
        executions=len(executions),
        cost=cost if is_known else None,
        seconds=Range(_quantile(seconds, 0.5), _quantile(seconds, 0.95)),
        past=tuple((float(one.cost_usd or 0), one.seconds) for one in executions),
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _answer(step: Asking) -> Range:
    """Tokens of the answer."""
    if isinstance(step, EmbedStep):
        return Range(0, 0)
    if isinstance(step, ImageStep):
        return Range(_IMAGE / 4, _IMAGE)
    return Range(min(step.max_tokens or _USUAL_ANSWER, _USUAL_ANSWER), step.max_tokens or _LONG_ANSWER)


def _seconds(candidate: Candidate, step: Asking, made: Range) -> Range:
    if isinstance(step, EmbedStep):
        return Range(_FIRST_S / 2, _LATE_S)
    fast = candidate.tokens_per_s or _FAST
    slow = min(fast / 3, _SLOW)
    if isinstance(step, ImageStep):
        return Range(8.0, 40.0)
    return Range(_FIRST_S + made.p50 / fast, _LATE_S + made.p95 / slow)


def _usd(rates: Rates | None, given: float, made: float) -> float | None:
    return None if rates is None else float(rates.cost(math.ceil(given), math.ceil(made)))
