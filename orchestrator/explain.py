"""Why every step of a run was answered by the model it was: from the record, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from executors.journal.entries import JournalError
from orchestrator.cli.words import cost, plural, seconds
from unified_api.types import Attempt, Quality

if TYPE_CHECKING:
    from executors.events import StepFinished
    from executors.journal.store import SqlJournal
    from executors.journal.summaries import RecordedRun

__all__ = ["CallExplanation", "Explanation", "StepExplanation", "StepNotFoundError", "explain"]


_STAND_INS: Mapping[Quality, str] = {
    "demo": "whose tiny model shows only that all works",
    "placeholder": "whose work is no real result",
}


class StepNotFoundError(JournalError):
    """The run has no such step; the message names those it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallExplanation:
    """One call of a model: what was tried, decided and left out, in the order in which it happened."""

    attempts: tuple[Attempt, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """A sentence for each try and decision; those who were not asked for the same reason in one."""
        return (*_story(self.attempts), *_not_asked(self.attempts))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepExplanation:
    """One step: what the workflow asked for, who answered, and how it came to that."""

    step_id: str
    kind: str
    status: str
    """As recorded; `running` or `interrupted` for one that began and did not end, `pending` for one that did not."""
    asked: str | None = None
    """The model, or what it must be able to do, as the workflow says."""
    model: str | None = None
    """Who answered."""
    quality: Quality | None = None
    """Where an offline stand-in answered, how it marks its work."""
    seconds: float | None = None
    cost_usd: Decimal | None = None
    error: str | None = None
    calls: tuple[CallExplanation, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The step in one line, what it asked for and every call, indented below it."""
        return (self._headline, *(f"  {line}" for line in self._details()))

    @property
    def _headline(self) -> str:
        told = f"{self.step_id} ({self.kind}): {self.status}"
        if self.seconds is not None:
            told += f" after {seconds(self.seconds)}"
        if self.calls or self.model:
            told += f", cost {cost(self.cost_usd)}"
        if self.model is None:
            return told
        marked = "" if self.quality is None else f" (quality {self.quality})"
        return f"{told}, answered by {self.model}{marked}"

    @property
    def _stand_in(self) -> str:
        told = f"{self.model} is a stand-in of this program, {_STAND_INS[self.quality or 'demo']}"
        if self.model == self.asked:
            return f"{told}, and was asked for by its name."
        return f"{told}: no real model is set up that may do this (`orchestrate models`)."

    def _details(self) -> Iterator[str]:
        if self.asked is not None:
            yield f"The workflow asks for {self.asked}."
        if self.quality is not None:
            yield self._stand_in
        for number, call in enumerate(self.calls, start=1):
            indent = ""
            if len(self.calls) > 1:
                yield f"Call {number} of {len(self.calls)}:"
                indent = "  "
            yield from (f"{indent}{line}" for line in call.words)
        if self.error is not None:
            yield f"Error: {self.error}"
        if self.status in {"interrupted", "running"}:
            yield "It had not ended: what it tried is written down when a step ends."
        if not self.calls and self.asked is not None:
            if self.status in {"succeeded", "failed"}:
                yield "No model was asked."
            elif self.status == "cancelled" and self.seconds is not None:
                yield "It was cut off, and nothing is on record of what it tried until then."


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A run, or one step of it. `str()` is all of it in words."""

    run_id: str
    workflow: str
    status: str
    seconds: float | None
    cost_usd: Decimal | None
    error: str | None
    steps: tuple[StepExplanation, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Line by line."""
        took = "" if self.seconds is None else f" after {seconds(self.seconds)}"
        head = f"Run {self.run_id} of {self.workflow}: {self.status}{took}, cost {cost(self.cost_usd)}"
        lines = [head, *(line for step in self.steps for line in ("", *step.words))]
        if self.error is not None and all(self.error != step.error for step in self.steps):
            lines += ["", f"Error: {self.error}"]
        return tuple(lines)

    def __str__(self) -> str:
        return "\n".join(self.words)


def explain(record: SqlJournal, run_id: str, step: str | None = None) -> Explanation:
    """What the record tells of a run, or of one of its steps; `run_id` may be the beginning of an id.

    Raises:
        RunNotFoundError: no run, or more than one, has this id or begins with it.
        StepNotFoundError: the run has no such step.
        JournalError: the record cannot be read.
    """
    run = record.get_run(run_id)
    steps = tuple(_steps(run))
    if step is not None:
        steps = _only(steps, step, run)
    return Explanation(
        run_id=run.run_id,
        workflow=run.workflow,
        status=run.status,
        seconds=run.seconds,
        cost_usd=run.cost_usd,
        error=None if run.error is None else run.error.message,
        steps=steps,
    )


def _only(steps: tuple[StepExplanation, ...], step: str, run: RecordedRun) -> tuple[StepExplanation, ...]:
    found = tuple(one for one in steps if one.step_id == step)
    if found:
        return found
    ids = [one.step_id for one in steps]
    near = get_close_matches(step, ids, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(ids) or 'none on record'}"
    raise StepNotFoundError(f"run {run.run_id} has no step {step!r}; {hint}")


def _steps(run: RecordedRun) -> Iterator[StepExplanation]:
    """Every step of the workflow in its order, then those of the record that it does not name."""
    written: Any = (run.definition or {}).get("steps", ())  # it passed the checks before it was run
    defined: dict[str, Any] = {one["id"]: one for one in written}
    finished = {step.step_id: step for step in run.finished}
    for step_id in dict.fromkeys([*defined, *finished, *run.unfinished]):
        as_written = defined.get(step_id, {})
        ended = finished.get(step_id)
        if ended is not None:
            yield _ended(ended, as_written)
            continue
        begun = "interrupted" if run.status == "interrupted" else "running"
        status = begun if step_id in run.unfinished else "pending"
        yield StepExplanation(
            step_id=step_id, kind=as_written.get("kind", "step"), status=status, asked=_wish(as_written)
        )


def _ended(step: StepFinished, as_written: dict[str, Any]) -> StepExplanation:
    return StepExplanation(
        step_id=step.step_id,
        kind=step.kind,
        status=step.status,
        asked=_wish(as_written),
        model=step.model,
        quality=step.quality,
        seconds=None if step.started is None else (step.at - step.started).total_seconds(),
        cost_usd=step.cost_usd,
        error=None if step.error is None else step.error.message,
        calls=tuple(_calls(step)),
    )


def _wish(as_written: dict[str, Any]) -> str | None:
    """The model choice of a step in words; without one any model of the middle tier may serve."""
    if as_written.get("kind") not in {"llm", "image", "embed"}:
        return None
    choice = as_written.get("model") or {}
    if isinstance(choice, str):
        return choice
    needs = "".join(f", with {need}" for need in choice.get("needs") or ())
    return f"any model of tier {choice.get('tier') or 'standard'}{needs}"


def _calls(step: StepFinished) -> Iterator[CallExplanation]:
    """A step may ask several times. Where it is not on record which try was of which call, their numbers tell."""
    rest = iter(step.attempts)
    if step.shares:
        yield from (CallExplanation(attempts=tuple(islice(rest, share))) for share in step.shares if share)
        return
    call: list[Attempt] = []
    for one in rest:
        if call and _begins_anew(call, one):
            yield CallExplanation(attempts=tuple(call))
            call = []
        call.append(one)
    if call:
        yield CallExplanation(attempts=tuple(call))


def _begins_anew(call: list[Attempt], one: Attempt) -> bool:
    last = call[-1]
    if one.outcome == "dropped":
        return False  # they stand at the end of each story
    return last.outcome in {"dropped", "cached"} or (one.number == 1 and any(other.number for other in call))


def _story(attempts: Sequence[Attempt]) -> Iterator[str]:
    before: Attempt | None = None
    for one in attempts:
        if one.number:
            yield f"{one.number}. {one.model}, {_why(one, before, attempts)}, {_fate(one)}"
            before = one
        elif one.outcome == "cached":
            yield f"{one.model} was not asked: its answer was there, {one.message or 'kept from before'}."
        elif one.outcome == "skipped":
            yield f"{one.model} was left alone: {one.message or one.error}."
        elif one.outcome == "noted":
            spent = "" if not one.cost_usd else f" ({cost(one.cost_usd)})"
            yield f"{one.model}: {one.message or one.error}{spent}."


def _why(one: Attempt, before: Attempt | None, attempts: Sequence[Attempt]) -> str:
    """Why this model was asked just then."""
    if before is None:
        passed = any(other.outcome == "skipped" for other in attempts)
        return "the first in order that was not left alone" if passed else "the first in order"
    if before.model == one.model:
        return "once more"
    after = {"rejected": "for a better answer", "cancelled": "as the one before took too long"}
    return f"the next in order {after.get(before.outcome, 'after that failure')}"


def _fate(one: Attempt) -> str:
    """How the try ended."""
    took = seconds(one.seconds)
    match one.outcome:
        case "succeeded":
            note = f" ({one.message})" if one.message else ""
            told = f"answered in {took} {_price(one)}{note}"
        case "rejected":
            told = f"answered in {took} {_price(one)}, and not well enough"
            told += f": {one.message}" if one.message else ""
        case "cancelled":
            told = f"was not waited for any longer after {took}"
            told += f", counted as {cost(one.cost_usd)}" if one.cost_usd else ""
            told += " (it may be billed)" if one.billable and one.cost_usd is None else ""
        case _:
            told = f"failed after {took}"
            told += f" and {plural(one.received, 'character')} of its answer" if one.received else ""
            told += f": {one.message or one.error}"
            told += f" [{one.error}]" if one.error and one.message else ""
            told += " (it may be billed)" if one.billable else ""
    return told if one.confidence is None else f"{told} (confidence {one.confidence:.2f})"


def _price(one: Attempt) -> str:
    return "at a cost nobody knows" if one.cost_usd is None else f"for {cost(one.cost_usd)}"


def _not_asked(attempts: Sequence[Attempt]) -> Iterator[str]:
    dropped = [one for one in attempts if one.outcome == "dropped"]
    if not dropped:
        return
    yield f"{plural(len(dropped), 'model')} could not be asked:"
    reasons = sorted(dropped, key=lambda one: (one.message or "", one.model))
    for reason, those in groupby(reasons, key=lambda one: one.message or one.error or "no reason is on record"):
        yield f"  {', '.join(one.model for one in those)}: {reason}"
