"""Which models a person asks to see, and what to say when there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified_api.models import Model

__all__ = ["Filter", "cheaper", "cleared", "holding", "like", "needing", "nothing", "of_providers", "passing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One wish: its words on the command line, whether a model fulfils it, and how near one comes that does not."""

    words: str
    passes: Callable[[Model], bool]
    distance: Callable[[Model], float | Decimal | None] = lambda _: None
    """Smaller is nearer; None is no nearness at all."""
    tells: Callable[[Model], str] = lambda _: ""
    """What a near model has instead."""


def passing(models: Iterable[Model], filters: Sequence[Filter]) -> list[Model]:
    return [model for model in models if all(one.passes(model) for one in filters)]


def nothing(models: Sequence[Model], filters: Sequence[Filter]) -> str:
    """Why no model passes: what would if one filter were left out, and which of those come nearest to it."""
    words = " and ".join(one.words for one in filters)
    lines = [f"No model has {words}."]
    for one in filters if len(filters) > 1 else ():
        rest = passing(models, [other for other in filters if other is not one])
        if rest:
            lines.append(f"  {len(rest):,} would without {one.words}{_nearest(rest, one)}")
    if len(filters) == 1:
        lines[0] = f"No model has {words}{_nearest(models, filters[0])}."
    elif len(lines) == 1:
        lines.append("  None would if one of these were left out.")
    return "\n".join(lines)


def _nearest(models: Iterable[Model], missed: Filter) -> str:
    far = [(distance, model) for model in models if (distance := missed.distance(model)) is not None]
    near = [model for _, model in sorted(far, key=lambda pair: pair[0])[:3]]
    told = (f"{model.id}{f' ({said})' if (said := missed.tells(model)) else ''}" for model in near)
    return f"; nearest: {', '.join(told)}" if near else ""


def like(text: str) -> Filter:
    """Every word of the text is somewhere in the id."""
    from workflows.nearest import nearest

    words = text.lower().split()

    def distance(model: Model) -> float | None:
        return 0 if nearest(text, (model.name, model.name.rpartition("/")[2], model.id), most=1) else None

    return Filter(
        words=f"{text!r} in its name", passes=lambda model: all(word in model.id.lower() for word in words),
        distance=distance,
    )  # fmt: skip


def of_providers(names: Sequence[str]) -> Filter:
    return Filter(words=f"provider {' or '.join(names)}", passes=lambda model: model.provider in names)


def needing(abilities: Sequence[str]) -> Filter:
    def lacking(model: Model) -> list[str]:
        return [able for able in abilities if able not in model.capabilities]

    return Filter(
        words=", ".join(abilities),
        passes=lambda model: not lacking(model),
        distance=lambda model: len(lacking(model)) if len(lacking(model)) < len(abilities) else None,
        tells=lambda model: f"without {', '.join(lacking(model))}",
    )


def cheaper(side: str, most: Decimal) -> Filter:
    """At most that many US dollars per million tokens; an unknown price is no low one."""

    def price(model: Model) -> Decimal | None:
        return None if model.prices is None else model.prices.input if side == "input" else model.prices.output

    def passes(model: Model) -> bool:
        known = price(model)
        return known is not None and known <= most

    return Filter(
        words=f"an {side} price of at most ${most:f} per million tokens", passes=passes, distance=price,
        tells=lambda model: "unknown" if (known := price(model)) is None else f"${known:f}",
    )  # fmt: skip


def holding(tokens: int) -> Filter:
    return Filter(
        words=f"a context of {tokens:,} tokens",
        passes=lambda model: model.context is not None and model.context >= tokens,
        distance=lambda model: -model.context if model.context else None,
        tells=lambda model: f"{model.context:,}" if model.context else "unknown",
    )


def cleared(
    label: str | None = None, *, retention: str | None = None, trains_not: bool = False, region: str | None = None
) -> list[Filter]:
    """The wishes about a provider's data policy. What is unknown fulfils none."""
    from unified_api.types import SENSITIVITIES

    filters: list[Filter] = []
    if label is not None:
        allowed = SENSITIVITIES[SENSITIVITIES.index(label) :]
        filters.append(
            Filter(
                words=f"clearance for {label} data",
                passes=lambda model: model.data_policy.clearance in allowed,
                distance=lambda model: -SENSITIVITIES.index(model.data_policy.clearance),
                tells=lambda model: f"cleared for {model.data_policy.clearance}",
            )
        )
    if retention is not None:
        filters.append(_kept(retention))
    if trains_not:
        filters.append(Filter(words="a provider that says it does not train on what it is sent", passes=_never_trains))
    if region is not None:
        wanted = region.lower()
        filters.append(
            Filter(
                words=f"region {region}",
                passes=lambda model: wanted in (model.data_policy.region or "").lower(),
                distance=lambda model: None if model.data_policy.region is None else 0,
                tells=lambda model: model.data_policy.region or "",
            )
        )
    return filters


def _never_trains(model: Model) -> bool:
    return model.data_policy.trains is False


def _kept(retention: str) -> Filter:
    def passes(model: Model) -> bool:
        stated = model.data_policy.retention
        return stated is not None and (retention == "known" or stated.lower().startswith("none"))

    return Filter(
        words="a known retention" if retention == "known" else "no retention",
        passes=passes,
        distance=lambda model: None if model.data_policy.retention is None else 0,
        tells=lambda model: model.data_policy.retention or "retention unknown",
    )
