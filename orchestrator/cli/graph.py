"""`orchestrate workflow graph`: draws a workflow."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.errors import CommandError

__all__ = ["Format", "graph_workflow"]


class Format(StrEnum):
    """What a picture is written as."""

    MERMAID = "mermaid"
    SVG = "svg"


_ENDINGS = {".svg": Format.SVG, ".mmd": Format.MERMAID, ".mermaid": Format.MERMAID, ".md": Format.MERMAID}


def _by_ending(out: Path | None) -> Format:
    """What a file of this name holds. Raises CommandError for one that is neither, as a PDF would be no PDF."""
    ending = "" if out is None else out.suffix.lower()
    if ending in {"", ".txt"}:
        return Format.MERMAID
    if ending not in _ENDINGS:
        known = ", ".join(_ENDINGS)
        raise CommandError(f"nothing draws a {ending} file: name it with one of {known}, or say which by --format")
    return _ENDINGS[ending]


def graph_workflow(
    workflow: Annotated[str, typer.Argument(help="A name from the library, a workflow file, or -.")],
    style: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: svg where --out ends in .svg, else mermaid.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", dir_okay=False, help="Write the picture there.")] = None,
) -> None:
    """Draw a workflow: as the text of a Mermaid flowchart, or as an SVG picture that any browser shows.

    \b
    Examples:
      orchestrate workflow graph research-brief
      orchestrate workflow graph plan.json --out plan.svg
    """
    from orchestrator.cli.reading import workflow_source, write_text
    from orchestrator.drawing.mermaid import mermaid
    from orchestrator.drawing.sketch import TooManyToDrawError
    from orchestrator.drawing.svg import svg
    from orchestrator.sources import load

    loaded = load(workflow_source(workflow))
    wanted = style or _by_ending(out)
    try:
        picture = svg(loaded) if wanted is Format.SVG else mermaid(loaded)
    except TooManyToDrawError as error:
        raise CommandError(str(error)) from error
    if out is None:
        console.print_result(picture)
    else:
        write_text(out, picture)
        console.say(f"Drawn: {out}")
