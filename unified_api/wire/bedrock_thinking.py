"""How much a model of Bedrock is told to think: each publisher has its own field for it.

Claude: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html,
Nova: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html; all others by the effort of
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputConfig.html or a field of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from unified_api.types import JsonObject, ReasoningEffort, Request
from unified_api.wire.base import ReasoningStyle
from unified_api.wire.bedrock_patterns import first_match
from unified_api.wire.request_writer import RequestWriter

__all__ = ["thinking"]

_WORDS: Final[Mapping[ReasoningStyle | None, tuple[ReasoningEffort, ...]]] = {
    None: ("low", "medium", "high", "xhigh"),
    "adaptive": ("none", "low", "medium", "high", "xhigh"),
    "always": ("low", "medium", "high", "xhigh"),
    "reasoningConfig": ("none", "low", "medium", "high"),
    "reasoning_effort": ("low", "medium", "high"),
    "reasoning_config": ("low", "medium", "high"),
}
_BUDGETS: Final[Mapping[ReasoningEffort, int]] = {
    "minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768,
}  # fmt: skip
"""Tokens that an effort is worth where the model wants a number."""
_LEAST_BUDGET = 1024


def thinking(request: Request, writer: RequestWriter) -> JsonObject:
    """What the wished effort or budget adds to the body."""
    if request.reasoning_effort is None and request.reasoning_budget is None:
        return {}
    style = first_match(writer.profile.reasoning_style, writer.model)
    if style is None:
        return {"outputConfig": {"effort": _word(request, writer, style)}}
    return {"additionalModelRequestFields": _fields(request, writer, style)}


def _fields(request: Request, writer: RequestWriter, style: ReasoningStyle) -> JsonObject:
    if style == "budget":
        return {"thinking": _budget(request, writer)}
    if style in {"adaptive", "always"}:
        return _adaptive(request, writer, style)
    effort = _word(request, writer, style)
    if style != "reasoningConfig":
        return {style: effort}
    if effort == "none":
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


def _budget(request: Request, writer: RequestWriter) -> JsonObject:
    effort, budget = request.reasoning_effort, request.reasoning_budget
    if effort is not None and budget is not None:
        writer.cannot("thinks by a number of tokens: give reasoning_budget or reasoning_effort", "reasoning_effort")
    if effort == "none" or budget == 0:
        return {"type": "disabled"}
    if effort is not None:
        # The answer's tokens contain the thinking, and must be more.
        room = _BUDGETS[effort] if request.max_tokens is None else request.max_tokens - 1
        budget = max(_LEAST_BUDGET, min(_BUDGETS[effort], room))
    return {"type": "enabled", "budget_tokens": budget}


def _adaptive(request: Request, writer: RequestWriter, style: ReasoningStyle) -> JsonObject:
    if request.reasoning_budget is not None:
        added: JsonObject = {"thinking": {"type": "enabled", "budget_tokens": request.reasoning_budget}}
        if request.reasoning_effort is None:
            return added
    else:
        added = {"thinking": {"type": "adaptive"}}
    effort = _word(request, writer, style, budget=True)
    return {"thinking": {"type": "disabled"}} if effort == "none" else {**added, "output_config": {"effort": effort}}


def _word(request: Request, writer: RequestWriter, style: ReasoningStyle | None, *, budget: bool = False) -> str:
    """The wished effort, if the model has a word for it."""
    if request.reasoning_budget is not None and not budget:
        writer.cannot("is told an effort and no number of tokens: give reasoning_effort", "reasoning_budget")
    effort = request.reasoning_effort
    if effort is None or effort not in _WORDS[style]:
        known = ", ".join(_WORDS[style])
        writer.cannot(f"takes the reasoning efforts {known} and not {effort!r}", "reasoning_effort")
    return effort
