"""The wire families by name: which module speaks what. A new family is a module and a line here.

A provider's row names the family of its chat (`wire`), and by patterns of model names any others (`wires`); what a
family does not list here it does not do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

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
)
from unified_api.wire import (
    anthropic,
    bedrock,
    cohere,
    gemini,
    imagen,
    moderations,
    ollama,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_images,
    openai_responses,
    replicate,
    rerank,
    stability,
    vertex_embeddings,
)
from unified_api.wire.base import Pending, WireProfile, WireRequest
from unified_api.wire.bedrock import invoke as bedrock_invoke
from unified_api.wire.cohere import embeddings as cohere_embeddings
from unified_api.wire.gemini import embeddings as gemini_embeddings
from unified_api.wire.gemini import images as gemini_images
from unified_api.wire.ollama import embeddings as ollama_embeddings

__all__ = [
    "CHAT",
    "EMBED",
    "EMBED_BATCH",
    "IMAGE",
    "MODERATE",
    "POLLED",
    "RERANK",
    "ChatWire",
    "Decoder",
    "EmbedWire",
    "ImageWire",
    "ModerationWire",
    "PolledWire",
    "RerankWire",
    "unsupported_by",
]


class Decoder(Protocol):
    """Bytes of one streamed answer in, chunks out; the same chunks however the bytes were cut.

    An error inside the stream is raised by the `feed` or `end` after the chunks that came before it. `end`, called
    once after the last `feed`, raises TruncatedStreamError when the provider's sign of a finished answer is missing.
    """

    @property
    def malformed(self) -> int:
        """Events that could not be read and were passed over."""

    def feed(self, data: bytes) -> list[Chunk]: ...

    def end(self) -> list[Chunk]: ...


class MakesDecoder(Protocol):
    def __call__(self, *, provider: str, model: str, profile: WireProfile) -> Decoder: ...


class ChatWire(Protocol):
    """Pure functions between our types and one family's bytes.

    `encode` raises UnsupportedParameterError naming what the model cannot take, and InvalidRequestError for what no
    model could; `decode` takes the body of a 2xx and raises MalformedResponseError or what an error inside it means.
    """

    @property
    def UNSUPPORTED(self) -> frozenset[str]:  # noqa: N802  # a constant of the module
        """Fields of a Request that the family has no words for."""

    @property
    def StreamDecoder(self) -> MakesDecoder:  # noqa: N802  # a class of the module
        """Makes the decoder of one stream."""

    def encode(
        self, request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False
    ) -> WireRequest: ...

    def decode(self, body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response: ...


class EmbedWire(Protocol):
    def encode(self, request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest: ...

    def decode(
        self, body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
    ) -> EmbedResponse: ...


class ImageWire(Protocol):
    def encode(self, request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest: ...

    def decode(self, body: bytes, *, provider: str, model: str, profile: WireProfile) -> ImageResponse: ...


class PolledWire(Protocol):
    """A family whose first answer may only promise the work."""

    def pending(self, body: bytes, *, provider: str, model: str) -> Pending | None:
        """How to go on asking after the answer `body`; None once the work is done, well or not."""


class RerankWire(Protocol):
    def encode(self, request: RerankRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest: ...

    def decode(
        self, body: bytes, *, provider: str, model: str, profile: WireProfile, documents: int | None = None
    ) -> RerankResponse: ...


class ModerationWire(Protocol):
    def encode(self, request: ModerationRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest: ...

    def decode(
        self, body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
    ) -> ModerationResponse: ...


CHAT: Mapping[str, ChatWire] = {
    "anthropic": anthropic,
    "bedrock": bedrock,
    "bedrock_invoke": bedrock_invoke,
    "cohere": cohere,
    "ollama": ollama,
    "gemini": gemini,
    "openai_chat": openai_chat,
    "openai_completions": openai_completions,
    "openai_responses": openai_responses,
}
EMBED: Mapping[str, EmbedWire] = {
    "cohere_embeddings": cohere_embeddings,
    "ollama_embeddings": ollama_embeddings,
    "gemini_embeddings": gemini_embeddings,
    "vertex_embeddings": vertex_embeddings,
    "openai_embeddings": openai_embeddings,
}
EMBED_BATCH: Mapping[str, int] = {
    "cohere_embeddings": 96,
    "gemini_embeddings": 100,
    "openai_embeddings": 2048,
}
"""Texts that one call may hold, where the family's own pages give a limit."""
IMAGE: Mapping[str, ImageWire] = {
    "gemini_images": gemini_images,
    "imagen": imagen,
    "openai_images": openai_images,
    "replicate": replicate,
    "stability": stability,
}
POLLED: Mapping[str, PolledWire] = {
    "replicate": replicate,
}
RERANK: Mapping[str, RerankWire] = {
    "rerank": rerank,
}
MODERATE: Mapping[str, ModerationWire] = {
    "moderations": moderations,
}


def unsupported_by(wire: str, renamed: Collection[str] = ()) -> frozenset[str]:
    """Fields of a chat request that the family `wire` has no words for, and its provider's `renamed` neither."""
    return CHAT[wire].UNSUPPORTED.difference(renamed) if wire in CHAT else frozenset()
