"""The catalogue of models as the checks see it: a question, so that `workflows` need not know the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from workflows.findings import Severity
from workflows.model import ModelNeeds

__all__ = ["ModelCatalog", "ModelProblem"]


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
    def problem(self, choice: str | ModelNeeds, *, needs: frozenset[str], sensitivity: str) -> ModelProblem | None:
        """What keeps `choice` from serving a call; None when nothing does.

        `needs` holds the capabilities that the step's kind and fields imply (`chat`, `vision`,
        `structured_output`, `image_output`, `embeddings`); those that a `ModelNeeds` states come on top.
        `sensitivity` is the label of the workflow's policy.
        """
        ...
