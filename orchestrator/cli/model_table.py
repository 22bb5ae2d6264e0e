"""How models are shown to people: a line each, and what their providers do with data."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from unified_api.models import DataPolicy, Model, Prices

__all__ = ["lines", "policy_lines", "price"]

HEADINGS = ("model", "context", "output", "$/M in", "$/M out", "can", "clearance", "")
_RIGHT = frozenset({1, 2, 3, 4})
_ABILITIES = ("tools", "structured_output", "reasoning", "vision", "audio", "video", "documents")
_KINDS = ("embeddings", "image_output", "rerank", "moderation")
_WIDEST_ID = 64


def lines(models: Sequence[Model]) -> list[str]:
    """A heading, and a line for each model. Of a local stand-in the quality is told, of one that is not ready why."""
    rows = [HEADINGS, *(_cells(model) for model in models)]
    widths = [min(max(len(row[column]) for row in rows), _WIDEST_ID) for column in range(len(HEADINGS))]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if column in _RIGHT else cell.ljust(width)


def _cells(model: Model) -> tuple[str, ...]:
    writes = "chat" in model.capabilities or (model.prices is not None and bool(model.prices.output))
    note = f"needs {model.missing}" if not model.ready else f"{model.quality} quality" if model.quality else ""
    return (
        model.id,
        size(model.context),
        size(model.max_output),
        price(model.prices, "input"),
        price(model.prices, "output") if writes else "",
        _abilities(model),
        model.data_policy.clearance,
        note,
    )


def _abilities(model: Model) -> str:
    able = [kind for kind in _KINDS if kind in model.capabilities]
    return " ".join([*able, *(one for one in _ABILITIES if one in model.capabilities)]) or "chat"


def size(tokens: int | None) -> str:
    """`128k` and `1M`, as people say it; ? for unknown."""
    if not tokens:
        return "?"
    if tokens < 1000:
        return str(tokens)
    # Both 131,072 and 128,000 are called 128k by those who sell them; the JSON has the number.
    step = 1024 if tokens % 1024 == 0 and tokens % 1000 else 1000
    return f"{tokens / step**2:.3g}M" if tokens >= step**2 else f"{tokens / step:.3g}k"


def price(prices: Prices | None, side: str) -> str:
    """US dollars per million tokens; ? where no source says."""
    found: Decimal | None = None if prices is None else prices.input if side == "input" else prices.output
    if found is None:
        return "?"
    return f"{found.normalize():f}" if found else "free"


def policy_lines(models: Iterable[Model]) -> list[str]:
    """A line for each provider: what it does with what it is sent, and who says so."""
    return [f"{name}: {_policy(policy)}" for name, policy in {m.provider: m.data_policy for m in models}.items()]


def _policy(policy: DataPolicy) -> str:
    trains = {None: "training unknown", True: "trains on what it is sent", False: "does not train on it"}[policy.trains]
    facts = [f"retention {policy.retention or 'unknown'}", trains, f"region {policy.region or 'unknown'}"]
    source = f" ({policy.source}{f', as of {policy.as_of}' if policy.as_of else ''})" if policy.source else ""
    return f"{'; '.join(facts)}{source}"
