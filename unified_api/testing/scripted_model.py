"""Models that answer from a script."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel

from unified_api.adapter import Adapter
from unified_api.catalog import Catalog
from unified_api.clock import Clock
from unified_api.errors import ConfigurationError
from unified_api.gateway import Gateway
from unified_api.models import DataPolicy, Model, Prices
from unified_api.settings import Settings, Timeouts
from unified_api.testing.replies import (
    ALL_CAPABILITIES,
    AnyRequest,
    Plain,
    Reply,
    Script,
    as_chunks,
    as_numbers,
    as_sequence,
    rough_tokens,
)
from unified_api.types import (
    Capability,
    Chunk,
    EmbedRequest,
    EmbedResponse,
    Image,
    ImagePart,
    ImageRequest,
    ImageResponse,
    Moderation,
    ModerationRequest,
    ModerationResponse,
    Ranked,
    Request,
    RerankRequest,
    RerankResponse,
    Response,
    Sensitivity,
    Tier,
    Usage,
)
from unified_api.wire.collect import Collector

__all__ = ["ScriptedModel", "scripted_gateway"]


class ScriptedModel:
    """Answers from a script and remembers what it was asked, whatever kind of call it is.

    Remembered is the request as it was fitted to the model: without what it refuses, its schema asked for by a tool or
    in words where the model takes none.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._sequence = as_sequence(script)
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
        for chunk in as_chunks(reply, request):
            if isinstance(chunk, BaseException):
                raise chunk
            collector.add(chunk)
        return collector.response(provider=model.provider, model=model.name)

    @asynccontextmanager
    async def stream(self, model: Model, request: Request, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[Chunk]]:
        del timeouts
        await anyio.lowlevel.checkpoint()
        yield _played(as_chunks(await self._models[model.id].reply(request), request))

    async def embed(self, model: Model, request: EmbedRequest, timeouts: Timeouts) -> EmbedResponse:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if isinstance(reply, EmbedResponse):
            return reply
        vectors = tuple(tuple(vector) for vector in reply)  # type: ignore[union-attr, arg-type]  # the test's own shape
        tokens = sum(rough_tokens(text) for text in request.inputs)
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
        usage = Usage(input_tokens=rough_tokens(request.prompt), output_tokens=0)
        return ImageResponse(model=model.id, provider=model.provider, images=(reply,), usage=usage)

    async def rerank(self, model: Model, request: RerankRequest, timeouts: Timeouts) -> RerankResponse:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if isinstance(reply, RerankResponse):
            return reply
        scores = as_numbers(
            reply, len(request.documents), "a rerank request needs a RerankResponse or a score a document"
        )
        ranked = sorted((Ranked(place, float(score)) for place, score in enumerate(scores)), key=lambda one: -one.score)
        usage = Usage(
            input_tokens=rough_tokens(request.query) + sum(map(rough_tokens, request.documents)), output_tokens=0
        )
        best = tuple(ranked[: request.top_n])
        return RerankResponse(model=model.id, provider=model.provider, results=best, usage=usage)

    async def moderate(self, model: Model, request: ModerationRequest, timeouts: Timeouts) -> ModerationResponse:
        del timeouts
        await anyio.lowlevel.checkpoint()
        reply = await self._models[model.id].reply(request)
        if isinstance(reply, ModerationResponse):
            return reply
        together = any(isinstance(given, ImagePart) for given in request.inputs)
        wanted = 1 if together else len(request.inputs)
        verdicts = as_numbers(reply, wanted, "a moderation request needs a ModerationResponse or a verdict an input")
        results = tuple(Moderation(flagged=bool(verdict), categories={}, scores={}) for verdict in verdicts)
        return ModerationResponse(model=model.id, provider=model.provider, results=results)

    async def aclose(self) -> None:
        """Nothing to let go of."""


async def _played(chunks: Sequence[Chunk | BaseException]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk


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
