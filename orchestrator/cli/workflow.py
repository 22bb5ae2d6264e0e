"""`orchestrate workflow`: runs, lists, shows, begins, lays out and draws workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import console, words
from orchestrator.cli.errors import bordered
from orchestrator.cli.fmt import fmt_workflows
from orchestrator.cli.graph import graph_workflow
from orchestrator.cli.new import new_workflow
from orchestrator.cli.options import (
    BudgetOption,
    DeadlineOption,
    ExecutorChoice,
    ExecutorOption,
    InputOption,
    JsonOption,
    MaxParallelOption,
    ModelOption,
    OutOption,
    SensitivityOption,
    TagOption,
    TenantOption,
    ToolsOption,
    UserOption,
    YesOption,
)

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator
    from workflows.model import Workflow

__all__ = ["build", "list_workflows", "run_workflow", "show_workflow"]

HELP = "Run, list, show and draw workflows: those of the library by name, your own by file. Begin and lay out files."
WorkflowArgument = Annotated[str, typer.Argument(help="A name from the library, a workflow file, or -.")]


def build(markup: Literal["rich"] | None) -> typer.Typer:
    app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=markup)
    app.command("run")(bordered(run_workflow))
    app.command("list")(bordered(list_workflows))
    app.command("show")(bordered(show_workflow))
    app.command("new")(bordered(new_workflow))
    app.command("fmt")(bordered(fmt_workflows))
    app.command("graph")(bordered(graph_workflow))
    return app


def run_workflow(
    workflow: WorkflowArgument,
    inputs: InputOption = None,
    model: ModelOption = None,
    max_parallel: MaxParallelOption = None,
    budget: BudgetOption = None,
    deadline: DeadlineOption = None,
    sensitivity: SensitivityOption = None,
    user: UserOption = None,
    tag: TagOption = None,
    tenant: TenantOption = None,
    out: OutOption = None,
    tools: ToolsOption = None,
    executor: ExecutorOption = ExecutorChoice.HERE,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> int:
    """Run a workflow with the inputs that you give.

    \b
    Examples:
      orchestrate workflow run research-brief --input topic="tidal power"
      orchestrate workflow run plan.json --input text=@letter.txt --input 'tags=["a", "b"]' --json
      orchestrate workflow run report.json --tools my_functions.py --input day=2026-05-01
      cat letter.txt | orchestrate workflow run long-document-summary --input text=-
    """
    from orchestrator.arguments import others_of
    from orchestrator.cli import launch
    from orchestrator.cli.errors import CommandError
    from orchestrator.cli.reading import read_text, workflow_source
    from orchestrator.inputs import InputSyntaxError, parse_inputs
    from orchestrator.sources import load
    from workflows.blocks import nested_steps

    source = workflow_source(workflow)
    loaded = load(source)
    if model is not None:
        from orchestrator.limits import on_model

        loaded = on_model(loaded, model)
    try:
        values = parse_inputs(inputs or (), loaded.inputs, read=read_text)
    except InputSyntaxError as error:
        raise CommandError(str(error), status=2) from error
    wish = launch.Launch(
        limits=launch.limits(budget, deadline, sensitivity, max_parallel),
        caller=launch.caller(user, tag, tenant),
        out=out,
        as_json=as_json,
        yes=yes,
        tools=tools or (),
        workflows=others_of(loaded, source),
        executor=executor.value,
    )

    async def work(orchestrator: Orchestrator, launched: Launch) -> int:
        launch.show_workflow(loaded)
        return await launch.execute(orchestrator, loaded, values, launched)

    every = [one for step in loaded.steps for one in (step, *(deeper for _, deeper in nested_steps(step)))]
    any_model = any(one.kind == "llm" and (one.model == "auto" or not isinstance(one.model, str)) for one in every)
    return launch.perform(work, wish, model=model, offer=any_model)


def list_workflows(as_json: JsonOption = False) -> None:
    """List the workflows of the library.

    \b
    Example:
      orchestrate workflow list
    """
    from workflows import library

    found = library.summaries()
    if as_json:
        from orchestrator.shapes import jsonable

        console.print_json(jsonable(found))
        return
    width = max(len(summary.name) for summary in found)
    for summary in found:
        console.print_result(f"{summary.name:<{width}}  {summary.description}")
        console.print_result(
            f"{'':<{width}}  {words.plural(summary.steps, 'step')}; inputs: {', '.join(summary.inputs)}"
        )


def show_workflow(
    workflow: WorkflowArgument,
    digest: Annotated[
        bool, typer.Option("--digest", help="Only the digest of its content, by which a step can pin it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a workflow: its file on standard output; its graph and inputs on standard error, unless --json is given.

    \b
    Examples:
      orchestrate workflow show research-brief
      orchestrate workflow show research-brief --json > mine.json
      orchestrate workflow show research-brief --digest
    """
    from orchestrator.cli import launch
    from orchestrator.cli.reading import workflow_source
    from orchestrator.sources import load

    loaded = load(workflow_source(workflow))
    if digest:
        _show_digest(loaded, as_json=as_json)
        return
    if not as_json:
        launch.show_workflow(loaded)
        _show_inputs(loaded)
    launch.print_workflow(loaded)


def _show_digest(workflow: Workflow, *, as_json: bool) -> None:
    from workflows.digest import digest

    if as_json:
        console.print_json({"workflow": workflow.name, "version": workflow.version, "digest": digest(workflow)})
    else:
        console.print_result(digest(workflow))


def _show_inputs(workflow: Workflow) -> None:
    for name, schema in workflow.inputs.items():
        kind = schema.get("type", "anything")
        optional = f", default {words.one_line(str(schema['default']), width=60)!r}" if "default" in schema else ""
        described = f"  {words.clean(str(schema['description']))}" if "description" in schema else ""
        console.say(f"  --input {name}=...  ({kind}{optional}){described}")
