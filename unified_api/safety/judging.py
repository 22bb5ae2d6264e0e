"""Verdicts on the pieces of an answer, what follows from them, and what the trail is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unified_api.call import AnyCall
from unified_api.clock import Clock
from unified_api.safety.texts import cut
from unified_api.safety.verdicts import Guard, Piece, Verdict, no_verdict
from unified_api.settings.safety import SafetySettings

__all__ = ["Findings", "Judge"]

_LAYER = "safety"
_DONE = {"block": "withheld", "redact": "cut out", "flag": "delivered"}


class Judge:
    """Asks a back end, in time and in pieces that it judges well."""

    def __init__(self, settings: SafetySettings, guard: Guard, clock: Clock) -> None:
        self.settings = settings
        self.guard = guard
        self._clock = clock

    async def verdicts(self, call: AnyCall, pieces: Sequence[Piece]) -> list[Verdict]:
        """One verdict a piece; a text too long for the back end is unsafe where a piece of it is."""
        parts = [part for piece in pieces for part in self._parts(piece)]
        if not parts:
            return [Verdict(ruling="safe") for _ in pieces]
        said = iter(await self._in_time(call, parts))
        return [_worst([next(said) for _ in self._parts(piece)]) for piece in pieces]

    async def _in_time(self, call: AnyCall, parts: Sequence[Piece]) -> Sequence[Verdict]:
        if not self.guard.waits:
            return await self.guard.judge(call, parts)
        seconds = self.settings.timeout_s
        verdicts: Sequence[Verdict] | None = None
        with self._clock.scope(self._clock.now() + seconds):
            verdicts = await self.guard.judge(call, parts)
        return verdicts or [no_verdict(f"{self.guard.name} gave no verdict within {seconds:g} s")] * len(parts)

    def _parts(self, piece: Piece) -> list[Piece]:
        if not isinstance(piece, str):
            return [piece]
        if not piece or piece.isspace():
            return []
        longest = self.guard.longest
        if len(piece) <= longest:
            return [piece]
        return [piece[start:end] for start, end in cut(piece, longest, self.settings.overlap)]


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    for ruling in ("unsafe", "none"):
        for one in verdicts:
            if one.ruling == ruling:
                return one
    return verdicts[0] if verdicts else Verdict(ruling="safe")


class Findings:
    """What was found in one answer so far, told to its trail: codes and scores, never anything of the answer."""

    def __init__(self, judge: Judge, call: AnyCall) -> None:
        self._judge = judge
        self._trail = call.trail
        self._counts: Counter[str] = Counter()
        self._reasons: set[str] = set()
        self._ended = False

    def add(self, verdicts: Sequence[Verdict]) -> str | None:
        """Why the answer must be withheld, in words for its reader; None where it need not."""
        for one in verdicts:
            self._counts[one.ruling] += 1
        unsafe = [one for one in verdicts if one.ruling == "unsafe"]
        unjudged = [one for one in verdicts if one.ruling == "none"]
        return self._unsafe(unsafe) or self._unjudged(unjudged)

    def end(self) -> None:
        """Nothing more comes. May be called again."""
        if not self._ended and self._counts and set(self._counts) == {"safe"}:
            pieces = f"{self._counts['safe']} piece{'s' if self._counts['safe'] > 1 else ''}"
            self._trail.noted(_LAYER, "safe", f"{pieces} judged by {self._judge.guard.name}")
        self._ended = True

    def _unsafe(self, verdicts: Sequence[Verdict]) -> str | None:
        action = self._judge.settings.action
        for one in verdicts:
            self._trail.noted(_LAYER, "unsafe", f"{_DONE[action]}: {one.words}, by {self._judge.guard.name}")
        if not verdicts or action != "block":
            return None
        codes = ", ".join(dict.fromkeys(code for one in verdicts for code in one.categories))
        return f"{self._judge.guard.name} judged it unsafe" + (f" ({codes})" if codes else "")

    def _unjudged(self, verdicts: Sequence[Verdict]) -> str | None:
        is_open = self._judge.settings.fail == "open"
        for why, advice in dict.fromkeys((one.words, one.advice) for one in verdicts):
            if why not in self._reasons:
                self._reasons.add(why)
                done = "delivered without a verdict" if is_open else "withheld without a verdict"
                self._trail.noted(_LAYER, "no_verdict", f"{done}: {why}" + (f"; {advice}" if advice else ""))
        return None if is_open or not verdicts else f"there is no verdict on it: {verdicts[0].words}"
