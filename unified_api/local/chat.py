"""Chat with the embedded model: decoded in a worker thread, read as a stream, stopped when the reader leaves."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio import from_thread, to_thread

from unified_api.errors import ConfigurationError, ProviderError, TruncatedStreamError
from unified_api.local import weights
from unified_api.local.chat_format import decode, encode
from unified_api.local.engine import PARALLEL, Engine, acquire, release
from unified_api.types import Chunk, FinishChunk, JsonObject, Request

__all__ = ["LocalChat"]


class LocalChat:
    """The embedded model for one gateway: loads it at the first call, shares it with the whole process."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._limiter = anyio.CapacityLimiter(PARALLEL)
        self._loading = anyio.Lock()
        self._engine: Engine | None = None
        self._path: Path | None = None

    def stream(self, request: Request, *, model: str) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """The answer's chunks. Leaving the context stops the decoding and waits for its thread to be free.

        Raises ConfigurationError where the engine or the weights are missing, and what `encode` and the engine raise.
        """
        return self._stream(request, model)

    @asynccontextmanager
    async def _stream(self, request: Request, model: str) -> AsyncIterator[AsyncIterator[Chunk]]:
        body = encode(request, model=model)
        engine = await self._loaded()
        decoding = _Decoding(engine, body, self._limiter)
        chunks = _chunks(decoding, model)
        leaving: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(decoding.run)
            try:
                yield chunks
            except Exception as error:  # noqa: BLE001 -- any: carried out of the task group, which would wrap it
                leaving = error
            finally:
                decoding.stop()
                await chunks.aclose()
        if leaving is not None:
            raise leaving

    async def _loaded(self) -> Engine:
        async with self._loading:
            if self._engine is None:
                path = weights.find(self._cache_dir)
                if path is None:
                    message = f"the local model's weights are not in {self._cache_dir}: run `{weights.PULL_COMMAND}`"
                    raise ConfigurationError(message, provider="local")
                await to_thread.run_sync(self._load, path)
            assert self._engine is not None  # noqa: S101 -- what _load sets, for the type checker
            return self._engine

    def _load(self, path: Path) -> None:
        """In a worker thread; it runs to its end, so a cancelled caller loses no engine."""
        self._engine, self._path = acquire(path), path

    async def aclose(self) -> None:
        """Give the engine back; the last gateway of the process frees its memory."""
        path, self._engine, self._path = self._path, None, None
        if path is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(release, path)


class _Decoding:
    """One call on its way through a worker thread; its pieces arrive in `pieces`, which a failure ends."""

    def __init__(self, engine: Engine, body: JsonObject, limiter: anyio.CapacityLimiter) -> None:
        self._engine = engine
        self._body = body
        self._limiter = limiter
        self._send, self.pieces = anyio.create_memory_object_stream[Mapping[str, Any]](math.inf)
        self._stopped = False
        self.failure: ProviderError | None = None

    async def run(self) -> None:
        with self._send:
            try:
                await to_thread.run_sync(self._decode, limiter=self._limiter)
            except ProviderError as error:
                self.failure = error

    def stop(self) -> None:
        """The thread ends at its next piece: a token, or a batch of the prompt."""
        self._stopped = True
        self._send.close()
        self.pieces.close()

    def _decode(self) -> None:
        if not self._stopped:
            self._engine.decode(self._body, self._receive)

    def _receive(self, piece: Mapping[str, Any]) -> bool:
        if not self._stopped:
            from_thread.run_sync(self._deliver, piece)
        return self._stopped

    def _deliver(self, piece: Mapping[str, Any]) -> None:
        if not self._stopped:
            self._send.send_nowait(piece)


async def _chunks(decoding: _Decoding, model: str) -> AsyncGenerator[Chunk]:
    finished = False
    async for piece in decoding.pieces:
        for chunk in decode(piece, model=model):
            finished = finished or isinstance(chunk, FinishChunk)
            yield chunk
    if decoding.failure is not None:
        raise decoding.failure
    if not finished:
        raise TruncatedStreamError("the local model stopped before its answer was complete", provider="local")
