"""What an evaluator is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from unified_api.call import Call
from unified_api.types import Request, Response

__all__ = ["Evaluator", "Score"]


@dataclass(frozen=True, slots=True)
class Score:
    """How good an answer is."""

    value: float | None
    """From 0 to 1; None where nobody could tell."""
    words: str
    """Why, without a word of the answer itself."""


class Evaluator(Protocol):
    """Scores answers; one instance serves many calls at once. What it asks a model, it asks by `Consult`."""

    async def score(self, call: Call[Request], response: Response) -> Score:
        """The score of `response` as the answer to `call`. What a consulted model raises is raised."""
