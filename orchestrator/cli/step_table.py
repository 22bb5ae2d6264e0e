"""The table of how each step of a run ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.cli import words
from orchestrator.cli.console import plain
from orchestrator.cli.inside import apart

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from executors.events import StepFinished

__all__ = ["IsLocal", "steps_table"]

IsLocal: TypeAlias = Callable[[str], bool]
"""Whether the provider of that name is on this machine."""
Row: TypeAlias = "dict[str, Text]"
STYLES = {"succeeded": "green", "failed": "red"}
FULL = ("step", "status", "model", "provider", "quality", "seconds", "cost", "tokens in + out")
NARROW = ("step", "status", "provider/model", "seconds", "cost")
"""What the lines after the table do not say."""
NUMBERS = frozenset({"seconds", "cost", "tokens in + out"})
FOLDED = frozenset({"step", "model", "provider/model"})
GAP = 2
MOST_FAILURES = 10
"""Rows for steps that failed inside of others; the rest are in the counts of those."""


def _unknown(_: str) -> bool:
    return False


def steps_table(steps: Iterable[StepFinished], *, is_local: IsLocal = _unknown, width: int = 160) -> Table:
    """One row a step of the workflow, which sums up what went on inside of it; then the steps inside that failed.

    Where `width` columns of the terminal are too few for all, the narrower table, names folded.
    """
    from rich.table import Table

    rows = list(_rows(steps, is_local=is_local))
    shown = _filled(rows, FULL)
    if sum(_width(rows, name) + GAP for name in shown) > width:
        shown = _filled(rows, NARROW)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for name in shown:
        table.add_column(
            name, justify="right" if name in NUMBERS else "left", no_wrap=name not in FOLDED, overflow="fold"
        )
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    return table


def _rows(steps: Iterable[StepFinished], *, is_local: IsLocal) -> Iterable[Row]:
    own, inside, failed = apart(steps)
    for step in own:
        yield _row(step, is_local=is_local, inside=inside[step.step_id].summary())
    for step in failed[:MOST_FAILURES]:
        yield _row(step, is_local=is_local)


def _filled(rows: list[Row], names: Iterable[str]) -> list[str]:
    return [name for name in names if any(row[name] for row in rows) or name in {"step", "status"}]


def _width(rows: list[Row], name: str) -> int:
    return max(len(name), *(row[name].cell_len for row in rows))


def _row(step: StepFinished, *, is_local: IsLocal, inside: str = "") -> Row:
    model, provider = step.model or "", step.provider or ""
    paid = step.model is not None or step.cost_usd is not None
    return {
        "step": plain(f"{step.step_id} ({inside})" if inside else step.step_id, style="bold"),
        "status": plain(_status(step), style=STYLES.get(step.status, "yellow")),
        "model": plain(model.removeprefix(f"{provider}/")),
        "provider": plain(provider),
        "provider/model": plain(model),
        "quality": plain(step.quality or ""),
        "seconds": plain(f"{(step.at - step.started).total_seconds():.2f}" if step.started else ""),
        "cost": plain(words.cost(step.cost_usd, local=is_local(provider)) if paid else ""),
        "tokens in + out": plain(words.tokens(step.usage)),
    }


def _status(step: StepFinished) -> str:
    return f"{step.status} before" if step.reused and step.status == "succeeded" else step.status
