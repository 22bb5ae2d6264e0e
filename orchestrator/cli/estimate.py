"""`orchestrate estimate`: says what a run will cost and how long it will take, before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.options import InputOption, JsonOption, ModelOption, ToolsOption

if TYPE_CHECKING:
    from rich.table import Table

    from orchestrator.cli.launch import Launch
    from orchestrator.estimate import Amount, Estimate, StepEstimate, Time
    from orchestrator.orchestrator import Orchestrator

__all__ = ["estimate"]

_MOST_ROWS = 40
_SOURCES = {"record": "{} runs of it", "prices": "prices, sizes", "free": "only computes", "none": "not known"}


def estimate(
    file: Annotated[str, typer.Argument(help="A workflow file, a name from the library, or - for standard input.")],
    inputs: InputOption = None,
    model: ModelOption = None,
    tools: ToolsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say what a run will cost and how long it will take, before it is run: usually, and in 95 of 100 runs at most.

    Each step is told with what it is estimated by: earlier runs on record, or prices and typical sizes. What nobody
    knows is unknown, and never 0. No model is asked.

    \b
    Examples:
      orchestrate estimate research-brief --input topic="tidal power"
      orchestrate estimate report.json --json | jq .total.cost_usd
    """
    from orchestrator.cli import launch
    from orchestrator.cli.errors import CommandError
    from orchestrator.cli.reading import read_text, workflow_source
    from orchestrator.inputs import InputSyntaxError, parse_inputs
    from orchestrator.shapes import jsonable
    from orchestrator.sources import load

    source = workflow_source(file)
    loaded = load(source)
    try:
        values = parse_inputs(inputs or (), loaded.inputs, read=read_text)
    except InputSyntaxError as error:
        raise CommandError(str(error), status=2) from error

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        found = orchestrator.estimate(loaded if isinstance(source, bytes) else source, values)
        if as_json:
            console.print_json(jsonable(found))
        else:
            _show(found)
        return 0

    return launch.perform(work, launch.Launch(as_json=as_json, tools=tools or ()), model=model)


def _show(found: Estimate) -> None:
    total = found.total
    console.show(_table(found))
    for told in found.assumed:
        console.say(f"  {told}", style="dim")
    console.print_result(f"cost: {_usd(total.cost_usd)}{_rest(total.unpriced, _usd(total.known_usd))}")
    console.print_result(f"time: {_seconds(total.seconds)}{_rest(total.untimed, _seconds(total.known_seconds))}")


def _rest(unknown: tuple[str, ...], known: str) -> str:
    if not unknown:
        return ""
    named = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
    return f", for {named}; all others: {known}"


def _table(found: Estimate) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("step", "times", "cost each", "seconds each", "by"):
        table.add_column(name, justify="left" if name in {"step", "by"} else "right")
    for step in found.steps[:_MOST_ROWS]:
        table.add_row(*(console.plain(cell) for cell in _cells(step)))
    if len(found.steps) > _MOST_ROWS:
        table.add_row(console.plain(f"and {len(found.steps) - _MOST_ROWS} more; --json has them all"))
    return table


def _cells(step: StepEstimate) -> tuple[str, ...]:
    by = _SOURCES[step.source].format(step.executions)
    return step.path, f"{step.times:.3g}", _usd(step.cost_usd), _seconds(step.seconds), by


def _usd(amount: Amount) -> str:
    if amount.p50 is None or amount.p95 is None:
        return "unknown"
    return "$0" if not amount.p95 else f"${amount.p50:f}, seldom over ${amount.p95:f}"


def _seconds(time: Time) -> str:
    if time.p50 is None or time.p95 is None:
        return "unknown"
    return "0 s" if not time.p95 else f"{time.p50:.3g} s, seldom over {time.p95:.3g} s"
