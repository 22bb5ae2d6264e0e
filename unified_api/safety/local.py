"""The back end that needs no model: the small classifier in this process."""

from __future__ import annotations

import math
from collections.abc import Sequence

from unified_api.call import AnyCall
from unified_api.safety.classifier import Classifier, logistic, packed_classifier
from unified_api.safety.verdicts import Piece, Verdict, no_verdict
from unified_api.settings.safety import SafetySettings
from unified_api.types import cleared

__all__ = ["LocalGuard"]


class LocalGuard:
    """Judges text by `unified_api.safety.classifier`, whose verdicts are marked as `demo`; pictures it cannot see."""

    name = "the local classifier (demo quality)"
    longest = 150
    """A longer text drowns its unsafe part: every word counts for less."""
    waits = False

    def __init__(self, settings: SafetySettings, classifier: Classifier | None = None) -> None:
        self._classifier = classifier or packed_classifier()
        self._clearance = settings.clearance
        known = self._classifier.categories
        least = {**self._classifier.thresholds, **settings.thresholds}
        self._least = tuple((known.index(name), _logit(least[name])) for name in settings.categories or known)

    async def judge(self, call: AnyCall, pieces: Sequence[Piece]) -> Sequence[Verdict]:
        label = call.policy.sensitivity
        if not cleared(self._clearance, label):
            why = f"the local classifier is cleared for {self._clearance} data, and this is {label}"
            return [no_verdict(why)] * len(pieces)
        return [self._verdict(piece) for piece in pieces]

    def _verdict(self, piece: Piece) -> Verdict:
        if not isinstance(piece, str):
            return no_verdict("the local classifier reads only text")
        values = self._classifier.values(piece)
        hit = [place for place, least in self._least if values[place] >= least] if values else []
        if not hit or values is None:
            return _SAFE
        scores = {self._classifier.categories[place]: logistic(values[place]) for place in hit}
        return Verdict(ruling="unsafe", categories=tuple(scores), scores=scores, quality="demo")


def _logit(share: float) -> float:
    return math.log(share / (1 - share)) if 0 < share < 1 else math.inf if share else -math.inf


_SAFE = Verdict(ruling="safe", quality="demo")
