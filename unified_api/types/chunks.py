"""The pieces of a streamed answer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from unified_api.types.common import FinishReason, StructuredBy
from unified_api.types.content import BuiltinToolPart, Citation, MediaPart, ProviderState
from unified_api.types.response import TokenLogprob, Usage

__all__ = [
    "AlternativeChunk",
    "Chunk",
    "CitationChunk",
    "ContentChunk",
    "FinishChunk",
    "LogprobsChunk",
    "PartChunk",
    "ReasoningChunk",
    "RefusalChunk",
    "RestartChunk",
    "SentChunk",
    "SkippedChunk",
    "TextChunk",
    "ToolCallChunk",
    "UsageChunk",
]


@dataclass(frozen=True, slots=True)
class TextChunk:
    """More of the answer's text. A `state` belongs to the text so far and ends that part."""

    text: str
    state: ProviderState | None = None


@dataclass(frozen=True, slots=True)
class ReasoningChunk:
    """More of the shown thinking. A `state` belongs to the thinking so far and ends that part."""

    text: str
    state: ProviderState | None = None


@dataclass(frozen=True, slots=True)
class RefusalChunk:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallChunk:
    """A piece of the tool call at `index`; `id`, `name` and `state` come once, `arguments` grows."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    state: ProviderState | None = None


@dataclass(frozen=True, slots=True)
class PartChunk:
    """A part that comes whole: an image, sound, or a step of a built-in tool."""

    part: MediaPart | BuiltinToolPart


@dataclass(frozen=True, slots=True)
class CitationChunk:
    """A source of what the answer says."""

    citation: Citation
    part: int | None = None
    """The text part it belongs to, counted from 0 among the answer's text parts; None: the last one so far."""


@dataclass(frozen=True, slots=True)
class LogprobsChunk:
    """The probabilities of further tokens."""

    tokens: tuple[TokenLogprob, ...]


ContentChunk: TypeAlias = (
    TextChunk | ReasoningChunk | RefusalChunk | ToolCallChunk | PartChunk | CitationChunk | LogprobsChunk
)


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


@dataclass(frozen=True, slots=True)
class SentChunk:
    """How the request was fitted to the model that answers; comes first, and only when there is something to say."""

    structured_by: StructuredBy | None = None
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkippedChunk:
    """How many events of the stream could not be read and were passed over; comes last, and only when some were."""

    events: int


@dataclass(frozen=True, slots=True)
class RestartChunk:
    """The answer begins anew: all that came before is void. Comes only where `Policy.reader` is a step."""

    model: str
    """`provider/model` that answers from here on."""


@dataclass(frozen=True, slots=True)
class AlternativeChunk:
    """A piece of the further answer `number` (from 1) where several were asked for."""

    number: int
    chunk: ContentChunk | FinishChunk


Chunk: TypeAlias = ContentChunk | FinishChunk | UsageChunk | SentChunk | SkippedChunk | RestartChunk | AlternativeChunk
