"""What every whole answer has: an object, perhaps an error in it, a model, a usage."""

from __future__ import annotations

from decimal import Decimal

from unified_api.errors import MalformedResponseError
from unified_api.types import JsonObject, Usage
from unified_api.wire.base import WireProfile
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_text import parse_json
from unified_api.wire.quoting import beginning
from unified_api.wire.usage import read_cost, read_usage

__all__ = ["answer_object", "echoed_model", "malformed", "stated_usage"]

_COMPATIBLE = "an OpenAI-compatible API"


def answer_object(
    body: bytes, *, provider: str, model: str, profile: WireProfile, api: str = _COMPATIBLE
) -> JsonObject:
    """The JSON object in `body`, which came under status 200 from what should be `api`.

    Raises MalformedResponseError when it is none, or what an error inside it means.
    """
    try:
        value = parse_json(body)
    except ValueError as error:
        raise malformed(f"is no JSON ({error})", body, provider=provider, model=model, api=api) from error
    inside = value if isinstance(value, list) else [value]
    for item in inside:
        error_inside = find_error(item) if isinstance(item, dict) else None
        if error_inside is not None:
            raise embedded_error(error_inside, provider=provider, model=model, profile=profile)
    if not isinstance(value, dict):
        raise malformed("is no JSON object", body, provider=provider, model=model, api=api)
    return value


def echoed_model(answer: JsonObject, model: str) -> str:
    echoed = answer.get("model")
    return echoed if isinstance(echoed, str) and echoed else model


def stated_usage(answer: JsonObject) -> tuple[Usage, Decimal | None]:
    usage = answer.get("usage")
    return (read_usage(usage), read_cost(usage)) if isinstance(usage, dict) else (Usage(), None)


def malformed(
    problem: str, body: bytes, *, provider: str, model: str, api: str = _COMPATIBLE
) -> MalformedResponseError:
    start = beginning(body)
    return MalformedResponseError(
        f"the answer of {provider} for {model!r} {problem}; it begins {start!r}. Check that the base URL is that of "
        f"{api}.",
        provider=provider,
        model=f"{provider}/{model}",
    )
