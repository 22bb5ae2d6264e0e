"""Why a Gemini answer ended (https://ai.google.dev/api/generate-content#FinishReason)."""

from __future__ import annotations

from collections.abc import Mapping

from unified_api.types import FinishReason, Json
from unified_api.wire.base import WireProfile

__all__ = ["read_finish"]

_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "NO_IMAGE": "error",
}
_NUMBERS = (
    "UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
    "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    "IMAGE_OTHER", "UNEXPECTED_TOOL_CALL", "NO_IMAGE",
)  # fmt: skip
"""The enum by its numbers as Vertex counts (google.cloud.aiplatform.v1.Candidate.FinishReason), which is where answers
with numbers were seen; AI Studio counts otherwise from 6 on. A profile's `finish_reasons` may name a number."""
_HOLD_A_CALL = frozenset({"STOP", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
"""With one of these a call that is there is good: it ends with STOP, or was not declared, or came once too often."""


def read_finish(word: Json, profile: WireProfile, *, called: bool) -> FinishReason | None:
    """The reason in our words; None while the answer goes on, `unknown` for OTHER and for what nobody knows."""
    if word is None or word == "":
        return None
    if str(word) in profile.finish_reasons:
        named = profile.finish_reasons[str(word)]
        return "tool_calls" if called and named == "stop" else named
    name = _NUMBERS[word] if type(word) is int and 0 <= word < len(_NUMBERS) else str(word).upper()
    name = name.removeprefix("FINISH_REASON_")
    if name == "UNSPECIFIED":
        return None
    if called and name in _HOLD_A_CALL:
        return "tool_calls"
    return _REASONS.get(name, "unknown")
