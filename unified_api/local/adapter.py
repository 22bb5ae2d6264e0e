"""The provider `local`: what works without a key, a server or a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
from anyio import to_thread

from unified_api.errors import InvalidRequestError, NotFoundError
from unified_api.local import placeholder
from unified_api.local.chat import LocalChat
from unified_api.local.embedder import Embedder
from unified_api.models import Model
from unified_api.settings import Timeouts
from unified_api.types import (
    Chunk,
    EmbedRequest,
    EmbedResponse,
    Image,
    ImageRequest,
    ImageResponse,
    ModerationRequest,
    ModerationResponse,
    Request,
    RerankRequest,
    RerankResponse,
    Response,
    Usage,
)
from unified_api.wire.base import WireProfile, check_supported
from unified_api.wire.collect import Collector

__all__ = ["CHAT_MODEL", "EMBEDDING_MODEL", "IMAGE_MODEL", "LocalAdapter"]

CHAT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "wordllama-256"
IMAGE_MODEL = "placeholder-image"
_NO_PURPOSE = WireProfile(unsupported=frozenset({"purpose"}))
_PLACEHOLDER = WireProfile(unsupported=frozenset({"negative_prompt", "seed", "user"}))
"""What would change nothing is refused by name."""


class LocalAdapter:
    """Answers in this process: a small chat model, sentence embeddings and placeholder images.

    Everything is loaded at first use and let go of by `aclose`. ConfigurationError says what is missing and the command
    that brings it. No timeout applies here: there is no connection to wait for.
    """

    def __init__(self, cache_dir: Path) -> None:
        self._chat = LocalChat(cache_dir)
        self._embedder: Embedder | None = None
        self._embedder_lock = anyio.Lock()

    async def chat(self, model: Model, request: Request, timeouts: Timeouts) -> Response:
        collector = Collector()
        async with self.stream(model, request, timeouts) as chunks:
            async for chunk in chunks:
                collector.add(chunk)
        return collector.response(provider=model.provider, model=model.name)

    def stream(
        self, model: Model, request: Request, timeouts: Timeouts
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        del timeouts
        _require(model, CHAT_MODEL)
        return self._chat.stream(request, model=model.name)

    async def embed(self, model: Model, request: EmbedRequest, timeouts: Timeouts) -> EmbedResponse:
        del timeouts
        _require(model, EMBEDDING_MODEL)
        check_supported(request, provider="local", model=model.name, profile=_NO_PURPOSE)
        async with self._embedder_lock:
            if self._embedder is None:
                self._embedder = await to_thread.run_sync(Embedder)
        embedder = self._embedder
        found = await to_thread.run_sync(lambda: embedder.embed(request.inputs, dimensions=request.dimensions))
        usage = Usage(input_tokens=found.tokens, output_tokens=0)
        return EmbedResponse(model=model.id, provider=model.provider, vectors=found.vectors, usage=usage)

    async def image(self, model: Model, request: ImageRequest, timeouts: Timeouts) -> ImageResponse:
        del timeouts
        _require(model, IMAGE_MODEL)
        check_supported(request, provider="local", model=model.name, profile=_PLACEHOLDER)
        if request.n is not None and request.n < 1:
            raise InvalidRequestError(f"n is {request.n}: give a number of 1 or more", provider="local", param="n")
        image = Image(placeholder.MEDIA_TYPE, data=placeholder.draw(request.prompt, size=request.size))
        return ImageResponse(model=model.id, provider=model.provider, images=(image,) * (request.n or 1))

    async def rerank(self, model: Model, request: RerankRequest, timeouts: Timeouts) -> RerankResponse:
        del request, timeouts
        raise _cannot(model, "rerank")

    async def moderate(self, model: Model, request: ModerationRequest, timeouts: Timeouts) -> ModerationResponse:
        del request, timeouts
        raise _cannot(model, "moderate")

    async def aclose(self) -> None:
        self._embedder = None
        await self._chat.aclose()


def _cannot(model: Model, what: str) -> NotFoundError:
    message = f"the provider 'local' has no model that can {what}: name one of another provider"
    return NotFoundError(message, provider="local", model=model.id)


def _require(model: Model, name: str) -> None:
    if model.name != name:
        message = f"the provider 'local' cannot do this with {model.name!r}: name 'local/{name}'"
        raise NotFoundError(message, provider="local", model=model.id)
