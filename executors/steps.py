"""Runs one step from its condition to its end: tries, timeouts, waits between tries, and what failure means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import anyio

from executors.conditions import holds
from executors.context import Frame, Receipt, StepRun, now
from executors.events import StepError, StepFinished, StepRetrying, StepStarted, StepStatus
from executors.failures import NothingToDo, StepFailure
from executors.retry import MAX_DELAY_S, delay_s
from unified_api.types import Json, Sensitivity
from workflows.blocks import is_container
from workflows.model import Recover, Step

__all__ = ["End", "Ended", "run_step", "tries"]


@dataclass(slots=True)
class Ended:
    """How a step ended, and what its block must know besides."""

    finished: StepFinished
    receipt: Receipt
    label: Sensitivity
    """Of the output, and of the fact that there is none."""
    sent: Sensitivity
    """Of what the step sent, or the one inside of it that failed, which the error may quote whatever the output is
    declassified to."""


End: TypeAlias = Callable[[Step, Ended], None]


async def run_step(step: Step, frame: Frame, *, end: End) -> None:
    """Tells `end` once how the step ended: succeeded, skipped, failed, or cancelled with the run."""
    run = StepRun.of(step, frame)
    started: datetime | None = None
    try:
        if step.when is not None and not holds(step.when, run.frame.scope, key="when"):
            end(step, _finished(run, "skipped"))
            return
        started = now()
        frame.context.emit(StepStarted(run_id=frame.context.run_id, at=started, step_id=run.path, kind=step.kind))
        output = await (_output(run) if step.deadline_s is None else _in_time(run, step.deadline_s))
    except NothingToDo:
        end(step, _finished(run, "skipped", started=started))
    except StepFailure as failure:
        end(step, _failed(run, failure, started=started))
    except anyio.get_cancelled_exc_class():
        end(step, _finished(run, "cancelled", started=started))
        raise
    else:
        end(step, _finished(run, "succeeded", output=output, started=started))


async def _in_time(run: StepRun, seconds: float) -> Json:
    """The output, before the step's own deadline."""
    with run.context.clock.scope(run.context.clock.now() + seconds):
        return await _output(run)
    raise StepFailure("deadline_exceeded", f"it was not done within its deadline_s of {seconds:g}")


def _output(run: StepRun) -> Awaitable[Json]:
    return tries(run) if is_container(run.step) else run.context.perform(run)


async def tries(run: StepRun) -> Json:
    """The output of the first try that succeeds. Raises StepFailure when the last one has failed."""
    step, failed, deadline = run.step, 0, run.deadline
    while True:
        run.deadline = deadline
        try:
            return await _try(step, run)
        except StepFailure as failure:
            failed += 1
            if failed >= step.retry.attempts or not failure.retryable:
                raise
            run.again = True
            await _wait(step, run, failure, failed=failed)


async def _wait(step: Step, run: StepRun, failure: StepFailure, *, failed: int) -> None:
    context = run.context
    delay = delay_s(step.retry, failed=failed, random=context.random)
    if failure.wait_s is not None:
        delay = max(delay, min(failure.wait_s, MAX_DELAY_S))
    context.emit(
        StepRetrying(
            run_id=context.run_id,
            at=now(),
            step_id=run.path,
            attempt=failed + 1,
            delay_s=delay,
            error=failure.error(run.path),
        )
    )
    await context.clock.sleep(delay)


async def _try(step: Step, run: StepRun) -> Json:
    if step.timeout_s is None:
        return await run.context.kinds[step.kind](step, run)
    clock = run.context.clock
    end = clock.now() + step.timeout_s
    run.deadline = end if run.deadline is None else min(end, run.deadline)
    with clock.scope(end):
        return await run.context.kinds[step.kind](step, run)
    raise StepFailure("timed_out", f"it took longer than its timeout_s of {step.timeout_s:g}", retryable=True)


def _failed(run: StepRun, failure: StepFailure, *, started: datetime | None) -> Ended:
    error, on_error = failure.error(run.path), "fail" if failure.ends_run else run.step.on_error
    if failure.label is not None:
        run.raise_label(failure.label)
    if run.frame.failed is not None:
        run.frame.failed.add(run.path)
    if isinstance(on_error, Recover):
        return _finished(run, "succeeded", output=on_error.output, error=error, started=started)
    ended = _finished(run, "skipped" if on_error == "skip" else "failed", error=error, started=started)
    ended.sent = failure.label or ended.sent
    return ended


def _finished(
    run: StepRun,
    status: StepStatus,
    *,
    output: Json = None,
    error: StepError | None = None,
    started: datetime | None = None,
) -> Ended:
    receipt, label = run.receipt, run.output_label
    finished = StepFinished(
        run_id=run.frame.context.run_id,
        at=now(),
        step_id=run.path,
        kind=run.step.kind,
        status=status,
        started=started,
        output=output,
        error=error,
        model=receipt.model,
        provider=receipt.provider,
        quality=receipt.quality,
        usage=receipt.usage,
        cost_usd=receipt.cost_usd,
        attempts=receipt.attempts,
        shares=receipt.shares,
        reused=run.reused,
        label=label,
    )
    return Ended(finished, receipt, label, run.label)
