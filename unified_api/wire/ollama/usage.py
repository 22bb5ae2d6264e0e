"""Token counts of Ollama's native answers."""

from __future__ import annotations

from unified_api.types import Json, JsonObject, Usage

__all__ = ["read_usage"]


def read_usage(answer: JsonObject) -> Usage:
    """The counts beside an answer. Ollama leaves `prompt_eval_count` out when it has the whole prompt in its cache."""
    return Usage(input_tokens=_count(answer.get("prompt_eval_count")), output_tokens=_count(answer.get("eval_count")))


def _count(value: Json) -> int | None:
    return value if type(value) is int and value >= 0 else None
