"""An answer that is withheld, and one whose unsafe pieces are cut out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unified_api.types import (
    FinishReason,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)

__all__ = ["finish_after", "marker", "refusal", "without"]


def refusal(why: str, *, begun: bool = False) -> str:
    """What stands for the answer, or for the rest of one that has begun."""
    return f"{'The rest of this answer' if begun else 'This answer'} was withheld by the safety check: {why}."


def marker(categories: Sequence[str]) -> str:
    """What stands where something was cut out."""
    return f"[removed by the safety check: {', '.join(categories) or 'unsafe'}]"


def without(part: Part, spans: Sequence[tuple[int, int]] | None, words: str) -> Part:
    """The part with the `spans` of its text replaced by `words`; None: all of it.

    Citations, and what the provider wants back unread, belong to the text as it was.
    """
    if spans is None or not isinstance(part, TextPart | ReasoningPart | RefusalPart):
        return ReasoningPart(words) if isinstance(part, ReasoningPart) else TextPart(words)
    kept: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start > end or not kept:
            kept += [part.text[end:start], words]
        end = max(end, stop)
    text = "".join([*kept, part.text[end:]])
    return replace(part, text=text) if isinstance(part, RefusalPart) else type(part)(text)


def finish_after(finish: FinishReason, before: Sequence[Part], after: Sequence[Part]) -> FinishReason:
    """An answer all of whose tool calls were cut out asks for none."""
    asked = any(isinstance(part, ToolCallPart) for part in before)
    asks = any(isinstance(part, ToolCallPart) for part in after)
    return "content_filter" if finish == "tool_calls" and asked and not asks else finish
