"""The path that a provider has for an endpoint of its family."""

from __future__ import annotations

from urllib.parse import quote

from unified_api.types import JsonObject
from unified_api.wire.base import WireProfile

__all__ = ["own_path"]

_MODEL = "{model}"


def own_path(path: str, body: JsonObject, profile: WireProfile) -> str:
    """Where `body` goes; a path that names the model takes the name out of the body."""
    own = profile.paths.get(path, path)
    if _MODEL not in own:
        return own
    # A colon stays: HTTP clients take its quotes off again.
    return own.replace(_MODEL, quote(str(body.pop("model", "")), safe=":"))
