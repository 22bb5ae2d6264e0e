"""Runs that workers lead and execute, started and followed from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.limits import Limits

if TYPE_CHECKING:
    from executors.events import Event
    from executors.result import RunResult
    from orchestrator.orchestrator import Orchestrator
    from unified_api.types import Caller
    from workflows.model import Workflow

__all__ = ["run_on_workers"]


async def run_on_workers(
    orchestrator: Orchestrator,
    workflow: Workflow,
    inputs: Mapping[str, Any],
    *,
    limits: Limits = Limits(),
    caller: Caller,
    on_event: Callable[[Event], None] | None = None,
    tell: Callable[[str], None] | None = None,
    on_start: Callable[[str], None] | None = None,
    workflows: Mapping[str, Workflow] | None = None,
) -> RunResult:
    """What came of a run on the workers of `[distributed]`. It goes on when this is cut off.

    `tell` is told in words what a person may want to know, such as that no worker is there yet; `on_start` the id of
    the run, from when on it goes on. `workflows` are those that its steps run, by `name@version`; without them the
    library's.

    Raises:
        WorkflowError: the workflow does not pass the checks; nothing was started.
        InputError, DistributedError, ConfigurationError, JournalError: as their names say.
    """
    from executors.distributed.executor import DistributedExecutor
    from orchestrator.arguments import others_of

    others = others_of(workflow, None) if workflows is None else workflows
    sound = orchestrator.sound(workflow, limits, workflows=others)
    async with DistributedExecutor(orchestrator.settings) as executor:
        if tell is not None and not await executor.workers():
            tell("No worker is there to execute it yet; it waits for one: orchestrate worker")
        run_id = await executor.start(sound, inputs, caller=caller, workflows=others)
        if on_start is not None:
            on_start(run_id)
        return await executor.result(run_id, sound, on_event=on_event)
