"""The catalogue of models as the checks see it: questions, so that `workflows` need not know the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from workflows.findings import Severity
from workflows.model import ModelNeeds

__all__ = ["Candidate", "KnownModels", "ModelCatalog", "ModelProblem", "Rates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProblem:
    """Why no model can serve a step."""

    code: str
    """`unknown_model`, `no_candidate`, `no_credentials` or `insufficient_clearance`."""
    message: str
    allowed: tuple[str, ...] = ()
    fix: str | None = None
    severity: Severity = "error"


class ModelCatalog(Protocol):
    """Whether a step can be served at all. What else the proofs need is asked where a catalogue is `KnownModels`."""

    def problem(self, choice: str | ModelNeeds, *, needs: frozenset[str], sensitivity: str) -> ModelProblem | None:
        """What keeps `choice` from serving a call; None when nothing does.

        `needs` holds the capabilities that the step's kind and fields imply (`chat`, `vision`,
        `structured_output`, `image_output`, `embeddings`); those that a `ModelNeeds` states come on top.
        `sensitivity` is the label of what the step sends. A higher one has the problems of all lower ones.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars of a call: so many for each token of the prompt, for each of the answer, and for the call itself."""

    given: Decimal
    """A token of the prompt."""
    made: Decimal
    """A token of the answer."""
    request: Decimal = Decimal(0)

    def cost(self, given: int, made: int) -> Decimal:
        """Of a call with so many tokens of prompt and of answer."""
        return self.given * given + self.made * made + self.request


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One deployment that may serve a step."""

    model: str
    """`provider/name`."""
    provider: str
    clearance: str
    """The most sensitive label that it may be sent."""
    context: int | None = None
    """Tokens of prompt and answer together, where known."""
    max_output: int | None = None
    """Tokens of an answer, where known."""
    least: Rates | None = None
    """What no call costs less than; None where its price is unknown."""
    most: Rates | None = None
    """What a call of usual size does not exceed; None where that is unknown."""
    usual: Rates | None = None
    """What a call costs by its plain prices; None where these are unknown."""
    least_s: float = 0.0
    """Seconds that no call of it is faster than; 0 where nothing is known."""
    tokens_per_s: float | None = None
    """What it about writes, where that is known."""


@runtime_checkable
class KnownModels(ModelCatalog, Protocol):
    """A catalogue that knows sizes and prices too."""

    def candidates(self, choice: str | ModelNeeds, *, needs: frozenset[str], sensitivity: str) -> tuple[Candidate, ...]:
        """Who may serve such a call now, in the order of asking; nobody where `problem` has something to say."""
        ...
