"""A workflow as an SVG picture: one file that any browser shows, with nothing in it that could be executed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from orchestrator.drawing.layers import Layout, Line, layered
from orchestrator.drawing.sketch import Box, Group, sketch

if TYPE_CHECKING:
    from workflows.model import Workflow

__all__ = ["svg"]

MARGIN: Final = 24.0
PADDING: Final = 12.0
LINE: Final = 17.0
LETTER: Final = 7.2
"""Width of a letter of the title; those of the lines below are smaller, so that nothing is cut off."""
LEAST: Final = 96.0
GAP: Final = 20.0
"""Between the cases of a branch, which stand side by side."""

COLOURS: Final[Mapping[str, str]] = {
    "llm": "#dbeafe",
    "image": "#fce7f3",
    "embed": "#e0e7ff",
    "set": "#f1f5f9",
    "tool": "#dcfce7",
    "http": "#ccfbf1",
    "approval": "#fef3c7",
    "workflow": "#ede9fe",
    "result": "#ffffff",
}
STYLE: Final = """
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1e293b; }
.title { font-weight: 600; } .note { fill: #475569; font-size: 11px; } .when { fill: #92400e; font-size: 11px; }
.box { stroke: #64748b; } .around { fill: #f8fafc; stroke: #94a3b8; }
.case { fill: none; stroke: #cbd5e1; stroke-dasharray: 5 4; }
.line { fill: none; stroke: #475569; stroke-width: 1.4; } .against { stroke: #dc2626; stroke-dasharray: 4 3; }
"""

ARROW: Final = """<defs>
<marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0,0 L8,4 L0,8 z" fill="#475569"/></marker></defs>"""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A box or a group whose size is known, and where all that is inside of it stands."""

    width: float
    height: float
    head: float
    """How far down the first thing inside begins."""
    layout: Layout | None = None
    boxes: tuple[tuple[Box, _Drawn], ...] = ()
    groups: tuple[tuple[Group, _Drawn], ...] = ()


def svg(workflow: Workflow) -> str:
    """The picture. Names and texts of the workflow are text in it, whatever they hold.

    Raises:
        TooManyToDrawError: it has too many steps for a picture.

    """
    whole = sketch(workflow)
    drawn = _group(whole, head=0.0)
    width, height = drawn.width + 2 * MARGIN, drawn.height + 2 * MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(whole.label)}</title>",
        f"<style>{STYLE}</style>",
        ARROW,
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *_inside(drawn, MARGIN, MARGIN),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _group(group: Group, *, head: float) -> _Drawn:
    boxes = {box.key: (box, _box(box)) for box in group.boxes}
    layout = layered({key: (drawn.width, drawn.height) for key, (_, drawn) in boxes.items()}, group.edges)
    return _Drawn(layout.width, layout.height + head, head, layout, tuple(boxes.values()))


def _box(box: Box) -> _Drawn:
    lines = _lines(box)
    wide = max(LEAST, max(_width(text) for _, text in lines) + 2 * PADDING)
    head = len(lines) * LINE + PADDING
    if not box.groups:
        return _Drawn(wide, head, head)
    several = box.kind == "branch"
    groups = []
    for group in box.groups:
        inner = _group(group, head=(LINE + PADDING) if several else 0.0)
        frame = 2 * PADDING if several else 0.0
        least = _width(group.label) + 2 * PADDING if several else 0.0
        size = (max(inner.width + frame, least), inner.height + (PADDING if several else 0.0))
        groups.append((group, _Drawn(*size, inner.head, inner.layout, inner.boxes)))
    inside = sum(drawn.width for _, drawn in groups) + GAP * (len(groups) - 1)
    height = max(drawn.height for _, drawn in groups)
    return _Drawn(max(wide, inside + 2 * PADDING), head + height + PADDING, head, groups=tuple(groups))


def _lines(box: Box) -> list[tuple[str, str]]:
    """The class and the text of each line of a box."""
    if box.kind == "result":
        return [("note", box.title)]
    note = box.note or (box.groups[0].label if len(box.groups) == 1 and box.kind != "branch" else "")
    lines = [("title", box.title), ("note", f"{box.kind} · {note}" if note else box.kind)]
    if box.condition:
        lines.append(("when", box.condition))
    return lines


def _width(text: str) -> float:
    """About how wide a text is drawn: letters of East Asia take two places."""
    return LETTER * sum(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in text)


def _inside(drawn: _Drawn, x: float, y: float) -> Iterator[str]:
    """The boxes of a group whose content begins at this point, over the lines between them."""
    if drawn.layout is None:
        return
    for line in drawn.layout.lines:
        yield _path(line, x, y)
    for box, one in drawn.boxes:
        place = drawn.layout.places[box.key]
        yield from _boxed(box, one, x + place.x, y + place.y)


def _boxed(box: Box, drawn: _Drawn, x: float, y: float) -> Iterator[str]:
    about = f"<title>{escape(box.about)}</title>" if box.about else ""
    look = 'class="around"' if box.groups else f'class="box" fill="{COLOURS.get(box.kind, "#ffffff")}"'
    yield f'<g class="step" id="{box.key}">{about}{_rect(look, x, y, drawn)}'
    middle = x + drawn.width / 2
    for number, (style, text) in enumerate(_lines(box)):
        yield _said(style, text, middle, y + PADDING / 2 + LINE * (number + 0.72))
    left = x + (drawn.width - sum(one.width for _, one in drawn.groups) - GAP * max(0, len(drawn.groups) - 1)) / 2
    for group, one in drawn.groups:
        yield from _case(group, one, left, y + drawn.head)
        left += one.width + GAP
    yield "</g>"


def _case(group: Group, drawn: _Drawn, x: float, y: float) -> Iterator[str]:
    if drawn.head:
        yield _rect('class="case"', x, y, drawn)
        yield _said("when", group.label, x + drawn.width / 2, y + LINE)
    wide = drawn.layout.width if drawn.layout is not None else 0.0
    yield from _inside(drawn, x + (drawn.width - wide) / 2, y + drawn.head)


def _rect(look: str, x: float, y: float, drawn: _Drawn) -> str:
    return f'<rect {look} x="{x:.1f}" y="{y:.1f}" width="{drawn.width:.1f}" height="{drawn.height:.1f}" rx="6"/>'


def _said(style: str, text: str, x: float, y: float) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>'


def _path(line: Line, x: float, y: float) -> str:
    """A smooth line: each piece leaves and arrives upright."""
    first, *rest = [(x + right, y + down) for right, down in line.points]
    drawn = f"M{first[0]:.1f},{first[1]:.1f}"
    for right, down in rest:
        half = (down - first[1]) / 2
        drawn += f" C{first[0]:.1f},{first[1] + half:.1f} {right:.1f},{down - half:.1f} {right:.1f},{down:.1f}"
        first = (right, down)
    look = "line against" if line.against else "line"
    return f'<path class="{look}" d="{drawn}" marker-end="url(#end)"/>'
