"""How much an answer is like one that is known to be good."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from operator import mul

import anyio
import anyio.to_thread

from unified_api.call import Call, Consult
from unified_api.evaluators.evaluator import Score
from unified_api.types import EmbedRequest, EmbedResponse, Request, Response

__all__ = ["Similarity"]

_BATCH = 64
_AT_ONCE = 30_000
"""Numbers that are multiplied in about a millisecond."""
Vector = tuple[float, ...]


class Similarity:
    """Gives the cosine between the answer and the nearest good one, by the vectors of `model`."""

    def __init__(self, consult: Consult, *, model: str, examples: tuple[str, ...]) -> None:
        self._consult = consult
        self._model = model
        self._examples = examples
        self._known: list[Vector] = []
        """Of the examples from the first on; a call that is cut short leaves the others to the next one."""
        self._embedding = anyio.Lock()

    async def score(self, call: Call[Request], response: Response) -> Score:
        text = response.answer.strip()
        if response.tool_calls or not text:
            return Score(None, "it has no text to compare")
        known = await self._vectors(call)
        (own,) = await self._embedded(call, (text,))
        if len(own) != len(known[0]):
            return Score(None, f"the vectors of {self._model} have changed their length")
        # Many long vectors take milliseconds, in which other calls should go on.
        is_short = len(known) * len(own) <= _AT_ONCE
        nearest = _nearest(own, known) if is_short else await anyio.to_thread.run_sync(_nearest, own, known)
        value = min(max(nearest, 0.0), 1.0)
        return Score(value, f"it is {value:.2f} like the nearest of {len(known):,} good answers")

    async def _vectors(self, call: Call[Request]) -> list[Vector]:
        """Those of the examples, made once, on the account of the call that is the first to need them."""
        if len(self._known) == len(self._examples):
            return self._known
        async with self._embedding:
            while len(self._known) < len(self._examples):
                at = len(self._known)
                self._known += await self._embedded(call, self._examples[at : at + _BATCH])
        return self._known

    async def _embedded(self, call: Call[Request], texts: tuple[str, ...]) -> list[Vector]:
        request = EmbedRequest(model=self._model, inputs=texts)
        response: EmbedResponse = await self._consult(call, "embed", request, "similarity")
        return [_of_length_one(vector) for vector in response.vectors]


def _nearest(own: Vector, known: Sequence[Vector]) -> float:
    likeness: list[float] = [sum(map(mul, own, vector)) for vector in known]
    return max(likeness)


def _of_length_one(vector: Sequence[float]) -> Vector:
    length = sqrt(sum(map(mul, vector, vector)))
    return tuple(one / length for one in vector) if length else tuple(vector)
