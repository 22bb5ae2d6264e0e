"""Token counts out of Google's `usageMetadata` (https://ai.google.dev/api/generate-content#UsageMetadata)."""

from __future__ import annotations

from unified_api.types import JsonObject, Usage

__all__ = ["read_usage"]

_MODALITIES = {1: "TEXT", 2: "IMAGE", 3: "VIDEO", 4: "AUDIO", 5: "DOCUMENT"}
"""The numbers of the enum, which an answer written without its names has."""


def read_usage(usage: JsonObject) -> Usage:
    """Normalised counts. Google counts thoughts and the prompts of built-in tools beside its two main numbers."""
    thoughts = _count(usage, "thoughtsTokenCount")
    given = _by_kind(usage, "promptTokensDetails", "promptTokenDetails", "toolUsePromptTokensDetails")
    made = _by_kind(usage, "candidatesTokensDetails", "responseTokensDetails")
    answer = _count(usage, "candidatesTokenCount")
    if answer is None:
        answer = _count(usage, "responseTokenCount")
    return Usage(
        input_tokens=_sum(_count(usage, "promptTokenCount"), _count(usage, "toolUsePromptTokenCount")),
        output_tokens=_sum(answer, thoughts),
        cached_input_tokens=_count(usage, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        input_audio_tokens=given.get("AUDIO"),
        # The pages of a document are read, and priced, as images (https://ai.google.dev/gemini-api/docs/tokens).
        input_image_tokens=_sum(given.get("IMAGE"), given.get("DOCUMENT")),
        input_video_tokens=given.get("VIDEO"),
        cached_audio_tokens=_by_kind(usage, "cacheTokensDetails").get("AUDIO"),
        output_audio_tokens=made.get("AUDIO"),
        output_image_tokens=made.get("IMAGE"),
    )


def _by_kind(usage: JsonObject, *names: str) -> dict[str, int]:
    """What the details tell of each modality, all lists together."""
    counts: dict[str, int] = {}
    for name in names:
        details = usage.get(name)
        for entry in details if isinstance(details, list) else ():
            if isinstance(entry, dict):
                word, count = entry.get("modality"), _count(entry, "tokenCount")
                kind = _MODALITIES.get(word) if type(word) is int else word
                if isinstance(kind, str) and count is not None:
                    counts[kind] = counts.get(kind, 0) + count
    return counts


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


def _count(counts: JsonObject, name: str) -> int | None:
    count = counts.get(name)
    if type(count) is float and count.is_integer():
        count = int(count)
    return count if type(count) is int and count >= 0 else None
