"""The gateway: every model of every provider behind one call.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified_api.catalog import Catalog
    from unified_api.errors import GatewayError
    from unified_api.gateway import Gateway
    from unified_api.models import Model
    from unified_api.response_stream import ResponseStream
    from unified_api.settings import Settings
    from unified_api.types import (
        EmbedRequest,
        ImageRequest,
        Message,
        ModerationRequest,
        OutputSchema,
        Policy,
        Request,
        RerankRequest,
        Response,
        Tool,
    )

__all__ = [
    "Catalog",
    "EmbedRequest",
    "Gateway",
    "GatewayError",
    "ImageRequest",
    "Message",
    "Model",
    "ModerationRequest",
    "OutputSchema",
    "Policy",
    "Request",
    "RerankRequest",
    "Response",
    "ResponseStream",
    "Settings",
    "Tool",
]

_HOMES = {
    "Catalog": "catalog",
    "EmbedRequest": "types",
    "Gateway": "gateway",
    "GatewayError": "errors",
    "ImageRequest": "types",
    "Message": "types",
    "Model": "models",
    "ModerationRequest": "types",
    "OutputSchema": "types",
    "Policy": "types",
    "Request": "types",
    "RerankRequest": "types",
    "Response": "types",
    "ResponseStream": "response_stream",
    "Settings": "settings",
    "Tool": "types",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
