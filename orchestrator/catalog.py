"""Answers the workflow checks' questions about models from the gateway's catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from unified_api.errors import ConfigurationError, NoCandidateError
from unified_api.providers import is_loopback
from unified_api.types import Attempt, Capability, Policy, Sensitivity
from workflows.findings import Severity
from workflows.model import ModelNeeds
from workflows.models import ModelProblem
from workflows.nearest import nearest

if TYPE_CHECKING:
    from unified_api.catalog import Catalog

__all__ = ["CatalogModels", "locality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """Why models were dropped, as the checks call it, and what to do about it."""

    code: str
    drops: frozenset[str] = frozenset()
    """Codes of `unified_api.models.Dropped` that it covers."""
    fix: str
    severity: Severity = "error"


_CAUSES = (
    _Cause(
        code="no_candidate",
        drops=frozenset({"unreachable"}),
        fix="Start the server, or mend its base_url in orchestrator.toml.",
        severity="warning",
    ),
    _Cause(
        code="no_credentials",
        drops=frozenset({"no_credentials", "not_ready"}),
        fix="Set the key, or name a server in orchestrator.toml; "
        "`orchestrate models pull local` fetches a demo model that needs neither.",
        severity="warning",
    ),
    _Cause(
        code="insufficient_clearance",
        drops=frozenset({"insufficient_clearance"}),
        fix="Choose a model of a provider with that clearance, or lower the workflow's sensitivity.",
    ),
)
_OTHER = _Cause(
    code="no_candidate",
    fix="Choose a model that can do it: `orchestrate models list --all` lists what each one can do.",
)
_SHOWN = 3


def locality(catalog: Catalog) -> Callable[[str], bool]:
    """Tells of a provider's name whether what it is sent stays on this machine: in this process or on loopback."""

    def is_local(provider: str) -> bool:
        url = catalog.base_url(provider)
        return url is None or is_loopback(url)

    return is_local


class CatalogModels:
    """The catalog as a `workflows.models.ModelCatalog`.

    A missing key and a silent server are warnings: it is this machine that lacks something, not the workflow, and a
    run looks again.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def problem(self, choice: str | ModelNeeds, *, needs: frozenset[str], sensitivity: str) -> ModelProblem | None:
        """What keeps `choice` from serving a call; None when nothing does."""
        name, tier = ("auto", choice.tier) if isinstance(choice, ModelNeeds) else (choice, None)
        # A model that takes no schema is asked in words, and its answer is checked; only a stated need insists.
        needs -= {"structured_output"}
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
    """The reason that is easiest to mend speaks for all: a silent server, a missing key, a clearance, then the rest."""
    reasons = {drop.error or "" for drop in dropped}
    cause = next((cause for cause in _CAUSES if cause.drops & reasons), _OTHER)
    speaking = [drop for drop in dropped if drop.error in cause.drops] or list(dropped)
    told = [f"{drop.model}: {drop.message}" for drop in speaking[:_SHOWN]]
    if len(speaking) > _SHOWN:
        told.append(f"and {len(speaking) - _SHOWN} more like these")
    message = f"{what} cannot be had now ({'; '.join(told)})"
    return ModelProblem(code=cause.code, message=message, fix=cause.fix, severity=cause.severity)
