"""The canonical request, response and chunk: what every wire format is translated from and to.

Everything here is frozen and free of provider details. Provider JSON becomes these types in an adapter,
once, and no other shape travels further in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

__all__ = [
    "Attempt",
    "AttemptOutcome",
    "Capability",
    "Chunk",
    "EmbedRequest",
    "EmbedResponse",
    "FinishChunk",
    "FinishReason",
    "Image",
    "ImagePart",
    "ImageRequest",
    "ImageResponse",
    "Json",
    "JsonObject",
    "Message",
    "NamedTool",
    "OutputSchema",
    "Part",
    "Policy",
    "Quality",
    "ReasoningChunk",
    "ReasoningEffort",
    "ReasoningPart",
    "RefusalChunk",
    "RefusalPart",
    "Request",
    "Response",
    "Role",
    "Sensitivity",
    "TextChunk",
    "TextPart",
    "Tier",
    "Tool",
    "ToolCallChunk",
    "ToolCallPart",
    "ToolChoice",
    "ToolResultPart",
    "Usage",
    "UsageChunk",
]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = "dict[str, Json]"

Role = Literal["system", "user", "assistant", "tool"]
Capability = Literal[
    "chat", "streaming", "tools", "structured_output", "vision", "reasoning", "embeddings", "image_output"
]
Tier = Literal["economy", "standard", "premium"]
Sensitivity = Literal["public", "internal", "confidential", "restricted"]
Quality = Literal["demo", "placeholder"]
"""How an offline stand-in marks its work: `demo` is a tiny model's text, `placeholder` is no real result at all."""

_THOUGHTS = re.compile(r"\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "unknown"]
ReasoningEffort = Literal["minimal", "low", "medium", "high"]
AttemptOutcome = Literal["succeeded", "failed", "dropped"]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image shown to a model: either `url` (https or data) or `data` with its `media_type`."""

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    detail: Literal["auto", "low", "high"] | None = None


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """Thinking that a model chose to show; never sent back to another provider."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalPart:
    """The model's own words for declining. A refusal is an answer, not an error."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call the model asks for. `arguments` is the JSON text as given; an absent one is `{}`."""

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool call gave back; `call_id` is the `id` of the `ToolCallPart` it answers."""

    call_id: str
    content: str


Part: TypeAlias = TextPart | ImagePart | ReasoningPart | RefusalPart | ToolCallPart | ToolResultPart


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def system(cls, text: str) -> Message:
        return cls("system", (TextPart(text),))

    @classmethod
    def user(cls, text: str) -> Message:
        return cls("user", (TextPart(text),))

    @classmethod
    def assistant(cls, text: str) -> Message:
        return cls("assistant", (TextPart(text),))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may ask for; `parameters` is the JSON Schema of its arguments object."""

    name: str
    description: str = ""
    parameters: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True)
class NamedTool:
    """A tool choice that forces this one tool."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | NamedTool


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The JSON Schema an answer must satisfy. `strict` asks the provider to enforce it while decoding.

    A model that takes no schema is asked in words, and some servers ignore one, so whoever needs the JSON checks it.
    A schema whose root is no object is asked for inside one where the wire wants that; the answer's text is the value.
    """

    schema: JsonObject
    name: str = "output"
    strict: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A chat call. `model` is `provider/model`, `route/NAME`, `auto` or an unambiguous bare model name."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output_schema: OutputSchema | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Tokens the answer may have, reasoning included where the provider counts it so."""
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The caller's wishes for one call: what must hold, what is preferred, what may happen on failure."""

    needs: frozenset[Capability] = frozenset()
    tier: Tier | None = None
    """Asked of `auto`; a named model or route is taken as it is."""
    sensitivity: Sensitivity = "public"
    fallback: bool = True
    """Whether a failure may move the call to the next deployment of its route."""
    max_attempts: int = 4
    """Tries in all, retries and fallbacks together."""
    max_billable: int | None = None
    """Tries that may be billed although they failed, after which the call ends: what a budget has room for."""
    deadline_s: float | None = None
    """Seconds for the whole logical call, every attempt and wait included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens. `input_tokens` contains the cached ones and `output_tokens` the reasoning ones.

    None means that the provider did not say, which is not zero.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one deployment, numbered from 1; a `dropped` candidate was never asked and has number 0."""

    number: int
    model: str
    """`provider/model`."""
    outcome: AttemptOutcome
    error: str | None = None
    """The error's `code`, when it failed or was dropped."""
    message: str | None = None
    seconds: float = 0.0
    cost_usd: Decimal | None = None
    billable: bool = False
    """Whether it may be billed although it failed; at what price nobody knows."""


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


@dataclass(frozen=True, slots=True)
class TextChunk:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningChunk:
    text: str


@dataclass(frozen=True, slots=True)
class RefusalChunk:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallChunk:
    """A piece of the tool call at `index`; `id` and `name` come once, `arguments` grows."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class FinishChunk:
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class UsageChunk:
    """The usage so far. A later one replaces an earlier one; they are never added up."""

    usage: Usage
    model: str | None = None
    """The model name the provider echoed, which price lookup prefers."""
    cost_usd: Decimal | None = None


Chunk: TypeAlias = TextChunk | ReasoningChunk | RefusalChunk | ToolCallChunk | FinishChunk | UsageChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    model: str
    inputs: tuple[str, ...]
    dimensions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResponse:
    """One vector per input, in the order of the inputs."""

    model: str
    provider: str
    vectors: tuple[tuple[float, ...], ...] = field(repr=False)
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    quality: Quality | None = None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    model: str
    prompt: str
    size: str | None = None
    """`WIDTHxHEIGHT` in pixels, or None for the model's default."""


@dataclass(frozen=True, slots=True)
class Image:
    """A generated image: bytes, or the address where the provider keeps it for a while."""

    media_type: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResponse:
    model: str
    provider: str
    images: tuple[Image, ...]
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    quality: Quality | None = None
    attempts: tuple[Attempt, ...] = ()
