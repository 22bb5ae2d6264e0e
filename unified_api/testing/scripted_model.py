"""Models that answer from a script."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio
import anyio.lowlevel

from unified_api.adapter import Adapter
from unified_api.catalog import Catalog
from unified_api.clock import Clock
from unified_api.errors import ConfigurationError
from unified_api.gateway import Gateway
from unified_api.models import DataPolicy, Model, Prices
from unified_api.settings import Settings, Timeouts
from unified_api.types import (
    Capability,
    Chunk,
    EmbedRequest,
    EmbedResponse,
    FinishChunk,
    Image,
    ImageRequest,
    ImageResponse,
    ModerationRequest,
    ModerationResponse,
    ReasoningChunk,
    RefusalChunk,
    Request,
    RerankRequest,
    RerankResponse,
    Response,
    Sensitivity,
    TextChunk,
    TextPart,
    Tier,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from unified_api.wire.collect import Collector

__all__ = ["ALL_CAPABILITIES", "Reply", "Script", "ScriptedModel", "scripted_gateway"]

AnyRequest: TypeAlias = Request | EmbedRequest | ImageRequest | RerankRequest | ModerationRequest
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
)
"""Chunks may end in an Exception: the stream then breaks there. Vectors answer an EmbedRequest."""
Reply: TypeAlias = "Plain | Callable[[AnyRequest], Plain | Awaitable[Plain]]"
Script: TypeAlias = "Reply | Sequence[Reply]"

ALL_CAPABILITIES: frozenset[Capability] = frozenset(
    {
        "chat",
        "streaming",
        "tools",
        "structured_output",
        "vision",
        "audio",
        "video",
        "documents",
        "reasoning",
        "embeddings",
        "image_output",
        "rerank",
        "moderation",
    }
)
_CHUNKS = (TextChunk, ReasoningChunk, RefusalChunk, ToolCallChunk, FinishChunk, UsageChunk)


class ScriptedModel:
    """Answers from a script and remembers what it was asked. Chat, streams, embeddings and images alike."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._sequence = _as_sequence(script)
        self.requests: list[AnyRequest] = []
        """Every request, in order."""

    @property
    def calls(self) -> int:
        return len(self.requests)

    async def reply(self, request: AnyRequest) -> Plain:
        """The next reply, functions called and awaited, exceptions raised."""
        self.requests.append(request)
        reply = self._next()
        if callable(reply):
            given = reply(request)
            reply = await given if inspect.isawaitable(given) else given
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def _next(self) -> Reply:
        if self._sequence is None:
            return self._script  # type: ignore[return-value]  # what is no sequence of replies is one reply
        if self.calls > len(self._sequence):
            raise ConfigurationError(f"the script has {len(self._sequence)} replies, and this is call {self.calls}")
        return self._sequence[self.calls - 1]


def _as_sequence(script: Script) -> list[Reply] | None:
    """The replies of a script that has one a call; None for a single reply, which chunks and vectors are."""
    if isinstance(script, str) or not isinstance(script, Sequence):
        return None
    items: list[object] = list(script)
    is_chunks = any(isinstance(item, _CHUNKS) for item in items)
    is_vectors = bool(items) and all(
        isinstance(item, Sequence) and bool(item) and all(isinstance(number, float) for number in item)
        for item in items
    )
    return None if is_chunks or is_vectors else list(script)  # type: ignore[arg-type]  # only replies are left


class _ScriptedAdapter:
    """The provider of the scripted models."""

    def __init__(self, models: Mapping[str, ScriptedModel]) -> None:
        self._models = models

    async def chat(self, model: Model, request: Request, timeouts: Timeouts) -> Response:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if isinstance(reply, Response):
            return reply
        collector = Collector()
        for chunk in _chunks(reply, request):
            if isinstance(chunk, BaseException):
                raise chunk
            collector.add(chunk)
        return collector.response(provider=model.provider, model=model.name)

    @asynccontextmanager
    async def stream(self, model: Model, request: Request, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[Chunk]]:
        del timeouts
        await anyio.lowlevel.checkpoint()
        yield _played(_chunks(await self._models[model.id].reply(request), request))

    async def embed(self, model: Model, request: EmbedRequest, timeouts: Timeouts) -> EmbedResponse:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if isinstance(reply, EmbedResponse):
            return reply
        vectors = tuple(tuple(vector) for vector in reply)  # type: ignore[union-attr, arg-type]  # the test's own shape
        tokens = sum(_tokens(text) for text in request.inputs)
        usage = Usage(input_tokens=tokens, output_tokens=0)
        return EmbedResponse(model=model.id, provider=model.provider, vectors=vectors, usage=usage)

    async def image(self, model: Model, request: ImageRequest, timeouts: Timeouts) -> ImageResponse:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if isinstance(reply, ImageResponse):
            return reply
        if not isinstance(reply, Image):
            raise ConfigurationError(f"an image request needs an Image or ImageResponse, not {type(reply).__name__}")
        usage = Usage(input_tokens=_tokens(request.prompt), output_tokens=0)
        return ImageResponse(model=model.id, provider=model.provider, images=(reply,), usage=usage)

    async def rerank(self, model: Model, request: RerankRequest, timeouts: Timeouts) -> RerankResponse:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if not isinstance(reply, RerankResponse):
            raise ConfigurationError(f"a rerank request needs a RerankResponse, not {type(reply).__name__}")
        return reply

    async def moderate(self, model: Model, request: ModerationRequest, timeouts: Timeouts) -> ModerationResponse:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if not isinstance(reply, ModerationResponse):
            raise ConfigurationError(f"a moderation request needs a ModerationResponse, not {type(reply).__name__}")
        return reply

    async def aclose(self) -> None:
        """Nothing to let go of."""


