"""Token counts of the Messages API (https://docs.anthropic.com/en/api/messages#response-usage)."""

from __future__ import annotations

from unified_api.types import Json, JsonObject, Usage

__all__ = ["merge_counts", "read_usage"]


def read_usage(usage: JsonObject) -> Usage:
    """Normalised counts; what was not said stays None.

    `input_tokens` of this wire leaves out what was read from the cache and written to it; ours contains both.
    """
    read, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    kept = _object(usage, "cache_creation")
    short, long = _count(kept, "ephemeral_5m_input_tokens"), _count(kept, "ephemeral_1h_input_tokens")
    if written is None and (short is not None or long is not None):
        written = (short or 0) + (long or 0)
    fresh = _count(usage, "input_tokens")
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=_count(usage, "output_tokens"),
        cached_input_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=None if long is None else min(long, written or 0),
        reasoning_tokens=_count(_object(usage, "output_tokens_details"), "thinking_tokens"),
        web_searches=_count(_object(usage, "server_tool_use"), "web_search_requests"),
    )


def merge_counts(earlier: JsonObject, later: JsonObject) -> JsonObject:
    """The usage of a stream so far: every count is cumulative, so a later one replaces the earlier."""
    return {**earlier, **{name: count for name, count in later.items() if count is not None}}


def _object(usage: JsonObject, name: str) -> JsonObject:
    found = usage.get(name)
    return found if isinstance(found, dict) else {}


def _count(usage: JsonObject, name: str) -> int | None:
    count: Json = usage.get(name)
    return count if type(count) is int and count >= 0 else None
