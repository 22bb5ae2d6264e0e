"""What every whole answer of Google has: JSON, perhaps with an error in it."""

from __future__ import annotations

from functools import partial

from unified_api.types import Json
from unified_api.wire import answer
from unified_api.wire.json_text import parse_json

__all__ = ["answer_object", "answer_value", "unreadable"]

_API = "the Gemini API or of Vertex AI"
answer_object = partial(answer.answer_object, api=_API)
unreadable = partial(answer.malformed, api=_API)


def answer_value(body: bytes, *, provider: str, model: str) -> Json:
    """The JSON in `body`; MalformedResponseError when it is none."""
    try:
        return parse_json(body)
    except ValueError as error:
        raise unreadable(f"is no JSON ({error})", body, provider=provider, model=model) from error
