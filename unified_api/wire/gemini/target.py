"""Whom a request to Google is written for."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import quote

from unified_api.wire.base import WireProfile

__all__ = ["Target", "is_former", "model_path"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`former` models are those of the generation before Gemini 3."""

    provider: str
    model: str
    former: bool = False


def model_path(model: str) -> str:
    """The path of the model, which may be named with its collection (`tunedModels/mine`)."""
    collection, slash, name = model.partition("/")
    if not slash or collection not in {"models", "tunedModels"}:
        collection, name = "models", model
    return f"/{collection}/{quote(name, safe='@')}"


def is_former(model: str, profile: WireProfile) -> bool:
    """Whether the model is of the generation before Gemini 3."""
    name = model.rpartition("/")[2].lower()
    return any(fnmatchcase(name, pattern.lower()) for pattern in profile.former_models)
