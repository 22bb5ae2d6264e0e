"""`orchestrate explain`: why a run's models were chosen, and what was tried."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.options import JsonOption

__all__ = ["explain"]


def explain(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or enough of its beginning.")],
    step: Annotated[
        str | None, typer.Argument(metavar="STEP", help="One step of it; all of them without it.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say in words why each model was chosen or left out, and how every try ended.

    Told from the record, so it works for runs that failed or were interrupted too.

    \b
    Examples:
      orchestrate explain 01K3
      orchestrate explain 01K3 draft
      orchestrate explain 01K3 --json | jq '.steps[].calls'
    """
    from executors.journal.store import SqlJournal
    from orchestrator.explain import explain as explained
    from orchestrator.shapes import jsonable
    from unified_api.settings import Settings

    with SqlJournal.of(Settings.load()) as record:
        explanation = explained(record, run_id, step)
    if as_json:
        console.print_json(jsonable(explanation))
        return
    for line in explanation.words:
        console.print_line(line)
