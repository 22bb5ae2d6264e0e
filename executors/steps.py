"""Runs one step from its condition to its end: tries, timeouts, waits between tries, and what failure means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

import anyio

from executors.context import Receipt, RunContext, StepRun, now
from executors.events import StepError, StepFinished, StepRetrying, StepStarted, StepStatus
from executors.failures import StepFailure
from executors.kinds import KINDS
from executors.retry import delay_s
from unified_api.types import Json
from workflows.expressions import template
from workflows.model import Recover, Step

__all__ = ["End", "run_step"]

End: TypeAlias = Callable[[StepFinished, Receipt], None]


async def run_step(step: Step, context: RunContext, *, end: End) -> None:
    """Tells `end` once how the step ended: succeeded, skipped, failed, or cancelled with the run."""
    run = StepRun(context, step.id)
    started: datetime | None = None
    try:
        if step.when is not None and not _holds(step.when, run):
            end(_finished(run, step, "skipped"), run.receipt)
            return
        started = now()
        context.emit(StepStarted(run_id=context.run_id, at=started, step_id=step.id, kind=step.kind))
        output = await _tries(step, run)
    except StepFailure as failure:
        end(_failed(run, step, failure, started=started), run.receipt)
    except anyio.get_cancelled_exc_class():
        end(_finished(run, step, "cancelled", started=started), run.receipt)
        raise
    else:
        end(_finished(run, step, "succeeded", output=output, started=started), run.receipt)


def _holds(condition: str, run: StepRun) -> bool:
    if not template(condition).whole:
        raise StepFailure("invalid_expression", f"`when` must be one expression in {{{{ }}}}, not {condition!r}")
    return bool(run.render(condition))


async def _tries(step: Step, run: StepRun) -> Json:
    failed = 0
    while True:
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
    context.emit(
        StepRetrying(
            run_id=context.run_id,
            at=now(),
            step_id=step.id,
            attempt=failed + 1,
            delay_s=delay,
            error=_error(step, failure),
        )
    )
    await context.clock.sleep(delay)


async def _try(step: Step, run: StepRun) -> Json:
    context = run.context
    run.deadline = context.deadline
    if step.timeout_s is None:
        return await KINDS[step.kind](step, run)
    end = context.clock.now() + step.timeout_s
    run.deadline = end if context.deadline is None else min(end, context.deadline)
    with context.clock.scope(end):
        return await KINDS[step.kind](step, run)
    raise StepFailure("timed_out", f"it took longer than its timeout_s of {step.timeout_s:g}", retryable=True)


def _failed(run: StepRun, step: Step, failure: StepFailure, *, started: datetime | None) -> StepFinished:
    error = _error(step, failure)
    if isinstance(step.on_error, Recover):
        return _finished(run, step, "succeeded", output=step.on_error.output, error=error, started=started)
    status: StepStatus = "skipped" if step.on_error == "skip" else "failed"
    return _finished(run, step, status, error=error, started=started)


def _error(step: Step, failure: StepFailure) -> StepError:
    return StepError(failure.code, f"step {step.id!r}: {failure.message}")


def _finished(
    run: StepRun,
    step: Step,
    status: StepStatus,
    *,
    output: Json = None,
    error: StepError | None = None,
    started: datetime | None = None,
) -> StepFinished:
    receipt = run.receipt
    return StepFinished(
        run_id=run.context.run_id,
        at=now(),
        step_id=step.id,
        kind=step.kind,
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
    )
