from __future__ import annotations

from unified_api.models import DataPolicy, Model, Requirements
from unified_api.routing.filters import CLEARANCES, select
from unified_api.routing.ranking import rank


def model(name: str, **facts: object) -> Model:
    provider, _, rest = name.partition("/")
    facts = {"capabilities": frozenset({"chat"}), **facts}
    return Model(id=name, provider=provider, name=rest, wire="openai_chat", **facts)


def test_clearances_are_ordered() -> None:
    for highest, cleared in enumerate(CLEARANCES):
        one = model("a/m", data_policy=DataPolicy(clearance=cleared))
        passing = [s for s in CLEARANCES if select([one], Requirements(sensitivity=s), named=True).candidates]
        assert passing == list(CLEARANCES[: highest + 1])


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