async def _played(chunks: Sequence[Chunk | BaseException]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk


def _chunks(reply: Plain, request: Request) -> Sequence[Chunk | BaseException]:
    """A reply as the chunks of a stream; a text comes word by word."""
    if isinstance(reply, Response):
        usage = UsageChunk(reply.usage)
        return [*(TextChunk(part.text) for part in reply.parts if isinstance(part, TextPart)), *_calls(reply),
                FinishChunk(reply.finish_reason), usage]  # fmt: skip
    if isinstance(reply, str):
        asked = sum(_tokens(p.text) for m in request.messages for p in m.parts if isinstance(p, TextPart))
        usage = UsageChunk(Usage(input_tokens=asked, output_tokens=_tokens(reply)))
        words = [word + " " for word in reply.split(" ")]
        words[-1] = words[-1][:-1]
        return [*(TextChunk(word) for word in words if word), FinishChunk("stop"), usage]
    if isinstance(reply, Sequence):
        return reply  # type: ignore[return-value]  # chunks: vectors answer no chat
    raise ConfigurationError(f"a chat needs a text, a Response or chunks, not {type(reply).__name__}")


def _calls(response: Response) -> list[Chunk]:
    refused: list[Chunk] = [RefusalChunk(response.refusal)] if response.refusal else []
    return refused + [
        ToolCallChunk(index, id=call.id, name=call.name, arguments=call.arguments)
        for index, call in enumerate(response.tool_calls)
    ]


def _tokens(text: str) -> int:
    """A stand-in count: about four characters a token."""
    return len(text) // 4 + 1


def scripted_gateway(
    scripts: Mapping[str, Script | ScriptedModel],
    *,
    capabilities: frozenset[Capability] | Mapping[str, frozenset[Capability]] = ALL_CAPABILITIES,
    tiers: Mapping[str, Tier] | None = None,
    prices: Prices | None = None,
    clearance: Sensitivity = "restricted",
    context: int | None = None,
    models: Sequence[Model] = (),
    settings: Settings | None = None,
    clock: Clock | None = None,
    random: Callable[[], float] = lambda: 0.5,
) -> Gateway:
    """A gateway whose only models answer from scripts; ready without being entered.

    Args:
        scripts: model id (`provider/name`) -> what it answers. Pass a ScriptedModel to look at its `requests` later.
        capabilities: of all models, or by id.
        tiers: by id, for `auto`; a model without one suits every tier.
        prices: of all models; None means unknown, so that costs are None.
        clearance: the most sensitive data that may go to the models.
        context: of all models, in tokens.
        models: complete descriptions, instead of the ones made from the other arguments, for ids of `scripts`.
        settings: routes and timeouts.
        clock: such as a ManualClock.
        random: for jitter.

    """
    scripted = {
        name: script if isinstance(script, ScriptedModel) else ScriptedModel(script) for name, script in scripts.items()
    }
    given = {model.id: model for model in models}
    catalog_models: list[Model] = []
    for model_id in scripted:
        provider, _, name = model_id.partition("/")
        if not name:
            raise ValueError(f"a scripted model is named provider/name, not {model_id!r}")
        able = capabilities.get(model_id, ALL_CAPABILITIES) if isinstance(capabilities, Mapping) else capabilities
        made = Model(
            id=model_id,
            provider=provider,
            name=name,
            wire="scripted",
            capabilities=able,
            context=context,
            tier=(tiers or {}).get(model_id),
            prices=prices,
            data_policy=DataPolicy(clearance=clearance, source="configuration"),
        )
        catalog_models.append(given.get(model_id, made))
    adapter = _ScriptedAdapter(scripted)
    adapters: dict[str, Adapter] = {model.provider: adapter for model in catalog_models}
    settings = settings or Settings()
    catalog = Catalog(settings, rows={}, models=catalog_models)
    return Gateway(settings, adapters=adapters, catalog=catalog, clock=clock, random=random)
