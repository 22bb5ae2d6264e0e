"""`orchestrate resume`: goes on with a run that was interrupted, failed or cancelled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import console, words
from orchestrator.cli.errors import CommandError
from orchestrator.cli.options import (
    AlthoughHeldOption,
    DeadlineOption,
    InputOption,
    JsonOption,
    MaxParallelOption,
    OutOption,
    ToolsOption,
)

if TYPE_CHECKING:
    from executors.preview import Preview
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator
    from orchestrator.resuming import Continuation

__all__ = ["resume"]

_SHOWN = 12
"""Paths of one line at most."""


def resume(
    run: Annotated[str | None, typer.Argument(help="The run's id, or enough of its beginning.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs whose program died.")] = False,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", metavar="FILE", help="An edited workflow to go on with.")
    ] = None,
    inputs: InputOption = None,
    again: Annotated[
        list[str] | None,
        typer.Option(
            "--again",
            metavar="PATH",
            help="A step that was cut off and must not be done twice: do it again all the same.",
        ),
    ] = None,
    took_place: Annotated[
        list[str] | None,
        typer.Option(
            "--took-place", metavar="PATH[=JSON]", help="A step that was cut off: take it as done, with this output."
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", min=0, max=1_000_000, help="US dollars for all passes of the run together."),
    ] = None,
    deadline: DeadlineOption = None,
    max_parallel: MaxParallelOption = None,
    out: OutOption = None,
    tools: ToolsOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Pay again what must be paid again, without asking.")
    ] = False,
    although_held: AlthoughHeldOption = False,
    as_json: JsonOption = False,
) -> int:
    """Go on with a run: what is recorded is not paid for again.

    Says first which steps will be executed again, and asks if something that was paid would be paid again.

    \b
    Examples:
      orchestrate resume 01K3
      orchestrate resume 01K3 --workflow edited.json
      orchestrate resume 01K3 --input 'names=["Ada", "Bea", "Cora"]'
      orchestrate resume 01K3 --took-place 'send={"id": 7}'
      orchestrate resume --all
    """
    from orchestrator.cli import launch

    if every == (run is not None):
        raise CommandError("name one run, such as `orchestrate resume 01K3`, or --all; `orchestrate runs` lists them")
    if every and (workflow or inputs or again or took_place or although_held):
        raise CommandError(
            "--all takes runs as they are: --workflow, --input, --again, --took-place and --although-held are for one"
            " run"
        )
    limits = launch.limits(budget, deadline, None, max_parallel)
    wish = launch.Launch(limits=limits, out=out, as_json=as_json, yes=yes, tools=tools or ())
    outputs = dict(map(_output, took_place or ()))

    async def work(orchestrator: Orchestrator, launched: Launch) -> int:
        if run is not None:
            source = None if workflow is None else Path(workflow)
            values = _inputs(orchestrator, run, source, inputs or ())
            found = await orchestrator.continuation(
                run, source, again=again or (), took_place=outputs, inputs=values, limits=launched.limits
            )
            return await _go_on(orchestrator, found, launched, although_held=although_held)
        return await _go_on_with_all(orchestrator, launched)

    return launch.perform(work, wish, names_interrupted=False)


def _inputs(orchestrator: Orchestrator, run: str, source: Path | None, given: Sequence[str]) -> Mapping[str, Any]:
    from orchestrator.cli.reading import read_text
    from orchestrator.inputs import InputSyntaxError, parse_inputs
    from orchestrator.sources import load

    if not given:
        return {}
    recorded = orchestrator.runs.get_run(run).definition or {}
    schemas: Any = recorded.get("inputs", {}) if source is None else load(source).inputs
    try:
        return parse_inputs(given, schemas, read=read_text)
    except InputSyntaxError as error:
        raise CommandError(str(error), status=2) from None


def _output(text: str) -> tuple[str, Any]:
    path, given, value = text.partition("=")
    if not given:
        return path, None
    try:
        return path, json.loads(value)
    except ValueError as error:
        raise CommandError(f"--took-place {text!r}: what follows the = is no JSON ({error})") from None


async def _go_on_with_all(orchestrator: Orchestrator, launched: Launch) -> int:
    from executors.journal.entries import JournalError
    from orchestrator.passes import RunUnderWayError
    from orchestrator.resuming import ResumeError

    left = await orchestrator.interrupted()
    if not left:
        console.say("No run was interrupted.")
    status = 0
    for run_id in left:
        console.say(f"Run {run_id}", style="bold")
        try:
            status |= await _go_on(
                orchestrator, await orchestrator.continuation(run_id, limits=launched.limits), launched
            )
        except (ResumeError, RunUnderWayError, JournalError) as error:  # the others go on
            console.say(f"Error: {words.clean(str(error))}", style="red")
            status = 1
    return status


async def _go_on(
    orchestrator: Orchestrator, found: Continuation, launched: Launch, *, although_held: bool = False
) -> int:
    from orchestrator.catalog import locality
    from orchestrator.cli.launch import told
    from orchestrator.cli.progress import showing

    _show(found)
    if found.preview.repeats and not launched.yes and not _agreed():
        console.say("Nothing was done.")
        return 1
    launched.is_local = locality(orchestrator.gateway.catalog)
    with showing(found.workflow, inputs=found.past.inputs) as progress:
        launched.progress = progress
        progress.run_id = found.past.run_id
        result = await orchestrator.resume(found, although_held=although_held, on_event=progress)
    if result.earlier_usd:
        console.say(f"Of the cost, {words.cost(result.earlier_usd)} was paid before.", style="dim")
    return told(orchestrator, result, found.workflow, launched)


def _agreed() -> bool:
    if not console.interactive():
        raise CommandError("steps that were paid would be paid again, and nobody is there to ask; --yes agrees")
    return typer.confirm("Go on?", default=False, err=True)


def _show(found: Continuation) -> None:
    seen: Preview = found.preview
    kept = words.plural(len(seen.kept), "recorded result")
    console.say(f"Run {found.past.run_id}: {kept} of {found.workflow.name} kept.")
    _line("Possibly paid, asked again", seen.cut_off)
    _line("Failed, tried again", seen.failed)
    _line("Paid again", seen.again)
    _line("Paid again unless their inputs come out the same", seen.perhaps)
    _line("Next", seen.first)


def _line(what: str, paths: Sequence[str]) -> None:
    if paths:
        more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
        console.say(f"{what}: {', '.join(paths[:_SHOWN])}{more}")
