"""What a Responses answer says it used and cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from unified_api.types import Json, JsonObject, Usage
from unified_api.wire.answer import stated_usage

__all__ = ["answer_usage"]


def answer_usage(answer: JsonObject) -> tuple[Usage, Decimal | None]:
    """The tokens and the stated money of a whole answer, with the web searches that stand beside its `usage`.

    OpenAI and Azure tell them in `tool_usage`; xAI in `usage.server_side_tool_usage_details`
    (https://docs.x.ai/docs/guides/tools/overview).
    """
    usage, cost = stated_usage(answer)
    if usage.web_searches is not None:
        return usage, cost
    searches = _count(answer, "tool_usage", "web_search", "num_requests")
    if searches is None:
        searches = _count(answer, "usage", "server_side_tool_usage_details", "web_search_calls")
    return replace(usage, web_searches=searches), cost


def _count(answer: JsonObject, *path: str) -> int | None:
    found: Json = answer
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if type(found) is int and found >= 0 else None
