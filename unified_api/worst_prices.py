"""The dearest that a model may be billed at, by the price data, whatever kinds of tokens a call turns out to have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from unified_api.pricing import found_model

__all__ = ["Dearest", "Shown", "dearest"]

Shown = Literal["image", "audio", "video", "kept"]
"""What a prompt may hold besides text; `kept` is what it asks to be cached for an hour."""
_READ = {"image": "input_image_mtok", "audio": "input_audio_mtok", "video": "input_video_mtok"}
_KEPT = "cache_write_1h_mtok"


@dataclass(frozen=True, slots=True)
class Dearest:
    """Prices in US dollars that no call exceeds."""

    input: Decimal
    """A million tokens."""
    output: Decimal
    """A million tokens."""
    request: Decimal
    search: Decimal

    def cost(self, given: int, made: int, searches: int = 0) -> Decimal:
        return (self.input * given + self.output * made) / 1_000_000 + self.request + self.search * searches


def dearest(base_url: str | None, name: str, *, tokens: int, shown: frozenset[Shown] = frozenset()) -> Dearest | None:
    """For prompts of up to `tokens`, at any hour of today; None where the price data does not price both sides."""
    if base_url is None:
        return None
    steps = _steps(base_url, name, shown, datetime.now(UTC).toordinal())
    return next((prices for start, prices in reversed(steps) if start == 0 or start < tokens), None)


@lru_cache(maxsize=4096)
def _steps(base_url: str, name: str, shown: frozenset[Shown], day: int) -> tuple[tuple[int, Dearest], ...]:
    """From how many tokens of prompt on which prices hold."""
    del day  # prices change with the days: it is there for the cache
    prices = list(_of_today(base_url, name))
    starts = {tier.start for one in prices for price in one.values() for tier in getattr(price, "tiers", ())}
    found = ((start, _at(prices, shown, start)) for start in sorted({0, *starts}))
    return tuple((start, one) for start, one in found if one is not None)


def _of_today(base_url: str, name: str) -> Iterator[dict[str, Any]]:
    from genai_prices.types import TimeOfDateConstraint  # a tenth of a second to import

    model = found_model(base_url, name)
    if model is None:
        return
    if isinstance(model.prices, list) and any(isinstance(one.constraint, TimeOfDateConstraint) for one in model.prices):
        yield from (vars(one.prices) for one in model.prices)
    else:
        yield vars(model.get_prices(datetime.now(UTC)))


def _at(prices: list[dict[str, Any]], shown: frozenset[Shown], tokens: int) -> Dearest | None:
    # Some providers write what they read to their cache without being told to.
    read = {"input_mtok", "cache_write_mtok", *(_READ.get(kind, _KEPT) for kind in shown)}
    fields = {field for one in prices for field in one}
    written = {field for field in fields if field.startswith("output_") and field.endswith("_mtok")}
    given, made = _most(prices, read, tokens), _most(prices, written, tokens)
    if given is None or made is None:
        return None
    each = [_most(prices, {field}, tokens) or Decimal(0) for field in ("requests_kcount", "web_searches_kcount")]
    return Dearest(given, made, each[0] / 1_000, each[1] / 1_000)


def _most(prices: list[dict[str, Any]], fields: set[str], tokens: int) -> Decimal | None:
    """The dearest price of any of the fields for prompts of up to `tokens`, and a little more."""
    found = (price for one in prices for field in fields for price in _priced(one.get(field), tokens))
    return max(found, default=None)


def _priced(price: Any, tokens: int) -> Iterator[Decimal]:
    if isinstance(price, Decimal):
        yield price
    elif price is not None:
        yield price.base
        yield from (tier.price for tier in price.tiers if tier.start <= tokens)
