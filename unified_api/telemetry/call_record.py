"""What is told of one call when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from unified_api.call import AnyCall
from unified_api.types import Attempt, FinishReason, Json, JsonObject, Sensitivity, Usage

__all__ = ["OPERATIONS", "CallRecord", "Outcome", "named"]

Outcome = Literal["succeeded", "failed", "cancelled", "left"]
"""`left`: the reader of a stream went away before its end."""

OPERATIONS: Mapping[str, str] = {
    "chat": "chat",
    "stream": "chat",
    "embed": "embeddings",
    "image": "generate_content",
    "rerank": "rerank",
    "moderate": "moderation",
}
"""As OpenTelemetry's conventions for generative AI name them; for the last two they have no name."""


def named(model: str) -> tuple[str, str]:
    """The provider and the model's own name, as a request says them; `auto` and routes have no provider."""
    provider, slash, name = model.partition("/")
    return (provider, name) if slash and provider != "route" else ("", model)


_SPOKEN = frozenset({"noted", "skipped", "cached"})
"""Outcomes whose words are the gateway's own. A provider's error may quote the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call as its caller saw it."""

    call: AnyCall
    outcome: Outcome
    seconds: float
    first_chunk_s: float | None = None
    """From the beginning of a stream to its first chunk."""
    sensitivity: Sensitivity | None = None
    """The label under which it was made, once it was settled."""
    model: str | None = None
    """`provider/model` that answered, with the name that the provider echoed."""
    provider: str | None = None
    finish_reasons: tuple[FinishReason, ...] = ()
    response_id: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    error: str | None = None
    status: int | None = None
    """Of the provider's HTTP answer, where the call failed by one."""
    attempts: tuple[Attempt, ...] = ()
    content: Mapping[str, Json] | None = None
    """What was asked and answered, where that may be told."""

    @property
    def operation(self) -> str:
        return OPERATIONS[self.call.operation]

    @property
    def cached(self) -> bool:
        """Whether the answer was kept from before, or came by another's call."""
        return any(one.outcome == "cached" for one in self.attempts)

    @property
    def is_of_a_model(self) -> bool:
        """Whether the name that was asked for means one; any other is only somebody's word."""
        return self.cached or (self.call.trail.selection is not None and self.error != "not_found")

    @property
    def tries(self) -> int:
        return sum(1 for one in self.attempts if one.number)

    def to_json(self) -> JsonObject:
        """All of it as JSON, what is not known left out."""
        caller = self.call.policy.caller
        told: dict[str, Json | None] = {
            "operation": self.operation,
            "streamed": self.call.operation == "stream",
            "purpose": self.call.purpose,
            "outcome": self.outcome,
            "request_model": self.call.request.model,
            "model": self.model,
            "provider": self.provider,
            "seconds": round(self.seconds, 6),
            "first_chunk_s": None if self.first_chunk_s is None else round(self.first_chunk_s, 6),
            "sensitivity": self.sensitivity,
            "finish_reasons": list(self.finish_reasons) or None,
            "response_id": self.response_id,
            "usage": None if self.usage is None else _usage(self.usage),
            "cost_usd": None if self.cost_usd is None else float(self.cost_usd),
            "cached": self.cached or None,
            "error": self.error,
            "status": self.status,
            "attempts": [_attempt(one) for one in self.attempts],
            "tenant": caller.tenant or None,
            "user": caller.user,
            "key": caller.key,
            "run": caller.run,
            "session": caller.session,
            "tags": [*sorted(caller.tags)] or None,
            "content": None if self.content is None else dict(self.content),
        }
        return {name: value for name, value in told.items() if value is not None}


def _usage(usage: Usage) -> JsonObject:
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _attempt(attempt: Attempt) -> JsonObject:
    told: dict[str, Json | None] = {
        "number": attempt.number or None,
        "model": attempt.model,
        "outcome": attempt.outcome,
        "error": attempt.error,
        "message": attempt.message if attempt.outcome in _SPOKEN else None,
        "seconds": round(attempt.seconds, 6) if attempt.number else None,
        "confidence": attempt.confidence,
        "cost_usd": None if attempt.cost_usd is None else float(attempt.cost_usd),
    }
    return {name: value for name, value in told.items() if value is not None}
