"""The words that every canonical type is made of."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = [
    "Capability",
    "FinishReason",
    "Json",
    "JsonObject",
    "Quality",
    "Reader",
    "ReasoningEffort",
    "Role",
    "Sensitivity",
    "Strategy",
    "StructuredBy",
    "Tier",
]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = "dict[str, Json]"

Role = Literal["system", "user", "assistant", "tool"]
Capability = Literal[
    "chat", "streaming", "tools", "structured_output", "vision", "audio", "video", "documents", "reasoning",
    "embeddings", "image_output", "rerank", "moderation",
]  # fmt: skip
"""`vision`, `audio`, `video` and `documents` are what a chat model can be shown."""
Tier = Literal["economy", "standard", "premium"]
Strategy = Literal["priority", "cost", "latency", "quality", "weighted"]
"""How a route is ordered: as written, cheapest first, fastest first, highest tier first, or by chance with weights."""
Reader = Literal["person", "step"]
"""Who reads a stream: somebody as it comes, or only a program that needs the whole of it."""
Sensitivity = Literal["public", "internal", "confidential", "restricted"]
Quality = Literal["demo", "placeholder"]
"""How an offline stand-in marks its work: `demo` is a tiny model's text, `placeholder` is no real result at all."""
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "unknown"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
StructuredBy = Literal["native", "grammar", "tool", "words"]
"""How an answer was made to keep to a schema: by the provider, by a grammar while decoding, by a tool that the model
had to call, or only by asking for it in words."""
