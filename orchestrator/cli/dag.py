"""Shows a workflow as a graph a person can read: what starts at once, what waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.cli import console, words
from orchestrator.cli.console import plain

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from workflows.blocks import Inner
    from workflows.graph import Graph
    from workflows.model import Step, Workflow

__all__ = ["dag_table", "show_dag", "stages"]

Row: TypeAlias = "dict[str, Text]"
SHOWN = 60
"""Steps shown; a larger graph is summed up after them."""
COLUMNS = ("stage", "step", "kind", "model", "needs", "text")
LONGEST = {"stage": 40, "step": 28, "kind": 8, "model": 40, "needs": 60, "text": 100}
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
    from workflows.blocks import nested_steps

    steps = sum(1 + sum(1 for _ in nested_steps(step)) for step in workflow.steps)
    if steps > SHOWN:
        console.say(f"  … and {words.plural(steps - SHOWN, 'more step')}", style="dim")


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
    yield from islice(_every_row(workflow, graph=graph, narrow=narrow), SHOWN)


def _every_row(workflow: Workflow, *, graph: Graph, narrow: bool) -> Iterator[Row]:
    by_id = {step.id: step for step in workflow.steps}
    for number, stage in enumerate(stages(graph)):
        for place, step_id in enumerate(stage):
            label = _label(number, len(stage), narrow=narrow) if place == 0 else ""
            yield _row(label, by_id[step_id], waits=graph.parents(step_id))
            yield from _inside(by_id[step_id], depth=1)


def _inside(step: Step, *, depth: int) -> Iterator[Row]:
    """A row for each step inside of a step, in the order of the file, below and further in than the step itself."""
    from workflows.blocks import inner_blocks
    from workflows.references import parents

    for inner in inner_blocks(step):
        beside = {one.id for one in inner.steps}
        for place, one in enumerate(inner.steps):
            waits = tuple(name for name in parents(one) if name in beside)
            yield _row("", one, waits=waits, depth=depth, case=_case(step, inner) if place == 0 else "")
            yield from _inside(one, depth=depth + 1)


def _case(step: Step, inner: Inner) -> str:
    """Which case of a branch begins here."""
    if step.kind != "branch":
        return ""
    if inner.path[0] == "else":
        return "else"
    return "when " + words.one_line(step.cases[int(inner.path[1])].when.strip("{} "), width=40)


def _label(number: int, size: int, *, narrow: bool) -> str:
    start = "  at once" if number == 0 else "  then"
    if size == 1:
        return start
    return f"{start} ({size})" if narrow else f"{start}, {size} in parallel"


def _row(label: str, step: Step, *, waits: tuple[str, ...], depth: int = 0, case: str = "") -> Row:
    shown = ", ".join(waits[:4]) + (f", … {len(waits) - 4} more" if len(waits) > 4 else "")
    condition = " if …" if step.when is not None else ""
    needs = f"← {shown}{condition}" if waits else condition.strip()
    return {
        "stage": plain(label, style="dim"),
        "step": plain(f"{'  ' * depth}{step.id}", style="" if depth else "bold"),
        "kind": plain(step.kind),
        "model": plain(words.model_choice(step)),
        "needs": plain(" ".join(part for part in (case, needs) if part)),
        "text": plain(words.one_line(_text(step), width=LONGEST["text"]), style="dim"),
    }


def _text(step: Step) -> str:
    """What tells a step from its neighbours: prompts put their context first and what is asked last."""
    if step.kind in {"llm", "image"}:
        return str(getattr(step, "prompt", "")).strip().rpartition("\n")[2]
    for field in ("input", "arguments", "value", "message", "over", "until", "inputs"):
        if told := getattr(step, field, ""):
            return str(told)
    return ""
