"""`orchestrate plan`: makes a plan without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.options import (
    BudgetOption,
    DeadlineOption,
    JsonOption,
    MaxParallelOption,
    ModelOption,
    PlannerOption,
    SensitivityOption,
    TagOption,
    TaskArgument,
    TenantOption,
    ToolsOption,
    UserOption,
)

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator

__all__ = ["plan"]


def plan(
    task: TaskArgument = None,
    model: ModelOption = None,
    planner: PlannerOption = None,
    max_parallel: MaxParallelOption = None,
    budget: BudgetOption = None,
    deadline: DeadlineOption = None,
    sensitivity: SensitivityOption = None,
    user: UserOption = None,
    tag: TagOption = None,
    tenant: TenantOption = None,
    tools: ToolsOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="Write the workflow to this file.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Plan a task without running it. The plan is a workflow file that you can edit, check and run.

    \b
    Examples:
      orchestrate plan "Write a haiku about the sea and translate it into Japanese and Arabic"
      orchestrate plan "Compare three databases" -o plan.json && orchestrate workflow run plan.json
      orchestrate plan "Compare three databases" --json | jq .steps
    """
    from orchestrator.cli import launch
    from orchestrator.cli.errors import CommandError
    from orchestrator.cli.reading import read_task, write_text
    from orchestrator.shapes import plan_shape

    text = read_task(task)
    wish = launch.Launch(
        limits=launch.limits(budget, deadline, sensitivity, max_parallel),
        caller=launch.caller(user, tag, tenant),
        as_json=as_json,
        tools=tools or (),
    )

    async def work(orchestrator: Orchestrator, launched: Launch) -> int:
        made = await launch.planned(orchestrator, text, launched)
        launch.show_plan(made)
        shape = plan_shape(made)
        if output is not None:
            try:
                write_text(output, console.json_text(shape))
            except CommandError:
                console.print_json(shape)  # a plan may have cost money: it is not lost over a file
                raise
            console.say(f"Written to {output}. To run it: orchestrate workflow run {output}")
        if as_json or output is None:
            console.print_json(shape)
        return 0

    return launch.perform(work, wish, model=model, planner=planner.value if planner else None)
