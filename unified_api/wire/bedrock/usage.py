"""Token counts as Amazon Bedrock states them, in all its spellings."""

from __future__ import annotations

from unified_api.types import Json, JsonObject, Usage

__all__ = ["read_usage"]


def read_usage(usage: JsonObject) -> Usage:
    """Normalised counts of Converse's `usage`, or of a stream's `amazon-bedrock-invocationMetrics`.

    Bedrock counts what was read from or written to a cache beside `inputTokens`, of every model.
    """
    given = _count(usage, "inputTokens", "inputTokenCount")
    cached = _count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = _count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    return Usage(
        input_tokens=None if given is None else given + (cached or 0) + (written or 0),
        output_tokens=_count(usage, "outputTokens", "outputTokenCount"),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=_kept_for_an_hour(usage.get("cacheDetails")),
    )


def _kept_for_an_hour(details: Json) -> int | None:
    if not isinstance(details, list) or not details:
        return None
    hours = (one for one in details if isinstance(one, dict) and one.get("ttl") == "1h")
    return sum(_count(one, "inputTokens") or 0 for one in hours)


def _count(counts: JsonObject, *names: str) -> int | None:
    found = (counts.get(name) for name in names)
    return next((count for count in found if type(count) is int and count >= 0), None)
