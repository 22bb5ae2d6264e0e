"""Answers that were given to the same question in other words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unified_api.caching.keys import Question, question_of
from unified_api.caching.semantic import SemanticIndex
from unified_api.caching.store import Kept, Store
from unified_api.call import AnyCall, Consult
from unified_api.clock import Clock
from unified_api.errors import ConfigurationError, GatewayError
from unified_api.settings.cache import SemanticSettings
from unified_api.types import EmbedRequest, EmbedResponse, Request

__all__ = ["Probe", "Similar"]

PATIENCE_S = 2.0
"""How long a call waits for the vector of its question: it is healthy without, and only asks for itself then."""
REST_S = 30.0
"""How long nobody is asked for vectors after that took too long or failed."""
LONGEST = 1_000
"""Characters of a question: of longer texts the vector shows the subject, and no longer what is asked of it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question and where it lies among the others."""

    question: Question
    vector: tuple[float, ...]


class Similar:
    """Looks questions up by their vectors. The answers lie in the store; one that is gone from there is not found."""

    def __init__(
        self, settings: SemanticSettings, *, max_bytes: int, store: Store, consult: Consult, clock: Clock
    ) -> None:
        self._model = settings.model
        self._store = store
        self._consult = consult
        self._clock = clock
        self._rests_until = float("-inf")
        self._index = SemanticIndex(
            threshold=settings.threshold,
            max_entries=settings.max_entries,
            max_bytes=max_bytes,
            same_words=settings.same_words,
        )

    async def probe(self, call: AnyCall, *, side: str | None) -> Probe | None:
        """None where the call has no question in plain words, or nobody may be asked what it means.

        Raises ConfigurationError where the settings name a model that there is not.
        """
        question = question_of(call.request, call.policy, side=side) if isinstance(call.request, Request) else None
        now = self._clock.now()
        if question is None or len(question.text) > LONGEST or now < self._rests_until:
            return None
        request = EmbedRequest(model=self._model, inputs=(question.text,))
        try:
            response: EmbedResponse = await self._consult(
                replace(call, deadline=min(call.deadline, now + PATIENCE_S)), "embed", request, "similarity"
            )
        except ConfigurationError:
            raise
        except GatewayError as error:
            if self._clock.now() < call.deadline:
                self._rests_until = self._clock.now() + REST_S
            call.trail.noted(
                "cache", "not_compared", f"{self._model} could not tell what the question means: {error.code}"
            )
            return None
        return Probe(question, response.vectors[0]) if response.vectors else None

    def find(self, probe: Probe, *, now: float) -> tuple[Kept, float] | None:
        """The kept answer to the most similar question, and how similar that is."""
        alike = self._index.find(probe.question, probe.vector)
        kept = None if alike is None else self._store.get(alike.key, now=now)
        return None if alike is None or kept is None else (kept, alike.score)

    def add(self, probe: Probe, key: bytes) -> None:
        self._index.add(probe.question, probe.vector, key)
