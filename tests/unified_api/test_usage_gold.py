"""Every reader of usage, and the prices, against 1,577 recorded usage objects with what others make of them.

A usage object is read there in the way of every provider ("flavour") whose fields it happens to have. Ours must give
the same counts, or differ for one of the reasons below, each of which is checked and not only named.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

from corpus import ROOT, needs_corpora
from genai_prices import Usage as PricedUsage
from genai_prices.data_snapshot import get_snapshot

from unified_api.pricing import cost
from unified_api.types import Usage
from unified_api.wire import usage
from unified_api.wire.anthropic import usage as anthropic_usage
from unified_api.wire.bedrock import usage as bedrock_usage
from unified_api.wire.cohere import usage as cohere_usage
from unified_api.wire.gemini import usage as gemini_usage

pytestmark = needs_corpora

NAMES = {
    "input_tokens": "input_tokens", "output_tokens": "output_tokens", "cache_read_tokens": "cached_input_tokens",
    "cache_write_tokens": "cache_write_tokens", "output_reasoning_tokens": "reasoning_tokens",
    "input_audio_tokens": "input_audio_tokens", "input_image_tokens": "input_image_tokens",
    "input_video_tokens": "input_video_tokens", "cache_audio_read_tokens": "cached_audio_tokens",
    "output_image_tokens": "output_image_tokens", "web_searches": "web_searches",
}  # fmt: skip
"""Their word -> ours."""
WHOLES = {"input_tokens", "output_tokens"}


@dataclass(frozen=True)
class Case:
    provider: str
    flavour: str
    model: str | None
    body: dict[str, Any]
    expected: dict[str, int]
    price: Decimal | None

    @property
    def read(self) -> Usage:
        return reader(self.provider, self.flavour)(self.body)

    @property
    def differing(self) -> dict[str, tuple[int, int]]:
        """Their word -> their count and ours, where they are not equal; what is not said counts as 0."""
        ours = self.read
        pairs = {word: (self.expected.get(word) or 0, getattr(ours, name) or 0) for word, name in NAMES.items()}
        return {word: pair for word, pair in pairs.items() if pair[0] != pair[1]}


def reader(provider: str, flavour: str) -> Callable[[dict[str, Any]], Usage]:
    if flavour == "anthropic" or (provider, flavour) in {("anthropic", "default"), ("minimax", "default")}:
        return anthropic_usage.read_usage
    own = {"aws": bedrock_usage, "cohere": cohere_usage, "google": gemini_usage}
    native = provider == "cohere" or flavour == "default"
    return own[provider].read_usage if native and provider in own else usage.read_usage


@cache
def cases() -> tuple[Case, ...]:
    return tuple(_cases())


def _cases() -> Iterator[Case]:
    for recorded in json.loads((ROOT / "misc/prices/genai_prices_usages.json").read_text("utf-8")):
        body = next(recorded["body"][key] for key in ("usage", "usageMetadata", "meta") if key in recorded["body"])
        for extracted in recorded["extracted"]:
            for one in extracted["extractors"]:
                price = None
                if "input_price" in one:
                    both = Decimal(one["input_price"]) + Decimal(one.get("output_price", 0))
                    price = Decimal(one["total_price"]) if "total_price" in one else both
                yield Case(
                    one["provider_id"], one["api_flavor"], recorded.get("model"), body, extracted["usage"], price
                )


def numbers(value: object) -> Iterator[int]:
    """Every count that stands anywhere in a recorded body."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif type(value) is int:
        yield value


