"""The one object users import: it plans tasks, checks workflows and runs both through one gateway."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
from anyio.abc import TaskGroup

from orchestrator.arguments import check_choices, inputs_of, named, others_of, source_of, subject_of, workflow_of
from orchestrator.desk import Approve, Desk
from orchestrator.limits import Limits, limited, on_model
from orchestrator.passes import Pass, Passes

if TYPE_CHECKING:
    from executors.events import Event
    from executors.journal.entries import Approval, Decision
    from executors.journal.store import SqlJournal
    from executors.mcp.servers import McpServers
    from executors.result import RunResult
    from executors.resumption import Resumption
    from executors.tools import ToolRegistry
    from orchestrator.catalog import CatalogModels
    from orchestrator.estimate import Estimate
    from orchestrator.explain import Explanation
    from orchestrator.resuming import Continuation
    from planner.types import Plan
    from unified_api.gateway import Gateway
    from unified_api.models import Model
    from unified_api.settings import Settings
    from unified_api.types import Caller
    from workflows.findings import Finding
    from workflows.model import Workflow

__all__ = ["Orchestrator"]

Planner = Literal["model", "rules"]
Resume = Literal["ask", "auto", "never"]
_NO_MODEL = frozenset({"no_candidate", "no_credentials"})
OnEvent = Callable[["Event"], None]


class Orchestrator:
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

    def __init__(
        self,
        *,
        tools: Iterable[Callable[..., Any]] = (),
        settings: Settings | None = None,
        gateway: Gateway | None = None,
        model: str | None = None,
        planner: Planner | None = None,
        resume: Resume | None = None,
        approve: Approve | None = None,
    ) -> None:
        from executors.tools import ToolRegistry
        from unified_api.settings import Settings

        check_choices(model=model, planner=planner, resume=resume)
        self.settings = settings or (gateway.settings if gateway is not None else Settings.load())
        self.tools: ToolRegistry = ToolRegistry(tools)
        self._given = gateway
        self._model = model
        self._planner = planner
        self._stack = AsyncExitStack()
        self._open = False
        self._gateway: Gateway | None = None
        self._tasks: TaskGroup | None = None
        self._resume = resume or self.settings.run.resume
        self._passes: Passes | None = None
        self._desk = Desk(approve)
        self._servers: McpServers | None = None
        self._record: SqlJournal | None = None

    async def __aenter__(self) -> Self:
        from executors.journal.store import SqlJournal
        from unified_api.gateway import Gateway

        if self._open:
            raise RuntimeError("this Orchestrator is open already: make a second one, or share this one")
        async with AsyncExitStack() as stack:
            self._open = True  # before the first wait, in which another task may try the same
            stack.callback(self._shut)
            gateway = self._given if self._given is not None else Gateway(self.settings)
            self._gateway = await stack.enter_async_context(gateway)
            self._record = SqlJournal.of(self.settings)
            stack.callback(_close, self._record)
            await self._attach_servers(stack)
            self._tasks = await anyio.create_task_group().__aenter__()
            stack.push_async_callback(_end, self._tasks)
            self._passes = Passes(self._record, gateway, self.tools, desk=self._desk)
            self._tasks.start_soon(self._passes.watch)
            if self._resume == "auto":
                resuming = await anyio.create_task_group().__aenter__()
                stack.push_async_exit(partial(_finish, resuming))
                resuming.start_soon(self._resume_all)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if self._resume != "auto":  # else runs go on until they end
            self._gateway = self._tasks = None
        return await self._stack.__aexit__(exc_type, exc, traceback)

    async def _attach_servers(self, stack: AsyncExitStack) -> None:
        """Makes the tools of the configured servers callable; none is started before it is needed."""
        if not self.settings.mcp.servers:
            return
        from executors.mcp.servers import McpServers

        servers = McpServers(self.settings.mcp, environment=self.settings.environment)
        self._servers = await stack.enter_async_context(servers)
        self.tools.attach(servers)
        stack.callback(self.tools.attach, None)

    def _shut(self) -> None:
        self._gateway = self._tasks = self._passes = None
        self._open = False

    @property
    def gateway(self) -> Gateway:
        """The gateway that every model call goes through. Raises RuntimeError outside `async with`."""
        if self._gateway is None:
            raise RuntimeError("use the Orchestrator in `async with Orchestrator() as orchestrator:`, or call run_sync")
        return self._gateway

    @property
    def runs(self) -> SqlJournal:
        """The record of every run: `runs.list_runs()`, `runs.get_run(run_id)`."""
        from executors.journal.store import SqlJournal

        if self._record is None:
            self._record = SqlJournal.of(self.settings)
        return self._record

    def explain(self, run_id: str, step: str | None = None) -> Explanation:
        """Why each model of a run was chosen or left out, and how every try ended; `str()` of it is the words.

        `run_id` may be the beginning of an id. Raises JournalError for a run or a step that is not on record.
        """
        from orchestrator.explain import explain

        return explain(self.runs, run_id, step)

    def models(self) -> tuple[Model, ...]:
        """Every model of the catalog; `ready` tells which ones can be called now."""
        return tuple(self.gateway.catalog.models)

    def check(
        self,
        workflow: Workflow | str | bytes | Mapping[str, Any] | Path,
        *,
        workflows: Mapping[str, Workflow] | None = None,
        thorough: bool = False,
    ) -> tuple[Finding, ...]:
        """Every finding against a workflow, its JSON text, its JSON value or its file; errors first.

        Tools, models and hosts are checked too: the tools of this object, the catalog of its gateway, its settings.
        `workflows` are those that its steps run, by `name@version`; without them the files beside its own, and the
        library. `thorough` names what is no fault too, such as a step that only one provider can serve.
        """
        from orchestrator.outside import explained
        from orchestrator.recipients import SettingsRecipients
        from workflows.checks import check, inspect
        from workflows.model import Workflow

        tools = self.tools.specs
        beside = source_of(workflow if isinstance(workflow, Path) else None)
        others = beside if workflows is None else workflows
        models, recipients = self._models(), SettingsRecipients(self.settings.http, tools)
        if isinstance(workflow, Workflow):
            found = check(
                workflow, tools=tools, models=models, workflows=others, recipients=recipients, thorough=thorough
            )
        else:
            value = workflow.read_bytes() if isinstance(workflow, Path) else workflow
            found = inspect(
                value, tools=tools, models=models, workflows=others, recipients=recipients, thorough=thorough
            ).findings
        return explained(found, workflow, self._servers)

    def estimate(
        self, workflow: Workflow | str | Path | Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> Estimate:
        """What a run of the workflow will cost and how long it will take: by earlier runs of it where the record has
        enough of them, else by prices and typical sizes. Nothing is asked of any model.

        Raises as `run_workflow` does for a workflow that is none, and JournalError where the record cannot be read.
        """
        from orchestrator.estimate import estimated
        from orchestrator.history import history

        loaded = workflow_of(workflow)
        if self._model is not None:
            loaded = on_model(loaded, self._model)
        return estimated(
            loaded,
            models=self._models(),
            past=history(self.runs, loaded.name),
            inputs=inputs_of(inputs),
            workflows=others_of(loaded, workflow),
        )

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

    async def continuation(
        self,
        run_id: str,
        workflow: Workflow | str | Path | Mapping[str, Any] | None = None,
        *,
        again: Collection[str] = (),
        took_place: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        limits: Limits = Limits(),
    ) -> Continuation:
        """How a run would go on, without doing anything: `.preview` says what is kept and what is paid again.

        Takes what `resume` takes, and raises as it does.
        """
        from orchestrator.resuming import Wish, continuation

        edited = None if workflow is None else workflow_of(workflow)
        others = {} if edited is None else others_of(edited, workflow)
        wish = Wish(
            workflow=edited,
            workflows=others,
            again=again,
            took_place=took_place or {},
            inputs=inputs_of(inputs),
            limits=limits,
        )
        return await continuation(self.runs, self._named(run_id), tools=self.tools, wish=wish, ready=self.known_tools)

    async def resume(
        self,
        run: str | Continuation,
        workflow: Workflow | str | Path | Mapping[str, Any] | None = None,
        *,
        again: Collection[str] = (),
        took_place: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        limits: Limits = Limits(),
        on_event: OnEvent | None = None,
    ) -> RunResult:
        """Goes on with what was interrupted, failed or cancelled; with any run by an edited workflow or other inputs.

        What is recorded is not asked again. `run` is an id, or the beginning of one, or a continuation. `again` are
        the paths of steps that were under way when the run was cut off and are to be done again although they must
        not be done twice; `took_place` are the outputs of those that are to be taken as done. `inputs` and
        `limits` stand in place of those that were recorded, such as a longer list or a larger budget.

        Raises:
            ResumeError: there is nothing to go on with, or another program has the run.
            RunUnderWayError: this program has it.
            RunNotFoundError, JournalError, WorkflowError, InputError: as their names say.
        """
        from orchestrator.resuming import take

        if isinstance(run, str):
            run = await self.continuation(
                run, workflow, again=again, took_place=took_place, inputs=inputs, limits=limits
            )
        self._sound(run.workflow, run.workflows)
        run = await take(self.runs, run)
        past = run.past
        return await self._run(
            run.workflow,
            past.inputs,
            on_event=on_event,
            caller=replace(past.caller, run=past.run_id),
            workflows=run.workflows,
            past=run.resumption,
        )

    async def cancel(self, run_id: str) -> bool:
        """Ends a run, whatever program it is under way in: at once here, in others within a second.

        The wish is durable: a run whose program died is ended instead of resumed. False when it has ended already.
        """
        from orchestrator.resuming import end_cancelled

        run_id = self._named(run_id)
        asked = await self.runs.request_cancel(run_id)
        here = self._passes is not None and self._passes.cancel(run_id)
        if asked and not here and run_id in await self.runs.interrupted():
            past = await self.runs.past(run_id)
            if past is not None:
                await end_cancelled(self.runs, past)
        return asked

    async def known_tools(self, *workflows: Workflow) -> Mapping[str, str]:
        """Asks the configured servers for their tools, so that `check` knows them: all, or those of the workflows.

        Gives why each of those that cannot be used is not: server -> reason.
        """
        from orchestrator.outside import tools_of

        await self.tools.load([name for one in workflows for name in tools_of(one)] if workflows else None)
        return {} if self._servers is None else dict(self._servers.troubles)

    async def approvals(self, run_id: str | None = None) -> tuple[Approval, ...]:
        """The questions to persons that nobody has answered, of one run or of all, whatever program asks them."""
        return tuple(await self.runs.waiting_approvals(None if run_id is None else self._named(run_id)))

    async def approve(
        self, run_id: str, step: str, *, approved: bool = True, by: str | None = None, comment: str | None = None
    ) -> Decision:
        """Answers a step that waits for a person; `step` is its path, as in `each[3]/ask`. Gives what stands.

        A run under way goes on at once here and within half a second elsewhere; one whose program died when it is
        resumed. Raises RunNotFoundError, and JournalError where nothing is asked, or it was answered otherwise, or
        has expired.
        """
        from orchestrator.deciding import decide

        run_id = self._named(run_id)
        decision = await decide(self.runs, run_id, step, approved=approved, by=by, comment=comment)
        self._desk.answer(run_id, step, decision)
        return decision

    async def interrupted(self) -> tuple[str, ...]:
        """The ids of the runs whose program died, oldest first. Those whose end was asked for are ended first."""
        from orchestrator.resuming import end_cancelled

        left = []
        for run_id in await self.runs.interrupted():
            past = await self.runs.past(run_id)
            if past is not None and past.cancel_requested:
                await end_cancelled(self.runs, past)
            else:
                left.append(run_id)
        return tuple(left)

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

    async def _run(
        self,
        workflow: Workflow,
        inputs: Mapping[str, Any],
        *,
        on_event: OnEvent | None,
        caller: Caller,
        workflows: Mapping[str, Workflow],
        past: Resumption | None = None,
    ) -> RunResult:
        await self.known_tools(workflow, *workflows.values())
        self._sound(workflow, workflows)
        if self._passes is None:
            raise RuntimeError("use the Orchestrator in `async with Orchestrator() as orchestrator:`, or call run_sync")
        return await self._passes.perform(
            Pass(workflow=workflow, inputs=inputs, caller=caller, workflows=workflows, past=past, on_event=on_event)
        )

    def sound(
        self, workflow: Workflow, limits: Limits = Limits(), *, workflows: Mapping[str, Workflow] | None = None
    ) -> Workflow:
        """The workflow within the limits, as it would be run. Raises WorkflowError as `run` does."""
        within = self._limited(workflow, limits)
        self._sound(within, workflows)
        return within

    def _sound(self, workflow: Workflow, workflows: Mapping[str, Workflow] | None = None) -> None:
        """Raises WorkflowError for what the checks find that would make a run fail."""
        from workflows.findings import WorkflowError

        findings = self.check(workflow, workflows=workflows)
        # What the checks forgive because a key or a server may come yet, a run does not: it would fail half-way.
        blocking = tuple(
            replace(found, severity="error")
            for found in findings
            if found.severity == "error" or found.code in _NO_MODEL
        )
        if blocking:
            raise WorkflowError(blocking)

    async def _resume_all(self) -> None:
        """Goes on with what was interrupted. What cannot go on is told as a warning, and the others do."""
        from executors.journal.entries import JournalError
        from orchestrator.resuming import ResumeError
        from workflows.findings import WorkflowError

        for run_id in await self.interrupted():
            try:
                await self.resume(run_id)
            except (ResumeError, JournalError, WorkflowError) as error:
                warnings.warn(f"run {run_id} cannot be resumed: {error}", RuntimeWarning, stacklevel=2)

    def _named(self, run_id: str) -> str:
        """The whole id of a run. Raises RunNotFoundError."""
        return self.runs.get_run(run_id).run_id

    def _planning_model(self, model: str | None, planner: Planner | None) -> str | None:
        """Who is asked to plan; None is nobody, so that the rules plan."""
        configured = self.settings.planner.model
        if planner == "rules" or (planner is None and model is None and configured == "rules"):
            return None
        return model or (configured if configured != "rules" else "auto")

    def _limited(self, workflow: Workflow, limits: Limits) -> Workflow:
        return limited(workflow, limits, max_parallel=self.settings.run.max_parallel)

    def _models(self) -> CatalogModels:
        from orchestrator.catalog import CatalogModels

        return CatalogModels(self.gateway.catalog, keeps_answers=self.settings.cache.active)


def _in_event_loop() -> bool:
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True


async def _end(tasks: TaskGroup) -> None:
    """Ends the streams whose reader went away."""
    tasks.cancel_scope.cancel()
    # Not told of the caller's error, which it would hand on wrapped in a group.
    await tasks.__aexit__(None, None, None)


async def _finish(
    tasks: TaskGroup, exc_type: type[BaseException] | None, _exc: BaseException | None, _traceback: TracebackType | None
) -> None:
    """Waits for the runs that were taken up, or ends them where the program breaks off."""
    if exc_type is not None:
        tasks.cancel_scope.cancel()
    await tasks.__aexit__(None, None, None)


def _close(record: SqlJournal) -> None:
    from executors.journal.entries import JournalError

    try:
        record.close()
    except JournalError as error:
        # The run itself went well: its result must not be lost over its record.
        warnings.warn(str(error), RuntimeWarning, stacklevel=2)
