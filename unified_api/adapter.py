"""What stands between our types and one provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from unified_api.models import Model
from unified_api.settings import Timeouts
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

__all__ = ["Adapter"]


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

    async def rerank(self, model: Model, request: RerankRequest, timeouts: Timeouts) -> RerankResponse: ...

    async def moderate(self, model: Model, request: ModerationRequest, timeouts: Timeouts) -> ModerationResponse: ...

    async def aclose(self) -> None:
        """Let go of connections and threads."""
