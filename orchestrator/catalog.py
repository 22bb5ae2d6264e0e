"""Answers the workflow checks' questions about models from the gateway's catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from unified_api.errors import ConfigurationError, NoCandidateError
from unified_api.providers import is_loopback
from unified_api.types import Attempt, Capability, Policy, Sensitivity
from workflows.model import ModelNeeds
from workflows.models import ModelProblem
from workflows.nearest import nearest

if TYPE_CHECKING:
    from unified_api.catalog import Catalog

__all__ = ["CatalogModels", "locality"]

_FIXES = {
    "no_credentials": (
        "Set the key, or name a server in orchestrator.toml; "
        "`orchestrate models pull local` fetches a demo model that needs neither."
    ),
    "insufficient_clearance": "Choose a model of a provider with that clearance, or lower the workflow's sensitivity.",
    "no_candidate": "Choose a model that can do it: `orchestrate models list --all` lists what each one can do.",
}
_CODES = {
    "insufficient_clearance": "insufficient_clearance",
    "no_credentials": "no_credentials",
    "not_ready": "no_credentials",
}
_SHOWN = 3


def locality(catalog: Catalog) -> Callable[[str], bool]:
    """Tells of a provider's name whether what it is sent stays on this machine: in this process or on loopback."""

    def is_local(provider: str) -> bool:
        url = catalog.base_url(provider)
        return url is None or is_loopback(url)

    return is_local


class CatalogModels:
    """The catalog as a `workflows.models.ModelCatalog`.

    A missing key is a warning: it is this machine that lacks something, not the workflow, and a run looks again.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def problem(self, choice: str | ModelNeeds, *, needs: frozenset[str], sensitivity: str) -> ModelProblem | None:
        """What keeps `choice` from serving a call; None when nothing does."""
        name, tier = ("auto", choice.tier) if isinstance(choice, ModelNeeds) else (choice, None)
        if isinstance(choice, ModelNeeds):
            needs |= frozenset(choice.needs)
        policy = Policy(
            needs=cast("frozenset[Capability]", needs), tier=tier, sensitivity=cast("Sensitivity", sensitivity)
        )
        try:
            self._catalog.candidates(name, policy)
        except ConfigurationError as error:
            near = nearest(name, (model.id for model in self._catalog.models))
            return ModelProblem(code="unknown_model", message=error.message, allowed=near)
        except NoCandidateError as error:
            return _refused("a model for this step" if name == "auto" else repr(name), error.attempts)
        return None


def _refused(what: str, dropped: tuple[Attempt, ...]) -> ModelProblem:
    """The reason that is easiest to mend speaks for all: a missing key, then a clearance, then the rest."""
    codes = {_CODES.get(drop.error or "", "no_candidate") for drop in dropped}
    code = next((code for code in ("no_credentials", "insufficient_clearance") if code in codes), "no_candidate")
    speaking = [drop for drop in dropped if _CODES.get(drop.error or "", "no_candidate") == code]
    reasons = [f"{drop.model}: {drop.message}" for drop in speaking[:_SHOWN]]
    if len(speaking) > _SHOWN:
        reasons.append(f"and {len(speaking) - _SHOWN} more like these")
    return ModelProblem(
        code=code,
        message=f"{what} cannot be had now ({'; '.join(reasons)})",
        fix=_FIXES[code],
        severity="warning" if code == "no_credentials" else "error",
    )
