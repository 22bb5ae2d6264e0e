"""What a profile says of a model by patterns of model names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

__all__ = ["any_matches", "first_match"]

Value = TypeVar("Value")


def first_match(by_pattern: Mapping[str, Value], model: str) -> Value | None:
    """What the first pattern says that the model's name fits."""
    return next((value for pattern, value in by_pattern.items() if any_matches((pattern,), model)), None)


def any_matches(patterns: Iterable[str], model: str) -> bool:
    return any(fnmatchcase(model.lower(), pattern.lower()) for pattern in patterns)
