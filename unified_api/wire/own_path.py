"""The paths of requests: a provider's own for an endpoint of its family, and models in them."""

from __future__ import annotations

from urllib.parse import quote

from unified_api.errors import InvalidRequestError
from unified_api.types import JsonObject
from unified_api.wire.base import WireProfile

__all__ = ["own_path", "quoted_model"]

_MODEL = "{model}"


def own_path(path: str, body: JsonObject, profile: WireProfile) -> str:
    """Where `body` goes; a path that names the model takes the name out of the body."""
    own = profile.paths.get(path, path)
    if _MODEL not in own:
        return own
    # A colon stays: HTTP clients take its quotes off again.
    return own.replace(_MODEL, quoted_model(str(body.pop("model", "")), safe=":"))


def quoted_model(model: str, *, safe: str) -> str:
    """The name as one step of a path.

    Raises InvalidRequestError for a name that no path can hold: HTTP clients resolve `.` and `..`, quoted or not.
    """
    try:
        quoted = quote(model, safe=safe)
    except UnicodeEncodeError:
        quoted = ""
    if not quoted.strip("."):
        raise InvalidRequestError(
            f"{model!r} is no name that an address can hold: give the name that the provider has for the model",
            param="model",
        )
    return quoted
