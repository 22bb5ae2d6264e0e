"""What a moderation model says of texts and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from unified_api.types.common import Quality
from unified_api.types.content import ImagePart
from unified_api.types.response import Attempt, Usage

__all__ = ["Moderation", "ModerationRequest", "ModerationResponse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationRequest:
    model: str
    inputs: tuple[str | ImagePart, ...]
    """Texts are judged one by one; with an image among them, all together as one."""

    @property
    def verdicts(self) -> int:
        """How many verdicts the inputs get."""
        return 1 if any(isinstance(one, ImagePart) for one in self.inputs) else len(self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    """One verdict. The names of the categories are the provider's own; scores go from 0 to 1."""

    flagged: bool
    categories: Mapping[str, bool]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationResponse:
    """One verdict per text, or one for all where an image was among the inputs."""

    model: str
    provider: str
    results: tuple[Moderation, ...]
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    quality: Quality | None = None
    dropped: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
