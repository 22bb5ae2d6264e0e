"""`orchestrate workflow new`: writes a file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.errors import CommandError

__all__ = ["new_workflow"]

DEFAULT = "llm"


def new_workflow(
    name: Annotated[str, typer.Argument(help="Lower-case words joined by hyphens; the file is NAME.json.")],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            "-k",
            help="What it shows: llm, json, image, embed, set, tool, http, map, branch, loop, workflow or approval.",
            show_default=DEFAULT,
        ),
    ] = None,
    library: Annotated[
        str | None, typer.Option("--from", metavar="LIBRARY", help="Begin with a workflow of the library instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a small workflow to begin with; it may run as it is.

    \b
    Examples:
      orchestrate workflow new summaries --kind map
      orchestrate workflow new my-brief --from research-brief
    """  # fmt: skip
    from orchestrator.cli.reading import write_text

    folder, stem = Path(name).expanduser().parent, Path(name).name.removesuffix(".json")
    text = _text(stem, kind=kind, library=library)
    path = folder / f"{stem}.json"
    if path.exists() and not force:
        raise CommandError(f"{str(path)!r} is there already: take another name, or --force to write over it")
    write_text(path, text)
    console.print_result(str(path))
    tools = " --tools mine.py" if kind == "tool" else ""
    console.say(f"Next: orchestrate check {path}{tools}; orchestrate workflow show {path}", style="dim")


def _text(name: str, *, kind: str | None, library: str | None) -> str:
    from orchestrator.starters import UnsoundNameError, copy_of, kinds, starter
    from workflows.nearest import nearest

    if kind is not None and library is not None:
        raise CommandError("--kind and --from exclude each other: a copy has the kinds that it has", status=2)
    if kind is not None and kind not in kinds():
        near = nearest(kind, kinds())
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise CommandError(f"there is no starter of kind {kind!r}: {hint}there are {', '.join(kinds())}", status=2)
    try:
        return starter(name, kind or DEFAULT) if library is None else copy_of(library, name)
    except UnsoundNameError as error:
        raise CommandError(str(error), status=2) from error
    except KeyError as error:
        raise CommandError(str(error.args[0])) from error
