"""Stream decoders driven as a connection does, and what they gave put together."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from unified_api.types import Chunk, Response
from unified_api.wire.collect import Collector
from unified_api.wire.families import Decoder

__all__ = ["collected", "fed"]


def fed(decoder: Decoder, body: bytes, cuts: Iterable[int] = ()) -> list[Chunk]:
    """The chunks of `body`, which comes in pieces cut at these places (any whole numbers)."""
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    chunks = [chunk for start, end in pairwise(places) for chunk in decoder.feed(body[start:end])]
    return chunks + decoder.end()


def collected(chunks: Iterable[Chunk], *, provider: str, model: str) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider=provider, model=model)
