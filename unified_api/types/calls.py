"""Every kind of request, and of response, under one name."""

from __future__ import annotations

from typing import TypeAlias

from unified_api.types.embedding import EmbedRequest, EmbedResponse
from unified_api.types.image import ImageRequest, ImageResponse
from unified_api.types.moderation import ModerationRequest, ModerationResponse
from unified_api.types.request import Request
from unified_api.types.rerank import RerankRequest, RerankResponse
from unified_api.types.response import Response

__all__ = ["AnyRequest", "AnyResponse"]

AnyRequest: TypeAlias = Request | EmbedRequest | ImageRequest | RerankRequest | ModerationRequest
AnyResponse: TypeAlias = Response | EmbedResponse | ImageResponse | RerankResponse | ModerationResponse
