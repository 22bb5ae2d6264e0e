"""A provider behind HTTP: a wire family's pure functions around one transport."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

from unified_api.clock import Clock, MonotonicClock
from unified_api.errors import AuthenticationError, MalformedResponseError, NotFoundError, ProviderError
from unified_api.http.batches import embedded_in_batches
from unified_api.http.polling import settled
from unified_api.http.redaction import Redaction
from unified_api.http.transport import Call, Reply, Transport
from unified_api.models import Model
from unified_api.providers import ProviderRow, builtin_rows
from unified_api.settings import Timeouts
from unified_api.signing import Signer
from unified_api.streams.batched import Batched
from unified_api.types import (
    Chunk,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    ModerationRequest,
    ModerationResponse,
    Request,
    RerankRequest,
    RerankResponse,
    Response,
    SkippedChunk,
)
from unified_api.wire import families
from unified_api.wire.base import Pending, WireProfile, WireRequest
from unified_api.wire.errors import decode_error
from unified_api.wire.model_list import list_request, listed_models
from unified_api.wire.model_patterns import first_match
from unified_api.wire.object_root import Unwrapper, needs_object, unwrapped
from unified_api.wire.quoting import shorten

__all__ = ["HttpAdapter"]

Wire = TypeVar("Wire")


class HttpAdapter:
    """A provider behind HTTP: a wire family's pure functions around one transport."""

    def __init__(
        self,
        provider: str,
        row: ProviderRow,
        *,
        key: str | None,
        transport: Transport,
        signer: Signer | None = None,
        clock: Clock | None = None,
    ) -> None:
        if row.base_url is None:
            raise ValueError(f"the provider {provider!r} has no base_url")
        self._provider = provider
        self._row = row
        self._base_url = row.base_url
        self._key = key
        self._signer = signer
        self._redaction = Redaction((key or "", *(() if signer is None else signer.secrets)))
        self._transport = transport
        self._clock = clock or MonotonicClock()
        self._profiles: dict[frozenset[str], WireProfile] = {}

    def __repr__(self) -> str:
        return f"HttpAdapter({self._provider!r}, {self._base_url!r})"

    async def chat(self, model: Model, request: Request, timeouts: Timeouts) -> Response:
        wire, profile = self._wire(families.CHAT, model), self._profile(model)
        wire_request = wire.encode(request, provider=self._provider, model=model.name, profile=profile)
        body = await self._exchange(wire_request, model, profile, timeouts)
        with self._told():
            response = wire.decode(body, provider=self._provider, model=model.name, profile=profile)
        return unwrapped(response) if needs_object(request.output_schema) else response

    @asynccontextmanager
    async def stream(self, model: Model, request: Request, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[Chunk]]:
        wire, profile = self._wire(families.CHAT, model), self._profile(model)
        wire_request = wire.encode(request, provider=self._provider, model=model.name, profile=profile, stream=True)
        async with AsyncExitStack() as stack:
            with self._told():
                call = self._call(wire_request, model.id)
                reply = await stack.enter_async_context(self._transport.stream(call, timeouts))
                body = b"" if reply.status == 200 else await reply.read()
            if reply.status != 200:
                self._raise_for(Reply(reply.status, reply.headers, body), model, profile)
            decoder = wire.StreamDecoder(provider=self._provider, model=model.name, profile=profile)
            unwrapper = Unwrapper() if needs_object(request.output_schema) else None
            async with aclosing(self._batches(reply.body, decoder, unwrapper)) as batches:
                yield Batched(batches)

    async def embed(self, model: Model, request: EmbedRequest, timeouts: Timeouts) -> EmbedResponse:
        wire, profile = self._wire(families.EMBED, model), self._profile(model)

        async def embed(batch: EmbedRequest) -> EmbedResponse:
            wire_request = wire.encode(batch, provider=self._provider, model=model.name, profile=profile)
            body = await self._exchange(wire_request, model, profile, timeouts)
            with self._told():
                return wire.decode(
                    body, provider=self._provider, model=model.name, profile=profile, expected=len(batch.inputs)
                )

        most = first_match(profile.embedding_batch, model.name) or families.EMBED_BATCH.get(model.wire)
        return await embedded_in_batches(request, most, embed)

    async def image(self, model: Model, request: ImageRequest, timeouts: Timeouts) -> ImageResponse:
        wire, profile = self._wire(families.IMAGE, model), self._profile(model)
        wire_request = wire.encode(request, provider=self._provider, model=model.name, profile=profile)

        async def send(asked: WireRequest) -> bytes:
            return await self._exchange(asked, model, profile, timeouts)

        body = await send(wire_request)
        polled = families.POLLED.get(model.wire)
        if polled is not None:
            pending = partial(self._pending, polled, model)
            body = await settled(body, pending, send, clock=self._clock)
        with self._told():
            return wire.decode(body, provider=self._provider, model=model.name, profile=profile)

    async def rerank(self, model: Model, request: RerankRequest, timeouts: Timeouts) -> RerankResponse:
        wire, profile = self._wire(families.RERANK, model), self._profile(model)
        wire_request = wire.encode(request, provider=self._provider, model=model.name, profile=profile)
        body = await self._exchange(wire_request, model, profile, timeouts)
        with self._told():
            return wire.decode(
                body, provider=self._provider, model=model.name, profile=profile, documents=len(request.documents)
            )

    async def moderate(self, model: Model, request: ModerationRequest, timeouts: Timeouts) -> ModerationResponse:
        wire, profile = self._wire(families.MODERATE, model), self._profile(model)
        wire_request = wire.encode(request, provider=self._provider, model=model.name, profile=profile)
        body = await self._exchange(wire_request, model, profile, timeouts)
        with self._told():
            return wire.decode(
                body, provider=self._provider, model=model.name, profile=profile, expected=request.verdicts
            )

    async def list_models(self, timeouts: Timeouts) -> tuple[str, ...]:
        """The names that the server lists, where the row's wire or its `paths` say that the list is."""
        request = list_request(self._row.wire, self._row_profile(frozenset()))
        reply = await self._sent(request, None, timeouts)
        if reply.status != 200:
            with self._told():
                raise decode_error(reply.status, reply.headers, reply.body, provider=self._provider, model="")
        names = listed_models(reply.body)
        if names is None:
            url = f"{self._base_url}{request.path}"
            message = f"{url} does not list models; is it the address of such a server?{self._hint()}"
            raise MalformedResponseError(message, provider=self._provider)
        return names

    async def aclose(self) -> None:
        """Nothing: the transport belongs to the gateway."""

    def _pending(self, wire: families.PolledWire, model: Model, body: bytes) -> Pending | None:
        with self._told():
            return wire.pending(body, provider=self._provider, model=model.name)

    def _wire(self, wires: Mapping[str, Wire], model: Model) -> Wire:
        wire = wires.get(model.wire)
        if wire is None:
            raise NotFoundError(
                f"{model.id} speaks {model.wire!r}, which has no such call; another model of the provider may, or set "
                f"`wires` in [providers.{self._provider}]",
                provider=self._provider,
                model=model.id,
            )
        return wire

    def _profile(self, model: Model) -> WireProfile:
        return self._row_profile(model.unsupported)

    def _row_profile(self, unsupported: frozenset[str]) -> WireProfile:
        profile = self._profiles.get(unsupported)
        if profile is None:
            profile = self._profiles[unsupported] = self._row.profile.for_wire(unsupported)
        return profile

    def _call(self, request: WireRequest, model: str | None) -> Call:
        # Whatever their case: a header that the wire sets too is sent once, as the row has it.
        headers = {name.lower(): value for name, value in (*request.headers.items(), *self._row.headers.items())}
        if self._key is not None:
            name, template = self._row.auth_header
            headers[name] = template.format(key=self._key)
        url = self._base_url + request.path
        if self._signer is not None:
            headers |= self._signer.sign(request.method, url, headers, request.body)
        return Call(
            method=request.method,
            url=url,
            headers=headers,
            content=request.body,
            provider=self._provider,
            model=model,
        )

    async def _sent(self, request: WireRequest, model: str | None, timeouts: Timeouts) -> Reply:
        with self._told():
            return await self._transport.send(self._call(request, model), timeouts)

    async def _exchange(self, request: WireRequest, model: Model, profile: WireProfile, timeouts: Timeouts) -> bytes:
        reply = await self._sent(request, model.id, timeouts)
        if not 200 <= reply.status < 300:
            self._raise_for(reply, model, profile)
        return reply.body

    def _raise_for(self, reply: Reply, model: Model, profile: WireProfile) -> NoReturn:
        if 300 <= reply.status < 400:
            told = self._redaction.text(reply.headers.get("location", "another address").partition("?")[0])
            target = shorten(told[:200])
            raise NotFoundError(
                f"{self._base_url} redirects to {target}, which is not followed because the key would go there; "
                f"if that address is right, set it as base_url in [providers.{self._provider}]",
                provider=self._provider,
                model=model.id,
                status=reply.status,
            )
        with self._told():
            raise decode_error(
                reply.status,
                reply.headers,
                reply.body,
                provider=self._provider,
                model=model.name,
                profile=profile,
                now=time.time(),
            )

    async def _batches(
        self, pieces: AsyncIterator[bytes], decoder: families.Decoder, unwrapper: Unwrapper | None
    ) -> AsyncGenerator[Sequence[Chunk]]:
        """The chunks, those together that come together."""
        with self._told():
            async for piece in pieces:
                chunks = decoder.feed(piece)
                yield chunks if unwrapper is None else unwrapper.feed(chunks)
            chunks = decoder.end()
            yield chunks if unwrapper is None else unwrapper.feed(chunks)
            if decoder.malformed:
                yield (SkippedChunk(decoder.malformed),)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Takes the key out of what a server says, which some repeat, and says where what is wrong comes from."""
        try:
            yield
        except ProviderError as error:
            self._redaction.apply(error)
            if isinstance(error, AuthenticationError):
                error.message += self._key_source()
            if isinstance(error, NotFoundError):
                error.message += self._hint()
            error.args = (error.message,)
            raise

    def _hint(self) -> str:
        """For the commonest slip: Ollama, vLLM and LM Studio answer below /v1 alone."""
        if self._provider in builtin_rows() or urlsplit(self._base_url).path:
            return ""
        return f'; most servers want "{self._base_url}/v1" as base_url in [providers.{self._provider}]'

    def _key_source(self) -> str:
        variable = self._row.api_key_env
        if variable is None:
            return f"; no key is sent, name its environment variable as api_key_env in [providers.{self._provider}]"
        return f"; it comes from the environment variable {variable}"
