"""How much a model of Google is told to think (https://ai.google.dev/gemini-api/docs/thinking)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NoReturn

from unified_api.errors import UnsupportedParameterError
from unified_api.types import JsonObject, Request
from unified_api.wire.base import WireProfile
from unified_api.wire.gemini.target import Target
from unified_api.wire.model_patterns import first_match

__all__ = ["thinking"]

_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Efforts for models that take a number: Google's own translation, from its OpenAI-compatible endpoint
(https://ai.google.dev/gemini-api/docs/openai#thinking)."""
_LEVELS = ("minimal", "low", "medium", "high")


def thinking(request: Request, target: Target, profile: WireProfile) -> Iterator[JsonObject]:
    """What the wish to think adds to the body: a level since Gemini 3, a number of tokens before it.

    An effort is one of those that the profile names for the model, in its words; a model of which it names none is
    taken to know them all. Raises UnsupportedParameterError for any other.
    """
    config: JsonObject = {}
    if request.show_reasoning is not None:
        config["includeThoughts"] = request.show_reasoning
    if request.reasoning_budget is not None:
        if request.reasoning_effort is not None:
            _unsupported("Gemini takes reasoning_effort or reasoning_budget, not both", "reasoning_budget", target)
        config["thinkingBudget"] = request.reasoning_budget
    elif request.reasoning_effort is not None:
        word = _word(request.reasoning_effort, target, profile)
        if not isinstance(word, str):
            yield word
        elif target.former:
            config["thinkingBudget"] = _BUDGETS[word]
        else:
            config["thinkingLevel"] = word
    if config:
        yield {"generationConfig": {"thinkingConfig": config}}


def _word(effort: str, target: Target, profile: WireProfile) -> str | JsonObject:
    stated = first_match(profile.efforts, target.model.rpartition("/")[2])
    own: Mapping[str, str | JsonObject] = {name: name for name in (_BUDGETS if target.former else _LEVELS)}
    known = own if stated is None else stated
    word = known.get(effort)
    if word is None or (target.former and isinstance(word, str) and word not in _BUDGETS):
        words = ", ".join(sorted(known))
        message = f"{target.model!r} has no reasoning_effort {effort!r}: give one of {words}"
        _unsupported(message, "reasoning_effort", target)
    return word


def _unsupported(message: str, param: str, target: Target) -> NoReturn:
    raise UnsupportedParameterError(
        message, provider=target.provider, model=f"{target.provider}/{target.model}", param=param
    )
