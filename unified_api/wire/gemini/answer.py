"""What every whole answer of Google has: JSON, perhaps with an error in it."""

from __future__ import annotations

from unified_api.errors import MalformedResponseError
from unified_api.types import Json, JsonObject
from unified_api.wire.base import WireProfile
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_text import parse_json
from unified_api.wire.quoting import beginning

__all__ = ["answer_object", "answer_value", "unreadable"]


def answer_value(body: bytes, *, provider: str, model: str) -> Json:
    """The JSON in `body`; MalformedResponseError when it is none."""
    try:
        return parse_json(body)
    except ValueError as error:
        raise unreadable(f"is no JSON ({error})", body, provider=provider, model=model) from error


def answer_object(body: bytes, *, provider: str, model: str, profile: WireProfile) -> JsonObject:
    """The JSON object in `body`, which came under status 200; what an error inside it means is raised."""
    value = answer_value(body, provider=provider, model=model)
    for one in value if isinstance(value, list) else [value]:
        error = find_error(one) if isinstance(one, dict) else None
        if error is not None:
            raise embedded_error(error, provider=provider, model=model, profile=profile)
    if not isinstance(value, dict):
        raise unreadable("is no JSON object", body, provider=provider, model=model)
    return value


def unreadable(problem: str, body: bytes, *, provider: str, model: str) -> MalformedResponseError:
    start = beginning(body)
    return MalformedResponseError(
        f"the answer of {provider} for {model!r} {problem}; it begins {start!r}. Check that the base URL is that of "
        "the Gemini API or of Vertex AI.",
        provider=provider,
        model=f"{provider}/{model}",
    )
