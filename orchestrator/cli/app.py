"""The command line as a tree of commands; each one's module imports its packages only when it runs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Literal

import typer

from orchestrator.cli import (
    approve,
    budgets,
    cancel,
    check,
    console,
    doctor,
    errors,
    estimate,
    explain,
    models,
    plan,
    resume,
    routes,
    run,
    runs,
    trust,
    worker,
    workflow,
)

__all__ = ["build", "main"]

HELP = """Plain words in, a checked DAG of model calls out, run through one gateway.

\b
  orchestrate run "Compare solar and wind power, then write a headline"
  orchestrate plan "Summarise report.txt and translate the summary" -o plan.json
  orchestrate check plan.json
  orchestrate workflow run research-brief --input topic="tidal power"
  orchestrate explain 01K3
  orchestrate resume 01K3
  orchestrate models
  orchestrate doctor

Results go to standard output, everything else to standard error; --json makes results machine-readable.
Without a key everything still works, on a tiny model that runs in this program and only shows how it works.
To use a real model: export OPENAI_API_KEY, or name a server in orchestrator.toml.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` and gives its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter must not end the program.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            build()(args=None if argv is None else list(argv), prog_name="orchestrate")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
    return 0


def build() -> typer.Typer:
    # Boxes and colours only where a person looks at them.
    markup: Literal["rich"] | None = "rich" if sys.stdout.isatty() else None
    app = typer.Typer(
        help=HELP,
        callback=_root,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=markup,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    planning = (run.run, plan.plan, check.check, estimate.estimate)
    talking = (*planning, explain.explain, routes.routes, budgets.budgets, doctor.doctor, trust.trust)
    for command in (*talking, resume.resume, cancel.cancel, approve.approve, approve.approvals, worker.worker):
        app.command(command.__name__)(errors.bordered(command))
    for name, group in (("workflow", workflow), ("runs", runs), ("models", models)):
        app.add_typer(group.build(markup), name=name)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.print_result(f"orchestrate {version('meta-orchestrator')}")
        raise typer.Exit


def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
    version: Annotated[  # noqa: ARG001  # its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    errors.show_tracebacks(debug)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    console.say(f"Warning: {message}", style="yellow")
