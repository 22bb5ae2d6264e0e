"""Whether an answer is good enough, or a stronger model is to be asked for a better one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, assert_never, cast

from unified_api.attempts import Judged
from unified_api.call import AnyCall, Call, Consult
from unified_api.clock import Clock
from unified_api.errors import GatewayError, InvalidRequestError
from unified_api.evaluators.evaluator import Evaluator, Score
from unified_api.evaluators.judge import Judge
from unified_api.evaluators.logprobs import Logprobs
from unified_api.evaluators.similarity import Similarity
from unified_api.evaluators.structural import Structural
from unified_api.models import Escalation, Model
from unified_api.needs import Asked
from unified_api.types import Chunk, LogprobsChunk, Request, Response
from unified_api.wire.collect import Collector

__all__ = ["Escalating", "Held", "escalates", "held_back", "may_reject"]

Got = TypeVar("Got")

_LAYER = "escalation"
_TO_SAY_SO_S = 0.01
"""A judge ends so long before the call's own deadline, or nobody could say that none came."""


def escalates(call: AnyCall) -> bool:
    """Whether answers to the call are judged at all. Those of judges are not, nor what nobody may better."""
    selection = call.trail.selection
    if selection is None or selection.rules.escalation is None:
        return False
    return call.purpose == "answer" and isinstance(call.request, Request) and call.policy.fallback


def may_reject(call: AnyCall, model: Model) -> bool:
    """Whether the answer of `model` may be rejected for another one's."""
    selection = call.trail.selection
    return escalates(call) and selection is not None and selection.is_judged(model)


@dataclass(frozen=True, slots=True)
class Held:
    """A streamed answer that its reader has not seen yet: it is whole, and may be rejected."""

    chunks: tuple[Chunk, ...]
    response: Response

    async def replayed(self, *, probabilities: bool) -> AsyncGenerator[Chunk]:
        """The chunks as they came, the tokens' probabilities only where they were asked for."""
        for chunk in self.chunks:
            if probabilities or not isinstance(chunk, LogprobsChunk):
                yield chunk


async def held_back(chunks: AsyncIterator[Chunk], model: Model) -> Held:
    """The whole stream, read to its end."""
    collector = Collector()
    held: list[Chunk] = []
    try:
        async for chunk in chunks:
            held.append(chunk)
            collector.add(chunk)
    except GatewayError as error:
        error.billable = True  # content has come
        raise
    return Held(tuple(held), collector.response(provider=model.provider, model=model.name))


class Escalating:
    """Judges the answers of routes that escalate; keeps one evaluator for each of their rules."""

    def __init__(self, *, consult: Consult, clock: Clock) -> None:
        self._consult = consult
        self._clock = clock
        self._shape = Structural()
        self._evaluators: dict[Escalation, Evaluator] = {}
        self._untold: set[str] = set()
        """Models whose servers refuse to tell probabilities."""

    async def score(self, call: Call[Request], rule: Escalation, model: Model, response: Response) -> Score:
        """How good the answer of `model` is, said on the trail too. What is no answer at all is not judged further."""
        by, score = "structural", await self._shape.score(call, response)
        if score.value and rule.evaluator != "structural":
            by, score = rule.evaluator, await self._judged(call, rule, response)
        mark = "not judged" if score.value is None else f"{score.value:.2f}"
        code = "not_judged" if score.value is None else "judged"
        words = f"the answer of {model.id}: {mark} ({by}: {score.words}); {rule.threshold:g} is wanted"
        call.trail.noted(_LAYER, code, words)
        return score

    async def judged(self, call: Call[Request], model: Model, response: Response) -> Judged:
        """The same, for `Attempts`."""
        rule = None if call.trail.selection is None else call.trail.selection.rules.escalation
        if rule is None:
            return Judged(None, response.cost_usd)
        score = await self.score(call, rule, model, response)
        return Judged(score.value, response.cost_usd)

    async def asked(self, call: AnyCall, model: Model, request: Asked, send: Callable[[Asked], Awaitable[Got]]) -> Got:
        """What `send` gives for the request, which asks for log-probabilities where the answer is judged by them."""
        if model.id in self._untold or not _is_judged_by_probabilities(call, model):
            return await send(request)
        asking: Any = replace(cast("Any", request), logprobs=0)
        try:
            return await send(asking)
        except InvalidRequestError as error:
            if "logprob" not in f"{error.param} {error.message}".lower():
                raise
            self._untold.add(model.id)
        return await send(request)

    async def _judged(self, call: Call[Request], rule: Escalation, response: Response) -> Score:
        """No judgement where the evaluator fails or is late: an answer is not lost for want of a judge."""
        until = min(self._clock.now() + rule.patience_s, call.deadline - _TO_SAY_SO_S)
        evaluator = self._evaluators.get(rule)
        if evaluator is None:
            evaluator = self._evaluators[rule] = _made(rule, self._consult)
        score = Score(None, f"no judgement came within {rule.patience_s:g} s or the call's deadline")
        with self._clock.scope(until):
            try:
                score = await evaluator.score(replace(call, deadline=until), response)
            except GatewayError as error:
                score = Score(None, f"its judge could not be asked ({error.code})")
        return score


def _is_judged_by_probabilities(call: AnyCall, model: Model) -> bool:
    """Whether `model` is to be asked for log-probabilities that the caller did not ask for."""
    selection = call.trail.selection
    rule = None if selection is None else selection.rules.escalation
    return (
        rule is not None
        and rule.evaluator == "logprobs"
        and may_reject(call, model)
        and call.request.logprobs is None
        and "logprobs" not in model.unsupported
    )


def _made(rule: Escalation, consult: Consult) -> Evaluator:
    match rule.evaluator:
        case "structural":
            return Structural()
        case "logprobs":
            return Logprobs()
        case "similarity":
            return Similarity(consult, model=rule.model or "auto", examples=rule.examples)
        case "judge":
            return Judge(consult, model=rule.model or "auto", criteria=rule.criteria)
        case _:
            assert_never(rule.evaluator)
