"""What public tables state of single models: kind, sizes, abilities and, where genai-prices has none, prices.

`models.tsv` holds them, written by `tools/model_facts.py`; its first lines name the sources and their dates.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal, cast

from unified_api.models import Prices
from unified_api.types import Capability

__all__ = ["Facts", "facts", "listed"]

_DATE = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|20\d{6})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One model at one provider. What no source states is None, or in neither `can` nor `cannot`."""

    kind: Capability | Literal["none"] | None = None
    """`chat`, or the one thing that a model does which does not chat; `none` is something that no call asks for."""
    context: int | None = None
    max_output: int | None = None
    can: frozenset[str] = frozenset()
    """Capabilities and fields of a request."""
    cannot: frozenset[str] = frozenset()
    prices: Prices | None = None

    def says(self, ability: str) -> bool | None:
        return True if ability in self.can else False if ability in self.cannot else None

    def without(self, abilities: Collection[str]) -> Facts:
        """Without what is said of `abilities`, which somebody states who knows better."""
        if not abilities:
            return self
        kind = None if self.kind in abilities else self.kind
        return replace(self, kind=kind, can=self.can - set(abilities), cannot=self.cannot - set(abilities))


@lru_cache(maxsize=8192)
def facts(provider: str, name: str) -> Facts | None:
    """What is known of the model; a dated name that is not listed itself is the undated model."""
    models = _lines().get(provider, {})
    line = models.get(name) or models.get(_DATE.sub("", name))
    return None if line is None else _read(line)


def listed(provider: str) -> tuple[str, ...]:
    """The names of the provider's models that something is known of."""
    return tuple(_lines().get(provider, ()))


@cache
def _lines() -> Mapping[str, Mapping[str, str]]:
    """Provider -> name -> the rest of the line, which is read when somebody asks."""
    found: dict[str, dict[str, str]] = {}
    for line in files("unified_api").joinpath("models.tsv").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            provider, name, rest = line.split("\t", 2)
            found.setdefault(provider, {})[name] = rest
    return found


def _read(line: str) -> Facts:
    kind, context, longest, abilities, prices = line.split("\t")
    words = abilities.split(",") if abilities else []
    return Facts(
        kind=cast("Capability | Literal['none']", kind) if kind else None,
        context=int(context) if context else None,
        max_output=int(longest) if longest else None,
        can=frozenset(word for word in words if not word.startswith("-")),
        cannot=frozenset(word[1:] for word in words if word.startswith("-")),
        prices=_prices(prices) if prices else None,
    )


def _prices(text: str) -> Prices:
    given, made, cached = (Decimal(price) if price else None for price in text.split("/"))
    return Prices(input=given, output=made, cached_input=cached)
