"""The one object users import: it plans tasks, checks workflows and runs both through one gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from orchestrator.arguments import check_choices, inputs_of, named, others_of, subject_of, workflow_of
from orchestrator.limits import Limits, on_model
from orchestrator.run_control import OnEvent, RunControl
from orchestrator.workplace import Planner

if TYPE_CHECKING:
    from executors.events import Event
    from executors.result import RunResult
    from planner.types import Plan
    from unified_api.types import Caller
    from workflows.model import Workflow

__all__ = ["Orchestrator"]


class Orchestrator(RunControl):
    """Plans and runs tasks. An async context manager; safe for many runs at once.

        async with Orchestrator() as orchestrator:
            result = await orchestrator.run("Compare solar and wind power in one paragraph")
            print(result.outputs)

    `tools` are functions that workflows may call by name. `settings` (default: the user's `orchestrator.toml` and
    environment) and `gateway` replace what would be made. `model` plans tasks and runs their llm steps unless a
    call names another; `planner` makes the model or the rules plan. A failing run does not raise: its result says so.
    `resume` says what becomes of runs whose program died: with "auto" they go on as soon as this object is opened, and
    it is not closed before they have ended; otherwise they wait for `resume` (default: `[run] resume`). `approve` asks
    a person what steps of kind `approval` want to know; without it, or where it gives None, they wait for `approve`.
    """

    async def plan(
        self,
        task: str,
        *,
        model: str | None = None,
        planner: Planner | None = None,
        limits: Limits = Limits(),
        on_progress: Callable[[str], None] | None = None,
        caller: Caller | None = None,
    ) -> Plan:
        """A checked workflow for the task, not yet run.

        `model` plans and runs the llm steps; without one the configuration decides, and the rules plan when no real
        model is ready. `on_progress` is told in words what is going on. `caller` is on whose behalf models are asked.

        Raises:
            TaskError: the task cannot be planned as it stands.
            PlanError: no sound plan came about.
            GatewayError: the planning model cannot be asked.

        """
        from planner.plan import plan
        from planner.types import PlanError
        from unified_api.errors import NoCandidateError

        check_choices(model=model, planner=planner)
        for trouble in (await self.known_tools()).values():
            if on_progress is not None:
                on_progress(f"{trouble}; the plan is made without its tools")
        chosen, planner = model or self._model, planner or self._planner
        made: Plan | None = None
        with anyio.move_on_after(limits.deadline_s):
            made = await plan(
                task,
                gateway=self.gateway,
                model=self._planning_model(chosen, planner),
                tools=self.tools.specs,
                models=self._models(),
                policy=limits.policy(),
                on_progress=on_progress,
                caller=named(caller),
            )
        if made is None:
            raise PlanError(
                f"no plan was made within {limits.deadline_s:g} s, the deadline; allow more time", reasons=()
            )
        if planner == "model" and made.planner != "model":
            why = next((note for note in made.notes if note.startswith("No model planned")), "No model planned.")
            raise NoCandidateError(f"{why} Name a model that may, or let the rules plan.")
        workflow = made.workflow if chosen is None else on_model(made.workflow, chosen)
        return replace(made, workflow=self._limited(workflow, limits))

    async def run(
        self,
        task: str | Plan | Workflow,
        *,
        inputs: Mapping[str, Any] | None = None,
        limits: Limits = Limits(),
        on_event: OnEvent | None = None,
        caller: Caller | None = None,
        workflows: Mapping[str, Workflow] | None = None,
    ) -> RunResult:
        """Plans the task, unless it is a plan or a workflow already, and runs it.

        `on_event` is called in the event loop with every event; it must not block. `caller` is on whose behalf models
        are asked, which budgets go by; its `run` names the run, which else gets a name of its own. `workflows` are
        those that its steps of kind `workflow` run, by `name@version`; without them the library's. A run that fails
        does not raise.

        Raises:
            WorkflowError: the workflow does not pass the checks; nothing was run.
            InputError: the inputs do not fit the workflow.
            TypeError: `task` or `inputs` is of another type.

        """
        from planner.types import Plan

        subject, given, caller = subject_of(task), inputs_of(inputs), named(caller)
        if isinstance(subject, str):
            subject = await self.plan(subject, limits=limits, caller=caller)
        if isinstance(task, str) and isinstance(subject, Plan):
            limits = limits.after(subject.most_usd)
        planned = dict(subject.inputs) if isinstance(subject, Plan) else {}
        workflow = subject.workflow if isinstance(subject, Plan) else subject
        workflow = self._limited(workflow, limits)
        others = others_of(workflow, None) if workflows is None else workflows
        return await self._run(workflow, {**planned, **given}, on_event=on_event, caller=caller, workflows=others)

    async def run_workflow(
        self,
        workflow: Workflow | str | Path | Mapping[str, Any],
        inputs: Mapping[str, Any] | None = None,
        *,
        limits: Limits = Limits(),
        on_event: OnEvent | None = None,
        caller: Caller | None = None,
    ) -> RunResult:
        """Runs a workflow of the library by its name, of a file by its path, a JSON object or a `Workflow`.

        Raises as `run` does, and WorkflowNotFoundError for a name that is nothing.
        """
        loaded = workflow_of(workflow)
        if self._model is not None:
            loaded = on_model(loaded, self._model)
        others = others_of(loaded, workflow)
        return await self.run(loaded, inputs=inputs, limits=limits, on_event=on_event, caller=caller, workflows=others)

    async def stream(
        self,
        task: str | Plan | Workflow,
        *,
        inputs: Mapping[str, Any] | None = None,
        limits: Limits = Limits(),
        caller: Caller | None = None,
    ) -> AsyncGenerator[Event, None]:
        """The events of a run while it runs, ended by `RunFinished`.

        A slow reader loses nothing; tokens may then come several in one. Leaving the loop early cancels the run;
        with `contextlib.aclosing` it has ended when the block is left. Raises as `run` does.
        """
        if self._tasks is None:
            raise RuntimeError("use the Orchestrator in `async with Orchestrator() as orchestrator:`")
        from orchestrator.feed import EventFeed

        feed, scope, ended = EventFeed(), anyio.CancelScope(), anyio.Event()

        async def produce() -> None:
            error: Exception | None = None
            try:
                with scope:
                    await self.run(task, inputs=inputs, limits=limits, on_event=feed.send, caller=caller)
            except Exception as raised:  # noqa: BLE001  # handed to the reader, whose run it is
                error = raised
            finally:
                feed.close(error)
                ended.set()

        self._tasks.start_soon(produce)
        try:
            async for event in feed:
                yield event
        finally:
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await ended.wait()  # so that nothing of it goes on, and the record is complete

    def run_sync(
        self,
        task: str | Plan | Workflow,
        *,
        inputs: Mapping[str, Any] | None = None,
        limits: Limits = Limits(),
        on_event: OnEvent | None = None,
        caller: Caller | None = None,
    ) -> RunResult:
        """`run` for code that is not async: opens this object, runs, and closes it. Raises as `run` does."""
        if _in_event_loop():
            raise RuntimeError("run_sync cannot be called while an event loop runs: await run(...) instead")

        async def whole() -> RunResult:
            async with self:
                return await self.run(task, inputs=inputs, limits=limits, on_event=on_event, caller=caller)

        return anyio.run(whole)

    def _planning_model(self, model: str | None, planner: Planner | None) -> str | None:
        """Who is asked to plan; None is nobody, so that the rules plan."""
        configured = self.settings.planner.model
        if planner == "rules" or (planner is None and model is None and configured == "rules"):
            return None
        return model or (configured if configured != "rules" else "auto")


def _in_event_loop() -> bool:
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True
