"""The models that a server lists: how each family is asked for them, and the one reader of what they answer."""

from __future__ import annotations

from collections.abc import Mapping

from unified_api.types import Json
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.json_text import parse_json

__all__ = ["list_request", "listed_models"]

_PATH = "/models"
_PATHS: Mapping[str, str] = {
    "anthropic": "/models?limit=1000",
    "gemini": "/models?pageSize=1000",
    "ollama": "/api/tags",
}
"""Where a family has its list if not at `/models`; those that give it in pages are asked for the largest one."""
_HEADERS: Mapping[str, Mapping[str, str]] = {"anthropic": {"anthropic-version": "2023-06-01"}}


def list_request(wire: str, profile: WireProfile) -> WireRequest:
    """The question for the models of a server whose chat models speak `wire`; the profile's own path goes before.

    https://docs.anthropic.com/en/api/models-list, https://ai.google.dev/api/models#method:-models.list,
    https://docs.ollama.com/api/tags, https://platform.openai.com/docs/api-reference/models/list.
    """
    path = profile.paths.get(_PATH) or _PATHS.get(wire, _PATH)
    return WireRequest("GET", path, {"accept": "application/json", **_HEADERS.get(wire, {})}, b"")


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
