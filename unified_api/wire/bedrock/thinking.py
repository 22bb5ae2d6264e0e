"""How much a model of Bedrock is told to think: each publisher has its own field for it.

Claude: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html,
Nova: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html; others by the effort of
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputConfig.html or a field of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from unified_api.types import JsonObject, ReasoningEffort, Request
from unified_api.wire.anthropic.thinking import told_to_think
from unified_api.wire.base import ReasoningStyle
from unified_api.wire.model_patterns import first_match
from unified_api.wire.request_writer import RequestWriter

__all__ = ["thinking"]

_CLAUDE: Final[frozenset[ReasoningStyle | None]] = frozenset({
    "never", "budget", "adaptive", "between_tools", "always",
})  # fmt: skip
_WORDS: Final[Mapping[ReasoningStyle | None, tuple[ReasoningEffort, ...]]] = {
    None: ("low", "medium", "high", "xhigh"),
    "reasoningConfig": ("none", "low", "medium", "high"),
    "reasoning_effort": ("low", "medium", "high"),
    "reasoning_config": ("low", "medium", "high"),
}


def thinking(request: Request, writer: RequestWriter) -> JsonObject:
    """What the wished effort, budget and showing add to the body."""
    if request.reasoning_effort is None and request.reasoning_budget is None and request.show_reasoning is None:
        return {}
    style = first_match(writer.profile.reasoning_style, writer.model)
    if style in _CLAUDE:
        fields = _claude(request, writer)
        return {"additionalModelRequestFields": fields} if fields else {}
    effort = _word(request, writer, style)
    if style is None:
        return {"outputConfig": {"effort": effort}}
    if style != "reasoningConfig":
        return {"additionalModelRequestFields": {style: effort}}
    config: JsonObject = {"type": "disabled"}
    if effort != "none":
        config = {"type": "enabled", "maxReasoningEffort": effort}
    return {"additionalModelRequestFields": {style: config}}


def _claude(request: Request, writer: RequestWriter) -> JsonObject:
    """As the Messages API takes it; the room for the answer is Converse's own affair."""
    told = told_to_think(
        request, provider=writer.provider, model=writer.model, profile=writer.profile, interleaved=False
    )
    fields: JsonObject = {}
    if told.thinking is not None:
        fields["thinking"] = told.thinking
    if told.effort is not None:
        fields["output_config"] = {"effort": told.effort}
    return fields


def _word(request: Request, writer: RequestWriter, style: ReasoningStyle | None) -> str:
    """The wished effort, if the model has a word for it and none for the rest is wished."""
    if request.reasoning_budget is not None:
        writer.cannot("is told an effort and no number of tokens: give reasoning_effort", "reasoning_budget")
    if request.show_reasoning is not None:
        writer.cannot("cannot be told whether to show its thinking: leave show_reasoning out", "show_reasoning")
    effort = request.reasoning_effort
    if effort is None or effort not in _WORDS[style]:
        known = ", ".join(_WORDS[style])
        writer.cannot(f"takes the reasoning efforts {known} and not {effort!r}", "reasoning_effort")
    return effort
