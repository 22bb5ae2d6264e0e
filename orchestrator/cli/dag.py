"""Shows a workflow as a graph a person can read: what starts at once, what waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.cli import console, words
from orchestrator.cli.console import plain

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from workflows.graph import Graph
    from workflows.model import Step, Workflow

__all__ = ["dag_table", "show_dag", "stages"]

Row: TypeAlias = "dict[str, Text]"
SHOWN = 60
"""Steps shown; a larger graph is summed up after them."""
COLUMNS = ("stage", "step", "kind", "model", "needs", "text")
LONGEST = {"stage": 40, "step": 28, "kind": 5, "model": 40, "needs": 60, "text": 100}
"""Columns of the terminal that each column of the table gets at most."""
GAP = 2
NARROW = 100
READABLE = 24
"""Fewer columns of the terminal tell too little of a text."""


def show_dag(workflow: Workflow) -> None:
    """Prints the graph on stderr."""
    from workflows.graph import Graph

    graph = Graph.of(workflow)
    if graph.cycle() is not None:
        return  # no order to show; the checks say which steps it goes through
    console.show(dag_table(workflow, graph=graph, width=console.stderr().width))
    if len(workflow.steps) > SHOWN:
        console.say(f"  … and {words.plural(len(workflow.steps) - SHOWN, 'more step')}", style="dim")


def stages(graph: Graph) -> list[list[str]]:
    """Step ids by the length of the longest chain of steps before them; each list may run in parallel."""
    depth: dict[str, int] = {}
    for step_id in graph.order():
        depth[step_id] = 1 + max((depth[parent] for parent in graph.parents(step_id)), default=-1)
    found: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for step_id in graph.ids:
        found[depth[step_id]].append(step_id)
    return found


def dag_table(workflow: Workflow, *, graph: Graph, width: int = 160) -> Table:
    """The graph as a table of at most `width` columns of the terminal."""
    from rich.table import Table

    rows = list(_rows(workflow, graph=graph, narrow=width < NARROW))
    widths = _widths(rows, width)
    shown = [name for name in COLUMNS if widths[name]]
    table = Table.grid(padding=(0, GAP))
    for name in shown:
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=widths[name])
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    return table


def _widths(rows: list[Row], width: int) -> dict[str, int]:
    """What each column gets, 0 for one that is left out: who waits for whom and what is asked matter most."""
    widths = {name: min(LONGEST[name], max((row[name].cell_len for row in rows), default=0)) for name in COLUMNS}

    def room() -> int:
        return width - sum(given + GAP for name, given in widths.items() if given and name != "text")

    for less in ("kind", "model"):
        if room() >= min(widths["text"], READABLE):
            break
        widths[less] = 0
    if room() < READABLE:
        widths["needs"] = min(widths["needs"], max(READABLE, widths["needs"] + room() - READABLE))
    # An ellipsis alone says nothing.
    widths["text"] = min(widths["text"], room()) if room() > 2 else 0
    return widths


def _rows(workflow: Workflow, *, graph: Graph, narrow: bool) -> Iterator[Row]:
    by_id = {step.id: step for step in workflow.steps}
    left = SHOWN
    for number, stage in enumerate(stages(graph)):
        for place, step_id in enumerate(stage[:left]):
            label = _label(number, len(stage), narrow=narrow) if place == 0 else ""
            yield _row(label, by_id[step_id], graph=graph)
        left = max(0, left - len(stage))


def _label(number: int, size: int, *, narrow: bool) -> str:
    start = "  at once" if number == 0 else "  then"
    if size == 1:
        return start
    return f"{start} ({size})" if narrow else f"{start}, {size} in parallel"


def _row(label: str, step: Step, *, graph: Graph) -> Row:
    parents = list(graph.parents(step.id))
    shown = ", ".join(parents[:4]) + (f", … {len(parents) - 4} more" if len(parents) > 4 else "")
    condition = " if …" if step.when is not None else ""
    return {
        "stage": plain(label, style="dim"),
        "step": plain(step.id, style="bold"),
        "kind": plain(step.kind),
        "model": plain(words.model_choice(step)),
        "needs": plain(f"← {shown}{condition}" if parents else condition.strip()),
        "text": plain(words.one_line(_text(step), width=LONGEST["text"]), style="dim"),
    }


def _text(step: Step) -> str:
    """What tells a step from its neighbours: prompts put their context first and what is asked last."""
    if step.kind in {"llm", "image"}:
        return str(getattr(step, "prompt", "")).strip().rpartition("\n")[2]
    return str(getattr(step, "input", "") or getattr(step, "arguments", "") or getattr(step, "value", ""))
