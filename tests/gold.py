"""Turns a row of the gold plans into a workflow document: one `set` step per node, one `after` per edge."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["edges", "labels", "workflow"]

_PAIR = re.compile(r"[(\[]\s*(START|\d+)\s*,\s*(END|\d+)\s*[)\]]", re.IGNORECASE)


def labels(row: dict[str, Any]) -> list[str]:
    """What each node does, in the order of the file; node `n` of an edge is `labels[n - 1]`."""
    if "nodes" in row:
        return [node["task"] for node in row["nodes"]]
    return list(row["gold_nodes"])


def edges(row: dict[str, Any]) -> list[tuple[int, int]]:
    """(from, to) by node number from 1, as written: START and END left out, doubled edges kept once."""
    if "links" in row:
        number = {task: place for place, task in enumerate(labels(row), start=1)}
        pairs = [(number.get(link["source"], 0), number.get(link["target"], 0)) for link in row["links"]]
    else:
        written = row["gold_edges"] or _PAIR.findall(_after_nodes(row))
        pairs = [(int(a), int(b)) for a, b in written if str(a).upper() != "START" and str(b).upper() != "END"]
    return list(dict.fromkeys(pairs))


def workflow(row: dict[str, Any], *, kind: str = "set") -> dict[str, Any]:
    """The plan as JSON of the language, broken where the plan is broken.

    `kind` `set` gives steps without a model whose value names the step and holds its parents' values;
    `llm` gives steps whose prompt refers to the parents' outputs.
    """
    parents: dict[int, list[int]] = {}
    for source, target in edges(row):
        parents.setdefault(target, []).append(source)
    steps = [_step(number, label, parents.get(number, []), kind) for number, label in enumerate(labels(row), start=1)]
    name = re.sub(r"[^a-z0-9]+", "-", row["id"].lower()).strip("-")[-100:].strip("-")
    return {"workflow": "1", "name": name, "description": row["user_request"][:10_000], "steps": steps}


def _after_nodes(row: dict[str, Any]) -> str:
    """The text behind the last node: the edges stand there, in several layouts, and prose about them."""
    nodes = row["gold_nodes"]
    before, _, after = row["gold_text"].partition(f"{len(nodes)}: {nodes[-1].strip()}")
    return after or before


def _step(number: int, label: str, parents: list[int], kind: str) -> dict[str, Any]:
    references = [f"{{{{ steps.s{parent}.output }}}}" for parent in parents]
    text = label.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")
    if kind == "llm":
        return {"id": f"s{number}", "kind": "llm", "prompt": "\n".join([text, *references])}
    return {"id": f"s{number}", "kind": "set", "value": {"does": text, "from": references}}
