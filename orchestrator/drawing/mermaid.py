"""A workflow as the text of a Mermaid flowchart: a shape for each kind, a subgraph for each block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from orchestrator.drawing.sketch import Box, Group, sketch

if TYPE_CHECKING:
    from workflows.model import Workflow

__all__ = ["mermaid"]

SHAPES: Final[Mapping[str, tuple[str, str]]] = {
    "llm": ("[", "]"),
    "image": ("[/", "/]"),
    "embed": ("[(", ")]"),
    "set": ("(", ")"),
    "tool": ("[\\", "\\]"),
    "http": ("{{", "}}"),
    "approval": ("[/", "\\]"),
    "workflow": ("[[", "]]"),
    "result": ("([", "])"),
}
PLAIN: Final = frozenset(" _.,/+-*=!?()[]|·…←")
"""Beside letters and digits, what means nothing to Mermaid inside of quotes; any other is written by its number."""


def mermaid(workflow: Workflow) -> str:
    """The flowchart. No name or text of the workflow can be anything but a label in it.

    Raises:
        TooManyToDrawError: it has too many steps for a picture.

    """
    whole = sketch(workflow)
    return "\n".join(["flowchart TD", *_inside(whole, "  ")]) + "\n"


def _inside(group: Group, indent: str) -> Iterator[str]:
    for box in group.boxes:
        yield from _box(box, indent)
    for before, after in group.edges:
        yield f"{indent}{before} --> {after}"


def _box(box: Box, indent: str) -> Iterator[str]:
    if not box.groups:
        opening, closing = SHAPES[box.kind]
        yield f"{indent}{box.key}{opening}{_quoted(*_lines(box))}{closing}"
    elif len(box.groups) == 1 and box.kind != "branch":
        label = (f"{box.title}: {box.groups[0].label}", box.condition)
        yield from _subgraph(box.key, label, box.groups[0], indent)
    else:
        yield f"{indent}subgraph {box.key}[{_quoted(f'{box.title} · {box.kind}', box.condition)}]"
        for group in box.groups:
            yield from _subgraph(group.key, (group.label,), group, f"{indent}  ")
        yield f"{indent}end"


def _subgraph(key: str, label: tuple[str, ...], group: Group, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph {key}[{_quoted(*label)}]"
    yield from _inside(group, f"{indent}  ")
    yield f"{indent}end"


def _lines(box: Box) -> tuple[str, ...]:
    if box.kind == "result":
        return (box.title,)
    note = f"{box.kind} · {box.note}" if box.note else box.kind
    return (box.title, note, box.condition)


def _quoted(*lines: str) -> str:
    return f'"{"<br/>".join(_escaped(line) for line in lines if line)}"'


def _escaped(text: str) -> str:
    return "".join(char if char in PLAIN or char.isalnum() else f"#{ord(char)};" for char in text)
