"""Shows a workflow as a graph a person can read: what starts at once, what waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli import console, words
from orchestrator.cli.console import plain

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from workflows.graph import Graph
    from workflows.model import Step, Workflow

__all__ = ["dag_table", "show_dag", "stages"]

SHOWN = 60
"""Steps shown; a larger graph is summed up after them."""


def show_dag(workflow: Workflow) -> None:
    """Prints the graph on stderr."""
    from workflows.graph import Graph

    graph = Graph.of(workflow)
    if graph.cycle() is not None:
        return  # no order to show; the checks say which steps it goes through
    console.show(dag_table(workflow, graph=graph))
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


def dag_table(workflow: Workflow, *, graph: Graph) -> Table:
    from rich.table import Table

    by_id = {step.id: step for step in workflow.steps}
    table = Table.grid(padding=(0, 2))
    table.add_column("stage", no_wrap=True, min_width=24)
    table.add_column("step", no_wrap=True, overflow="ellipsis", min_width=min(28, max(map(len, by_id))))
    for name in ("kind", "model", "needs"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=3 if name == "kind" else 12)
    table.add_column("text", no_wrap=True, overflow="ellipsis")
    left = SHOWN
    for number, stage in enumerate(stages(graph)):
        for place, step_id in enumerate(stage[:left]):
            label = _label(number, len(stage)) if place == 0 else ""
            table.add_row(*_row(label, by_id[step_id], graph=graph))
        left = max(0, left - len(stage))
    return table


def _label(number: int, size: int) -> str:
    start = "  at once" if number == 0 else "  then"
    return f"{start}, {size} in parallel" if size > 1 else start


def _row(label: str, step: Step, *, graph: Graph) -> list[Text]:
    parents = list(graph.parents(step.id))
    shown = ", ".join(parents[:4]) + (f", … {len(parents) - 4} more" if len(parents) > 4 else "")
    condition = " if …" if step.when is not None else ""
    return [
        plain(label, style="dim"),
        plain(step.id, style="bold"),
        plain(step.kind),
        plain(words.one_line(words.model_choice(step), width=40)),
        plain(f"← {shown}{condition}" if parents else condition.strip()),
        plain(words.one_line(_text(step), width=100), style="dim"),
    ]


def _text(step: Step) -> str:
    """What tells a step from its neighbours: prompts put their context first and what is asked last."""
    if step.kind in {"llm", "image"}:
        return str(getattr(step, "prompt", "")).strip().rpartition("\n")[2]
    return str(getattr(step, "input", "") or getattr(step, "arguments", "") or getattr(step, "value", ""))
