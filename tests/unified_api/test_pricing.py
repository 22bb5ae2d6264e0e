from __future__ import annotations

import json
from decimal import Decimal

import pytest
from corpus import ROOT, needs_corpora
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from unified_api.catalog import Catalog
from unified_api.models import Prices
from unified_api.pricing import _listing_of, charge, cost, listing, listings, plain_cost, plain_prices
from unified_api.providers import builtin_rows
from unified_api.types import Usage
from unified_api.wire.usage import read_usage

OPENAI = "https://api.openai.com/v1"


def used(asked: int | None, answered: int | None, **more: int) -> Usage:
    return Usage(input_tokens=asked, output_tokens=answered, **more)


def test_a_known_model_is_priced_exactly() -> None:
    found = cost(used(1_000_000, 1_000_000), base_url=OPENAI, names=("gpt-4o-mini",))
    assert found == Decimal("0.15") + Decimal("0.60")


def test_cached_tokens_are_cheaper_and_inside_the_input() -> None:
    plain = cost(used(1000, 10), base_url=OPENAI, names=("gpt-4o-mini",))
    cached = cost(used(1000, 10, cached_input_tokens=900), base_url=OPENAI, names=("gpt-4o-mini",))
    assert 0 < cached < plain


def test_the_echoed_name_goes_first_and_an_unknown_echo_falls_back_to_the_asked_one() -> None:
    usage = used(1000, 1000)
    dated = cost(usage, base_url=OPENAI, names=("gpt-4o-2024-05-13", "gpt-4o"))
    assert dated == cost(usage, base_url=OPENAI, names=("gpt-4o-2024-05-13",))
    assert dated != cost(usage, base_url=OPENAI, names=("gpt-4o",))
    assert cost(usage, base_url=OPENAI, names=("qqq-secret-build", "gpt-4o")) == cost(
        usage, base_url=OPENAI, names=("gpt-4o",)
    )


@pytest.mark.parametrize(
    ("usage", "base_url", "name"),
    [
        (used(None, 5), OPENAI, "gpt-4o"),
        (used(5, None), OPENAI, "gpt-4o"),
        (used(5, 5), None, "gpt-4o"),
        (used(5, 5), "http://127.0.0.1:8000/v1", "gpt-4o"),
        (used(5, 5), OPENAI, "no-such-model"),
        (used(5, 5, cached_input_tokens=50), OPENAI, "gpt-4o"),
    ],
)
def test_what_is_unknown_or_contradictory_has_no_price_and_never_zero(
    usage: Usage, base_url: str | None, name: str
) -> None:
    assert cost(usage, base_url=base_url, names=(name,)) is None


def test_sound_and_searches_are_paid_for_and_the_hours_of_a_cache() -> None:
    gemini = "https://generativelanguage.googleapis.com/v1beta"
    heard = cost(used(1000, 10, input_audio_tokens=900), base_url=gemini, names=("gemini-2.5-flash",))
    assert cost(used(1000, 10), base_url=gemini, names=("gemini-2.5-flash",)) < heard
    anthropic = "https://api.anthropic.com/v1"
    written = {"cache_write_tokens": 1000}
    minutes = cost(used(1000, 10, **written), base_url=anthropic, names=("claude-sonnet-4-5",))
    hour = cost(used(1000, 10, **written, cache_write_1h_tokens=1000), base_url=anthropic, names=("claude-sonnet-4-5",))
    assert minutes < hour
    searched = cost(used(1000, 10, web_searches=3), base_url=anthropic, names=("claude-sonnet-4-5",))
    assert searched - cost(used(1000, 10), base_url=anthropic, names=("claude-sonnet-4-5",)) == Decimal("0.03")


def test_sound_beside_a_cache_is_priced_in_full_where_nobody_says_what_was_cached() -> None:
    gemini = "https://generativelanguage.googleapis.com/v1beta"
    usage = used(1000, 10, input_audio_tokens=500, cached_input_tokens=400)
    told = used(1000, 10, input_audio_tokens=500, cached_input_tokens=400, cached_audio_tokens=0)
    assert cost(usage, base_url=gemini, names=("gemini-2.5-flash",)) == cost(
        told, base_url=gemini, names=("gemini-2.5-flash",)
    )


def test_plain_prices_take_a_cheaper_cache_into_account() -> None:
    prices = Prices(input=Decimal(10), output=Decimal(20), cached_input=Decimal(1))
    assert plain_cost(used(1_000_000, 0, cached_input_tokens=400_000), prices) == Decimal("6.4")
    assert (
        plain_cost(used(1_000_000, 0, cached_input_tokens=400_000), Prices(input=Decimal(10), output=Decimal(1))) == 10
    )


