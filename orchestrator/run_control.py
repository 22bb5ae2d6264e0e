"""What an orchestrator does with runs there are: goes on with them, ends them, and answers what they ask."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from orchestrator.arguments import inputs_of, others_of, workflow_of
from orchestrator.checked import Checked
from orchestrator.limits import Limits
from orchestrator.passes import Pass, RunUnderWayError

if TYPE_CHECKING:
    from executors.events import Event
    from executors.journal.entries import Approval, Decision
    from executors.result import RunResult
    from executors.resumption import Resumption
    from orchestrator.explain import Explanation
    from orchestrator.resuming import Continuation
    from unified_api.types import Caller
    from workflows.model import Workflow

__all__ = ["OnEvent", "RunControl"]

OnEvent = Callable[["Event"], None]


class RunControl(Checked):
    """A workplace in which runs are under way."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if self._resume == "auto":
            resuming = await anyio.create_task_group().__aenter__()
            self._stack.push_async_exit(partial(_finish, resuming))
            resuming.start_soon(self._resume_all)
        return self

    def explain(self, run_id: str, step: str | None = None) -> Explanation:
        """Why each model of a run was chosen or left out, and how every try ended; `str()` of it is the words.

        `run_id` may be the beginning of an id. Raises JournalError for a run or a step that is not on record.
        """
        from orchestrator.explain import explain

        return explain(self.runs, run_id, step)

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
        although_held: bool = False,
        on_event: OnEvent | None = None,
    ) -> RunResult:
        """Goes on with what was interrupted, failed or cancelled; with any run by an edited workflow or other inputs.

        What is recorded is not asked again. `run` is an id, or the beginning of one, or a continuation. `again` are
        the paths of steps that were under way when the run was cut off and are to be done again although they must
        not be done twice; `took_place` are the outputs of those that are to be taken as done. `inputs` and
        `limits` stand in place of those that were recorded, such as a longer list or a larger budget. `although_held`
        takes a run from the program that has it: for one that is known to be dead, on a machine that is no more.

        Raises:
            ResumeError: there is nothing to go on with, or another program has the run.
            RunUnderWayError: this program has it.
            RunNotFoundError, JournalError, WorkflowError, InputError: as their names say.
        """
        from orchestrator.resuming import ResumeError, take

        if isinstance(run, str):
            run = await self.continuation(
                run, workflow, again=again, took_place=took_place, inputs=inputs, limits=limits
            )
        run_id = run.past.run_id
        if not although_held and run_id in await self._with_workers():
            raise ResumeError(
                f"run {run_id} is with the workers, and one of them goes on with it: start one where none is left"
                f" (orchestrate worker), or end it (orchestrate cancel {run_id})"
            )
        self._sound(run.workflow, run.workflows)
        run = await take(self.runs, run, although_held=although_held)
        past = run.past
        return await self._run(
            run.workflow,
            past.inputs,
            on_event=on_event,
            caller=replace(past.caller, run=past.run_id),
            workflows=run.workflows,
            past=run.resumption,
        )

    async def cancel(self, run_id: str, *, although_held: bool = False) -> bool:
        """Ends a run, whatever program it is under way in: at once here, in others within a second.

        The wish is durable: a run whose program died is ended instead of resumed, `although_held` also one whose
        program cannot be asked whether it lives. False when it has ended already.
        """
        from orchestrator.resuming import end_cancelled

        run_id = self._named(run_id)
        asked = await self.runs.request_cancel(run_id)
        here = self._passes is not None and self._passes.cancel(run_id)
        if asked and not here and (although_held or run_id in await self.runs.interrupted()):
            past = await self.runs.past(run_id)
            if past is not None:
                await end_cancelled(self.runs, past, although_held=although_held)
        return asked

    async def approvals(self, run_id: str | None = None) -> tuple[Approval, ...]:
        """The questions to persons that nobody has answered, of one run or of all, whatever program asks them."""
        return tuple(await self.runs.waiting_approvals(None if run_id is None else self._named(run_id)))

    async def approve(
        self,
        run_id: str,
        step: str,
        *,
        question: str | None = None,
        approved: bool = True,
        by: str | None = None,
        comment: str | None = None,
    ) -> Decision:
        """Answers a step that waits for a person; `step` is its path, as in `each[3]/ask`. Gives what stands.

        `question` is that of the `Approval` which was shown to the person: what is asked there may have become
        another since, as when the run was resumed with other inputs, and the answer is then refused. A run under way
        goes on at once here and within half a second elsewhere; one whose program died when it is resumed.

        Raises RunNotFoundError, and JournalError where nothing is asked, it was answered otherwise, it has expired,
        or the step asked something else before that nobody answered and `question` does not say which.
        """
        from orchestrator.deciding import decide

        run_id = self._named(run_id)
        decision = await decide(self.runs, run_id, step, question=question, approved=approved, by=by, comment=comment)
        self._desk.answer(run_id, step)
        return decision

    async def interrupted(self) -> tuple[str, ...]:
        """The ids of the runs whose program died, oldest first, without those of workers, which other workers lead on.

        Those whose end was asked for are ended first.
        """
        from orchestrator.resuming import end_cancelled

        left = []
        theirs = await self._with_workers()
        for run_id in await self.runs.interrupted():
            if run_id in theirs:
                continue
            past = await self.runs.past(run_id)
            if past is not None and past.cancel_requested:
                await end_cancelled(self.runs, past)
            else:
                left.append(run_id)
        return tuple(left)

    async def _with_workers(self) -> frozenset[str]:
        """The runs that workers lead or are to lead. Raises JournalError."""
        from executors.journal.address import is_shared, url_of

        if not is_shared(self.runs.address):
            return frozenset()
        from sqlalchemy.exc import SQLAlchemyError

        from executors.distributed.posted import posted_runs
        from executors.journal.entries import JournalError

        try:
            return await anyio.to_thread.run_sync(posted_runs, url_of(self.runs.address))
        except SQLAlchemyError as error:
            raise JournalError(
                f"the journal's database cannot be asked which runs are with workers: {error}"
            ) from error

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

    async def _resume_all(self) -> None:
        """Goes on with what was interrupted. What cannot go on is told as a warning, and the others do."""
        from executors.journal.entries import JournalError
        from orchestrator.resuming import ResumeError
        from workflows.findings import WorkflowError

        for run_id in await self.interrupted():
            try:
                await self.resume(run_id)
            except (ResumeError, RunUnderWayError, JournalError, WorkflowError) as error:
                warnings.warn(f"run {run_id} cannot be resumed: {error}", RuntimeWarning, stacklevel=2)

    def _named(self, run_id: str) -> str:
        """The whole id of a run. Raises RunNotFoundError."""
        return self.runs.get_run(run_id).run_id


async def _finish(
    tasks: TaskGroup, exc_type: type[BaseException] | None, _exc: BaseException | None, _traceback: TracebackType | None
) -> None:
    """Waits for the runs that were taken up, or ends them where the program breaks off."""
    if exc_type is not None:
        tasks.cancel_scope.cancel()
    await tasks.__aexit__(None, None, None)
