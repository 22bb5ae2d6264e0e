"""What the names of routes mean: the settings' tables with every model looked up, and every fault found at load."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from unified_api.errors import ConfigurationError
from unified_api.known_answers import read_answers
from unified_api.models import Escalation, Model, RouteRules
from unified_api.routing.conditions import Circumstances, Condition, first_that_holds
from unified_api.settings import Route, Settings
from unified_api.types import Capability

__all__ = ["Branch", "Routes", "nearest"]

Lookup = Callable[[str], Model]
"""The one model that a name means; ConfigurationError where there is none."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Models in order of preference, those of last resort at the end, and what the route says of their calls."""

    models: tuple[Model, ...]
    rules: RouteRules


@dataclass(frozen=True, slots=True)
class _Looked:
    """One route, looked up."""

    conditions: tuple[Condition, ...]
    branches: tuple[Branch, ...]
    """One for each condition, and the route's own."""


class Routes:
    """The routes of the settings. Immutable once made."""

    def __init__(self, settings: Settings, lookup: Lookup) -> None:
        """Raises ConfigurationError for routes that name a model that is not known, or one model twice."""
        self._tables = settings.routes
        self._lookup = lookup
        self._folder = Path() if settings.path is None else settings.path.parent
        self._looked: dict[str, _Looked] = {}
        faults: list[str] = []
        for name, route in self._tables.items():
            try:
                self._looked[name] = self._look_up(name, route)
            except ConfigurationError as error:
                faults.append(f"[routes.{name}]: {error}")
        if faults:
            raise ConfigurationError(f"{settings.path}: " + "\n  ".join(faults))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._looked)

    @property
    def rules(self) -> tuple[RouteRules, ...]:
        """Of every branch of every route."""
        return tuple(branch.rules for looked in self._looked.values() for branch in looked.branches)

    def named(self, name: str) -> tuple[Branch, ...]:
        """The route's branches, one for each of its conditions and the one for all other calls."""
        return self._route(name).branches

    def branch(self, name: str, call: Circumstances) -> int:
        """The place of the branch that serves such a call."""
        conditions = self._route(name).conditions
        place = first_that_holds(conditions, call)
        return len(conditions) if place is None else place

    def _route(self, name: str) -> _Looked:
        looked = self._looked.get(name)
        if looked is None:
            hint = nearest(name, self._looked) or "name one in [routes.NAME]"
            raise ConfigurationError(f"there is no route {name!r}; {hint}")
        return looked

    def _look_up(self, name: str, route: Route) -> _Looked:
        last = self._models(route.last_resort)
        plain = RouteRules(
            name=name,
            last_resort=frozenset(model.id for model in last),
            hedge=route.hedge,
            timeouts=route.timeouts.stated,
            escalation=self._escalation(route),
        )
        strategy = (
            "priority" if route.strategy == "weighted" else route.strategy
        )  # weights are of the route's own models
        conditions, branches = [], []
        for table in route.when:
            conditions.append(
                Condition(
                    categories=frozenset(one.casefold() for one in table.category),
                    sensitivity=table.sensitivity,
                    at_least=table.tokens_at_least,
                    at_most=table.tokens_at_most,
                    needs=table.needs,
                )
            )
            rules = replace(plain, strategy=strategy, because=str(conditions[-1]))
            branches.append(_branch((*self._models(table.models), *last), rules))
        weights = {self._lookup(model).id: weight for model, weight in route.weights.items()}
        rules = replace(plain, strategy=route.strategy, weights=weights)
        branches.append(_branch((*self._models(route.models), *last), rules))
        return _Looked(tuple(conditions), tuple(branches))

    def _models(self, names: tuple[str, ...]) -> tuple[Model, ...]:
        for name in names:
            if name == "auto" or name.startswith("route/"):
                raise ConfigurationError(f"it may only list models, not {name!r}")
        return tuple(self._lookup(name) for name in names)

    def _escalation(self, route: Route) -> Escalation | None:
        table = route.escalate
        if table is None:
            return None
        if table.judge is not None:
            self._check_judge(table.judge)
        return Escalation(
            evaluator=table.evaluator,
            threshold=0.5 if table.threshold is None else table.threshold,
            model=table.judge or (None if table.embedder is None else self._able(table.embedder, "embeddings")),
            examples=() if table.examples is None else read_answers(self._folder / Path(table.examples).expanduser()),
            criteria=table.criteria,
            patience_s=table.timeout_s,
        )

    def _check_judge(self, judge: str) -> None:
        if judge.startswith("route/"):
            name = judge.removeprefix("route/")
            if name not in self._tables:
                hint = nearest(name, self._tables) or "name one in [routes.NAME]"
                raise ConfigurationError(f"escalate: the judge {judge!r} is no route; {hint}")
        elif judge != "auto":
            self._able(judge, "chat")

    def _able(self, name: str, capability: Capability) -> str:
        """The id of the model that an evaluator asks."""
        try:
            model = self._lookup(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"escalate: {error}") from None
        if capability not in model.capabilities:
            able = ", ".join(sorted(model.capabilities)) or "nothing that is known"
            raise ConfigurationError(
                f"escalate: {model.id} cannot do {capability!r} (it does {able}); name another model"
            )
        return model.id


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """A question about the names most like `name`, or None where none is."""
    near = get_close_matches(name, list(dict.fromkeys(valid)), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(one) for one in near)}?" if near else None


def _branch(models: tuple[Model, ...], rules: RouteRules) -> Branch:
    ids = [model.id for model in models]
    twice = next((model_id for model_id in ids if ids.count(model_id) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{twice!r} is there twice, under two names; leave one of them out")
    if rules.escalation is not None and len(models) - len(rules.last_resort) < 2:
        rules = replace(rules, escalation=None)  # nobody is left who could do better
    if rules.escalation is not None and rules.escalation.evaluator == "logprobs":
        _check_probabilities(models, rules)
    return Branch(models, rules)


def _check_probabilities(models: tuple[Model, ...], rules: RouteRules) -> None:
    judged = [model for model in models if model.id not in rules.last_resort][:-1]
    if all("logprobs" in model.unsupported for model in judged):
        raise ConfigurationError(
            f"escalate: {' and '.join(model.id for model in judged)} tell no probabilities of their tokens, so "
            "evaluator = 'logprobs' would reject nothing; name another evaluator, such as 'judge'"
        )
