"""The usage of models that read and write no text: embedders and rerankers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from unified_api.types import JsonObject, Usage
from unified_api.wire.answer import stated_usage

__all__ = ["input_usage"]


def input_usage(answer: JsonObject) -> tuple[Usage, Decimal | None]:
    """Usage and stated cost. Where only a total is told (Voyage, Jina), it is all input."""
    usage, cost = stated_usage(answer)
    counts = answer.get("usage")
    total = counts.get("total_tokens") if isinstance(counts, dict) else None
    if usage.input_tokens is None and type(total) is int and total >= 0:
        usage = replace(usage, input_tokens=total)
    return usage, cost
