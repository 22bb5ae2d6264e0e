"""What a replayed interaction decodes to, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass

from unified_api.errors import ProviderError
from unified_api.types import JsonObject, Usage
from unified_api.wire.quoting import shorten

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one interaction decodes to. `ok` is False when it could not be decoded, which `detail` explains."""

    id: str
    ok: bool
    family: str
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[JsonObject, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    error: ProviderError | None = None
    detail: str = ""

    def as_json(self) -> JsonObject:
        error: JsonObject | None = None
        if self.error is not None:
            error = {
                "class": type(self.error).__name__,
                "status": self.error.status,
                "retry_after_s": self.error.retry_after,
                "message": self.error.message,
            }
        return {
            "id": self.id,
            "ok": self.ok,
            "family": self.family,
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": list(self.tool_calls),
            "finish_reason": self.finish_reason,
            "usage": {
                "input": self.usage.input_tokens,
                "cached_input": self.usage.cached_input_tokens,
                "cache_write": self.usage.cache_write_tokens,
                "output": self.usage.output_tokens,
                "reasoning": self.usage.reasoning_tokens,
            },
            "cost_usd": self.cost_usd,
            "error": error,
            "detail": self.detail,
        }

    def as_line(self) -> str:
        """One line of printable characters, whatever the interaction holds."""
        said = shorten(self.detail) or shorten(self.text or self.reasoning, 60)
        if self.error is not None:
            said = f"{type(self.error).__name__}: {shorten(self.error.message, 100)}"
        tokens = f"{_count(self.usage.input_tokens)}>{_count(self.usage.output_tokens)}"
        calls = f"{len(self.tool_calls)} calls " if self.tool_calls else ""
        verdict = "ok " if self.ok else "NOT"
        name, family, finish = shorten(self.id, 100), shorten(self.family, 40), shorten(self.finish_reason or "-", 40)
        return f"{verdict} {name:44} {family:18} {finish:14} {tokens:>13}  {calls}{said}"


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)
