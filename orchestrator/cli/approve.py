"""`orchestrate approve` and `orchestrate approvals`: answers steps that wait for a person, and lists them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    question: Annotated[
        str | None,
        typer.Option("--question", metavar="ID", help="Which question, where the step has asked several things."),
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
        waiting = await orchestrator.approvals(run_id)
        path = step or _only(waiting, run_id)
        for asked in waiting:
            if asked.path == path:
                _tell(asked, console.say)
        decision = await orchestrator.approve(
            run_id, path, question=question, approved=not reject, by=by or this_user(), comment=comment
        )
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
    """List the steps that wait for a person, with what they ask and show.

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
            when = f"asked {asked.asked:%Y-%m-%d %H:%M %Z}{until}"
            console.print_line(f"{asked.run_id}  {asked.path}  question {asked.question}  {when}", style="bold")
            _tell(asked, console.print_line)
        if not found:
            console.say("Nothing waits for a person.")
        return 0

    return launch.perform(work, launch.Launch(as_json=as_json), names_interrupted=False)


def _only(waiting: Sequence[Approval], run_id: str) -> str:
    if len(waiting) == 1:
        return waiting[0].path
    if not waiting:
        raise CommandError(f"run {run_id} asks nothing; `orchestrate approvals` lists what waits")
    raise CommandError(f"run {run_id} asks several things; name one of {', '.join(one.path for one in waiting)}")


def _tell(asked: Approval, say: Callable[[str], None]) -> None:
    """What is asked, and what is to be decided about."""
    texts = [words.material(asked.message), *([] if asked.show is None else [words.material(asked.show)])]
    for line in "\n".join(texts).split("\n"):
        say(f"    {line}")


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
        "question": asked.question,
        "message": asked.message,
        "show": asked.show,
        "asked": asked.asked.isoformat(),
        "expires": None if asked.expires is None else asked.expires.isoformat(),
        "default": asked.default,
    }
