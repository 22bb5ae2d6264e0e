"""Models that answer from a script, a network that fails on purpose and a clock that is turned by hand.

For the tests of whoever uses the gateway; no socket is opened and no time passes.

    gateway = scripted_gateway({"scripted/writer": ["first answer", RateLimitError("busy"), "second answer"]})
    response = await gateway.chat(Request(model="scripted/writer", messages=(Message.user("Hi"),)))

A reply is a text, a Response, an Exception to raise, chunks to stream, or a function of the request that gives one of
these (or an awaitable of one). A list is a script, one reply a call; anything else answers every call.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from types import TracebackType
from typing import Self, TypeAlias

import anyio
import anyio.lowlevel
import httpx

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
    Json,
    ReasoningChunk,
    RefusalChunk,
    Request,
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

__all__ = [
    "ALL_CAPABILITIES",
    "FaultyTransport",
    "HttpAnswer",
    "ManualClock",
    "Reply",
    "Script",
    "ScriptedModel",
    "chat_answer",
    "scripted_gateway",
    "stream_answer",
]

AnyRequest: TypeAlias = Request | EmbedRequest | ImageRequest
Plain: TypeAlias = (
    str
    | Response
    | EmbedResponse
    | ImageResponse
    | Image
    | BaseException
    | Sequence["Chunk | BaseException"]
    | Sequence[Sequence[float]]
)
"""Chunks may end in an Exception: the stream then breaks there. Vectors answer an EmbedRequest."""
Reply: TypeAlias = "Plain | Callable[[AnyRequest], Plain | Awaitable[Plain]]"
Script: TypeAlias = "Reply | Sequence[Reply]"

ALL_CAPABILITIES: frozenset[Capability] = frozenset(
    {"chat", "streaming", "tools", "structured_output", "vision", "reasoning", "embeddings", "image_output"}
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


class ManualClock:
    """Time that passes only when it is told to, or when somebody sleeps: a sleep moves the clock and takes no time.

    Deadlines on the way cancel their scopes, as they would have. With several tasks asleep at once, the first to
    sleep moves the clock for all; use it where one task waits.
    """

    def __init__(self, start: float = 1_000.0) -> None:
        self._now = start
        self._scopes: set[_ManualScope] = set()
        self.sleeps: list[float] = []
        """Every sleep asked for, in seconds."""

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass; scopes whose deadline passes are cancelled."""
        self._now += seconds
        for scope in list(self._scopes):
            scope.check()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        until = self._now + seconds
        while self._now < until:
            ahead = [s.deadline for s in self._scopes if self._now < s.deadline <= until]
            self.advance(min([*ahead, until]) - self._now)
            await anyio.lowlevel.checkpoint()

    def scope(self, deadline: float) -> _ManualScope:
        return _ManualScope(self, self._scopes, deadline)


class _ManualScope:
    """A cancel scope that goes by a ManualClock."""

    def __init__(self, clock: ManualClock, entered: set[_ManualScope], deadline: float) -> None:
        self._clock = clock
        self._entered = entered
        self._deadline = deadline
        self._scope = anyio.CancelScope()

    @property
    def deadline(self) -> float:
        return self._deadline

    @deadline.setter
    def deadline(self, value: float) -> None:
        self._deadline = value
        self.check()

    @property
    def cancelled_caught(self) -> bool:
        return self._scope.cancelled_caught

    def check(self) -> None:
        if self._clock.now() >= self._deadline and self in self._entered:
            self._scope.cancel()

    def __enter__(self) -> Self:
        self._scope.__enter__()
        self._entered.add(self)
        self.check()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._entered.discard(self)
        return self._scope.__exit__(exc_type, exc, traceback)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What FaultyTransport answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    """The body, piece by piece."""
    wait_s: float = 0.0
    """Silence before the headers."""
    pause_s: float = 0.0
    """Silence before each piece but the first; `inf` is for ever."""
    cut: bool = False
    """Whether the connection breaks after the last piece."""


Fault: TypeAlias = "HttpAnswer | Exception"


class FaultyTransport(httpx.AsyncBaseTransport):
    """Stands in for the network: `Gateway(settings, backend=FaultyTransport(...))`.

    Args:
        script: one answer, or exception to raise (such as `httpx.ConnectError("refused")`), a request; the last one
            answers all further requests. Or a function of the request.
        clock: what silence goes by; take the gateway's own ManualClock, so that no time passes.

    """

    def __init__(self, script: Sequence[Fault] | Callable[[httpx.Request], Fault], *, clock: Clock) -> None:
        self._script = script
        self._clock = clock
        self.requests: list[httpx.Request] = []
        self.open = 0
        """Answers that have been begun and not yet been closed."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await anyio.lowlevel.checkpoint()
        fault = self._next(request)
        if isinstance(fault, Exception):
            raise fault
        if fault.wait_s:
            await _silence(self._clock, fault.wait_s)
        self.open += 1
        return httpx.Response(fault.status, headers=dict(fault.headers), stream=_Body(self, fault, self._clock))

    def _next(self, request: httpx.Request) -> Fault:
        if callable(self._script):
            return self._script(request)
        return self._script[min(len(self.requests), len(self._script)) - 1]


class _Body(httpx.AsyncByteStream):
    def __init__(self, owner: FaultyTransport, answer: HttpAnswer, clock: Clock) -> None:
        self._owner = owner
        self._answer = answer
        self._clock = clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number, piece in enumerate(self._answer.pieces):
            if number and self._answer.pause_s:
                await _silence(self._clock, self._answer.pause_s)
            await anyio.lowlevel.checkpoint()
            yield piece
        if self._answer.cut:
            raise httpx.ReadError("the connection broke")

    async def aclose(self) -> None:
        self._owner.open -= 1


async def _silence(clock: Clock, seconds: float) -> None:
    if seconds == inf and isinstance(clock, ManualClock):
        seconds = 1e9
    await clock.sleep(seconds)


def chat_answer(text: str, *, model: str = "scripted", usage: tuple[int, int] | None = (10, 5)) -> HttpAnswer:
    """A whole chat answer as an OpenAI-compatible server gives it; `usage` is prompt and completion tokens."""
    message: Json = {"role": "assistant", "content": text}
    body: dict[str, Json] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    if usage is not None:
        body["usage"] = _usage(usage)
    return HttpAnswer(headers={"content-type": "application/json"}, pieces=(json.dumps(body).encode(),))


def stream_answer(
    *texts: str,
    model: str = "scripted",
    usage: tuple[int, int] | None = (10, 5),
    finish: str | None = "stop",
) -> HttpAnswer:
    """A streamed chat answer, one event a piece: the role, `texts`, the finish, the usage, `[DONE]`.

    Without a `finish` it stops after the texts, as a truncated stream does.
    """
    deltas: list[tuple[dict[str, Json], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": text}, None) for text in texts]
    if finish is not None:
        deltas.append(({}, finish))
    events: list[dict[str, Json]] = [
        {"model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
    ]
    if finish is not None and usage is not None:
        events.append({"model": model, "choices": [], "usage": _usage(usage)})
    pieces = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    if finish is not None:
        pieces.append(b"data: [DONE]\n\n")
    return HttpAnswer(headers={"content-type": "text/event-stream"}, pieces=tuple(pieces))


def _usage(tokens: tuple[int, int]) -> dict[str, Json]:
    asked, answered = tokens
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
