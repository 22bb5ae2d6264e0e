"""What stands between our types and one provider."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from typing import NoReturn, Protocol, runtime_checkable
from urllib.parse import urlsplit

from unified_api.errors import AuthenticationError, MalformedResponseError, NotFoundError, ProviderError
from unified_api.models import Model
from unified_api.providers import ProviderRow, builtin_rows
from unified_api.settings import Timeouts
from unified_api.transport import Call, Reply, Transport
from unified_api.types import (
    Chunk,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    Request,
    Response,
)
from unified_api.wire import openai_chat, openai_embeddings, openai_images
from unified_api.wire.base import WireProfile, WireRequest, parse_json, shorten
from unified_api.wire.object_root import Unwrapper, needs_object, unwrapped

__all__ = ["Adapter", "HttpAdapter"]

_SHORTEST_SECRET = 8


@runtime_checkable
class Adapter(Protocol):
    """Speaks to one provider. Every failure it raises is a `GatewayError`; one instance serves many calls at once.

    The first-token, silence and total timeouts and all retries lie above, in `attempts`; an adapter applies only
    `timeouts.connect_s` and `timeouts.headers_s`, and ends its work when it is cancelled. A response's `quality`
    and `attempts` are filled in by the gateway, its `cost_usd` where the provider stated none. The iterator of a
    stream must not hold a cancel scope or a task group open between two chunks; open them in the context manager.
    """

    async def chat(self, model: Model, request: Request, timeouts: Timeouts) -> Response: ...

    def stream(
        self, model: Model, request: Request, timeouts: Timeouts
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]: ...

    async def embed(self, model: Model, request: EmbedRequest, timeouts: Timeouts) -> EmbedResponse: ...

    async def image(self, model: Model, request: ImageRequest, timeouts: Timeouts) -> ImageResponse: ...

    async def aclose(self) -> None:
        """Let go of connections and threads."""


class HttpAdapter:
    """A provider behind HTTP: a wire family's pure functions around one transport."""

    def __init__(self, provider: str, row: ProviderRow, *, key: str | None, transport: Transport) -> None:
        if row.base_url is None:
            raise ValueError(f"the provider {provider!r} has no base_url")
        self._provider = provider
        self._row = row
        self._base_url = row.base_url
        self._key = key
        self._transport = transport
        self._profiles: dict[frozenset[str], WireProfile] = {}

    def __repr__(self) -> str:
        return f"HttpAdapter({self._provider!r}, {self._base_url!r})"

    async def chat(self, model: Model, request: Request, timeouts: Timeouts) -> Response:
        profile = self._profile(model)
        body = await self._exchange(
            openai_chat.encode(request, model=model.name, profile=profile), model, profile, timeouts
        )
        with self._told():
            response = openai_chat.decode(body, provider=self._provider, model=model.name, profile=profile)
        return unwrapped(response) if needs_object(request.output_schema) else response

    @asynccontextmanager
    async def stream(self, model: Model, request: Request, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[Chunk]]:
        profile = self._profile(model)
        wire_request = openai_chat.encode(request, model=model.name, profile=profile, stream=True)
        async with self._transport.stream(self._call(wire_request, model.id), timeouts) as reply:
            if reply.status != 200:
                self._raise_for(Reply(reply.status, reply.headers, await reply.read()), model, profile)
            decoder = openai_chat.StreamDecoder(provider=self._provider, model=model.name, profile=profile)
            unwrapper = Unwrapper() if needs_object(request.output_schema) else None
            async with aclosing(self._chunks(reply.body, decoder, unwrapper)) as chunks:
                yield chunks

    async def embed(self, model: Model, request: EmbedRequest, timeouts: Timeouts) -> EmbedResponse:
        profile = self._profile(model)
        wire_request = openai_embeddings.encode(request, model=model.name, profile=profile)
        body = await self._exchange(wire_request, model, profile, timeouts)
        with self._told():
            return openai_embeddings.decode(
                body, provider=self._provider, model=model.name, profile=profile, expected=len(request.inputs)
            )

    async def image(self, model: Model, request: ImageRequest, timeouts: Timeouts) -> ImageResponse:
        profile = self._profile(model)
        wire_request = openai_images.encode(request, model=model.name, profile=profile)
        body = await self._exchange(wire_request, model, profile, timeouts)
        with self._told():
            return openai_images.decode(body, provider=self._provider, model=model.name, profile=profile)

    async def list_models(self, timeouts: Timeouts) -> tuple[str, ...]:
        """The names that `GET /models` lists (https://platform.openai.com/docs/api-reference/models/list)."""
        request = WireRequest("GET", "/models", {"accept": "application/json"}, b"")
        reply = await self._transport.send(self._call(request, None), timeouts)
        if reply.status != 200:
            with self._told():
                raise openai_chat.decode_error(
                    reply.status, reply.headers, reply.body, provider=self._provider, model=""
                )
        return self._listed(reply.body)

    async def aclose(self) -> None:
        """Nothing: the transport belongs to the gateway."""

    def _listed(self, body: bytes) -> tuple[str, ...]:
        try:
            answer = parse_json(body)
        except ValueError:
            answer = None
        # Together answers with the bare list, Ollama with null when it has no models.
        entries = answer.get("data") if isinstance(answer, dict) else answer
        if entries is None and isinstance(answer, dict) and "data" in answer:
            entries = []
        if not isinstance(entries, list):
            message = f"{self._base_url}/models does not list models; is it an OpenAI-compatible server?{self._hint()}"
            raise MalformedResponseError(message, provider=self._provider)
        names = (entry.get("id") for entry in entries if isinstance(entry, dict))
        return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))

    def _profile(self, model: Model) -> WireProfile:
        profile = self._profiles.get(model.unsupported)
        if profile is None:
            data = self._row.profile.model_dump(exclude={"unsupported"})
            profile = self._profiles[model.unsupported] = WireProfile(**data, unsupported=model.unsupported)
        return profile

    def _call(self, request: WireRequest, model: str | None) -> Call:
        headers: Mapping[str, str] = request.headers
        if self._key is not None:
            headers = {**headers, "authorization": f"Bearer {self._key}"}
        return Call(
            method=request.method,
            url=self._base_url + request.path,
            headers=headers,
            content=request.body,
            provider=self._provider,
            model=model,
        )

    async def _exchange(self, request: WireRequest, model: Model, profile: WireProfile, timeouts: Timeouts) -> bytes:
        reply = await self._transport.send(self._call(request, model.id), timeouts)
        if not 200 <= reply.status < 300:
            self._raise_for(reply, model, profile)
        return reply.body

    def _raise_for(self, reply: Reply, model: Model, profile: WireProfile) -> NoReturn:
        if 300 <= reply.status < 400:
            target = self._keyless(shorten(reply.headers.get("location", "another address").partition("?")[0], 200))
            raise NotFoundError(
                f"{self._base_url} redirects to {target}, which is not followed because the key would go there; "
                f"if that address is right, set it as base_url in [providers.{self._provider}]",
                provider=self._provider,
                model=model.id,
                status=reply.status,
            )
        with self._told():
            raise openai_chat.decode_error(
                reply.status,
                reply.headers,
                reply.body,
                provider=self._provider,
                model=model.name,
                profile=profile,
                now=time.time(),
            )

    async def _chunks(
        self, pieces: AsyncIterator[bytes], decoder: openai_chat.StreamDecoder, unwrapper: Unwrapper | None
    ) -> AsyncGenerator[Chunk]:
        with self._told():
            async for piece in pieces:
                chunks = decoder.feed(piece)
                for chunk in chunks if unwrapper is None else unwrapper.feed(chunks):
                    yield chunk
            chunks = decoder.end()
            for chunk in chunks if unwrapper is None else unwrapper.feed(chunks):
                yield chunk

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Takes the key out of what a server says, which some repeat, and says where what is wrong comes from."""
        try:
            yield
        except ProviderError as error:
            error.message = self._keyless(error.message)
            if isinstance(error, AuthenticationError):
                error.message += self._key_source()
            if isinstance(error, NotFoundError):
                error.message += self._hint()
            error.args = (error.message,)
            raise

    def _keyless(self, text: str) -> str:
        # A short key is no secret but a word that servers without keys want, and may be part of any other.
        return text if self._key is None or len(self._key) < _SHORTEST_SECRET else text.replace(self._key, "***")

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
