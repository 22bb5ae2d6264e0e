"""What `run`, `plan` and `workflow run` share: opening the orchestrator, planning, running, reporting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio

from orchestrator.cli import console, report, weights, words
from orchestrator.cli.dag import show_dag
from orchestrator.cli.errors import INTERRUPTED, CommandError
from orchestrator.cli.person import Person
from orchestrator.cli.progress import Progress, showing
from orchestrator.cli.step_table import IsLocal
from orchestrator.limits import Limits
from orchestrator.orchestrator import Orchestrator
from orchestrator.tool_files import functions_of

if TYPE_CHECKING:
    from executors.result import RunResult
    from orchestrator.cli.options import Sensitivity
    from planner.types import Plan
    from unified_api.types import Caller
    from workflows.model import Workflow

__all__ = [
    "Launch",
    "Work",
    "caller",
    "execute",
    "limits",
    "perform",
    "planned",
    "print_workflow",
    "show_plan",
    "show_workflow",
    "told",
]


@dataclass(slots=True)
class Launch:
    """What the command line asks of one run, and how far it has come."""

    limits: Limits = field(default_factory=Limits)
    out: Path | None = None
    as_json: bool = False
    yes: bool = False
    tools: Sequence[str] = ()
    """Files and modules whose functions steps may call."""
    caller: Caller | None = None
    """On whose behalf models are asked."""
    workflows: Mapping[str, Workflow] | None = None
    """Those that the steps of the workflow run; without them the library's."""
    executor: Literal["here", "dbos"] = "here"
    """Who executes the run: this program, or the workers."""
    posted: str | None = None
    """The run that workers execute, once they know of it."""
    progress: Progress | None = None
    """Set once steps run; what Ctrl-C tells about."""
    is_local: IsLocal = lambda _: False
    """Set with it, by the catalog."""

    def post(self, run_id: str) -> None:
        self.posted = run_id
        console.say(f"Run {run_id} is with the workers.", style="dim")


Work = Callable[[Orchestrator, Launch], Awaitable[int]]


def limits(
    budget: float | None, deadline: float | None, sensitivity: Sensitivity | None, max_parallel: int | None
) -> Limits:
    return Limits(
        budget_usd=budget,
        deadline_s=deadline,
        sensitivity=None if sensitivity is None else sensitivity.value,
        max_parallel=max_parallel,
    )


def caller(user: str | None, tags: Sequence[str] | None, tenant: str | None) -> Caller:
    """On whose behalf planning and the run ask, as one run."""
    from executors.runner import new_run_id
    from unified_api.types import Caller

    return Caller(tenant=tenant or "", user=user, tags=frozenset(tags or ()), run=new_run_id())


def perform(
    work: Work,
    launch: Launch,
    *,
    model: str | None = None,
    planner: Literal["model", "rules"] | None = None,
    offer: bool = False,
    names_interrupted: bool = True,
) -> int:
    """Opens an orchestrator, does the work, and gives the exit status; Ctrl-C ends it cleanly.

    With `offer` the embedded model's weights are offered first where nothing else can answer. Runs that were
    interrupted are named or taken up, as the settings want it; without `names_interrupted` they are left alone.
    """
    functions = functions_of(launch.tools)

    async def whole() -> int:
        person = Person(launch) if Person.is_here(launch) else None
        orchestrator = Orchestrator(
            tools=functions,
            model=model,
            planner=planner,
            approve=person,
            resume=None if names_interrupted else "never",
        )
        async with orchestrator:
            for provider, why in orchestrator.gateway.catalog.unreachable.items():
                console.say(f"Warning: {provider} does not answer: {why}", style="yellow")
            if names_interrupted:
                await _name_interrupted(orchestrator)
            if not (offer and weights.wanted(orchestrator)):
                return await work(orchestrator, launch)
        await weights.name_servers()
        weights.offer(orchestrator.settings.cache_dir, yes=launch.yes)
        async with orchestrator:
            return await work(orchestrator, launch)

    try:
        return anyio.run(whole)
    except KeyboardInterrupt:
        progress = launch.progress
        if launch.posted is not None:
            report.show_going_on(launch.posted)
            return INTERRUPTED
        report.show_interrupted(
            progress.finished if progress else (),
            run_id=progress.run_id if progress else None,
            is_local=launch.is_local,
        )
        return INTERRUPTED


async def _name_interrupted(orchestrator: Orchestrator) -> None:
    from executors.journal.entries import JournalError

    if orchestrator.settings.run.resume != "ask":
        return
    try:
        left = await orchestrator.interrupted()
    except JournalError:
        return  # a run that needs the journal will say so
    if left:
        one = left[0] if len(left) == 1 else "--all"
        was = "was" if len(left) == 1 else "were"
        console.say(f"{words.plural(len(left), 'run')} {was} interrupted: orchestrate resume {one}", style="yellow")


