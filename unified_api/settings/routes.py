"""`[routes.NAME]`: what `route/NAME` stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from unified_api.models import EvaluatorName
from unified_api.settings.table import Table
from unified_api.settings.timeouts import Timeouts
from unified_api.types import Capability, Sensitivity, Strategy

__all__ = ["Escalate", "Route", "RouteTimeouts", "When", "total_s"]

_Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Models = Annotated[tuple[_Name, ...], Field(min_length=1)]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_OWN: Mapping[str, tuple[EvaluatorName, ...]] = {
    "examples": ("similarity",),
    "embedder": ("similarity",),
    "judge": ("judge",),
    "criteria": ("judge",),
}
"""Key -> the evaluators that it belongs to."""
_NEEDED: Mapping[EvaluatorName, tuple[str, ...]] = {
    "structural": (),
    "logprobs": ("threshold",),
    "similarity": ("threshold", "examples", "embedder"),
    "judge": ("threshold", "judge"),
}


class RouteTimeouts(Table):
    """`[routes.NAME.timeouts]`: instead of those of `[timeouts]`, for the calls of this route; in seconds."""

    connect_s: _Seconds | None = None
    headers_s: _Seconds | None = None
    first_token_s: _Seconds | None = None
    silence_s: _Seconds | None = None
    total_s: _Seconds | None = None

    @property
    def stated(self) -> dict[str, float]:
        return {name: seconds for name, seconds in self if seconds is not None}


class When(Table):
    """`[[routes.NAME.when]]`: models for the calls of which all of this holds; the first table that holds counts."""

    category: tuple[_Name, ...] = ()
    """The call's category is one of these."""
    sensitivity: Sensitivity | None = None
    """The call's data is labelled so, or more sensitive."""
    tokens_at_least: Annotated[int, Field(ge=1)] | None = None
    """Size of the prompt, at four bytes a token."""
    tokens_at_most: Annotated[int, Field(ge=0)] | None = None
    needs: frozenset[Capability] = frozenset()
    """The call needs all of these: `vision` where it shows a picture, `image_output` where it asks for one."""
    models: _Models
    """Who is asked then, in order of preference."""

    @field_validator("category", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _once(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(models)

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.model_fields_set - {"models"} or not (self.category or self.needs or self._is_bounded):
            raise ValueError(
                "it has no condition, so the tables after it would never be read; give it category, sensitivity, "
                "tokens_at_least, tokens_at_most or needs, or put its models into the route's own `models`"
            )
        least, most = self.tokens_at_least, self.tokens_at_most
        if least is not None and most is not None and least > most:
            raise ValueError(f"no prompt has at least {least:,} tokens and at most {most:,}; swap the two")
        return self

    @property
    def _is_bounded(self) -> bool:
        return not (self.sensitivity is None and self.tokens_at_least is None and self.tokens_at_most is None)


class Escalate(Table):
    """`[routes.NAME.escalate]`: when an answer is not good enough, and the next model is asked for a better one."""

    when: Literal["low_confidence"] = "low_confidence"
    """An evaluator scores the answer below `threshold`."""
    evaluator: EvaluatorName = "structural"
    """Who scores it."""
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """From 0 to 1; answers that score lower are rejected. `structural` knows only 0 and 1."""
    examples: _Name | None = None
    """For `similarity`: a file of good answers, one JSON string or object with `answer` a line; its place is relative
    to the settings file."""
    embedder: _Name | None = None
    """For `similarity`: the model that makes the vectors."""
    judge: _Name | None = None
    """For `judge`: the model that is asked to score the answer."""
    criteria: _Name | None = None
    """For `judge`: what a good answer is, in words."""
    timeout_s: _Seconds = 30.0
    """How long judging one answer may take; one that was not judged in time passes."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        stated = {key for key in _OWN if getattr(self, key) is not None}
        foreign = sorted(key for key in stated if self.evaluator not in _OWN[key])
        if foreign:
            raise ValueError(
                f"{foreign[0]!r} belongs to the evaluator {_OWN[foreign[0]][0]!r}, and this one is "
                f"{self.evaluator!r}; leave one of them out"
            )
        lacking = [key for key in _NEEDED[self.evaluator] if getattr(self, key) is None]
        if lacking:
            raise ValueError(f"the evaluator {self.evaluator!r} needs {' and '.join(map(repr, lacking))}")
        return self


class Route(Table):
    """`[routes.NAME]`: what `route/NAME` stands for."""

    models: _Models
    """In order of preference."""
    strategy: Strategy = "priority"
    """How they are ordered: as written, by `cost`, `latency` or `quality`, or `weighted`: by chance."""
    weights: dict[_Name, float] = Field(default={})
    """Model -> its share of the calls, for `weighted`."""
    last_resort: tuple[_Name, ...] = ()
    """Further models, asked only when all others have failed; no answer is escalated to them."""
    hedge: bool = False
    """Whether a slow model may be raced by the next one."""
    timeouts: RouteTimeouts = RouteTimeouts()
    when: tuple[When, ...] = ()
    """Calls that other models serve."""
    escalate: Escalate | None = None

    @field_validator("models")
    @classmethod
    def _once(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(models)

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: dict[str, float]) -> dict[str, float]:
        for model, weight in weights.items():
            if not (isfinite(weight) and weight > 0):
                raise ValueError(
                    f"{model!r} has the weight {weight:g}; a weight is a number above 0, and a model that shall get no "
                    "calls is left out of `models`"
                )
        return weights

    @model_validator(mode="after")
    def _last_is_another(self) -> Self:
        _each_once((*self.models, *self.last_resort))
        for one in self.when:
            _each_once((*one.models, *self.last_resort))
        return self

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if self.strategy != "weighted":
            if self.weights:
                raise ValueError(f"weights count only with strategy = 'weighted', and this is {self.strategy!r}")
            return self
        if lacking := [model for model in self.models if model not in self.weights]:
            raise ValueError(f"strategy = 'weighted' needs a weight for each model; none for {', '.join(lacking)}")
        if others := [model for model in self.weights if model not in self.models]:
            near = get_close_matches(others[0], self.models, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"weights names {others[0]!r}, which is none of the route's models{hint}")
        return self

    @model_validator(mode="after")
    def _has_somewhere_to_go(self) -> Self:
        if self.escalate is not None and max(len(models) for models in self.lists) < 2:
            raise ValueError(
                "escalate needs a second model in `models` to go to; those of last_resort are not asked for better "
                "answers"
            )
        return self

    @property
    def lists(self) -> tuple[tuple[str, ...], ...]:
        """The route's own models, and those of each condition."""
        return (self.models, *(one.models for one in self.when))


def total_s(model: str, routes: Mapping[str, Route], timeouts: Timeouts) -> float:
    """How long a whole call of `model` may take where its policy names no deadline."""
    route = routes.get(model.removeprefix("route/")) if model.startswith("route/") else None
    own = None if route is None else route.timeouts.total_s
    return timeouts.total_s if own is None else own


def _each_once(models: tuple[str, ...]) -> tuple[str, ...]:
    twice = [model for model, times in Counter(models).items() if times > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice; a model is asked once in a route, so leave one of them out")
    return models
