"""`orchestrate workflow fmt`: gives workflow files their one layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import console, words
from orchestrator.cli.errors import CommandError

__all__ = ["fmt_workflows"]


def fmt_workflows(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Workflow files; - lays out standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; status 1 if a file would change.")] = False,
) -> int:
    """Lay out workflow files: keys in one order, short values on one line. What they mean stays the same.

    A file that is no workflow is left as it is, with its findings. Exit status 0 if all files have the layout now.

    \b
    Examples:
      orchestrate workflow fmt plan.json
      orchestrate workflow fmt --check workflows/*.json
      orchestrate plan "Compare solar and wind power" | orchestrate workflow fmt - > plan.json
    """
    ended = [_one(name, check=check) for name in dict.fromkeys(files)]
    changed, broken = ended.count("changed"), ended.count("broken")
    alike = len(ended) - changed - broken
    fates = (
        (changed, "would change" if check else "laid out"),
        (alike, "already so"),
        (broken, "left as it is: no workflow"),
    )
    told = [f"{words.plural(count, 'file')} {fate}" for count, fate in fates if count]
    console.say(", ".join(told), style="bold")
    return 1 if broken or (check and changed) else 0


def _one(name: str, *, check: bool) -> str:
    """What became of the file: `same`, `changed` or `broken`."""
    from orchestrator.cli.findings import show_findings
    from orchestrator.cli.reading import write_text
    from orchestrator.formatting import formatted
    from workflows.findings import WorkflowError

    before = _read(name)
    try:
        after = formatted(before)
    except WorkflowError as error:
        console.say(f"{name}:", style="bold")
        show_findings(error.findings)
        return "broken"
    same = after.encode() == before
    if name == "-" and not check:
        console.print_result(after)
    elif not same and not check:
        write_text(Path(name).expanduser(), after)
    if not same:
        console.say(f"{name}: {'would change' if check else 'laid out'}")
    return "same" if same else "changed"


def _read(name: str) -> bytes:
    from orchestrator.cli.reading import workflow_source

    source = workflow_source(name) if name == "-" else Path(name).expanduser()
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {name!r}: {error.strerror or error}") from error
