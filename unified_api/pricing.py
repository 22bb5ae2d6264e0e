"""Usage times prices, through genai-prices. None is unknown, which is never zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from unified_api.models import Prices
from unified_api.types import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

__all__ = ["Listing", "charge", "cost", "found_model", "listing", "listings", "plain_cost", "plain_prices"]


@dataclass(frozen=True, slots=True)
class Listing:
    """A model as the price data knows it."""

    name: str
    prices: Prices | None
    context: int | None


def charge(
    usage: Usage, *, plain: Prices | None, base_url: str | None, names: tuple[str, ...], writes: bool = True
) -> Decimal | None:
    """US dollars for `usage` by the `plain` prices, or where there are none by the price data, as `cost` has it.

    What does not write at all, as models that embed or rank, need not tell that it wrote nothing.
    """
    if not writes and usage.output_tokens is None:
        usage = replace(usage, output_tokens=0)
    if plain is not None:
        return plain_cost(usage, plain)
    priced = (name for name in names if base_url is not None and _priced(base_url, name))
    return cost(usage, base_url=base_url, names=tuple(priced))


def plain_prices(*, stated: Prices | None, listed: Prices | None, base_url: str | None, name: str) -> Prices | None:
    """What to go by instead of the price data: `stated` prices, or `listed` ones where it does not price the model."""
    return stated or (listed if base_url is None or not _priced(base_url, name) else None)


def cost(usage: Usage, *, base_url: str | None, names: tuple[str, ...]) -> Decimal | None:
    """US dollars for `usage` at the provider at `base_url`, by the first of `names` that the price data knows.

    `names` begins with the name the provider echoed (often a dated one) and ends with the one that was asked for.
    None when no price is known, or the usage is not.
    """
    usage = _charged(usage)
    if base_url is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    found = next((match for name in names if (match := _find(base_url, name))), None)
    if found is None:
        return None
    provider, model = found
    from genai_prices import Usage as PricedUsage  # a tenth of a second to import

    try:
        return model.calc_price(PricedUsage(**_counts(usage)), provider).total_price
    except (LookupError, ValueError):  # usage that contradicts itself, such as more cached tokens than input
        return None


def _counts(usage: Usage) -> dict[str, int | None]:
    """The usage in genai-prices' words, which take a part for unknown unless both its wholes are told.

    What nobody told of the cached sound, pictures and film is 0: they are then paid in full, as they are at most.
    """
    long, written = usage.cache_write_1h_tokens, usage.cache_write_tokens
    shown = {
        "audio": (usage.input_audio_tokens, usage.cached_audio_tokens),
        "image": (usage.input_image_tokens, None),
        "video": (usage.input_video_tokens, None),
    }
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cached_input_tokens,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": long or None,
        "cache_write_5m_tokens": written - long if written is not None and long else None,
        "output_audio_tokens": usage.output_audio_tokens,
        "output_image_tokens": usage.output_image_tokens,
        "output_reasoning_tokens": usage.reasoning_tokens,
        "web_searches": usage.web_searches,
    }
    for kind, (given, cached) in shown.items():
        counts[f"input_{kind}_tokens"] = given
        if given:
            counts[f"cache_{kind}_read_tokens"] = cached or 0
    return counts


def plain_cost(usage: Usage, prices: Prices | None) -> Decimal | None:
    """US dollars by plain prices a million tokens; what costs nothing costs nothing whatever its usage."""
    usage = _charged(usage)
    if prices is None or prices.input is None:
        return None
    output = prices.output or Decimal(0)
    if prices.input == output == 0 and prices.output is not None:
        return Decimal(0)
    if usage.input_tokens is None or usage.output_tokens is None or (prices.output is None and usage.output_tokens):
        return None
    cached = min(usage.cached_input_tokens or 0, usage.input_tokens) if prices.cached_input is not None else 0
    given = prices.input * (usage.input_tokens - cached) + (prices.cached_input or 0) * cached
    return (given + output * usage.output_tokens) / 1_000_000


def _charged(usage: Usage) -> Usage:
    """The usage that is paid for: the billed counts where the provider tells them, of which nothing is cached."""
    if usage.billed_input_tokens is None and usage.billed_output_tokens is None:
        return usage
    given = usage.input_tokens if usage.billed_input_tokens is None else usage.billed_input_tokens
    made = usage.output_tokens if usage.billed_output_tokens is None else usage.billed_output_tokens
    return Usage(input_tokens=given, output_tokens=made)


def listing(base_url: str | None, name: str) -> Listing | None:
    """What the price data says of the model `name` at `base_url`; aliases and dated names are understood."""
    found = _find(base_url, name) if base_url is not None else None
    return None if found is None else _listing_of(found[1], name)


def found_model(base_url: str, name: str) -> ModelInfo | None:
    """The model `name` at `base_url` in the price data's own words."""
    found = _find(base_url, name)
    return None if found is None else found[1]


def listings(base_url: str) -> tuple[Listing, ...]:
    """Every model that the price data knows at `base_url` by a name to be called by, and does not call deprecated."""
    provider, models = _by_id(base_url)
    if provider is None:
        return ()
    live = (model for name, model in models.items() if not model.deprecated and model.is_match(name))
    return tuple(_listing_of(model, model.id) for model in live)


@lru_cache(maxsize=4096)
def _find(base_url: str, name: str) -> tuple[Provider, ModelInfo] | None:
    from genai_prices.data_snapshot import get_snapshot

    provider, models = _by_id(base_url)
    if provider is None:
        return None
    model = models.get(name.lower())
    if model is not None and model.is_match(name.lower()):
        return provider, model  # as the search would find, among hundreds
    try:
        return get_snapshot().find_provider_model(name, provider, None, None)
    except LookupError:
        return None


@lru_cache(maxsize=256)
def _by_id(base_url: str) -> tuple[Provider | None, dict[str, ModelInfo]]:
    """Who bills at the address, and its models by their names in the price data, which some are not called by."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider = get_snapshot().find_provider(None, None, base_url)
    except LookupError:
        return None, {}
    return provider, {model.id.lower(): model for model in provider.models}


@lru_cache(maxsize=4096)
def _priced(base_url: str, name: str) -> bool:
    """Whether the price data has any price of the model: one that it only lists would cost nothing by it."""
    from datetime import UTC, datetime

    found = _find(base_url, name)
    return found is not None and any(
        price is not None for price in vars(found[1].get_prices(datetime.now(UTC))).values()
    )


def _listing_of(model: ModelInfo, name: str) -> Listing:
    from datetime import UTC, datetime

    now = model.get_prices(datetime.now(UTC))
    prices = Prices(
        input=_base(getattr(now, "input_mtok", None)),
        output=_base(getattr(now, "output_mtok", None)),
        cached_input=_base(getattr(now, "cache_read_mtok", None)),
    )
    return Listing(name, None if prices == Prices() else prices, model.context_window)


def _base(price: object) -> Decimal | None:
    """The price itself, or the one of the first tier where it grows with the size of the prompt."""
    if price is None or isinstance(price, Decimal):
        return price
    base = getattr(price, "base", None)
    return base if isinstance(base, Decimal) else None
