"""`orchestrate approve` and `orchestrate approvals`: answers steps that wait for a person, and lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import console, words
from orchestrator.cli.errors import CommandError
from orchestrator.cli.options import JsonOption

if TYPE_CHECKING:
    from executors.journal.entries import Approval
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator

__all__ = ["approvals", "approve"]


def approve(
    run: Annotated[str, typer.Argument(help="The run's id, or enough of its beginning.")],
    step: Annotated[
        str | None, typer.Argument(help="The step that waits, as `orchestrate approvals` names it; needless for one.")
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    comment: Annotated[str | None, typer.Option("--comment", help="Why; later steps see it.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who answers; by default the user of this machine.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Answer a step that waits for a person, from any terminal and long after it asked.

    The program that runs it goes on within half a second; a run whose program died goes on when it is resumed.

    \b
    Examples:
      orchestrate approvals
      orchestrate approve 01K3 publish
      orchestrate approve 01K3 publish --reject --comment "The figures are last year's"
    """
    from orchestrator.cli import launch

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        run_id = orchestrator.runs.get_run(run).run_id
        path = step or await _only(orchestrator, run_id)
        decision = await orchestrator.approve(run_id, path, approved=not reject, by=by or this_user(), comment=comment)
        said = "Approved" if decision.approved else "Rejected"
        console.say(f"{said} {path!r} of run {run_id}.")
        if run_id in await orchestrator.interrupted():
            console.say(f"Nobody runs it now; `orchestrate resume {run_id}` goes on with it.")
        if as_json:
            console.print_json(
                {"run_id": run_id, "step": path, "approved": decision.approved}
                | {"by": decision.by, "comment": decision.comment}
            )
        return 0

    return launch.perform(work, launch.Launch(as_json=as_json), names_interrupted=False)


def approvals(
    run: Annotated[str | None, typer.Argument(help="Only of this run.")] = None, as_json: JsonOption = False
) -> int:
    """List the steps that wait for a person.

    \b
    Examples:
      orchestrate approvals
      orchestrate approvals --json
    """
    from orchestrator.cli import launch

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        found = await orchestrator.approvals(run)
        if as_json:
            console.print_json([_shape(asked) for asked in found])
            return 0
        for asked in found:
            until = f", until {asked.expires:%Y-%m-%d %H:%M %Z}, then {asked.default}" if asked.expires else ""
            console.print_line(
                f"{asked.run_id}  {asked.path}  asked {asked.asked:%Y-%m-%d %H:%M %Z}{until}", style="bold"
            )
            console.print_line(f"    {words.one_line(asked.message, width=300)}")
        if not found:
            console.say("Nothing waits for a person.")
        return 0

    return launch.perform(work, launch.Launch(as_json=as_json), names_interrupted=False)


async def _only(orchestrator: Orchestrator, run_id: str) -> str:
    waiting = await orchestrator.approvals(run_id)
    if len(waiting) == 1:
        return waiting[0].path
    if not waiting:
        raise CommandError(f"run {run_id} asks nothing; `orchestrate approvals` lists what waits")
    raise CommandError(f"run {run_id} asks several things; name one of {', '.join(one.path for one in waiting)}")


def this_user() -> str | None:
    """The name of the user of this machine, where it has one."""
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError, ImportError):
        return None


def _shape(asked: Approval) -> dict[str, Any]:
    return {
        "run_id": asked.run_id,
        "step": asked.path,
        "message": asked.message,
        "show": asked.show,
        "asked": asked.asked.isoformat(),
        "expires": None if asked.expires is None else asked.expires.isoformat(),
        "default": asked.default,
    }
