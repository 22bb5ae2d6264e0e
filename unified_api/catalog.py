"""The catalog: which models there are, what a model name means, and which of them may serve a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

from unified_api import address, pricing
from unified_api.errors import ConfigurationError
from unified_api.facts import facts, listed
from unified_api.models import DataPolicy, Dropped, Model, Prices, Requirements, RouteRules, Selection
from unified_api.patterns import check_pattern
from unified_api.policy_words import TIERS, names, no_candidate, one_of
from unified_api.providers import ProviderRow, builtin_rows
from unified_api.routes import Branch, Routes, nearest
from unified_api.routing.conditions import Circumstances
from unified_api.routing.filters import select
from unified_api.routing.ranking import at_most, rank
from unified_api.rows import provider_rows
from unified_api.settings import Settings
from unified_api.signing import missing_variable
from unified_api.types import SENSITIVITIES, Capability, Policy
from unified_api.wire.families import unsupported_by

__all__ = ["Catalog", "DataPolicy", "Dropped", "Model", "Prices", "Selection", "provider_rows"]

_TOKEN_STEP = 1024
"""Sizes are rounded down to it, so that calls of about one size share one remembered selection."""
_ROUTE = "route/"
_LEAST_BYTES, _USUAL_BYTES = 6, 4
"""Bytes in a token: as many as may be, by which the least size of a prompt is told, and as there usually are."""
_CHAT: frozenset[Capability] = frozenset({"chat"})
_KINDS: frozenset[Capability] = frozenset({"embeddings", "image_output", "rerank", "moderation"})


class Catalog:
    """Immutable once made. `models` are the known ones; any other name of a known provider works too, unpriced."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        rows: Mapping[str, ProviderRow] | None = None,
        models: Iterable[Model] = (),
        discovered: Mapping[str, tuple[str, ...]] | None = None,
        missing: Mapping[str, str] | None = None,
        unreachable: Mapping[str, str] | None = None,
    ) -> None:
        """Collect the models of `rows` (by default: the settings' providers), and `models` before them.

        Args:
            settings: keys and routes.
            rows: providers by name.
            models: ready-made models, such as scripted ones.
            discovered: provider -> model names that its server lists.
            missing: model id -> what it lacks to be ready, such as weights.
            unreachable: provider -> why its server did not list its models.

        """
        settings = settings or Settings()
        self._environment = settings.environment
        self._own = settings.providers
        self._rows = provider_rows(settings) if rows is None else dict(rows)
        self._missing = missing or {}
        self.unreachable: Mapping[str, str] = unreachable or {}
        """Provider -> why its server did not list its models."""
        self._given = {model.id: model for model in models}
        self._served = dict(self._given)
        for provider, row in self._rows.items():
            names = row.names if row.auto else ()
            for name in dict.fromkeys((*names, *(discovered or {}).get(provider, ()))):
                self._served.setdefault(f"{provider}/{name}", self._deployment(provider, name))
        self._known: dict[str, Model] | None = None
        self._ready: tuple[Model, ...] | None = None
        self._select = lru_cache(maxsize=512)(self._candidates)
        self.routes = Routes(settings, self._one)
        """What the names of routes mean."""
        for table, model, able in _consulted(settings):
            self._check_consulted(model, able, place=f"{settings.path}: {table}" if settings.path else table)

    @property
    def models(self) -> tuple[Model, ...]:
        """Every known model: the ones that serve `auto`, then those that only the price data lists."""
        return tuple(self._all().values())

    @property
    def served(self) -> tuple[Model, ...]:
        """The models that `auto` chooses from, ready or not."""
        return tuple(self._served.values())

    @property
    def ready(self) -> tuple[Model, ...]:
        """The known models that can be called now. Quick: what lacks a key is not even looked at."""
        if self._ready is None:
            usable = (provider for provider, row in self._rows.items() if self._missing_of(row) is None)
            known = self._collected(usable) if self._known is None else self._known
            self._ready = tuple(model for model in known.values() if model.ready)
        return self._ready

    def get(self, model_id: str) -> Model | None:
        """The model `provider/name`; any name of a known HTTP provider is one. None for what is not known."""
        if model_id in self._served:
            return self._served[model_id]
        provider, _, name = model_id.partition("/")
        row = self._rows.get(provider)
        if row is None or not name or row.wire == "local":
            return None
        return self._deployment(provider, name)

    def base_url(self, provider: str) -> str | None:
        """Where the provider is; None for scripted and in-process ones."""
        row = self._rows.get(provider)
        return None if row is None else row.base_url

    def price_address(self, provider: str) -> str | None:
        """The address by which the price data knows who bills for the provider's models."""
        row = self._rows.get(provider)
        return None if row is None else row.price_address

    def stated_prices(self, model: Model) -> Prices | None:
        """The prices that the configuration states, or another source where the price data does not know the model."""
        row = self._rows.get(model.provider)
        if row is None:
            return model.prices
        return pricing.plain_prices(
            stated=row.prices_of(model.name), listed=model.prices, base_url=row.price_address, name=model.name
        )

    def candidates(
        self,
        model: str,
        policy: Policy = Policy(),
        *,
        parameters: frozenset[str] = frozenset(),
        tokens: int = 0,
        tools_of: frozenset[str] = frozenset(),
    ) -> Selection:
        """The route for `model` under `policy`; `parameters` are the fields the request sets, `tokens` its least size.

        `tools_of` are the providers whose built-in tools the request brings.

        Raises:
            ConfigurationError: the name means nothing here, or several things.
            NoCandidateError: it has a meaning, but nothing may serve; the message has the reason for every model.

        """
        needs: frozenset[Capability] = policy.needs if policy.needs & _KINDS else policy.needs | _CHAT
        requirements = Requirements(
            needs=needs,
            tier=None if policy.tier is None else one_of(TIERS, policy.tier, "tier"),
            sensitivity=one_of(SENSITIVITIES, policy.sensitivity, "sensitivity"),
            parameters=parameters,
            tokens=tokens - tokens % _TOKEN_STEP,
            tools_of=tools_of,
            regions=names(policy.regions, "regions"),
            allow=names(policy.allow, "allow"),
            deny=names(policy.deny, "deny"),
        )
        branch = 0
        if model.startswith(_ROUTE):
            size = tokens * _LEAST_BYTES // _USUAL_BYTES
            call = Circumstances(
                category=policy.category, sensitivity=policy.sensitivity, tokens=size, needs=policy.needs
            )
            branch = self.routes.branch(model.removeprefix(_ROUTE), call)
        any_tier = policy.strategy == "quality" and policy.tier is None
        return self._select(model, requirements, branch, any_tier)

    def _candidates(self, model: str, requirements: Requirements, branch: int, any_tier: bool) -> Selection:  # noqa: FBT001  # positional for the cache
        self._check(requirements, model)
        named = model != "auto"
        route = self._resolve(model)[branch] if named else Branch(self._ranked(requirements), RouteRules())
        selection = replace(select(route.models, requirements, named=named), rules=route.rules)
        if not named and not any_tier:
            selection = at_most(selection, requirements.tier)
        if not named and requirements.needs & {"embeddings"}:
            selection = _one_vector_space(selection)
        if not named and self.unreachable:
            selection = self._without_silent(selection)
        if not selection.candidates:
            raise no_candidate(model, requirements.needs, selection.dropped)
        return selection

    def _without_silent(self, selection: Selection) -> Selection:
        """A server that the user named and that is down must not end in a stand-in's answer either."""
        silent = (Dropped(f"{provider}/*", "unreachable", why) for provider, why in self.unreachable.items())
        stand_ins = tuple(
            Dropped(model.id, "stand_in", "an offline stand-in, and a server is configured")
            for model in selection.candidates
            if model.quality is not None
        )
        real = tuple(model for model in selection.candidates if model.quality is None)
        return Selection(real, (*selection.dropped, *silent, *stand_ins))

    def _ranked(self, requirements: Requirements) -> tuple[Model, ...]:
        """What `auto` may mean: the models of the kind that is asked for, in order of preference."""
        kind = requirements.needs & (_KINDS | _CHAT)
        return rank((model for model in self._served.values() if kind <= model.capabilities), requirements.tier)

    def _resolve(self, model: str) -> tuple[Branch, ...]:
        if model.startswith(_ROUTE):
            return self.routes.named(model.removeprefix(_ROUTE))
        return (Branch((self._one(model),), RouteRules()),)

    def _check_consulted(self, name: str, able: Capability, *, place: str) -> None:
        """ConfigurationError for a model of the settings that is none, or not of that kind."""
        try:
            models = [model for branch in self._resolve(name) for model in branch.models]
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: {error}") from None
        if not any(able in model.capabilities for model in models):
            raise ConfigurationError(f"{place}: {name!r} cannot do {able!r}; name another model")

    def _check(self, requirements: Requirements, asked: str) -> None:
        """ConfigurationError for a policy that means nothing."""
        for pattern in sorted(requirements.allow | requirements.deny):
            if pattern != asked:
                check_pattern(pattern, providers=self._providers, models=self._ids_of)

    def _ids_of(self, provider: str) -> frozenset[str]:
        """The models that are known of the provider, be it only by a route."""
        routed = (model for name in self.routes.names for one in self.routes.named(name) for model in one.models)
        if provider in self.unreachable:
            return frozenset()  # whatever its server may have
        known = self._collected([provider] if provider in self._rows else [])
        return frozenset(model.id for model in (*known.values(), *routed) if model.provider == provider)

    @property
    def _providers(self) -> Mapping[str, None]:
        return dict.fromkeys([*self._rows, *(model.provider for model in self._given.values())])

    def _one(self, name: str) -> Model:
        """The one model that `name` means."""
        found = self.get(name)
        if found is not None:
            return found
        matches = [model for model in self._all().values() if model.name == name]
        ready = [model for model in matches if model.ready]
        if len(matches) == 1 or len(ready) == 1:
            return (ready or matches)[0]
        if matches:
            ids = ", ".join(sorted(model.id for model in matches))
            raise ConfigurationError(f"the model name {name!r} means several models; write one of {ids}")
        raise ConfigurationError(f"the model {name!r} is not known; {self._advice(name)}")

    def _advice(self, name: str) -> str:
        provider, slash, rest = name.partition("/")
        if slash and provider not in self._providers:
            near = get_close_matches(provider, self._providers, n=1)
            if near:
                return f"did you mean '{near[0]}/{rest}'?"
        known = [*self._all(), *(model.name for model in self._all().values())]
        return nearest(name, known) or "write provider/model, and see `orchestrate models` for those there are"

    def _all(self) -> dict[str, Model]:
        if self._known is None:
            self._known = self._collected(self._rows)
        return self._known

    def _collected(self, providers: Iterable[str]) -> dict[str, Model]:
        known = dict(self._served)
        for provider in providers:
            for name in self._names(provider, self._rows[provider]):
                model_id = f"{provider}/{name}"
                if model_id not in known and (model := self._deployment(provider, name)).capabilities:
                    known[model_id] = model
        return known

    def _names(self, provider: str, row: ProviderRow) -> Iterable[str]:
        """What public tables list for the provider, where it is the one that they mean."""
        known = (*row.names, *listed(provider)) if provider in builtin_rows() else row.names
        priced = row.lists_priced and row.price_address is not None
        more = (one.name for one in pricing.listings(row.price_address or "")) if priced else ()
        return dict.fromkeys((*known, *more))

    def _deployment(self, provider: str, name: str) -> Model:
        row = self._rows[provider]
        model_id = f"{provider}/{name}"
        missing = self._missing_of(row) or self._missing.get(model_id)
        priced = pricing.listing(row.price_address, name)
        found = facts(row.priced_as or provider, name)
        if found is not None and provider in self._own:
            found = found.without(self._own[provider].capabilities)
        capabilities, wire = row.capabilities_of(name, found), row.wire_of(name, found)
        public = priced.prices if priced is not None and priced.prices is not None else found.prices if found else None
        return Model(
            id=model_id,
            provider=provider,
            name=name,
            wire=wire,
            capabilities=capabilities,
            context=(found and found.context)
            or (priced and priced.context)
            or (row.context if "chat" in capabilities else None),
            max_output=found.max_output if found else None,
            tier=row.tier_of(name),
            prices=row.prices_of(name) or public,
            data_policy=DataPolicy(clearance=row.effective_clearance, **row.data_policy.model_dump()),
            quality=row.quality_of(name),
            unsupported=row.unsupported_by(name, found) | unsupported_by(wire, row.profile.renamed),
            prefill=row.takes_prefill(name),
            repeats_prefill=row.repeats_prefill,
            structured_by=row.structured_by,
            ready=missing is None,
            missing=missing,
        )

    def _missing_of(self, row: ProviderRow) -> str | None:
        """The first variable that is not set: the key's, or one of the address; or what is wrong with one.

        Raises:
            ConfigurationError: the key of a provider that serves `auto` cannot be one. A stand-in must not hide that.

        """
        try:
            return self._unset_of(row)
        except ConfigurationError as error:
            if row.auto and not (row.base_url is not None and "$" in row.base_url):
                raise
            return str(error)

    def _unset_of(self, row: ProviderRow) -> str | None:
        if row.auth == "sigv4" and (missing := missing_variable(row, self._environment)) is not None:
            return missing
        if row.auth != "sigv4" and row.api_key_env is not None and self._environment.key(row.api_key_env) is None:
            return row.api_key_env
        if row.base_url is None or "$" not in row.base_url:
            return None
        return address.unset(address.filled(row.base_url, self._environment.get))


def _consulted(settings: Settings) -> Iterator[tuple[str, str, Capability]]:
    """The models that parts of the gateway ask. A bare name may be one that a server lists only when it is asked."""
    safety, similar = settings.safety, settings.cache.semantic
    if safety.active and safety.model is not None and "/" in safety.model:
        yield "[safety] model", safety.model, "moderation" if safety.backend == "moderation" else "chat"
    if settings.cache.active and similar.active and "/" in similar.model:
        yield "[cache.semantic] model", similar.model, "embeddings"


def _one_vector_space(selection: Selection) -> Selection:
    """Vectors of two models cannot be compared, so `auto` keeps to its first choice."""
    others = [
        Dropped(model.id, "other_vectors", "its vectors could not be compared with the first model's")
        for model in selection.candidates[1:]
    ]
    return Selection(selection.candidates[:1], (*selection.dropped, *others))
