"""The models that a server lists, in any family's words."""

from __future__ import annotations

from unified_api.types import Json
from unified_api.wire.base import parse_json

__all__ = ["listed_models"]


def listed_models(body: bytes) -> tuple[str, ...] | None:
    """The names of the models, each once; None when `body` is no list of models.

    OpenAI and those compatible: `{"data": [{"id"}]}`, Together the bare list, Ollama's compatible endpoint a null when
    it has none. Google: `{"models": [{"name": "models/NAME"}]}`. Ollama's own `/api/tags`: `{"models": [{"name"}]}`.
    """
    try:
        answer = parse_json(body)
    except ValueError:
        return None
    entries: Json = answer
    if isinstance(answer, dict):
        if "data" not in answer and "models" not in answer:
            return None
        entries = answer.get("data") or answer.get("models") or []
    if not isinstance(entries, list):
        return None
    names = (entry.get("id") or entry.get("name") for entry in entries if isinstance(entry, dict))
    return tuple(dict.fromkeys(name.removeprefix("models/") for name in names if isinstance(name, str) and name))
