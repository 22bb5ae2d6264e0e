"""`orchestrate check`: says everything that is wrong with a workflow file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.options import JsonOption, ToolsOption

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator
    from workflows.findings import Finding

__all__ = ["check"]


def check(
    file: Annotated[str, typer.Argument(help="A workflow file, a name from the library, or - for standard input.")],
    tools: ToolsOption = None,
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="Name what is no fault too, such as steps that one provider alone can serve."),
    ] = False,
    ask_servers: Annotated[
        bool,
        typer.Option(
            "--ask-servers", help="Start the configured tool servers, and check the calls of their tools too."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Check a workflow without running it: every problem at once, with its place and its mend.

    Exit status 0 if it may run, 1 if it may not.

    \b
    Examples:
      orchestrate check plan.json
      orchestrate check report.json --tools my_functions.py
      orchestrate check - --json < plan.json
    """
    from orchestrator.cli import launch
    from orchestrator.cli.findings import show_findings
    from orchestrator.cli.reading import workflow_source
    from orchestrator.shapes import check_shape
    from orchestrator.sources import load
    from workflows.findings import has_errors

    source = workflow_source(file)

    async def work(orchestrator: Orchestrator, _: Launch) -> int:
        workflow = load(source) if isinstance(source, str) else source
        if ask_servers:
            await orchestrator.known_tools()
        findings = orchestrator.check(workflow, thorough=thorough)
        if as_json:
            console.print_json(check_shape(findings))
        show_findings(findings)
        _show_verdict("standard input" if file == "-" else file, findings)
        return 1 if has_errors(findings) else 0

    return launch.perform(work, launch.Launch(as_json=as_json, tools=tools or ()))


def _show_verdict(name: str, findings: tuple[Finding, ...]) -> None:
    from workflows.findings import has_errors

    errors = sum(finding.severity == "error" for finding in findings)
    verdict = f"{name}: {errors} to mend" if has_errors(findings) else f"{name}: fine"
    warnings = len(findings) - errors
    console.say(verdict + (f", {warnings} to consider" if warnings else ""), style="bold")
