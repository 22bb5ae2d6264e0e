"""`orchestrate runs`: what was run, when, and how it ended."""

from __future__ import annotations

import re
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import console, report, words
from orchestrator.cli.errors import CommandError, bordered
from orchestrator.cli.groups import ListingGroup
from orchestrator.cli.options import JsonOption, OutOption

if TYPE_CHECKING:
    from executors.journal.store import SqlJournal
    from executors.journal.summaries import RunSummary
    from unified_api.settings import Settings

__all__ = ["build", "follow_run", "list_runs", "prune_runs", "show_run"]

HELP = "List the runs on record, show one of them, follow one as it goes, or forget old ones."


def build(markup: Literal["rich"] | None) -> typer.Typer:
    app = typer.Typer(help=HELP, rich_markup_mode=markup, cls=ListingGroup)
    app.command("list")(bordered(list_runs))
    app.command("show")(bordered(show_run))
    app.command("follow")(bordered(follow_run))
    app.command("prune")(bordered(prune_runs))
    return app


def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the latest runs, newest first.

    \b
    Examples:
      orchestrate runs
      orchestrate runs list --limit 100 --json
    """
    from orchestrator.shapes import summary_shape
    from unified_api.settings import Settings

    with _record(Settings.load()) as record:
        found = record.list_runs(limit=limit)
    if as_json:
        console.print_json([summary_shape(run) for run in found])
        return
    if not found:
        console.say('Nothing was run yet: orchestrate run "your task"')
    for run in found:
        took = "" if run.seconds is None else words.seconds(run.seconds)
        started = run.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        spent = words.cost(run.cost_usd)
        console.print_result(
            f"{run.run_id}  {started}  {run.status:<11}  {took:>9}  {spent:>8}  "
            f"{words.plural(run.steps, 'step'):>8}  {_subject(run)}"
        )


def _subject(run: RunSummary) -> str:
    """The workflow's name, and the words of its task where the name does not say them: names are ASCII, and cut."""
    task = run.inputs.get("task")
    if not isinstance(task, str) or not task.strip():
        return run.workflow
    told = words.one_line(task, width=60)
    named_after = re.sub(r"\W+", "-", told.lower()).startswith(run.workflow[:20])
    return told if named_after or run.workflow == "task" else f"{run.workflow}: {told}"


def show_run(
    run_id: Annotated[str, typer.Argument(help="The run's id, or enough of its beginning.")],
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: its outputs on standard output, its steps on standard error.

    \b
    Examples:
      orchestrate runs show 01K3
      orchestrate runs show 01K3 --json | jq .outputs
    """
    from orchestrator.catalog import locality
    from orchestrator.shapes import recorded_shape
    from unified_api.catalog import Catalog
    from unified_api.settings import Settings

    settings = Settings.load()
    with _record(settings) as record:
        run = record.get_run(run_id)
    if as_json:
        console.print_json(recorded_shape(run))
        return
    outputs = run.outputs
    if not outputs:
        outputs = {step.step_id: step.output for step in run.finished if step.status == "succeeded"}
        console.say(f"This run did not come to its end ({run.status}); these steps did:")
    report.show_outputs(outputs, folder=out or settings.data_dir / "images" / run.run_id)
    is_local = locality(Catalog(settings))
    report.show_steps(run.finished, is_local=is_local)
    if run.unfinished:
        console.say(f"Started but not ended: {', '.join(run.unfinished)}", style="yellow")
    report.show_totals(
        run.finished, status=run.status, cost=run.cost_usd, seconds=run.seconds, run_id=run.run_id, is_local=is_local
    )
    report.show_remarks(run.finished, error=run.error)


def follow_run(
    run_id: Annotated[str, typer.Argument(help="The run's id, or enough of its beginning.")],
    after: Annotated[int, typer.Option("--after", min=0, help="Begin after the event of this number.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print the events of a run, from any one on, and go on until the run ends or its program has died.

    They are numbered from 1 without gaps, and the same whenever they are read. The run may be under way in another
    program. With --json each is an object of JSON on a line of its own.

    \b
    Examples:
      orchestrate runs follow 01K3
      orchestrate runs follow 01K3 --after 120 --json
    """
    import anyio

    from orchestrator.cli.followed import event_json, event_line
    from unified_api.settings import Settings

    async def follow() -> None:
        with _record(Settings.load()) as record:
            whole = record.get_run(run_id).run_id
            async with aclosing(record.follow(whole, after)) as events:
                async for number, event in events:
                    console.print_result(event_json(number, event) if as_json else event_line(number, event))
            if record.get_run(whole).status == "interrupted":
                raise CommandError(f"the program of run {whole} died; `orchestrate resume {whole}` goes on with it")

    anyio.run(follow)


_AGE = re.compile(r"([1-9]\d{0,4})(h|d|w)")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def _age(given: str) -> timedelta:
    found = _AGE.fullmatch(given)
    if found is None:
        raise typer.BadParameter(f"{given!r} is no age; give hours, days or weeks, such as 12h, 30d or 8w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def prune_runs(
    older_than: Annotated[
        timedelta,
        typer.Option("--older-than", parser=_age, metavar="AGE", help="How long ago they ended: 12h, 30d, 8w."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Delete the runs that ended longer ago, with all that only they refer to. Runs that have not ended stay.

    \b
    Examples:
      orchestrate runs prune --older-than 30d
    """
    import anyio

    from unified_api.settings import Settings

    with _record(Settings.load()) as record:
        number = anyio.run(partial(record.forget_runs, before=datetime.now(UTC) - older_than))
    if as_json:
        console.print_json({"forgotten": number})
    else:
        console.say(f"{words.plural(number, 'run')} forgotten.")


def _record(settings: Settings) -> SqlJournal:
    from executors.journal.store import SqlJournal

    return SqlJournal.of(settings)