async def planned(orchestrator: Orchestrator, task: str, launch: Launch) -> Plan:
    """The plan for the task, with what goes on shown meanwhile."""
    live = console.live()
    status = console.stderr().status("Planning ...") if live else nullcontext()
    with status as spinner:

        def tell(text: str) -> None:
            line = words.one_line(text, width=200)
            if spinner is not None:
                spinner.update(console.plain(line))
            else:
                console.say(line, style="dim")

        return await orchestrator.plan(task, limits=launch.limits, on_progress=tell, caller=launch.caller)


def show_workflow(workflow: Workflow) -> None:
    """A workflow that somebody wrote, as a graph."""
    console.say(f"Workflow {workflow.name}: {words.plural(len(workflow.steps), 'step')}", style="bold")
    if workflow.description:
        console.say(f"  {words.clean(workflow.description)}", style="dim")
    show_dag(workflow)


def show_plan(plan: Plan) -> None:
    """The plan as a graph, and who made it."""
    # The notes say why no model planned.
    makers = {
        "model": f"planned by {plan.model}",
        "library": "a ready workflow of the library",
        "rules": "planned by the rules",
    }
    steps = words.plural(len(plan.workflow.steps), "step")
    console.say(f"Plan {plan.workflow.name}: {steps}, {makers[plan.planner]}", style="bold")
    for note in plan.notes:
        console.say(f"  {words.clean(note)}", style="dim")
    show_dag(plan.workflow)


async def execute(
    orchestrator: Orchestrator,
    workflow: Workflow,
    inputs: Mapping[str, Any],
    launch: Launch,
    *,
    plan: Plan | None = None,
) -> int:
    """Runs the workflow with its progress shown, prints the result, and gives the exit status."""
    from orchestrator.catalog import locality

    launch.is_local = locality(orchestrator.gateway.catalog)
    left = launch.limits if plan is None else launch.limits.after(plan.most_usd)
    with showing(workflow) as progress:
        launch.progress = progress
        result = await _result(orchestrator, workflow, inputs, launch, limits=left)
    return told(orchestrator, result, workflow, launch, plan=plan)


def told(
    orchestrator: Orchestrator, result: RunResult, workflow: Workflow, launch: Launch, *, plan: Plan | None = None
) -> int:
    """Prints what came of a run, and gives the exit status."""
    folder = launch.out or orchestrator.settings.data_dir / "images" / result.run_id
    try:
        complete = _print(result, workflow, launch, folder=folder, plan=plan)
    except BrokenPipeError:
        raise
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise CommandError(
            f"the result cannot be written: {why}. Make room for it; `orchestrate runs show {result.run_id}` shows it"
        ) from error
    steps = (*result.steps, *(launch.progress.inside if launch.progress else ()))
    report.show_steps(steps, is_local=launch.is_local)
    report.show_totals(
        steps,
        status=result.status,
        cost=result.cost_usd,
        seconds=result.seconds,
        run_id=result.run_id,
        planning=plan.cost_usd if plan is not None else Decimal(0),
        is_local=launch.is_local,
    )
    report.show_remarks(steps, error=result.error)
    return 0 if result.status == "succeeded" and complete else 1


async def _result(
    orchestrator: Orchestrator, workflow: Workflow, inputs: Mapping[str, Any], launch: Launch, *, limits: Limits
) -> RunResult:
    on_event, caller = launch.progress, launch.caller
    if launch.executor == "here" or caller is None:
        return await orchestrator.run(
            workflow, inputs=inputs, limits=limits, on_event=on_event, caller=caller, workflows=launch.workflows
        )
    from orchestrator.machines import run_on_workers

    return await run_on_workers(
        orchestrator,
        workflow,
        inputs,
        limits=limits,
        caller=caller,
        on_event=on_event,
        tell=console.say,
        on_start=launch.post,
        workflows=launch.workflows,
    )


def _print(result: RunResult, workflow: Workflow, launch: Launch, *, folder: Path, plan: Plan | None) -> bool:
    planning = plan.cost_usd if plan is not None else Decimal(0)
    if launch.as_json:
        from orchestrator.shapes import run_shape

        total = None if planning is None or result.cost_usd is None else planning + result.cost_usd
        console.print_json(run_shape(replace(result, cost_usd=total), workflow))
        return launch.out is None or report.show_images(result.outputs, folder=folder)
    return report.show_outputs(result.outputs, folder=folder)


def print_workflow(workflow: Workflow) -> None:
    from orchestrator.shapes import workflow_shape

    console.print_json(workflow_shape(workflow))
