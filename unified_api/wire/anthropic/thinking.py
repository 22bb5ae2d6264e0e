"""How a Claude is told to think, and how long its answer may be.

https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking and /extended-thinking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from unified_api.errors import UnsupportedParameterError
from unified_api.types import JsonObject, ReasoningEffort, Request
from unified_api.wire.base import WireProfile
from unified_api.wire.model_patterns import first_match

__all__ = ["Thinking", "told_to_think"]

_LEAST = 1024
"""Tokens that a budget must have at least."""
_DEFAULT_MAX_TOKENS = 4096
"""What every model of the family can answer with."""
_BUDGETS: Mapping[ReasoningEffort, int] = {
    "minimal": _LEAST,
    "low": 2048,
    "medium": 8000,
    "high": 16_000,
    "xhigh": 24_000,
}
"""Effort -> tokens, for models that only take a number."""
_EFFORTS: Mapping[ReasoningEffort, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}
"""Effort -> the wire's word, of which "low" is the lowest."""


class Thinking(NamedTuple):
    """What the request's wishes become: `max_tokens`, and `thinking` and an effort where they are to be sent."""

    max_tokens: int
    thinking: JsonObject | None = None
    effort: str | None = None


def told_to_think(request: Request, *, provider: str, model: str, profile: WireProfile, interleaved: bool) -> Thinking:
    """The wire's words for effort, budget and the wish to see the thinking.

    A budget is counted inside `max_tokens`, so it is added to the default, and must be less than what is asked for -
    unless thinking is `interleaved` with tool calls, where it holds for the whole turn. Raises
    UnsupportedParameterError for a wish that the model cannot be told.
    """
    wish = _Wish(request, provider, model, profile, interleaved)
    told = wish.told()
    if told.thinking is not None:
        wish.check_company(str(told.thinking["type"]))
    return told


class _Wish(NamedTuple):
    request: Request
    provider: str
    model: str
    profile: WireProfile
    interleaved: bool

    @property
    def style(self) -> str:
        return first_match(self.profile.reasoning_style, self.model) or "budget"

    @property
    def room(self) -> int:
        """Tokens for the answer where the request does not say."""
        return first_match(self.profile.default_max_tokens, self.model) or _DEFAULT_MAX_TOKENS

    @property
    def limit(self) -> int:
        return self.room if self.request.max_tokens is None else self.request.max_tokens

    def told(self) -> Thinking:
        effort, budget = self.request.reasoning_effort, self.request.reasoning_budget
        if self.style == "never":
            return self._thoughtless()
        if effort == "none" or budget == 0:
            return self._off()
        if self.style == "budget":
            if budget is None and effort is not None:
                budget = self._budget_for(effort)
            elif budget is None and self.request.show_reasoning:
                budget = self._room_to_think(_LEAST, "show_reasoning")
            return Thinking(self.limit) if budget is None else self._counted(budget, None)
        word = None if effort is None else self._word(effort)
        if budget is not None:
            return self._counted(budget, word)
        thinks = effort is not None or self.request.show_reasoning is True
        return Thinking(self.limit, self._shown({"type": "adaptive"}) if thinks else None, word)

    def check_company(self, kind: str) -> None:
        """Refuses what a thinking of that kind cannot stand beside: a forced tool beside a counted one alone.

        https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility
        """
        if kind not in {"enabled", "adaptive"}:
            return
        request = self.request
        clashing = {
            "tool_choice": kind == "enabled" and request.tool_choice not in (None, "auto", "none"),
            "temperature": request.temperature not in (None, 1),
            "top_k": request.top_k is not None,
            "top_p": request.top_p is not None and not 0.95 <= request.top_p <= 1,
        }
        for name, clashes in clashing.items():
            if clashes:
                value = getattr(request, name)
                what = f"{self.model!r} cannot take {name}={value!r} while it thinks: leave out one of both"
                self._refuse(name, what)

    def _off(self) -> Thinking:
        effort, budget = self.request.reasoning_effort, self.request.reasoning_budget
        if effort not in (None, "none") or budget:
            self._refuse("reasoning_budget", f"reasoning_effort {effort!r} contradicts reasoning_budget {budget}")
        if self.style == "always":
            self._refuse("reasoning_effort", f"{self.model!r} always thinks: choose an effort, or another model")
        return Thinking(self.limit, {"type": "between_tools" if self.style == "between_tools" else "disabled"})

    def _thoughtless(self) -> Thinking:
        """For a model that cannot think: not to think, or not to show it, is what it does anyway."""
        for name in ("reasoning_effort", "reasoning_budget", "show_reasoning"):
            if getattr(self.request, name) not in (None, "none", 0, False):
                self._refuse(name, f"{self.model!r} cannot think: leave {name} out, or choose a model that can")
        return Thinking(self.limit)

    def _budget_for(self, effort: ReasoningEffort) -> int:
        """An effort is no promise of a number: at least half of what was asked for is left for the answer."""
        limit = self.request.max_tokens
        wished = _BUDGETS[effort] if limit is None else min(_BUDGETS[effort], max(_LEAST, limit // 2))
        return self._room_to_think(wished, "reasoning_effort")

    def _room_to_think(self, budget: int, param: str) -> int:
        """The budget, where the answer has room for any; `param` is what asked for it."""
        limit = self.request.max_tokens
        if limit is not None and limit <= _LEAST:
            what = f"{self.model!r} thinks in {_LEAST} tokens or more: raise max_tokens ({limit}) above that"
            self._refuse(param, what)
        return budget

    def _counted(self, budget: int, word: str | None) -> Thinking:
        limit = self.request.max_tokens
        if budget < _LEAST:
            what = f"reasoning_budget is {budget}: {self.model!r} needs {_LEAST} or more, or 0 for none"
            self._refuse("reasoning_budget", what)
        if limit is not None and budget >= limit and not self.interleaved:
            what = f"reasoning_budget ({budget}) must be less than max_tokens ({limit}), which contains it"
            self._refuse("reasoning_budget", what)
        thinking = self._shown({"type": "enabled", "budget_tokens": budget})
        return Thinking(budget + self.room if limit is None else limit, thinking, word)

    def _word(self, effort: ReasoningEffort) -> str:
        own = first_match(self.profile.efforts, self.model)
        efforts = _EFFORTS if own is None else own
        word = efforts.get(effort)
        if not isinstance(word, str):
            what = f"{self.model!r} has no word for the effort {effort!r}: choose one of {sorted(efforts)}"
            self._refuse("reasoning_effort", what)
        return word

    def _shown(self, thinking: JsonObject) -> JsonObject:
        shown = self.request.show_reasoning
        return thinking if shown is None else {**thinking, "display": "summarized" if shown else "omitted"}

    def _refuse(self, param: str, what: str) -> NoReturn:
        raise UnsupportedParameterError(
            what, provider=self.provider, model=f"{self.provider}/{self.model}", param=param
        )
