"""The back end that needs no model: the small classifier in this process."""

from __future__ import annotations

from collections.abc import Sequence

from unified_api.call import AnyCall
from unified_api.routing.filters import CLEARANCES
from unified_api.safety.classifier import Classifier, packed_classifier
from unified_api.safety.verdicts import Piece, Verdict, no_verdict
from unified_api.settings.safety import SafetySettings

__all__ = ["LocalGuard"]


class LocalGuard:
    """Judges text by `unified_api.safety.classifier`, whose verdicts are marked as `demo`; pictures it cannot see."""

    name = "the local classifier (demo quality)"
    longest = 400
    """It was trained on texts of about that length, and a longer one drowns its unsafe part."""
    waits = False

    def __init__(self, settings: SafetySettings, classifier: Classifier | None = None) -> None:
        self._classifier = classifier or packed_classifier()
        self._clearance = settings.clearance
        wanted = settings.categories or self._classifier.categories
        of = {**self._classifier.thresholds, **settings.thresholds}
        self._thresholds = tuple((name, of[name]) for name in wanted)

    async def judge(self, call: AnyCall, pieces: Sequence[Piece]) -> Sequence[Verdict]:
        label = call.policy.sensitivity
        if CLEARANCES.index(label) > CLEARANCES.index(self._clearance):
            why = f"the local classifier is cleared for {self._clearance} data, and this is {label}"
            return [no_verdict(why)] * len(pieces)
        return [self._verdict(piece) for piece in pieces]

    def _verdict(self, piece: Piece) -> Verdict:
        if not isinstance(piece, str):
            return no_verdict("the local classifier reads only text")
        scores = self._classifier.scores(piece)
        hit = tuple(name for name, least in self._thresholds if scores[name] >= least)
        if not hit:
            return _SAFE
        return Verdict(ruling="unsafe", categories=hit, scores={name: scores[name] for name in hit}, quality="demo")


_SAFE = Verdict(ruling="safe", quality="demo")
