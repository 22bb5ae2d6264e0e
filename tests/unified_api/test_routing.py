from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.models import DataPolicy, Model, Requirements
from unified_api.routing.conditions import Circumstances, Condition, first_that_holds
from unified_api.routing.filters import at_most_usd, select
from unified_api.routing.ranking import by_cost, by_latency, by_quality, by_weight, chance_of, rank
from unified_api.types import SENSITIVITIES


def model(name: str, **facts: object) -> Model:
    provider, _, rest = name.partition("/")
    facts = {"capabilities": frozenset({"chat"}), **facts}
    return Model(id=name, provider=provider, name=rest, wire="openai_chat", **facts)


def test_clearances_are_ordered() -> None:
    for highest, cleared in enumerate(SENSITIVITIES):
        one = model("a/m", data_policy=DataPolicy(clearance=cleared))
        passing = [s for s in SENSITIVITIES if select([one], Requirements(sensitivity=s), named=True).candidates]
        assert passing == list(SENSITIVITIES[: highest + 1])


def test_every_model_is_either_a_candidate_or_dropped_with_a_reason() -> None:
    models = [
        model("a/can"),
        model("a/keyless", ready=False, missing="A_KEY"),
        model("a/unready", ready=False, missing="the weights: pull them"),
        model("a/short", context=5),
        model("a/demo", quality="demo"),
        model("a/embedder", capabilities=frozenset({"embeddings"})),
    ]
    found = select(models, Requirements(needs=frozenset({"chat"}), tokens=6), named=False)
    assert [one.id for one in found.candidates] == ["a/can"]
    assert {drop.model: drop.code for drop in found.dropped} == {
        "a/keyless": "no_credentials",
        "a/unready": "not_ready",
        "a/short": "context_too_small",
        "a/demo": "stand_in",
        "a/embedder": "missing_capability",
    }
    assert all(drop.reason for drop in found.dropped)


def test_ranking_prefers_real_remote_near_and_cheap_in_this_order() -> None:
    models = [
        model("z/demo", quality="demo", tier="standard"),
        model("a/premium", tier="premium"),
        model("a/economy", tier="economy"),
        model("a/standard", tier="standard"),
        model("b/untiered"),
    ]
    assert [m.id for m in rank(models, None)] == ["a/standard", "b/untiered", "a/economy", "a/premium", "z/demo"]
    assert [m.id for m in rank(models, "premium")][:3] == ["a/premium", "b/untiered", "a/standard"]


@pytest.mark.parametrize(
    ("stated", "asked", "serves"),
    [
        ("eu", {"eu"}, True),
        ("europe", {"eu"}, True),
        ("EU", {"Europe"}, True),
        ("us", {"eu"}, False),
        ("us", {"eu", "us"}, True),
        (None, {"eu"}, False),
        (None, set(), True),
        ("eu-west-2", {"eu"}, False),
        ("this machine", {"local"}, True),
    ],
)
def test_data_stays_in_the_regions_asked_for_and_an_unknown_region_is_none(
    stated: str | None, asked: set[str], serves: bool
) -> None:
    one = model("a/m", data_policy=DataPolicy(region=stated))
    found = select([one], Requirements(regions=frozenset(asked)), named=True)
    assert bool(found.candidates) is serves
    assert [drop.code for drop in found.dropped] == ([] if serves else ["other_region"])


def test_allow_and_deny_speak_of_models_and_whole_providers_and_deny_wins() -> None:
    models = [model("a/one"), model("a/two"), model("b/one"), model("ab/one")]

    def serving(allow: set[str], deny: set[str]) -> list[str]:
        asked = Requirements(allow=frozenset(allow), deny=frozenset(deny))
        return [one.id for one in select(models, asked, named=True).candidates]

    assert serving(set(), {"a/*"}) == ["b/one", "ab/one"]
    assert serving(set(), {"a/one", "b/*"}) == ["a/two", "ab/one"]
    assert serving({"a/*"}, set()) == ["a/one", "a/two"]
    assert serving({"a/*", "b/one"}, {"a/two"}) == ["a/one", "b/one"]
    assert serving({"a/one"}, {"a/one"}) == []


def test_what_may_cost_more_than_the_ceiling_is_dropped_with_the_figure_and_the_unknown_with_it() -> None:
    costs = {"a/free": Decimal(0), "a/dear": Decimal("0.02000004"), "a/just": Decimal("0.01"), "a/unknown": None}
    kept, dropped = at_most_usd([model(name) for name in costs], Decimal("0.01"), lambda one: costs[one.id])
    assert [one.id for one in kept] == ["a/free", "a/just"]
    assert {drop.model: drop.code for drop in dropped} == {"a/dear": "too_dear", "a/unknown": "unknown_price"}
    assert "$0.020001" in dropped[0].reason
    assert "$0.01" in dropped[0].reason


