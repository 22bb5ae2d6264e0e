"""Token counts of Cohere's answers (https://docs.cohere.com/reference/chat)."""

from __future__ import annotations

from unified_api.types import Json, JsonObject, Usage

__all__ = ["read_usage"]


def read_usage(usage: JsonObject) -> Usage:
    """The counts in `usage` (v2) or `meta` (v1, embed, rerank).

    `tokens` is what the model read and wrote; `billed_units`, which is priced, leaves Cohere's own template out.
    Where only the latter is told it stands for both. `image_tokens` lie beside `input_tokens` and are in the billed
    count alone.
    """
    tokens, billed = _counts(usage, "tokens"), _counts(usage, "billed_units")
    given, made = tokens.get("input_tokens"), tokens.get("output_tokens")
    charged, written = billed.get("input_tokens"), billed.get("output_tokens")
    return Usage(
        input_tokens=charged if given is None else given,
        output_tokens=written if made is None else made,
        cached_input_tokens=_count(usage.get("cached_tokens")),
        reasoning_tokens=tokens.get("reasoning_tokens"),
        billed_input_tokens=None if given is None else charged,
        billed_output_tokens=None if made is None else written,
    )


def _counts(usage: JsonObject, name: str) -> dict[str, int]:
    group = usage.get(name)
    pairs = ((key, _count(value)) for key, value in group.items()) if isinstance(group, dict) else ()
    return {key: count for key, count in pairs if count is not None}


def _count(value: Json) -> int | None:
    """A count; the API's own types call them floats."""
    if type(value) is int and value >= 0:
        return value
    return int(value) if type(value) is float and value >= 0 and value.is_integer() else None
