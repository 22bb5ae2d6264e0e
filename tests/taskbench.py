"""Turns a plan of TaskBench's format, as a model wrote it, into a document of our language, faults and all.

Nothing is put right here: tool names, references such as `<node-0>` and names of arguments stay as written. What
TaskBench leaves open is read in the one way its own evaluation reads it: a list of bare arguments has no order, and
a link between tools means the step of that name where just one step bears it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from corpus import ROOT

from workflows.tools import ToolSpec

__all__ = ["MEDIA", "document", "parameters", "tools"]

MEDIA = {"image": ("jpg", "jpeg", "png", "gif", "bmp"), "audio": ("wav", "mp3"), "video": ("mp4", "avi", "mov")}
NODE = re.compile(r"<node-(\d+)>")


def tools(domain: str) -> dict[str, ToolSpec]:
    """The tools of `huggingface` or `multimedia`: a text is a string, what a tool makes of a picture an object."""
    path = ROOT / "plans" / f"tool_desc_taskbench_{domain}.json"
    nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    return {node["id"]: spec(node) for node in nodes}


def spec(node: dict[str, Any]) -> ToolSpec:
    names = parameters([kind.lower() for kind in node["input-type"]])
    outputs = [kind.lower() for kind in node["output-type"]]
    return ToolSpec(
        name=node["id"],
        description=node["desc"],
        parameters={
            "type": "object",
            "properties": {name: taken(kind) for name, kind in names.items()},
            "required": list(names),
            "additionalProperties": False,
        },
        returns=given(outputs[0]) if outputs else None,
    )


def parameters(kinds: list[str]) -> dict[str, str]:
    """A name for each input type: `text`, `text_2`."""
    names: dict[str, str] = {}
    for place, kind in enumerate(kinds):
        before = kinds[:place].count(kind)
        names[kind if before == 0 else f"{kind}_{before + 1}"] = kind
    return names


def taken(kind: str) -> dict[str, Any]:
    return {"type": ["string", "object"], "description": kind} if kind in MEDIA else {"type": "string"}


def given(kind: str) -> dict[str, Any]:
    if kind not in MEDIA:
        return {"type": "string", "description": kind}
    return {"type": "object", "description": kind, "properties": {"url": {"type": "string"}}}


def document(row: dict[str, Any], specs: dict[str, ToolSpec]) -> dict[str, Any]:
    """The plan of a row of `llm_pred_*.jsonl`, with `node-N` as the id of its node N."""
    nodes = row["prediction"]["task_nodes"]
    steps = [step(number, nodes, specs) for number in range(len(nodes))]
    for source, target in links(row):
        steps[target].setdefault("after", []).append(source)
    return {"workflow": "1", "name": row["id"].lower().replace("_", "-"), "steps": steps}


def links(row: dict[str, Any]) -> list[tuple[str, int]]:
    """(id or name of the step that comes first, number of the other); a link that names no one step is left out."""
    names = [node["task"] for node in row["prediction"]["task_nodes"]]
    made = []
    for link in row["prediction"]["task_links"]:
        source, target = link["source"], link["target"]
        if names.count(target) != 1 or names.count(source) > 1:
            continue
        made.append((f"node-{names.index(source)}" if source in names else str(source), names.index(target)))
    return list(dict.fromkeys(made))


def step(number: int, nodes: list[dict[str, Any]], specs: dict[str, ToolSpec]) -> dict[str, Any]:
    node = nodes[number]
    made: dict[str, Any] = {"id": f"node-{number}", "kind": "tool", "tool": node["task"], "arguments": {}}
    bare = []
    for argument in node.get("arguments") or []:
        if isinstance(argument, dict):
            name = argument["name"]
            doubled = sum(1 for known in made["arguments"] if known == name or known.startswith(f"{name} ("))
            made["arguments"][name if not doubled else f"{name} ({doubled + 1})"] = argument.get("value")
        else:
            bare.append(argument)
    wanted = {name: kind_of(schema) for name, schema in properties(node["task"], specs).items()}
    free = {name: kind for name, kind in wanted.items() if name not in made["arguments"]}
    made["arguments"] |= assigned(bare, free, nodes, specs)
    return made


def properties(tool: str, specs: dict[str, ToolSpec]) -> dict[str, Any]:
    return specs[tool].parameters["properties"] if tool in specs else {}


def kind_of(schema: dict[str, Any]) -> str:
    return schema.get("description", "text")


def assigned(
    bare: list[Any], free: dict[str, str], nodes: list[dict[str, Any]], specs: dict[str, ToolSpec]
) -> dict[str, Any]:
    """Bare arguments under names: first by type, then the rest in order; what is too much is `argument_N`."""
    made: dict[str, Any] = {}
    rest = []
    for place, value in enumerate(bare, start=1):
        name = next(
            (one for one, kind in free.items() if one not in made and kind == kind_of_value(value, nodes, specs)), None
        )
        if name is None:
            rest.append((place, value))
        else:
            made[name] = value
    for place, value in rest:
        name = next((one for one in free if one not in made), f"argument_{place}")
        made[name] = value
    return made


def kind_of_value(value: Any, nodes: list[dict[str, Any]], specs: dict[str, ToolSpec]) -> str:
    text = str(value).strip()
    found = NODE.fullmatch(text)
    if found and int(found[1]) < len(nodes) and nodes[int(found[1])]["task"] in specs:
        returns = specs[nodes[int(found[1])]["task"]].returns
        return kind_of(returns) if returns else "text"
    suffix = text.rsplit(".", 1)[-1].lower()
    return next((kind for kind, suffixes in MEDIA.items() if suffix in suffixes), "text")
