"""How fast each deployment has answered lately."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from math import ceil
from typing import Literal

__all__ = ["Kind", "Latencies"]

Kind = Literal["whole", "first_content"]
"""What was waited for: a whole answer, or the first content of a stream."""


class Latencies:
    """The latest answers' seconds by deployment and kind; old ones age out, and what is kept is bounded.

    `now` is in seconds of a clock that should only grow. Where it falls all the same, what was heard counts as new.
    """

    def __init__(self, *, window_s: float = 600.0, kept: int = 200, deployments: int = 1024) -> None:
        """Take the bounds: how long an answer counts, how many of a deployment do, and of how many deployments."""
        self._window_s = window_s
        self._kept = kept
        self._deployments = deployments
        self._heard: OrderedDict[tuple[str, Kind], _Heard] = OrderedDict()

    def add(self, model_id: str, seconds: float, now: float, *, kind: Kind = "whole") -> None:
        """An answer of `model_id` took `seconds` and came at `now`."""
        key = (model_id, kind)
        heard = self._heard.get(key)
        if heard is None:
            heard = self._heard[key] = _Heard()
            if len(self._heard) > self._deployments:
                self._heard.popitem(last=False)
        else:
            self._heard.move_to_end(key)
        heard.forget(now, self._window_s, self._kept - 1)
        heard.add(max(seconds, 0.0), now)

    def percentile(
        self, model_id: str, share: float, now: float, *, kind: Kind = "whole", least: int = 1
    ) -> float | None:
        """The seconds within which `share` (0 to 1) of the latest answers came; None for fewer answers than `least`."""
        heard = self._heard.get((model_id, kind))
        if heard is None:
            return None
        heard.forget(now, self._window_s, self._kept)
        known = heard.in_order
        if len(known) < max(least, 1):
            return None
        return known[min(max(ceil(share * len(known)) - 1, 0), len(known) - 1)]


class _Heard:
    """The answers of one deployment, both by age and by length."""

    __slots__ = ("_by_age", "in_order")

    def __init__(self) -> None:
        self._by_age: deque[tuple[float, float]] = deque()
        self.in_order: list[float] = []

    def add(self, seconds: float, now: float) -> None:
        self._by_age.append((now, seconds))
        insort(self.in_order, seconds)

    def forget(self, now: float, window_s: float, kept: int) -> None:
        if self._by_age and self._by_age[-1][0] > now:  # the clock fell
            self._by_age = deque((now, seconds) for _, seconds in self._by_age)
        while self._by_age and (self._by_age[0][0] <= now - window_s or len(self._by_age) > kept):
            _, seconds = self._by_age.popleft()
            del self.in_order[bisect_left(self.in_order, seconds)]
