"""`orchestrate cancel`: ends a run, whatever program it is under way in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.errors import CommandError
from orchestrator.cli.options import AlthoughHeldOption

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator

__all__ = ["cancel"]


def cancel(
    run: Annotated[str, typer.Argument(help="The run's id, or enough of its beginning.")],
    although_held: AlthoughHeldOption = False,
) -> int:
    """Cancel a run: calls under way are stopped, and what was done stays recorded.

    The program that runs it notices within a second; a run whose program died is ended, and not resumed by itself.

    \b
    Examples:
      orchestrate cancel 01K3
    """
    from orchestrator.cli import launch

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        run_id = orchestrator.runs.get_run(run).run_id
        if not await orchestrator.cancel(run_id, although_held=although_held):
            raise CommandError(f"run {run_id} has ended already; `orchestrate runs show {run_id}` shows it")
        console.say(f"Run {run_id} is being cancelled; `orchestrate resume {run_id}` would go on with it.")
        return 0

    return launch.perform(work, launch.Launch(), names_interrupted=False)
