"""`[cache]`: which answers are kept, and for how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from unified_api.settings.table import Table
from unified_api.types import Sensitivity

__all__ = ["CacheSettings", "CachedOperation", "SemanticSettings"]

CachedOperation = Literal["chat", "embed", "image", "rerank", "moderate"]
"""What may be kept; streams are chats."""


class SemanticSettings(Table):
    """`[cache.semantic]`: answers to questions that mean the same in other words."""

    enabled: bool | None = None
    """Whether a chat may be answered by what was answered to a similar last message; everything else must be equal.
    None: as soon as any key of the table is set."""
    model: Annotated[str, StringConstraints(min_length=1)] = "local/wordllama-256"
    """What tells how alike two messages are: an embedding model as in a request."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.92
    """The cosine from which two messages count as the same; `benchmarks/cache_similarity.py` shows what others give."""
    same_words: bool = True
    """Whether both must use the same words in the same order too, but for fillers; without it the vectors decide alone,
    once names, numbers, signs, persons and denials are equal."""
    max_entries: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Messages that are remembered; the one that was not asked for longest goes first."""

    @property
    def active(self) -> bool:
        return bool(self.model_fields_set) if self.enabled is None else self.enabled


class CacheSettings(Table):
    """`[cache]`."""

    enabled: bool | None = None
    """Whether answers are kept; None: as soon as any key of the table is set."""
    operations: frozenset[CachedOperation] = frozenset({"chat", "embed", "image", "rerank", "moderate"})
    """Which calls are answered from what was kept."""
    max_entries: Annotated[int, Field(ge=1)] = 10_000
    """Answers that are kept; the one that was not asked for longest goes first."""
    max_bytes: Annotated[int, Field(ge=1_024)] = 67_108_864
    """What all of them may take of memory; one that would take more than an eighth of it is not kept."""
    max_age_s: Annotated[float, Field(gt=0)] = 3_600.0
    """Seconds that an answer is kept at most."""
    sampled: bool = False
    """Whether answers to requests that ask for chance (a temperature above 0 without a seed, several answers) are kept
    too."""
    clearance: Sensitivity = "public"
    """The most sensitive calls whose answers are kept; others pass by."""
    semantic: SemanticSettings = SemanticSettings()

    @property
    def active(self) -> bool:
        return bool(self.model_fields_set) if self.enabled is None else self.enabled
