"""What a script may reply, and what it means for each kind of call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import UnionType
from typing import TypeAlias, get_args

from unified_api.caching.replay import chunks_of
from unified_api.errors import ConfigurationError
from unified_api.types import (
    AnyRequest,
    Capability,
    Chunk,
    EmbedResponse,
    FinishChunk,
    Image,
    ImageResponse,
    ModerationResponse,
    Request,
    RerankResponse,
    Response,
    TextChunk,
    TextPart,
    Usage,
    UsageChunk,
)

__all__ = [
    "ALL_CAPABILITIES",
    "AnyRequest",
    "Plain",
    "Reply",
    "Script",
    "as_chunks",
    "as_numbers",
    "as_sequence",
    "rough_tokens",
]

Plain: TypeAlias = (
    str
    | Response
    | EmbedResponse
    | ImageResponse
    | Image
    | RerankResponse
    | ModerationResponse
    | BaseException
    | Sequence["Chunk | BaseException"]
    | Sequence[Sequence[float]]
    | Sequence[float]
    | Sequence[bool]
)
"""Chunks may end in an Exception: the stream then breaks there. Vectors answer an EmbedRequest, numbers a
RerankRequest (a score a document), booleans a ModerationRequest (a verdict an input), an Image an ImageRequest."""
Reply: TypeAlias = "Plain | Callable[[AnyRequest], Plain | Awaitable[Plain]]"
Script: TypeAlias = "Reply | Sequence[Reply]"

ALL_CAPABILITIES: frozenset[Capability] = frozenset(get_args(Capability))


def as_sequence(script: Script) -> list[Reply] | None:
    """The replies of a script that has one a call; None for a single reply, which chunks, vectors and numbers are."""
    if isinstance(script, str) or not isinstance(script, Sequence):
        return None
    items: list[object] = list(script)
    is_chunks = any(isinstance(item, get_args(Chunk)) for item in items)
    is_vectors = bool(items) and all(_are_numbers(item) and not _are(item, bool) for item in items)
    is_one = is_chunks or is_vectors or _are_numbers(items)
    return None if is_one else list(script)  # type: ignore[arg-type]  # only replies are left


def _are_numbers(item: object) -> bool:
    """Numbers, or verdicts, which Python counts among them."""
    return _are(item, int | float)


def _are(item: object, kind: type | UnionType) -> bool:
    return isinstance(item, Sequence) and bool(item) and all(isinstance(one, kind) for one in item)


def as_chunks(reply: Plain, request: Request) -> Sequence[Chunk | BaseException]:
    """A reply as the chunks of a stream; a text comes word by word."""
    if isinstance(reply, Response):
        return list(chunks_of(reply))
    if isinstance(reply, str):
        asked = sum(rough_tokens(p.text) for m in request.messages for p in m.parts if isinstance(p, TextPart))
        usage = UsageChunk(Usage(input_tokens=asked, output_tokens=rough_tokens(reply)))
        words = [word + " " for word in reply.split(" ")]
        words[-1] = words[-1][:-1]
        return [*(TextChunk(word) for word in words if word), FinishChunk("stop"), usage]
    if isinstance(reply, Sequence):
        return reply  # type: ignore[return-value]  # chunks: vectors answer no chat
    raise ConfigurationError(f"a chat needs a text, a Response or chunks, not {type(reply).__name__}")


def as_numbers(reply: Plain, wanted: int, what: str) -> Sequence[float]:
    if not _are_numbers(reply):
        raise ConfigurationError(f"{what}, not {type(reply).__name__}")
    if len(reply) != wanted:  # type: ignore[arg-type]  # a vector has a length
        raise ConfigurationError(f"{what}: {wanted}, not {len(reply)}")  # type: ignore[arg-type]
    return reply  # type: ignore[return-value]


def rough_tokens(text: str) -> int:
    """A stand-in count: about four characters a token."""
    return len(text) // 4 + 1