def test_what_costs_nothing_costs_zero_even_without_usage() -> None:
    free = Prices(input=Decimal(0), output=Decimal(0))
    assert plain_cost(Usage(), free) == 0
    assert plain_cost(Usage(), Prices(input=Decimal(1), output=Decimal(1))) is None
    assert plain_cost(used(1, 1), None) is None
    assert plain_cost(used(1, 1), Prices(input=Decimal(1))) is None
    assert plain_cost(used(1, 0), Prices(input=Decimal(1))) == Decimal("0.000001")


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_tokens_never_cost_less(asked: int, answered: int, more: int) -> None:
    for name in ("gpt-4o-mini", "gpt-5.5"):
        less = cost(used(asked, answered), base_url=OPENAI, names=(name,))
        assert less <= cost(used(asked + more, answered), base_url=OPENAI, names=(name,))
        assert less <= cost(used(asked, answered + more), base_url=OPENAI, names=(name,))


def test_nearly_every_builtin_tier_has_a_price() -> None:
    """All but trials and platforms that state none in money."""
    catalog = Catalog()
    models = [catalog.get(f"{name}/{tier}") for name, row in builtin_rows().items() for tier in row.tiers.values()]
    unpriced = {model.provider for model in models if model.prices is None}
    assert unpriced <= {"tokenmix", "nvidia", "github", "snowflake"}


@needs_corpora
def test_recorded_usage_costs_what_the_price_data_expects_of_it() -> None:
    """Prices have moved since the recording for a few models, so nearly all must agree, not all."""
    equal = total = 0
    for recorded in json.loads((ROOT / "misc/prices/genai_prices_usages.json").read_text("utf-8")):
        body = recorded["body"]
        for found in (one for extracted in recorded["extracted"] for one in extracted["extractors"]):
            if found["provider_id"] == "openai" and found["api_flavor"] == "chat" and "input_price" in found:
                expected = Decimal(found["input_price"]) + Decimal(found["output_price"])
                total += 1
                equal += cost(read_usage(body["usage"]), base_url=OPENAI, names=(body["model"],)) == expected
    assert total > 100
    assert equal / total > 0.95


def test_a_model_is_found_by_its_name_as_the_price_datas_own_search_finds_it() -> None:
    """The quick way and the long one, for every model of every provider."""
    snapshot = get_snapshot()
    compared = 0
    for row in builtin_rows().values():
        for found in listings(row.price_address or ""):
            _, model = snapshot.find_provider_model(found.name, None, None, row.price_address)
            assert listing(row.price_address, found.name).prices == _listing_of(model, found.name).prices
            compared += 1
    assert compared > 1_000


CEREBRAS = "https://api.cerebras.ai/v1"


def test_a_model_that_is_listed_without_a_price_is_of_unknown_price_and_not_free() -> None:
    name, listed = "qwen-3-coder-480b", Prices(input=Decimal(2), output=Decimal(2))
    assert listing(CEREBRAS, name) is not None
    assert charge(used(10, 5), plain=None, base_url=CEREBRAS, names=(name,)) is None
    assert plain_prices(stated=None, listed=listed, base_url=CEREBRAS, name=name) == listed


def test_stated_prices_go_before_the_price_data_and_listed_ones_behind_it() -> None:
    stated, listed = Prices(input=Decimal(1), output=Decimal(1)), Prices(input=Decimal(2), output=Decimal(2))
    assert plain_prices(stated=stated, listed=listed, base_url=OPENAI, name="gpt-4o") == stated
    assert plain_prices(stated=None, listed=listed, base_url=OPENAI, name="gpt-4o") is None
    assert plain_prices(stated=None, listed=listed, base_url=OPENAI, name="no-such-model") == listed
    assert plain_prices(stated=None, listed=listed, base_url=None, name="gpt-4o") == listed
    million = used(1_000_000, 0)
    assert charge(million, plain=listed, base_url=OPENAI, names=("gpt-4o",)) == 2
    assert charge(million, plain=None, base_url=OPENAI, names=("no-such-model", "gpt-4o")) == cost(
        million, base_url=OPENAI, names=("gpt-4o",)
    )


def test_what_writes_nothing_need_not_tell_so() -> None:
    prices = Prices(input=Decimal(1), output=Decimal(1))
    assert charge(used(1_000_000, None), plain=prices, base_url=None, names=("m",), writes=False) == 1
    assert charge(used(1_000_000, None), plain=prices, base_url=None, names=("m",)) is None
