"""Who may serve one call and in which order: the catalog's remembered selection, and what only this call can decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from unified_api import pricing
from unified_api.catalog import Catalog
from unified_api.errors import ConfigurationError
from unified_api.estimates import Worst, held, kinds_of, likely_usage, longest_answer
from unified_api.fitting import Ways, left_out, must_hold, way_of
from unified_api.models import Dropped, Model, Prices, Selection
from unified_api.needs import AnyRequest, least_tokens, needs_of, tools_of, worst_tokens
from unified_api.policy_words import STRATEGIES, no_candidate, one_of
from unified_api.routing.filters import at_most_usd
from unified_api.routing.latency import Kind
from unified_api.routing.ranking import by_cost, by_latency, by_quality, by_weight, chance_of
from unified_api.types import Capability, Policy, Request, Strategy, Usage
from unified_api.unbounded import most_searches, why_unbounded
from unified_api.worst_prices import dearest

__all__ = ["Selecting"]

_WRITE: frozenset[Capability] = frozenset({"chat", "image_output"})
"""Whose answers are paid for by what they hold."""
_FIXED: frozenset[Strategy] = frozenset({"priority", "quality"})
"""Orders that are the same for every call."""


class Selecting:
    """Chooses among the models of `catalog`."""

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        *,
        random: Callable[[], float],
        seconds: Callable[[Model, Kind], float | None],
        refused_ways: Ways,
    ) -> None:
        """Take what the choice goes by: chance, how fast models were lately, and which ways of asking were refused."""
        self._catalog = catalog
        self._random = random
        self._seconds = seconds
        self._refused_ways = refused_ways
        self._billed: tuple[Catalog | None, dict[str, tuple[Prices | None, str | None]]] = (None, {})

    def select(self, request: AnyRequest, policy: Policy) -> Selection:
        """Who may serve, in the order of asking. NoCandidateError where nobody may."""
        policy = replace(policy, needs=policy.needs | needs_of(request))
        selection = self._eligible(request, policy)
        strategy = _strategy(selection, policy)
        if strategy != "priority":
            selection = self._ordered(selection, strategy, request, policy)
        if request.model == "auto" and isinstance(request, Request) and request.output_schema is not None:
            # What can be made to keep to the schema is asked before what can only be told of it.
            refused = self._refused_ways
            ordered = sorted(selection.candidates, key=lambda one: way_of(one, refused.get(one.id, set())) == "words")
            selection = replace(selection, candidates=tuple(ordered))
        return selection

    def worst_cost(self, request: AnyRequest, policy: Policy) -> Worst | None:
        """The most that a call may cost whose selection is not made yet; None for an unknown price."""
        selection = self._eligible(request, replace(policy, needs=policy.needs | needs_of(request)))
        if not policy.fallback and policy.caller.session is None and _strategy(selection, policy) in _FIXED:
            selection = self.select(request, policy)
            selection = replace(selection, candidates=selection.candidates[:1])
        return self._worst(selection, request, policy)

    def priced(self, selection: Selection, request: AnyRequest, policy: Policy) -> tuple[Selection, Worst | None]:
        """The selection without those of whom nobody knows what they cost, and the most that its call may cost: the
        dearest candidate that may be asked, at the longest answer. The same and None where nobody would be left.
        """
        asked = worst_tokens(request)
        costs = {one.id: self._worst_of(one, request, policy, asked) for one in selection.candidates}
        unknown = [name for name, cost in costs.items() if cost is None]
        if len(unknown) == len(costs):
            return selection, None
        if unknown:
            kept = tuple(one for one in selection.candidates if costs[one.id] is not None)
            reason = "nobody knows what it may cost, and its caller has a budget"
            dropped = (*selection.dropped, *(Dropped(name, "unknown_price", reason) for name in unknown))
            selection = replace(selection, candidates=kept, dropped=dropped)
        asked_of = selection.candidates if policy.fallback else selection.candidates[:1]
        dearest = max(costs[one.id] or Decimal(0) for one in asked_of)
        return selection, Worst(dearest, _paid_together(selection, request, policy))

    def price(self, model: Model, echoed: str, usage: Usage) -> Decimal | None:
        """By the echoed name first: an alias is billed as the dated model it stands for."""
        plain, address = self._billing(model)
        writes = bool(model.capabilities & _WRITE) or not model.capabilities
        if writes and usage.input_tokens == usage.output_tokens == 0:
            usage = Usage()  # no call reads nothing: its provider did not count
        return pricing.charge(
            usage,
            plain=plain,
            base_url=address,
            names=(echoed, model.name) if echoed else (model.name,),
            writes=writes,
        )

    def _eligible(self, request: AnyRequest, policy: Policy) -> Selection:
        selection = self._catalog().candidates(
            request.model,
            policy,
            parameters=must_hold(request, policy),
            tokens=least_tokens(request),
            tools_of=tools_of(request),
        )
        return self._affordable(request, policy, selection)

    def _affordable(self, request: AnyRequest, policy: Policy, selection: Selection) -> Selection:
        """Without what may cost more than the policy allows."""
        ceiling = policy.max_cost_usd
        if ceiling is None:
            return selection
        if not (ceiling.is_finite() and ceiling >= 0):
            raise ConfigurationError(f"max_cost_usd is {ceiling}; give US dollars, 0 for models that cost nothing")
        asked = worst_tokens(request)
        kept, dear = at_most_usd(
            selection.candidates, ceiling, lambda model: self._worst_of(model, request, policy, asked)
        )
        dropped = (*selection.dropped, *dear)
        if not kept:
            raise no_candidate(request.model, policy.needs, dropped)
        return replace(selection, candidates=tuple(kept), dropped=dropped)

    def _ordered(self, selection: Selection, strategy: Strategy, request: AnyRequest, policy: Policy) -> Selection:
        rules = selection.rules
        ordinary = [one for one in selection.candidates if one.id not in rules.last_resort]
        last = [one for one in selection.candidates if one.id in rules.last_resort]
        match strategy:
            case "cost":
                usage = likely_usage(request)
                ranked = by_cost(ordinary, lambda model: _dollars(model, *usage))
            case "latency":
                kind: Kind = "first_content" if "streaming" in policy.needs else "whole"
                ranked = by_latency(ordinary, lambda model: self._seconds(model, kind))
            case "quality":
                ranked = by_quality(ordinary)
            case _:
                ranked = by_weight(ordinary, rules.weights, self._chance(rules.name, policy))
        return replace(selection, candidates=(*ranked, *last))

    def _chance(self, route: str, policy: Policy) -> Callable[[Model], float]:
        """One user's calls go one way: the session's where there is one, else the user's, else anybody's guess."""
        caller = policy.caller
        who = f"session\0{caller.session}" if caller.session else f"user\0{caller.user}" if caller.user else None
        if who is None:
            return lambda _: self._random()
        return lambda model: chance_of(f"{route}\0{caller.tenant}\0{who}", model)

    def _worst(self, selection: Selection, request: AnyRequest, policy: Policy) -> Worst | None:
        asked, dearest = worst_tokens(request), Decimal(0)
        for model in selection.candidates:
            cost = self._worst_of(model, request, policy, asked)
            if cost is None:
                return None
            dearest = max(dearest, cost)
        return Worst(dearest, _paid_together(selection, request, policy))

    def _worst_of(self, model: Model, request: AnyRequest, policy: Policy, asked: int) -> Decimal | None:
        """The most that one try may cost; `asked` is the prompt's greatest size."""
        longest = longest_answer(request, model, left_out(request, policy, model.unsupported))
        usage = Usage(input_tokens=held(asked, request, model), output_tokens=longest)
        stated, address = self._billing(model)
        if stated is not None and pricing.plain_cost(usage, stated) == 0:
            return Decimal(0)
        if why_unbounded(request, model) is not None:
            return None
        searches = most_searches(request) or 0
        if searches and model.context is not None:  # what was found is read again at every turn
            usage = replace(usage, input_tokens=model.context * (1 + searches))
        if stated is None:
            given, made = usage.input_tokens or 0, usage.output_tokens or 0
            prices = dearest(address, model.name, tokens=given, shown=kinds_of(request))
            if prices is not None:
                return prices.cost(given, made, searches)
        return self.price(model, "", usage)

    def _billing(self, model: Model) -> tuple[Prices | None, str | None]:
        """The prices that the catalog states, and who bills; both stay what they are as long as the catalog does."""
        catalog = self._catalog()
        if catalog is not self._billed[0]:
            self._billed = (catalog, {})
        billing = self._billed[1].get(model.id)
        if billing is None:
            billing = catalog.stated_prices(model), catalog.price_address(model.provider)
            self._billed[1][model.id] = billing
        return billing


def _paid_together(selection: Selection, request: AnyRequest, policy: Policy) -> int:
    """How many candidates may each have a bill for one call that succeeds."""
    if not policy.fallback:
        return 1
    most = 1
    if selection.rules.hedge if policy.hedge is None else policy.hedge:
        most = 2
    if selection.rules.escalation is not None and isinstance(request, Request):
        most = policy.max_attempts
    return max(min(most, policy.max_attempts, len(selection.candidates)), 1)


def _strategy(selection: Selection, policy: Policy) -> Strategy:
    strategy = one_of(STRATEGIES, policy.strategy or selection.rules.strategy, "strategy")
    if strategy == "weighted" and not selection.rules.weights:
        raise ConfigurationError(
            "the strategy 'weighted' goes by the weights of a route; write them into [routes.NAME.weights] and call "
            "route/NAME"
        )
    return strategy


def _dollars(model: Model, given: int, made: int) -> float | None:
    """What the call will about cost, by the price of its tokens."""
    prices = model.prices
    if prices is None or prices.input is None or (prices.output is None and made):
        return None
    return float(prices.input) * given + float(prices.output or 0) * made