@given(
    st.lists(st.sampled_from(SENSITIVITIES), min_size=1, max_size=12),
    st.sampled_from(SENSITIVITIES),
    st.sets(st.integers(0, 11)),
)
def test_no_candidate_ever_breaks_a_rule_and_every_model_is_accounted_for(
    clearances: list[str], label: str, denied: set[int]
) -> None:
    models = [
        model(f"p{place}/m", data_policy=DataPolicy(clearance=one, region="eu" if place % 2 else None))
        for place, one in enumerate(clearances)
    ]
    asked = Requirements(
        sensitivity=label, regions=frozenset({"eu"}), deny=frozenset(f"p{place}/*" for place in denied)
    )
    found = select(models, asked, named=True)
    for one in found.candidates:
        assert SENSITIVITIES.index(one.data_policy.clearance) >= SENSITIVITIES.index(label)
        assert one.data_policy.region == "eu"
        assert int(one.provider[1:]) not in denied
    assert sorted([one.id for one in found.candidates] + [drop.model for drop in found.dropped]) == sorted(
        one.id for one in models
    )


def test_the_cheapest_comes_first_and_an_unknown_price_last() -> None:
    costs = {"a/unknown": None, "a/dear": 3.0, "a/free": 0.0, "a/cheap": 1.0, "a/same": 1.0}
    ranked = by_cost([model(name) for name in costs], lambda one: costs[one.id])
    assert [one.id for one in ranked] == ["a/free", "a/cheap", "a/same", "a/dear", "a/unknown"]


def test_the_fastest_comes_first_after_those_that_nobody_has_measured() -> None:
    seconds = {"a/slow": 2.0, "a/new": None, "a/fast": 0.5, "b/new": None}
    ranked = by_latency([model(name) for name in seconds], lambda one: seconds[one.id])
    assert [one.id for one in ranked] == ["a/new", "b/new", "a/fast", "a/slow"]


def test_the_highest_tier_comes_first_and_none_last() -> None:
    tiers = {"a/none": None, "a/economy": "economy", "a/premium": "premium", "a/standard": "standard", "b/p": "premium"}
    ranked = by_quality([model(name, tier=tier) for name, tier in tiers.items()])
    assert [one.id for one in ranked] == ["a/premium", "b/p", "a/standard", "a/economy", "a/none"]


def test_shares_hold_over_many_callers_whoever_is_left_of_a_split() -> None:
    models = [model("a/big"), model("b/middle"), model("c/small")]
    weights = {"a/big": 7.0, "b/middle": 2.0, "c/small": 1.0}

    def firsts(among: list[Model]) -> Counter[str]:
        return Counter(
            by_weight(among, weights, lambda one, who=who: chance_of(f"user {who}", one))[0].id for who in range(6000)
        )

    all_three = firsts(models)
    for name, share in (("a/big", 0.7), ("b/middle", 0.2), ("c/small", 0.1)):
        assert abs(all_three[name] / 6000 - share) < 4 * (share * (1 - share) / 6000) ** 0.5
    two = firsts(models[1:])
    assert abs(two["b/middle"] / 6000 - 2 / 3) < 4 * (2 / 9 / 6000) ** 0.5


def test_a_caller_whose_model_stays_keeps_it_when_another_goes() -> None:
    models = [model("a/one"), model("b/two"), model("c/three")]
    weights = {one.id: 1.0 for one in models}
    for who in range(200):
        order = by_weight(models, weights, lambda one, who=who: chance_of(f"user {who}", one))
        without = by_weight(
            [one for one in models if one is not order[-1]], weights, lambda one, who=who: chance_of(f"user {who}", one)
        )
        assert without == order[:-1]


def test_conditions_hold_when_all_that_they_name_does() -> None:
    code = Condition(categories=frozenset({"code"}), at_most=100)
    assert code.holds(Circumstances(category="Code ", tokens=100))
    assert not code.holds(Circumstances(category="code", tokens=101))
    assert not code.holds(Circumstances(category=None, tokens=1))
    secret = Condition(sensitivity="confidential")
    held = [label for label in SENSITIVITIES if secret.holds(Circumstances(sensitivity=label))]
    assert held == ["confidential", "restricted"]
    seen = Condition(needs=frozenset({"vision"}), at_least=10)
    assert seen.holds(Circumstances(needs=frozenset({"chat", "vision"}), tokens=10))
    assert not seen.holds(Circumstances(needs=frozenset({"chat"}), tokens=10))
    assert str(code) == "the category is code and the prompt has 100 tokens or fewer"
    assert first_that_holds([secret, code], Circumstances(category="code")) == 1
    assert first_that_holds([secret, code], Circumstances()) is None


def test_a_callers_number_is_the_same_on_every_machine_and_in_every_release() -> None:
    assert chance_of("user 1", model("a/one")) == 0.6546852424516497
    assert chance_of("user 1", model("a/two")) != chance_of("user 2", model("a/two"))


@given(st.text(max_size=30), st.text(min_size=1, max_size=10))
def test_a_callers_number_is_a_chance_whatever_the_caller_is_called(caller: str, name: str) -> None:
    assert 0 <= chance_of(caller, model(f"a/{name}")) < 1
