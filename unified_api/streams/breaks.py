"""What follows when a stream breaks in its midst."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from unified_api.call import Call
from unified_api.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    GatewayError,
    ProviderError,
    TimedOutError,
)
from unified_api.models import Selection
from unified_api.routing.continuing import allowance, candidates_after, continued, tokens_of, why_not_continued
from unified_api.streams.begun import Begun
from unified_api.types import Chunk, Request, RestartChunk, Usage, UsageChunk

__all__ = ["explain", "is_whole", "onward", "turn"]

_NOBODY = "no model that may be asked now goes on with an answer that was begun for it (`prefill`)"
_SO_FAR = "; of the answer "


def is_whole(call: Call[Request], begun: Begun, error: GatewayError) -> bool:
    """Whether a stream broke only after its model had said that the answer is complete: the usage may be missing."""
    late = isinstance(error, ConnectionFailedError | TimedOutError | DeadlineExceededError)
    return late and call.request.n in (None, 1) and begun.progress.finished


def onward(call: Call[Request], begun: Begun, error: GatewayError, *, now: float) -> Call[Request] | str:
    """The call for what is missing after a break, or why there is none."""
    selection, anew = call.trail.selection or Selection(()), call.policy.reader == "step"
    why = None if anew else why_not_continued(call.request, begun.progress)
    if why is not None:
        return why
    if not isinstance(error, ProviderError) or now >= call.deadline:
        return "the call has no time left"
    candidates = candidates_after(selection, begun.model, error, call.policy, call.trail.records)
    if not anew:
        candidates = tuple(one for one in candidates if one.prefill)
    if not candidates:
        return "nobody else may be asked" if anew else _NOBODY
    billable = sum(1 for one in call.trail.records if one.number and (one.billable or one.outcome == "rejected"))
    policy = allowance(call.policy, tries=call.trail.tries, billable=billable)
    if policy is None:
        return "no further try is allowed (max_attempts, or what the budget has left)"
    rules = replace(selection.rules, escalation=None, hedge=False)
    trail = replace(call.trail, selection=replace(selection, candidates=candidates, rules=rules))
    text = begun.shown + begun.progress.text
    request = call.request if anew else continued(call.request, text, written=tokens_of(text))
    return replace(call, request=request, policy=policy, trail=trail)


def turn(call: Call[Request], before: Begun, begun: Begun) -> Iterator[Chunk]:
    """What the reader is told between two streams."""
    if call.policy.reader == "step":
        yield RestartChunk(begun.model.id)
    elif before.progress.told is not None:
        yield UsageChunk(Usage())  # the usage is that of the stream which ends


def explain(error: GatewayError, begun: Begun, call: Call[Request], why: object) -> None:
    """Tells the reader of a broken stream how much of the answer there is, and what was tried."""
    what = "begun anew" if call.policy.reader == "step" else "continued"
    said = error.message.partition(_SO_FAR)[0]  # an adapter may raise the same error again
    error.message = f"{said}{_SO_FAR}{begun.had:,} characters had come, and it was not {what}: {why}"
    error.args = (error.message,)
    error.attempts = call.trail.story
