"""A whole answer told again as the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from unified_api.errors import ConfigurationError
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    Citation,
    CitationChunk,
    ContentChunk,
    FinishChunk,
    LogprobsChunk,
    Part,
    PartChunk,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    RefusalPart,
    Response,
    SentChunk,
    SkippedChunk,
    TextChunk,
    TextPart,
    ToolCallChunk,
    ToolCallPart,
    ToolResultPart,
    UsageChunk,
)

__all__ = ["chunks_of"]


def chunks_of(response: Response) -> Iterator[Chunk]:
    """Part by part in their order. Put together again they are the same answer, but for texts side by side, now one.

    Raises ConfigurationError for a part that no answer holds.
    """
    if response.structured_by is not None or response.dropped:
        yield SentChunk(response.structured_by, response.dropped)
    yield from _parts(response.parts)
    if response.logprobs:
        yield LogprobsChunk(response.logprobs)
    yield FinishChunk(response.finish_reason)
    for number, other in enumerate(response.alternatives, start=1):
        yield from (AlternativeChunk(number, chunk) for chunk in _parts(other.parts))
        if other.logprobs:
            yield AlternativeChunk(number, LogprobsChunk(other.logprobs))
        yield AlternativeChunk(number, FinishChunk(other.finish_reason))
    echoed = response.model.removeprefix(f"{response.provider}/")
    yield UsageChunk(response.usage, model=echoed, cost_usd=response.cost_usd)
    if response.skipped_events:
        yield SkippedChunk(response.skipped_events)


def _parts(parts: Sequence[Part]) -> Iterator[ContentChunk]:
    before = 0  # characters of the texts right before, which a stream's reader sees as one with what follows
    for place, part in enumerate(parts):
        match part:
            case TextPart():
                yield TextChunk(part.text)
                yield from (CitationChunk(_moved(one, before)) for one in part.citations)
                yield from (TextChunk("", part.state),) if part.state else ()
                before = 0 if part.state else before + len(part.text)
                continue
            case ReasoningPart():
                yield ReasoningChunk(part.text, part.state)
            case RefusalPart():
                yield RefusalChunk(part.text)
            case ToolCallPart():
                yield ToolCallChunk(place, id=part.id, name=part.name, arguments=part.arguments, state=part.state)
            case ToolResultPart():
                raise ConfigurationError("no model answers with a ToolResultPart; put it into the next request")
            case _:
                yield PartChunk(part)
        before = 0


def _moved(citation: Citation, by: int) -> Citation:
    if not by or citation.start is None or citation.end is None:
        return citation
    return replace(citation, start=citation.start + by, end=citation.end + by)
