"""An answer that is withheld, and one whose unsafe pieces are cut out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unified_api.types import (
    FinishReason,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)

__all__ = ["Cut", "finish_after", "marker", "refusal", "without_spans"]


def refusal(why: str, *, begun: bool = False) -> str:
    """What stands for the answer, or for the rest of one that has begun."""
    return f"{'The rest of this answer' if begun else 'This answer'} was withheld by the safety check: {why}."


def marker(categories: Sequence[str]) -> str:
    """What stands where something was cut out."""
    return f"[removed by the safety check: {', '.join(categories) or 'unsafe'}]"


@dataclass(frozen=True, slots=True)
class Cut:
    """From where to where something is cut out of a text, and what stands in its place."""

    start: int
    end: int
    words: str


def without_spans(part: Part, cuts: Sequence[Cut]) -> Part | None:
    """The part with the `cuts` made, which are in order and do not overlap; None where nothing is left of it.

    Citations, and what the provider wants back unread, belong to the text as it was.
    """
    if not isinstance(part, TextPart | ReasoningPart | RefusalPart):
        return part
    kept: list[str] = []
    end = 0
    for one in cuts:
        kept += [part.text[end : one.start], one.words]
        end = one.end
    text = "".join([*kept, part.text[end:]])
    return type(part)(text) if text else None


def finish_after(finish: FinishReason, before: Sequence[Part], after: Sequence[Part]) -> FinishReason:
    """An answer all of whose tool calls were cut out asks for none."""
    asked = any(isinstance(part, ToolCallPart) for part in before)
    asks = any(isinstance(part, ToolCallPart) for part in after)
    return "content_filter" if finish == "tool_calls" and asked and not asks else finish