def reason(case: Case) -> str | None:
    """Why ours differs on purpose, or None when nothing explains it."""
    body, differing = case.body, case.differing
    if case.flavour == "embeddings" and set(differing) <= {"output_tokens", *_told(case)}:
        return "an answer read as vectors: their output is left out"
    if case.provider == "cohere":
        told = case.read
        billed = {"input_tokens": told.billed_input_tokens, "output_tokens": told.billed_output_tokens}
        same = all(case.expected.get(word) == count for word, count in billed.items() if word in differing)
        return "the billed counts, which ours has apart" if same and set(differing) - _told(case) <= WHOLES else None
    if set(differing) <= _told(case):
        return "a part that the body states and the flavour does not look for"
    cached = sum(body.get(f"cache_{kind}_input_tokens") or 0 for kind in ("read", "creation"))
    if set(differing) - _told(case) == {"input_tokens"} and cached:
        theirs, ours = differing["input_tokens"]
        return "a cache beside the input, read by a flavour that has it inside" if ours == theirs + cached else None
    total, prompt = body.get("total_tokens"), body.get("prompt_tokens")
    if set(differing) - _told(case) == {"output_tokens"} and total is not None:
        # The total decides: it shows hidden thoughts, and thoughts that are inside the output already.
        return "thoughts, placed as the total says" if differing["output_tokens"][1] == total - prompt else None
    return None


def _told(case: Case) -> set[str]:
    """Parts that ours has beyond the gold, each a count that stands in the body."""
    stated = set(numbers(case.body))
    found = {word for word, (theirs, ours) in case.differing.items() if theirs == 0 and ours in stated} - WHOLES
    both = sum(case.body.get(f"cache_{kind}_input_tokens") or 0 for kind in ("creation",))
    return found | {word for word, (_, ours) in case.differing.items() if word == "cache_write_tokens" and ours == both}


def test_the_counts_are_those_of_the_gold_or_differ_for_a_stated_reason() -> None:
    reasons = Counter(reason(case) for case in cases() if case.differing)
    assert reasons[None] == 0, next(case for case in cases() if case.differing and reason(case) is None)
    same = len(cases()) - reasons.total()
    assert same / len(cases()) > 0.8
    assert len(reasons) == 5


def test_no_reader_of_a_providers_own_flavour_differs_but_for_what_the_provider_states() -> None:
    """Anthropic, Gemini, Bedrock and Cohere read by their own readers: nothing but Cohere's two counts is a choice."""
    own = {("anthropic", "default"), ("aws", "default"), ("google", "default"), ("cohere", "tokens")}
    for case in cases():
        if (case.provider, case.flavour) in own:
            assert set(case.differing) <= _told(case), case


def price_of(case: Case) -> Decimal | None:
    ours = case.read
    if ours.output_tokens is None:
        ours = replace(ours, output_tokens=0)
    return cost(ours, base_url=address_of(case.provider), names=(case.model or "",))


@cache
def address_of(provider: str) -> str:
    """An address of the provider, as the price data describes them."""
    described = next(one.api_pattern for one in get_snapshot().providers if one.id == provider)
    known = {
        "aws": "https://bedrock-runtime.us-east-1.amazonaws.com", "azure": "https://x.openai.azure.com",
        "cohere": "https://api.cohere.com", "google": "https://aiplatform.googleapis.com",
        "minimax": "https://api.minimax.io", "moonshotai": "https://api.moonshot.ai",
        "openrouter": "https://openrouter.ai",
    }  # fmt: skip
    return known.get(provider) or described.replace("\\", "")


def test_prices_agree_wherever_the_counts_do_and_the_price_has_not_moved_since() -> None:
    """The gold was priced by an older state of the data: where that moved, ours is today's price of the same counts."""
    outcome: Counter[str] = Counter()
    for case in cases():
        if case.price is None or case.differing:
            continue
        ours = price_of(case)
        if ours == case.price:
            outcome["equal"] += 1
            continue
        provider, model = get_snapshot().find_provider_model(case.model or "", None, None, address_of(case.provider))
        today = model.calc_price(PricedUsage(**case.expected), provider).total_price
        assert ours == today, case
        outcome["moved"] += 1
    assert outcome["equal"] > 2500
    assert outcome["moved"] / outcome.total() < 0.06


def test_a_part_that_ours_adds_changes_a_price_only_where_it_is_priced_apart() -> None:
    """Told reasoning, cached and searches are handed on; what they cost is the price data's to say."""
    for case in cases():
        if case.price is not None and case.differing and set(case.differing) <= {"output_reasoning_tokens"}:
            without = cost(
                replace(case.read, reasoning_tokens=None), base_url=address_of(case.provider), names=(case.model or "",)
            )
            assert price_of(case) == without
