"""Token counts out of Google's `usageMetadata` (https://ai.google.dev/api/generate-content#UsageMetadata)."""

from __future__ import annotations

from unified_api.types import Json, JsonObject, Usage

__all__ = ["read_usage"]

_MODALITIES = {1: "TEXT", 2: "IMAGE", 3: "VIDEO", 4: "AUDIO", 5: "DOCUMENT"}
"""The numbers of the enum, which an answer written without its names has."""


def read_usage(usage: JsonObject) -> Usage:
    """Normalised counts. Google counts thoughts and the prompts of built-in tools beside its two main numbers."""
    thoughts = _count(usage, "thoughtsTokenCount")
    given = [details for name in ("promptTokensDetails", "promptTokenDetails") for details in _details(usage, name)]
    given += _details(usage, "toolUsePromptTokensDetails")
    made = _details(usage, "candidatesTokensDetails") or _details(usage, "responseTokensDetails")
    cached = _details(usage, "cacheTokensDetails")
    answer = _count(usage, "candidatesTokenCount")
    if answer is None:
        answer = _count(usage, "responseTokenCount")
    return Usage(
        input_tokens=_sum(_count(usage, "promptTokenCount"), _count(usage, "toolUsePromptTokenCount")),
        output_tokens=_sum(answer, thoughts),
        cached_input_tokens=_count(usage, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        input_audio_tokens=_of("AUDIO", given),
        # The pages of a document are read, and priced, as images (https://ai.google.dev/gemini-api/docs/tokens).
        input_image_tokens=_sum(_of("IMAGE", given), _of("DOCUMENT", given)),
        input_video_tokens=_of("VIDEO", given),
        cached_audio_tokens=_of("AUDIO", cached),
        output_audio_tokens=_of("AUDIO", made),
        output_image_tokens=_of("IMAGE", made),
    )


def _details(usage: JsonObject, name: str) -> list[JsonObject]:
    found = usage.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _of(modality: str, details: list[JsonObject]) -> int | None:
    return _sum(*(_count(entry, "tokenCount") for entry in details if _modality(entry.get("modality")) == modality))


def _modality(word: Json) -> Json:
    return _MODALITIES.get(word) if type(word) is int else word


def _sum(*counts: int | None) -> int | None:
    said = [count for count in counts if count is not None]
    return sum(said) if said else None


def _count(counts: JsonObject, name: str) -> int | None:
    count = counts.get(name)
    if type(count) is float and count.is_integer():
        count = int(count)
    return count if type(count) is int and count >= 0 else None
