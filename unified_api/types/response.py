"""A chat answer, what it used and how it came about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from unified_api.types.common import FinishReason, Quality, StructuredBy
from unified_api.types.content import Citation, Part, RefusalPart, TextPart, ToolCallPart

__all__ = ["Alternative", "Attempt", "AttemptOutcome", "Response", "TokenLogprob", "Usage"]

AttemptOutcome = Literal[
    "succeeded", "failed", "cancelled", "rejected",  # tries, numbered from 1
    "dropped", "skipped", "cached", "noted",  # no tries: number 0
]  # fmt: skip
"""`rejected` answered, and its answer was not confident enough; `cancelled` was not waited for any longer. `dropped`
may not be asked, `skipped` was left alone just then (its breaker is open), `cached` is an answer kept from before, and
`noted` is what a layer decided."""
_THOUGHTS = re.compile(r"\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens. `input_tokens` contains the cached and written ones and `output_tokens` the reasoning ones.

    None means that the provider did not say, which is not zero. The fields after `reasoning_tokens` are parts of those
    before them that some providers price apart.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    input_video_tokens: int | None = None
    cached_audio_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    """Those of `cache_write_tokens` that are kept for an hour."""
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None
    web_searches: int | None = None
    """Searches that a built-in tool made, not tokens."""
    billed_input_tokens: int | None = None
    """What is charged, where the provider says that it is not what the model read (Cohere charges no template)."""
    billed_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one deployment, or a decision about one; only tries have a number, from 1."""

    number: int
    model: str
    """`provider/model`; for what is `noted`, the layer."""
    outcome: AttemptOutcome
    error: str | None = None
    """The error's `code`, when it failed or was dropped."""
    message: str | None = None
    seconds: float = 0.0
    confidence: float | None = None
    """How sure an evaluator was of the answer, from 0 to 1."""
    cost_usd: Decimal | None = None
    """Of a stream that broke or was left: as far as its provider had told, else estimated from what had come."""
    billable: bool = False
    """Whether it may be billed although it did not succeed; at what price nobody knows."""
    received: int = 0
    """Characters of the answer that had come, where the try was streamed and content came."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of the answer and the natural logarithm of its probability; `top` are the likeliest at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A further answer to the same request (`Request.n`)."""

    parts: tuple[Part, ...]
    finish_reason: FinishReason
    logprobs: tuple[TokenLogprob, ...] = ()

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete chat answer."""

    model: str
    """`provider/model` that answered, with the name the provider echoed where it gave one."""
    provider: str
    parts: tuple[Part, ...]
    finish_reason: FinishReason
    usage: Usage = Usage()
    id: str | None = None
    cost_usd: Decimal | None = None
    """None when the price or the usage is unknown; never a made-up zero."""
    logprobs: tuple[TokenLogprob, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    structured_by: StructuredBy | None = None
    """How the answer was made to keep to the request's schema; None without one."""
    dropped: tuple[str, ...] = ()
    """Parameters of the request that the model could not take and that were left out, as the policy allowed."""
    skipped_events: int = 0
    """Events of the stream that could not be read and were passed over: a piece of the answer may be missing."""
    quality: Quality | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def answer(self) -> str:
        """The text without the thoughts in `<think>` before it, which servers that do not know them leave there.

        LM Studio does so unless told otherwise, vLLM without a reasoning parser. Marks further inside are text like
        any other; thoughts that never end leave nothing.
        """
        thoughts = _THOUGHTS.match(self.text)
        return self.text[thoughts.end() :] if thoughts else self.text

    @property
    def refusal(self) -> str | None:
        return "".join(part.text for part in self.parts if isinstance(part, RefusalPart)) or None

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple(one for part in self.parts if isinstance(part, TextPart) for one in part.citations)
