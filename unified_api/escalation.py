"""Whether an answer is good enough, or a stronger model is to be asked for a better one."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from unified_api.call import AnyCall, Call, Consult
from unified_api.clock import Clock
from unified_api.errors import GatewayError
from unified_api.evaluators.evaluator import Evaluator, Score
from unified_api.evaluators.judge import Judge
from unified_api.evaluators.logprobs import Logprobs
from unified_api.evaluators.similarity import Similarity
from unified_api.evaluators.structural import Structural
from unified_api.models import Escalation, Model, Selection
from unified_api.types import Request, Response

__all__ = ["Escalating"]

_LAYER = "escalation"


class Escalating:
    """Judges the answers of routes that escalate; keeps one evaluator for each of their rules."""

    def __init__(self, *, consult: Consult, clock: Clock) -> None:
        self._consult = consult
        self._clock = clock
        self._shape = Structural()
        self._evaluators: dict[Escalation, Evaluator] = {}

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

    async def _judged(self, call: Call[Request], rule: Escalation, response: Response) -> Score:
        """No judgement where the evaluator fails or is late: an answer is not lost for want of a judge."""
        until = min(self._clock.now() + rule.patience_s, call.deadline)
        evaluator = self._evaluators.get(rule)
        if evaluator is None:
            evaluator = self._evaluators[rule] = _made(rule, self._consult)
        score = Score(None, f"no judgement came within {rule.patience_s:g} s")
        with self._clock.scope(until):
            try:
                score = await evaluator.score(replace(call, deadline=until), response)
            except GatewayError as error:
                score = Score(None, f"its judge could not be asked ({error.code})")
        return score


def tells_probabilities(call: AnyCall, selection: Selection, model: Model) -> bool:
    """Whether `model` is to be asked for log-probabilities that the caller did not ask for, to judge it by them."""
    rule = selection.rules.escalation
    return (
        rule is not None
        and rule.evaluator == "logprobs"
        and isinstance(call.request, Request)
        and call.request.logprobs is None
        and "logprobs" not in model.unsupported
        and selection.is_judged(model)
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
