"""`orchestrate run`: plans a task and runs the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import console
from orchestrator.cli.options import (
    BudgetOption,
    DeadlineOption,
    ExecutorChoice,
    ExecutorOption,
    JsonOption,
    MaxParallelOption,
    ModelOption,
    OutOption,
    PlannerOption,
    SensitivityOption,
    TagOption,
    TaskArgument,
    TenantOption,
    ToolsOption,
    UserOption,
    YesOption,
)

if TYPE_CHECKING:
    from orchestrator.cli.launch import Launch
    from orchestrator.orchestrator import Orchestrator

__all__ = ["run"]


def run(
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
    out: OutOption = None,
    tools: ToolsOption = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Show the plan and stop.")] = False,
    executor: ExecutorOption = ExecutorChoice.HERE,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> int:
    """Plan a task in plain words and run the plan.

    Shows the plan, runs its steps in parallel where they do not wait for one another, prints the result.

    \b
    Examples:
      orchestrate run "Compare solar and wind power in two paragraphs, then write a headline"
      orchestrate run --model openai/gpt-4o --budget 0.10 "Draft a press release about our new ferry line"
      cat task.txt | orchestrate run - --json
    """
    from orchestrator.cli import launch
    from orchestrator.cli.reading import read_task
    from orchestrator.shapes import plan_shape

    text = read_task(task)
    wish = launch.Launch(
        limits=launch.limits(budget, deadline, sensitivity, max_parallel),
        caller=launch.caller(user, tag, tenant),
        out=out,
        as_json=as_json,
        yes=yes,
        tools=tools or (),
        executor=executor.value,
    )

    async def work(orchestrator: Orchestrator, launched: Launch) -> int:
        plan = await launch.planned(orchestrator, text, launched)
        launch.show_plan(plan)
        if no_run:
            if as_json:
                console.print_json(plan_shape(plan))
            return 0
        return await launch.execute(orchestrator, plan.workflow, plan.inputs, launched, plan=plan)

    return launch.perform(
        work, wish, model=model, planner=planner.value if planner else None, offer=not no_run and model is None
    )
