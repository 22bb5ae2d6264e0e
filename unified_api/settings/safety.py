"""`[safety]`: what looks at answers before their reader does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, ValidationInfo, field_validator, model_validator

from unified_api.settings.table import Table
from unified_api.types import Sensitivity

__all__ = [
    "LOCAL_CATEGORIES",
    "MODERATION_CATEGORIES",
    "GuardVersion",
    "SafetySettings",
    "guard_categories",
    "guard_version",
]

GuardVersion: TypeAlias = Literal["3-1b", "3-8b", "3-11b-vision", "4-12b"]
"""The Llama Guard models whose prompt and categories are known here."""

LOCAL_CATEGORIES = ("harassment", "hate", "hate/threatening", "self-harm", "violence")
"""What the local classifier was trained on; it knows nothing of anything else."""

MODERATION_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
    "hate_and_discrimination", "violence_and_threats", "dangerous_and_criminal_content", "selfharm", "health",
    "financial", "law", "pii",
)  # fmt: skip
"""The names that OpenAI's and Mistral's moderation models give, as of November 2026."""

_GUARD_CODES = tuple(f"S{number}" for number in range(1, 15))
_GUARD_NAME = re.compile(r"llama[-_. ]?guard[-_. ]?(\d)(?!\d*b)")
_GUARD_SIZES: Mapping[str, GuardVersion] = {"1b": "3-1b", "8b": "3-8b", "11b": "3-11b-vision"}

_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class SafetySettings(Table):
    """`[safety]`."""

    enabled: bool | None = None
    """Whether answers are judged; None: as soon as any key of the table is set."""
    backend: Literal["local", "llama_guard", "moderation"] = "local"
    """Who judges: the small classifier in this process, a Llama Guard model or a moderation model."""
    model: str | None = None
    """The model that judges, by its name or a route's; needed with, and only with, a back end that is a model."""
    version: GuardVersion | None = None
    """Which Llama Guard it is, where the model's name does not say."""
    prompt: Literal["conversation", "written"] = "conversation"
    """Whether the server of a Llama Guard applies the model's own chat template, or is sent its prompt written out."""
    action: Literal["block", "redact", "flag"] = "block"
    """What becomes of an unsafe answer: a refusal stands for it, its unsafe windows are cut out, or it is noted."""
    fail: Literal["open", "closed"] = "closed"
    """Whether an answer of which there is no verdict is shown (`open`) or withheld (`closed`)."""
    categories: tuple[str, ...] = ()
    """The back end's own names for what counts as unsafe; empty: all that it knows."""
    thresholds: Mapping[str, _Share] = Field(default={})
    """Category -> the score from which it counts, instead of the back end's own decision."""
    window: Annotated[int, Field(ge=80, le=20_000)] = 300
    """Characters of a stream that are held back and judged together."""
    overlap: Annotated[int, Field(ge=0)] = 100
    """Characters of a window that are held back once more and judged with the next one; at most half a window."""
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long a verdict is waited for, in seconds."""
    clearance: Sensitivity = "restricted"
    """The most sensitive data that the local classifier may read; models have the clearance of their providers."""

    @property
    def active(self) -> bool:
        return bool(self.model_fields_set) if self.enabled is None else self.enabled

    @field_validator("overlap")
    @classmethod
    def _half_at_most(cls, overlap: int, given: ValidationInfo) -> int:
        window = given.data.get("window", overlap * 2)
        if overlap * 2 > window:
            raise ValueError(f"{overlap} is more than half of the window of {window} characters")
        return overlap

    @model_validator(mode="after")
    def _fits_the_backend(self) -> Self:
        fault = next(self._faults(), None)
        if fault is not None:
            raise ValueError(fault)
        return self

    @property
    def guard(self) -> GuardVersion | None:
        """Which Llama Guard judges; None with another back end."""
        if self.backend != "llama_guard":
            return None
        return self.version or guard_version(self.model or "")

    @property
    def known_categories(self) -> tuple[str, ...]:
        """The categories of the back end."""
        if self.backend == "local":
            return LOCAL_CATEGORIES
        return guard_categories(self.guard) if self.guard is not None else MODERATION_CATEGORIES

    def _faults(self) -> Iterator[str]:
        if self.backend == "local" and self.model is not None:
            yield f"model = {self.model!r} needs backend = 'llama_guard' or 'moderation': the local one asks no model"
        if self.backend != "local" and self.model is None:
            yield f"backend = {self.backend!r} needs the model to ask: model = 'provider/name'"
        if self.backend != "llama_guard" and self.model_fields_set & {"version", "prompt"}:
            yield "version and prompt belong to backend = 'llama_guard'"
        if self.backend != "local" and "clearance" in self.model_fields_set:
            yield "clearance belongs to the local classifier; a model has that of its provider"
        if self.backend == "llama_guard" and self.guard is None:
            yield (
                f"model = {self.model!r} does not say which Llama Guard it is; say version = "
                "'3-1b', '3-8b', '3-11b-vision' or '4-12b'"
            )
        if self.backend == "llama_guard" and self.thresholds:
            yield "thresholds need scores, and Llama Guard gives none; name categories instead"
        yield from _unknown((*self.categories, *self.thresholds), self.known_categories)
        for name in self.thresholds:
            if self.categories and name not in self.categories:
                yield f"the threshold of {name!r} has no effect: it is not among the categories that count"


def guard_version(model: str) -> GuardVersion | None:
    """Which Llama Guard a model's name means (`groq/meta-llama/llama-guard-4-12b`, `ollama/llama-guard3:8b`)."""
    name = model.lower()
    found = _GUARD_NAME.search(name)
    if found is None:
        return None
    if found[1] == "4":
        return "4-12b"
    sizes = [_GUARD_SIZES[size] for size in re.findall(r"\d+b", name[found.end() :]) if size in _GUARD_SIZES]
    if found[1] != "3" or (not sizes and "vision" not in name):
        return None
    return sizes[0] if sizes else "3-11b-vision"


def guard_categories(version: GuardVersion) -> tuple[str, ...]:
    """`S1` to `S13`, and `S14` (abuse of code interpreters) for those that were trained on it.

    https://github.com/meta-llama/PurpleLlama: MODEL_CARD.md of Llama-Guard3/{1B,8B,11B-vision} and Llama-Guard4/12B
    """
    return _GUARD_CODES if version in {"3-8b", "4-12b"} else _GUARD_CODES[:13]


def _unknown(names: Iterable[str], valid: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if name not in valid:
            near = get_close_matches(name, valid, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield f"unknown category {name!r}; {hint}valid: {', '.join(valid)}"
