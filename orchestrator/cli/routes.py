"""`orchestrate routes`: which routes there are, and what each would do with a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import console, words
from orchestrator.cli.errors import CommandError
from orchestrator.cli.options import JsonOption, Sensitivity

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator
    from unified_api.catalog import Catalog
    from unified_api.models import Dropped, RouteRules
    from unified_api.routes import Branch
    from unified_api.types import Json, JsonObject

__all__ = ["routes"]

_ORDERS = {
    "priority": "asked in this order",
    "cost": "the cheapest for the call first",
    "latency": "the fastest of late first",
    "quality": "the highest tier first",
    "weighted": "by chance with weights, each user and session on one side",
}


def routes(
    name: Annotated[str | None, typer.Argument(help="One route, with who may be asked and who not.")] = None,
    sensitivity: Annotated[Sensitivity, typer.Option("--sensitivity", "-s", help="For data of this label.")] = (
        Sensitivity.PUBLIC
    ),
    as_json: JsonOption = False,
) -> int:
    """List the routes of the configuration, or show one: its models in order, those that may not be asked, its rules.

    \b
    Examples:
      orchestrate routes
      orchestrate routes document-analysis
      orchestrate routes document-analysis --sensitivity internal
      orchestrate routes --json
    """
    from orchestrator.cli import launch

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        catalog = orchestrator.gateway.catalog
        if name is not None:
            _must_be_known(name, catalog)
        if as_json:
            shapes: list[Json] = [_shape(one, catalog, sensitivity) for one in catalog.routes.names]
            console.print_json(shapes if name is None else _shape(name, catalog, sensitivity))
        elif name is None:
            _list(catalog)
        else:
            _show(name, catalog, sensitivity)
        return 0

    return launch.perform(work, launch.Launch(as_json=as_json))


def _must_be_known(name: str, catalog: Catalog) -> None:
    from workflows.nearest import nearest

    known = catalog.routes.names
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(known) or 'none'}"
        raise CommandError(f"no route is named {name!r}: {hint}", status=2)


def _list(catalog: Catalog) -> None:
    for name in catalog.routes.names:
        *conditional, usual = catalog.routes.named(name)
        models = ", ".join(model.id for model in usual.models if model.id not in usual.rules.last_resort)
        more = f" (and {words.plural(len(conditional), 'condition')})" if conditional else ""
        console.print_result(f"{name}: {models}{more}")
    if not catalog.routes.names:
        console.say("The configuration names no route; [routes.NAME] does, and examples/routes.toml has ready ones.")


def _show(name: str, catalog: Catalog, sensitivity: Sensitivity) -> None:
    for branch in catalog.routes.named(name):
        because = branch.rules.because
        console.print_result(f"route/{name}" + (f", where {because}:" if because else ":"))
        number = 0
        for model, dropped in _judged(branch, sensitivity):
            number += dropped is None
            mark = f"{number}." if dropped is None else " -"
            last = " (last resort)" if model in branch.rules.last_resort else ""
            weight = branch.rules.weights.get(model)
            share = "" if weight is None else f" ({weight / sum(branch.rules.weights.values()):.0%})"
            console.print_result(f"  {mark} {model}{share}{last}" + ("" if dropped is None else f": {dropped.reason}"))
        for line in _rules(branch.rules):
            console.print_result(f"  {line}")


def _judged(branch: Branch, sensitivity: Sensitivity) -> list[tuple[str, Dropped | None]]:
    """Every model of the branch in its order, and why it may not be asked. What single calls need is not known here."""
    from unified_api.models import Requirements
    from unified_api.routing.filters import drop

    asked = Requirements(sensitivity=sensitivity.value)
    return [(model.id, drop(model, asked, named=True)) for model in branch.models]


def _rules(rules: RouteRules) -> list[str]:
    told = [_ORDERS[rules.strategy]]
    if rules.hedge:
        told.append("a slow model is raced by the next one")
    if rules.timeouts:
        told.append("timeouts: " + ", ".join(f"{key} = {seconds:g}" for key, seconds in rules.timeouts.items()))
    escalation = rules.escalation
    if escalation is not None:
        by = f" ({escalation.model})" if escalation.model else ""
        like = f", like one of {words.plural(len(escalation.examples), 'good answer')}" if escalation.examples else ""
        told.append(
            f"an answer that {escalation.evaluator}{by}{like} scores below {escalation.threshold:g} is asked of the "
            "next model"
        )
    return told


def _shape(name: str, catalog: Catalog, sensitivity: Sensitivity) -> JsonObject:
    *conditional, usual = catalog.routes.named(name)
    rules = usual.rules
    when: list[Json] = [
        {"condition": one.rules.because, "models": _models_shape(one, sensitivity)} for one in conditional
    ]
    timeouts: JsonObject = dict(rules.timeouts)
    return {
        "name": name,
        "models": _models_shape(usual, sensitivity),
        "strategy": rules.strategy,
        "hedge": rules.hedge,
        "timeouts": timeouts,
        "when": when,
        "escalate": _escalation_shape(rules),
    }


def _models_shape(branch: Branch, sensitivity: Sensitivity) -> list[Json]:
    return [
        {
            "model": model,
            "may_be_asked": dropped is None,
            "dropped": None if dropped is None else {"code": dropped.code, "reason": dropped.reason},
            "last_resort": model in branch.rules.last_resort,
            "weight": branch.rules.weights.get(model),
        }
        for model, dropped in _judged(branch, sensitivity)
    ]


def _escalation_shape(rules: RouteRules) -> JsonObject | None:
    one = rules.escalation
    if one is None:
        return None
    return {
        "evaluator": one.evaluator,
        "threshold": one.threshold,
        "model": one.model,
        "criteria": one.criteria,
        "examples": len(one.examples),
        "timeout_s": one.patience_s,
    }
