"""A model as the catalog knows it: what it can do, what it costs and who may see the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from unified_api.types import Capability, Quality, Sensitivity, Strategy, Tier

__all__ = [
    "DataPolicy",
    "Dropped",
    "Escalation",
    "EvaluatorName",
    "Model",
    "Prices",
    "Requirements",
    "RouteRules",
    "Selection",
]

EvaluatorName = Literal["structural", "logprobs", "similarity", "judge"]
"""What scores an answer: its outward shape, its tokens' probabilities, its likeness to good ones, or another model."""

_MEDIA: Mapping[Capability, str] = {"vision": "image", "audio": "audio", "video": "video", "documents": "document"}
_GIVEN: Mapping[Capability, str] = {
    "chat": "text",
    "embeddings": "embedding",
    "image_output": "image",
    "rerank": "ranking",
    "moderation": "verdict",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars per million tokens; None where the source gives none. Tiers and other units are left to `pricing`."""

    input: Decimal | None = None
    output: Decimal | None = None
    cached_input: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPolicy:
    """What a provider does with what it is sent. None is unknown, and unknown is trusted least."""

    clearance: Sensitivity = "public"
    """The most sensitive label this provider may be sent."""
    retention: str | None = None
    trains: bool | None = None
    region: str | None = None
    source: str | None = None
    """Page that says so, or `configuration`."""
    as_of: date | None = None
    """When that page was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model at one provider."""

    id: str
    """`provider/name`."""
    provider: str
    name: str
    """What the provider calls it; may hold slashes."""
    wire: str
    """Wire family that speaks to it, such as `openai_chat`, or `local`."""
    capabilities: frozenset[Capability] = frozenset()
    context: int | None = None
    """Tokens of prompt and answer together, where known."""
    max_output: int | None = None
    tier: Tier | None = None
    prices: Prices | None = None
    """None: unknown, which is not free."""
    data_policy: DataPolicy = DataPolicy()
    quality: Quality | None = None
    unsupported: frozenset[str] = frozenset()
    """Fields of a request that the model refuses, such as `temperature`."""
    prefill: bool = False
    """Whether it goes on with an answer that was begun for it, so that another model's broken stream may end here."""
    repeats_prefill: bool = False
    """Whether its answer then begins with what it was given."""
    structured_by: Literal["native", "grammar"] = "native"
    """How `structured_output` keeps an answer to its schema: by the provider's own way, or a grammar while decoding."""
    ready: bool = True
    """Whether it can be called now: a key is set or none is needed, and its weights are there."""
    missing: str | None = None
    """What is missing when it is not ready, such as `OPENAI_API_KEY`."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it can be given: `text` and other media."""
        return ("text", *(medium for able, medium in _MEDIA.items() if able in self.capabilities))

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it gives."""
        return tuple(given for able, given in _GIVEN.items() if able in self.capabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What must hold for a model to be asked: the caller's policy and the request's own needs in one."""

    needs: frozenset[Capability] = frozenset()
    tier: Tier | None = None
    sensitivity: Sensitivity = "public"
    parameters: frozenset[str] = frozenset()
    """Fields that the request sets."""
    tokens: int = 0
    """Estimated size of the prompt."""
    tools_of: frozenset[str] = frozenset()
    """Providers whose built-in tools the request brings."""
    regions: frozenset[str] = frozenset()
    """Where the data may be processed; empty: anywhere."""
    allow: frozenset[str] = frozenset()
    """Models or providers (`provider/*`) that alone may be asked; empty: all."""
    deny: frozenset[str] = frozenset()
    """Models or providers that are not asked."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A model that may not serve a call, and why."""

    model: str
    code: str
    """`no_credentials`, `not_ready`, `missing_capability`, `insufficient_clearance`, `context_too_small`,
    `unsupported_parameter`, `foreign_tool`, `stand_in`, `dearer_tier`, `other_vectors`, `unreachable`, `other_region`,
    `not_allowed`, `denied`, `too_dear` or `unknown_price`."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """When an answer is not good enough, and the next candidate is asked for a better one."""

    evaluator: EvaluatorName
    """Which evaluator scores the answers, from 0 to 1."""
    threshold: float
    """Answers that score below it are rejected."""
    model: str | None = None
    """Whom the evaluator asks: the judge, or what makes vectors."""
    examples: tuple[str, ...] = ()
    """Good answers, which `similarity` compares with."""
    criteria: str | None = None
    """What a good answer is, in words for the judge."""
    patience_s: float = 30.0
    """Seconds that judging one answer may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRules:
    """What a route says besides its models."""

    name: str = ""
    """The route's own; empty for models and `auto`."""
    strategy: Strategy = "priority"
    weights: Mapping[str, float] = field(default_factory=dict)
    """Model -> its share of the calls, for the strategy `weighted`."""
    last_resort: frozenset[str] = frozenset()
    """Models that are asked only when every other candidate has failed for good; no escalation goes to them."""
    hedge: bool = False
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Key of `[timeouts]` -> seconds, for the calls of this route."""
    escalation: Escalation | None = None
    because: str | None = None
    """The condition that chose these models, in words; None where none had to hold."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The route of one call, in the order of asking, and what was dropped on the way."""

    candidates: tuple[Model, ...]
    dropped: tuple[Dropped, ...] = ()
    rules: RouteRules = RouteRules()
    notes: tuple[tuple[str, str, str], ...] = ()
    """What the call's trail is to be told of how it was made: layer, code and words."""

    def is_judged(self, model: Model) -> bool:
        """Whether an answer of `model` may be rejected: the route escalates, and somebody is left who may do better."""
        if self.rules.escalation is None or model.id in self.rules.last_resort:
            return False
        ordinary = [one.id for one in self.candidates if one.id not in self.rules.last_resort]
        return model.id != ordinary[-1]
