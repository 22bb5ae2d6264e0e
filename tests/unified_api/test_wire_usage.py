from __future__ import annotations

import json
from decimal import Decimal

import pytest
from corpus import ROOT, needs_corpora

from unified_api.types import JsonObject, Usage
from unified_api.wire.usage import merge_usage, read_cost, read_usage


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, Usage(input_tokens=5, output_tokens=3)),
        ({"input_tokens": 5, "output_tokens": 3}, Usage(input_tokens=5, output_tokens=3)),
        ({"prompt_tokens": 5, "total_tokens": 5}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "completion_tokens": None, "total_tokens": None}, Usage(input_tokens=5)),
        ({"prompt_tokens": 0.0, "completion_tokens": "3"}, Usage(input_tokens=0)),
        ({"prompt_tokens": -1, "completion_tokens": True}, Usage()),
        ({"prompt_tokens_details": None, "completion_tokens_details": None}, Usage()),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 6},
            },
            Usage(input_tokens=9, output_tokens=8, cached_input_tokens=4, cache_write_tokens=2, reasoning_tokens=6),
        ),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(input_tokens=9, cached_input_tokens=4)),
        ({"prompt_tokens": 9, "num_cached_tokens": 4}, Usage(input_tokens=9, cached_input_tokens=4)),
    ],
)
def test_counts_are_read_in_every_spelling_and_the_unsaid_stays_none(stated: JsonObject, usage: Usage) -> None:
    assert read_usage(stated) == usage


@pytest.mark.parametrize(
    ("prompt", "completion", "total", "more", "given", "made"),
    [
        # Google's compatible endpoint hides the thoughts; xAI tells them in the details only.
        (35, 12, 109, {}, 35, 74),
        (12, 2, 354, {"completion_tokens_details": {"reasoning_tokens": 340}}, 12, 342),
        (9, 201, 585, {"prompt_tokens_details": {"audio_tokens": 375}}, 384, 201),
        (3, 7, 10, {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}, 123, 7),
        (50, 7, 87, {"cache_read_input_tokens": 30}, 80, 7),
        (50, 7, 57, {"cache_read_input_tokens": 30}, 50, 7),
        (5, 3, 2, {}, 5, 3),
    ],
)
def test_what_the_total_holds_beyond_the_counts_is_billed(
    prompt: int, completion: int, total: int, more: JsonObject, given: int, made: int
) -> None:
    usage = read_usage({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more})
    assert (usage.input_tokens, usage.output_tokens) == (given, made)


def test_a_later_usage_replaces_and_its_gaps_keep_what_was_said() -> None:
    first = Usage(input_tokens=5, output_tokens=1, cached_input_tokens=2)
    assert merge_usage(first, Usage(output_tokens=4)) == Usage(input_tokens=5, output_tokens=4, cached_input_tokens=2)
    assert merge_usage(Usage(), first) == merge_usage(first, Usage()) == first


@pytest.mark.parametrize(
    ("stated", "cost"),
    [
        ({"cost": 0.00041}, "0.00041"),
        ({"cost": 0}, "0"),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, "0.21"),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, None),
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.006}}, "0.006"),
        ({"cost_in_usd_ticks": 1721250}, "0.000172125"),
        ({"cost_in_usd_ticks": 0}, None),
        ({"pydantic_ai_gateway": {"cost_estimate": 0.0006675}}, "0.0006675"),
        ({"cost": None}, None),
        ({"cost": "dear"}, None),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({}, None),
    ],
)
def test_a_stated_cost_is_exact_and_an_unstated_one_unknown(stated: JsonObject, cost: str | None) -> None:
    assert read_cost(stated) == (None if cost is None else Decimal(cost))


@needs_corpora
def test_the_usages_that_genai_prices_publishes_are_read_the_same_way() -> None:
    compared = 0
    for row in json.loads((ROOT / "misc" / "prices" / "genai_prices_usages.json").read_text("utf-8")):
        stated = row["body"].get("usage")
        if not isinstance(stated, dict) or "prompt_tokens" not in stated:
            continue
        plain = stated["prompt_tokens"] + (stated.get("completion_tokens") or 0)
        for extracted in row["extracted"]:
            flavours = {(one["provider_id"], one["api_flavor"]) for one in extracted["extractors"]}
            # Where the total holds more than the counts, theirs is not the bill: see the test above.
            if ("openai", "chat") not in flavours or stated.get("total_tokens", plain) != plain:
                continue
            gold, usage = extracted["usage"], read_usage(stated)
            assert (gold.get("input_tokens") or 0) == usage.input_tokens, row["body"]
            assert (gold.get("output_tokens") or 0) == (usage.output_tokens or 0), row["body"]
            for theirs, ours in (
                ("cache_read_tokens", usage.cached_input_tokens),
                ("output_reasoning_tokens", usage.reasoning_tokens),
            ):
                assert theirs not in gold or gold[theirs] == ours, row["body"]
            compared += 1
    assert compared > 200
