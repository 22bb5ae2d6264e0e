"""What the checks are told of models, by the real catalog."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator.catalog import CatalogModels
from unified_api.catalog import Catalog
from unified_api.gateway import Gateway
from unified_api.models import Prices
from unified_api.settings import Settings
from unified_api.testing import scripted_gateway
from unified_api.types import Message, Policy, Request
from workflows import library
from workflows.checks import check
from workflows.model import ModelNeeds, Workflow
from workflows.models import KnownModels

CHAT = frozenset({"chat"})
KEY = {"OPENAI_API_KEY": "sk-" + "a" * 40, "ANTHROPIC_API_KEY": "sk-" + "b" * 40}


def catalog(**environment: str) -> CatalogModels:
    return CatalogModels(Catalog(Settings.load(environ={"HOME": "/nowhere", **environment})))


def test_the_catalog_is_one_that_knows_prices_and_sizes():
    assert isinstance(catalog(), KnownModels)


def test_candidates_come_in_the_order_of_asking_with_their_facts():
    models = catalog(**KEY)
    found = models.candidates(ModelNeeds(tier="economy"), needs=CHAT, sensitivity="public")
    assert {one.provider for one in found} == {"openai", "anthropic"}
    assert all(one.context and one.least and one.most and one.usual for one in found)
    assert all(one.least_s > 0 for one in found)


def test_a_model_without_its_key_is_no_candidate():
    assert catalog().candidates("openai/gpt-4o", needs=CHAT, sensitivity="public") == ()
    assert catalog().candidates("nobody/nothing", needs=CHAT, sensitivity="public") == ()


def test_who_is_not_cleared_is_no_candidate():
    models = catalog(**KEY)
    assert models.candidates("openai/gpt-4o", needs=CHAT, sensitivity="internal")
    assert models.candidates("openai/gpt-4o", needs=CHAT, sensitivity="restricted") == ()


def test_the_least_price_is_no_higher_than_the_usual_and_that_than_the_most():
    models = catalog(**KEY)
    asked = [
        models.candidates(ModelNeeds(tier=tier), needs=CHAT, sensitivity="public") for tier in ("economy", "premium")
    ]
    for one in (one for found in asked for one in found):
        assert one.least is not None
        assert one.usual is not None
        assert one.most is not None
        costs = [rates.cost(1_000, 100) for rates in (one.least, one.usual, one.most)]
        assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (Prices(input=Decimal(1), output=Decimal(10)), Decimal("0.002")),
        (Prices(input=Decimal(0), output=Decimal(0)), Decimal(0)),
        (Prices(input=Decimal(1)), None),
        (None, None),
    ],
)
def test_stated_prices_count_and_unknown_ones_are_unknown(prices: Prices | None, expected: Decimal | None):
    gateway = scripted_gateway({"scripted/model": "x"}, prices=prices)
    [one] = CatalogModels(gateway.catalog).candidates("scripted/model", needs=CHAT, sensitivity="public")
    assert (None if one.usual is None else one.usual.cost(1_000, 100)) == expected
    assert one.least_s == 0


def test_where_answers_are_kept_a_call_may_cost_and_take_nothing():
    settings = Settings.load(environ={"HOME": "/nowhere", **KEY})
    models = CatalogModels(Catalog(settings), keeps_answers=True)
    [one] = models.candidates("openai/gpt-4o", needs=CHAT, sensitivity="public")
    assert one.least is not None
    assert one.most is not None
    assert (one.least.cost(1_000, 100), one.least_s) == (0, 0)
    assert one.most.cost(1_000, 100) > 0


def test_what_the_checks_take_a_call_to_cost_at_most_is_what_the_gateway_reserves():
    settings = Settings.load(environ={"HOME": "/nowhere", **KEY})
    models = CatalogModels(Catalog(settings))
    gateway = Gateway(settings)
    for model in ("openai/gpt-4o", "anthropic/claude-sonnet-4-5"):
        [one] = models.candidates(model, needs=CHAT, sensitivity="public")
        request = Request(model=model, messages=(Message.user("x" * 600),), max_tokens=100)
        reserved = gateway.estimate(request, Policy(fallback=False))
        assert one.most is not None
        assert reserved is not None
        assert one.most.cost(600, 100) <= reserved <= one.most.cost(700, 100)


def test_of_a_route_with_conditions_every_branch_may_serve(tmp_path: Path):
    config = tmp_path / "orchestrator.toml"
    config.write_text(
        """
        [routes.main]
        models = ["openai/gpt-4o"]
        [[routes.main.when]]
        tokens_at_least = 100000
        models = ["openai/gpt-4.1"]
        """,
        encoding="utf-8",
    )
    settings = Settings.load(environ={"ORCHESTRATOR_CONFIG": str(config), **KEY})
    models = CatalogModels(Catalog(settings))
    found = models.candidates("route/main", needs=CHAT, sensitivity="public")
    assert [one.model for one in found] == ["openai/gpt-4o", "openai/gpt-4.1"]
    long = {"id": "a", "kind": "llm", "model": "route/main", "prompt": "x" * 6 * 200_000}
    flow = Workflow.model_validate({"workflow": "1", "name": "x", "steps": [long]})
    assert check(flow, models=models) == ()


@pytest.mark.parametrize("name", library.names())
def test_nothing_is_proved_against_the_library(name: str):
    assert check(library.load(name), models=catalog(**KEY)) == ()


def test_a_large_workflow_is_proved_within_seconds():
    prompts = ["x", *(f"{{{{ steps.s{number}.output }}}}" for number in range(9_999))]
    steps = [
        {"id": f"s{number}", "kind": "llm", "model": {"tier": "economy"}, "prompt": prompt}
        for number, prompt in enumerate(prompts)
    ]
    policy = {"budget_usd": 0.0001, "deadline_s": 5}
    flow = Workflow.model_validate({"workflow": "1", "name": "x", "steps": steps, "policy": policy})
    told = {one.code for one in check(flow, models=catalog(**KEY))}
    assert {"over_budget", "deadline_unreachable"} <= told
