"""Whom a request to Google is written for."""

from __future__ import annotations

from dataclasses import dataclass

from unified_api.wire.base import WireProfile
from unified_api.wire.model_patterns import any_matches
from unified_api.wire.own_path import quoted_model

__all__ = ["Target", "is_former", "model_path", "target_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`former` models are those of the generation before Gemini 3; `unnamed` ones refuse ids of calls."""

    provider: str
    model: str
    former: bool = False
    unnamed: bool = False


def model_path(model: str) -> str:
    """The path of the model, which may be named with its collection (`tunedModels/mine`)."""
    collection, slash, name = model.partition("/")
    if not slash or collection not in {"models", "tunedModels"}:
        collection, name = "models", model
    return f"/{collection}/{quoted_model(name, safe='@')}"


def target_of(model: str, provider: str, profile: WireProfile) -> Target:
    unnamed = any_matches(profile.unnamed_calls, _bare(model))
    return Target(provider=provider, model=model, former=is_former(model, profile), unnamed=unnamed)


def is_former(model: str, profile: WireProfile) -> bool:
    """Whether the model is of the generation before Gemini 3."""
    return any_matches(profile.former_models, _bare(model))


def _bare(model: str) -> str:
    return model.rpartition("/")[2]
