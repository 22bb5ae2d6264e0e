"""How sure the model itself was of its words."""

from __future__ import annotations

from math import exp, fsum, isnan

from unified_api.call import Call
from unified_api.evaluators.evaluator import Score
from unified_api.types import Request, Response

__all__ = ["Logprobs"]


class Logprobs:
    """Gives the geometric mean of the tokens' probabilities, which a few unsure tokens lower more than a plain mean.

    It does not depend on the answer's length. What it says of truth differs from model to model, so a threshold is
    found by trying.
    """

    async def score(self, call: Call[Request], response: Response) -> Score:
        del call
        told = [one.logprob for one in response.logprobs if not isnan(one.logprob)]
        if not told:
            return Score(None, "no log-probabilities came with it, so that only its shape was judged")
        mean = exp(min(fsum(told) / len(told), 0.0))
        return Score(mean, f"its {len(told):,} tokens have a mean probability of {mean:.2f}")
