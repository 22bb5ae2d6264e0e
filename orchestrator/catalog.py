"""Answers the workflow checks' questions about models from the gateway's catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from unified_api import pricing
from unified_api.errors import ConfigurationError, NoCandidateError
from unified_api.models import Requirements
from unified_api.providers import is_loopback
from unified_api.routing.filters import select
from unified_api.types import Attempt, Capability, Policy, Sensitivity
from unified_api.worst_prices import dearest
from workflows.findings import Severity
from workflows.model import ModelNeeds
from workflows.models import Candidate, ModelProblem, Rates
from workflows.nearest import nearest

if TYPE_CHECKING:
    from unified_api.catalog import Catalog
    from unified_api.models import Model, Prices

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
_MILLION = 1_000_000
_LEAST_S: Mapping[Capability, float] = {"chat": 0.1, "image_output": 1.0}
"""Seconds that no call over the network is faster than: the first token of the fastest servers, and the fastest models
that draw."""
_ROUND_TRIP_S = 0.02
_FREE = Rates(given=Decimal(0), made=Decimal(0))


def locality(catalog: Catalog) -> Callable[[str], bool]:
    """Tells of a provider's name whether what it is sent stays on this machine: in this process or on loopback."""

    def is_local(provider: str) -> bool:
        url = catalog.base_url(provider)
        return url is None or is_loopback(url)

    return is_local


class CatalogModels:
    """The catalog as `workflows.models.KnownModels`.

    A missing key and a silent server are warnings: it is this machine that lacks something, not the workflow, and a
    run looks again.
    """

    def __init__(self, catalog: Catalog, *, keeps_answers: bool = False) -> None:
        """`keeps_answers`: the gateway may answer from its cache, which costs nothing and takes no time."""
        self._catalog = catalog
        self._keeps_answers = keeps_answers
        self._is_local = locality(catalog)

    def problem(self, choice: str | ModelNeeds, *, needs: frozenset[str], sensitivity: str) -> ModelProblem | None:
        """What keeps `choice` from serving a call; None when nothing does."""
        name, policy = _asked(choice, needs, sensitivity)
        try:
            self._catalog.candidates(name, policy)
        except ConfigurationError as error:
            near = nearest(name, (model.id for model in self._catalog.models))
            return ModelProblem(code="unknown_model", message=error.message, allowed=near)
        except NoCandidateError as error:
            return _refused("a model for this step" if name == "auto" else repr(name), error.attempts)
        return None

    def candidates(self, choice: str | ModelNeeds, *, needs: frozenset[str], sensitivity: str) -> tuple[Candidate, ...]:
        """Who may serve such a call now, in the order of asking; nobody where `problem` has something to say."""
        name, policy = _asked(choice, needs, sensitivity)
        try:
            models = self._routed(name, policy) or self._catalog.candidates(name, policy).candidates
        except (ConfigurationError, NoCandidateError):
            return ()
        return tuple(self._candidate(model) for model in models)

    def _routed(self, name: str, policy: Policy) -> tuple[Model, ...]:
        """Those of every branch of a route with conditions: which of them holds may depend on what is sent."""
        route = name.removeprefix("route/")
        branches = self._catalog.routes.named(route) if name != route else ()
        if len(branches) < 2:
            return ()
        wanted = Requirements(needs=policy.needs, tier=policy.tier, sensitivity=policy.sensitivity)
        found = {model.id: model for branch in reversed(branches) for model in branch.models}
        return select(found.values(), wanted, named=True).candidates

    def _candidate(self, model: Model) -> Candidate:
        least, usual, most = self._rates(model)
        return Candidate(
            model=model.id,
            provider=model.provider,
            clearance=model.data_policy.clearance,
            context=model.context,
            max_output=model.max_output,
            least=_FREE if self._keeps_answers and least is not None else least,
            usual=usual,
            most=most,
            least_s=0.0 if self._keeps_answers or self._is_local(model.provider) else _least_s(model),
        )

    def _rates(self, model: Model) -> tuple[Rates | None, Rates | None, Rates | None]:
        """What no call costs less than, what it costs by the plain prices, and what a run reserves for it."""
        prices = self._catalog.stated_prices(model)
        address = self._catalog.price_address(model.provider)
        worst = None
        if prices is None:
            listing = pricing.listing(address, model.name)
            prices = None if listing is None else listing.prices
            worst = dearest(address, model.name, tokens=0)
        usual = _plain(prices, model)
        top = usual if worst is None else _rates(worst.input, worst.output, worst.request)
        if prices is None or usual is None:
            return None, None, top
        kept = usual.given if prices.cached_input is None else min(usual.given, prices.cached_input / _MILLION)
        return replace(usual, given=kept), usual, top


def _least_s(model: Model) -> float:
    return max((_LEAST_S[one] for one in model.capabilities if one in _LEAST_S), default=_ROUND_TRIP_S)


def _asked(choice: str | ModelNeeds, needs: frozenset[str], sensitivity: str) -> tuple[str, Policy]:
    """The gateway's words for the question."""
    name, tier = ("auto", choice.tier) if isinstance(choice, ModelNeeds) else (choice, None)
    # A model that takes no schema is asked in words, and its answer is checked; only a stated need insists.
    needs -= {"structured_output"}
    if isinstance(choice, ModelNeeds):
        needs |= frozenset(choice.needs)
    wanted, label = cast("frozenset[Capability]", needs), cast("Sensitivity", sensitivity)
    return name, Policy(needs=wanted, tier=tier, sensitivity=label)


def _plain(prices: Prices | None, model: Model) -> Rates | None:
    """By prices a million tokens; None where one of them is needed and not known."""
    if prices is None or prices.input is None:
        return None
    writes = bool(model.capabilities & {"chat", "image_output"}) or not model.capabilities
    if prices.output is None and writes:
        return None
    return _rates(prices.input, prices.output or Decimal(0), Decimal(0))


def _rates(given: Decimal, made: Decimal, request: Decimal) -> Rates:
    return Rates(given=given / _MILLION, made=made / _MILLION, request=request)


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
