"""The names of persons in the texts of a call, found by a spaCy pipeline in a worker thread."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import anyio
import anyio.to_thread

from unified_api.privacy.folding import Folded, resolve
from unified_api.privacy.kinds import Found
from unified_api.privacy.pieces import joined, pieces_of
from unified_api.privacy.pipeline import Pipeline, Span

__all__ = ["PersonNames"]

_HALF = re.compile("[\ud800-\udfff]")
"""Half a character, which no encoding takes."""
_JSON = re.compile(r'"\s*:\s*["\[{]|"\s*,\s*"')
_IN_A_ROW = re.compile(r"(?<=[^\W\d_])[,;|](?=\w)|(?<=\w)[,;|](?=[^\W\d_])")
_SIGNS = dict.fromkeys(map(ord, '"[]{}'), " ")
_BATCH = 8_000
"""Characters that the thread gets at once. It cannot be stopped, so a caller who leaves waits for that much at most."""
_REMEMBERED = 4_096
"""Pieces of text whose names are known, so that a conversation that grows is not read anew with every call."""


class PersonNames:
    """Remembers where names stood in which text, by a keyed hash of it; neither the text nor the names."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._turn = anyio.CapacityLimiter(1)
        self._key = secrets.token_bytes(16)
        self._known: OrderedDict[bytes, list[Span]] = OrderedDict()

    async def of(self, texts: Iterable[str]) -> dict[str, list[Found]]:
        """The names in each of the texts; those without any are left out.

        Raises:
            ConfigurationError: the pipeline cannot be loaded, or fails.

        """
        resolved = {text: resolve(text) for text in texts}
        cut = {text: [*pieces_of(_readable(folded.text))] for text, folded in resolved.items()}
        read = await self._read(dict.fromkeys(piece for pieces in cut.values() for _, piece in pieces))
        found = {text: _found(folded, cut[text], read) for text, folded in resolved.items()}
        return {text: names for text, names in found.items() if names}

    async def _read(self, pieces: Iterable[str]) -> dict[str, list[Span]]:
        """The names in each piece; asks for all that are not known, a batch at a time."""
        read: dict[str, list[Span]] = {}
        asked: list[str] = []
        for piece in pieces:
            known = self._recalled(piece)
            if known is None:
                asked.append(piece)
            else:
                read[piece] = known
        for batch in _batches(asked):
            spans = await anyio.to_thread.run_sync(self._pipeline.persons, batch, limiter=self._turn)
            for piece, names in zip(batch, spans, strict=True):
                read[piece] = names
                self._remember(piece, names)
        return read

    def _recalled(self, piece: str) -> list[Span] | None:
        digest = self._digest(piece)
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
        return known

    def _remember(self, piece: str, names: list[Span]) -> None:
        self._known[self._digest(piece)] = names
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _digest(self, piece: str) -> bytes:
        return blake2b(piece.encode(), digest_size=16, key=self._key).digest()


def _readable(text: str) -> str:
    """Of the same length, and in words: spaCy takes `Lind","cc":["Bo` for one, and `Lind,12,Bo`."""
    whole = _IN_A_ROW.sub("\n", text if text.isascii() else _HALF.sub("\ufffd", text))
    return whole.translate(_SIGNS) if _JSON.search(whole) else whole


def _batches(pieces: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for piece in pieces:
        if batch and size + len(piece) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += len(piece)
    if batch:
        yield batch


def _found(folded: Folded, pieces: list[tuple[int, str]], read: dict[str, list[Span]]) -> list[Found]:
    spans = joined((at + start, at + end) for at, piece in pieces for start, end in read[piece])
    return [Found("name", *folded.span(start, end)) for start, end in spans]
