from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from unified_api.errors import ServerError
from unified_api.streams.batched import Batched
from unified_api.types import Chunk, TextChunk


async def pieces(*batches: Sequence[Chunk], error: Exception | None = None) -> AsyncIterator[Sequence[Chunk]]:
    for batch in batches:
        yield batch
    if error is not None:
        raise error


def words(text: str) -> list[Chunk]:
    return [TextChunk(word) for word in text.split()]


async def test_chunks_come_one_by_one_in_their_order_and_empty_pieces_are_none() -> None:
    chunks = Batched(pieces(words("a b"), [], [], words("c"), []))
    assert [chunk.text async for chunk in chunks] == ["a", "b", "c"]


async def test_only_what_is_here_is_taken_without_waiting() -> None:
    chunks = Batched(pieces(words("a b"), words("c")))
    assert chunks.take() is None
    assert await anext(chunks) == TextChunk("a")
    assert chunks.take() == TextChunk("b")
    assert chunks.take() is None
    assert await anext(chunks) == TextChunk("c")


async def test_an_error_comes_after_the_chunks_before_it() -> None:
    chunks = Batched(pieces(words("a b"), error=ServerError("broke")))
    assert [(await anext(chunks)).text for _ in range(2)] == ["a", "b"]
    with pytest.raises(ServerError, match="broke"):
        await anext(chunks)
