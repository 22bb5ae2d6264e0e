"""What a run knows of its own earlier work: each recorded result is taken by one step at most."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from executors.journal.entries import Recorded, Unsettled

__all__ = ["Claim", "Memory", "counted", "is_untold", "place_of", "step_id"]


_NUMBERS = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Claim:
    """A result that a step takes instead of being executed."""

    result: Recorded
    earlier: bool
    """Whether a pass before this one recorded it."""
    first: bool
    """Whether nobody has taken it before."""


@dataclass(slots=True)
class _Kept:
    """A result, and the path of the step that has taken it."""

    result: Recorded
    earlier: bool
    path: str | None = None
    replays: int = 0
    """How often a failure was taken."""


@dataclass(slots=True)
class Memory:
    """The results of a run by what was done (the key), those of this pass included.

    A step finds the result of its own path first. Another path finds one only while nobody has taken it, so that two
    steps that ask the same thing twice stay two answers.
    """

    died: bool = False
    """Whether the pass before this one ended by the death of its process, not in good order."""
    _own: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    """By path and key; the latest of several."""
    _loose: defaultdict[tuple[str, str | None], deque[_Kept]] = field(default_factory=lambda: defaultdict(deque))
    """The successes of earlier passes by key, and the place that they are for; None is any."""
    _unsettled: dict[tuple[str, str], Unsettled] = field(default_factory=dict)
    _unchanged: Container[str] = ()
    _told: dict[str, _Kept] = field(default_factory=dict)
    """By path: what a person said of executions that were cut off."""
    _earliest: dict[str, datetime] = field(default_factory=dict)
    """By key."""
    _failed: dict[tuple[str, str], list[_Kept]] = field(default_factory=dict)
    """Failures whose steps may be executed again, and which their next results stand for, too."""
    _left: Decimal = Decimal(0)
    _unknown: int = 0

    @classmethod
    def of(
        cls,
        results: Iterable[Recorded],
        unsettled: Iterable[Unsettled] = (),
        *,
        unchanged: Container[str] = (),
        told: Container[str] = (),
        is_fatal: Callable[[Recorded], bool] = lambda _: False,
        died: bool = False,
    ) -> Memory:
        """What earlier passes recorded, in their order; `unchanged` are the places of steps that say what they said.

        What these gave is for themselves, at any place of a list: of two equal steps the one that stayed keeps what
        it had. A failure that `is_fatal`, having failed the run, is not taken again. What a person `told` of the steps
        at these paths is theirs whatever they ask by now.
        """
        memory = cls(died=died, _unchanged=unchanged)
        for result in results:
            memory._left += result.cost_usd or 0
            memory._unknown += result.cost_usd is None
            kept = _Kept(result, earlier=True)
            if result.status == "failed" and is_fatal(result):
                memory._failed[result.path, result.key] = [kept]
                continue
            memory._own[result.path, result.key] = kept
            if result.status == "failed":
                continue
            own = place_of(result.path)
            memory._loose[result.key, own if own in unchanged else None].append(kept)
            memory._note(result)
            if result.path in told:
                memory._told[result.path] = kept
        for one in unsettled:
            memory._unsettled[one.intent.path, one.intent.key] = one
            memory._left += one.spent_usd
            memory._unknown += is_untold(one)
        return memory

    @property
    def left_usd(self) -> Decimal | None:
        """What earlier passes paid for results that no step has taken; None when that is unknown."""
        return None if self._unknown else self._left

    @property
    def taken(self) -> frozenset[str]:
        """The paths whose recorded results steps at other paths have taken."""
        return frozenset(
            kept.result.path for (path, _), kept in self._own.items() if kept.earlier and kept.result.path != path
        )

    def claim(self, path: str, key: str) -> Claim | None:
        """The result that the step at this path takes.

        A failure is taken by its own path alone, and as often as it happened: who runs again after that is tried anew.
        """
        kept = self._own.get((path, key))
        if kept is not None and kept.result.status == "failed":
            return self._failure(kept, path, key)
        if kept is None or kept.path not in (None, path):
            kept = self._any(key, place_of(path)) or self._any(key, None) or self._told.get(path)
        if kept is None:
            return None
        self._own[path, key] = kept
        self._told.pop(path, None)
        return self._taken(kept, path)

    def _failure(self, kept: _Kept, path: str, key: str) -> Claim | None:
        if kept.earlier and kept.replays < kept.result.times:
            kept.replays += 1
            return self._taken(kept, path)
        del self._own[path, key]
        self._failed.setdefault((path, key), []).append(kept)
        return None

    def _any(self, key: str, place: str | None) -> _Kept | None:
        waiting = self._loose.get((key, place))
        while waiting:
            kept = waiting.popleft()
            if kept.path is None:
                return kept
        return None

    def _taken(self, kept: _Kept, path: str) -> Claim:
        first = kept.path is None
        kept.path = path
        if first and kept.earlier:
            self._left -= kept.result.cost_usd or 0
            self._unknown -= kept.result.cost_usd is None
        return Claim(kept.result, kept.earlier, first)

    def keep(self, result: Recorded) -> None:
        """A result of this pass."""
        self._own[result.path, result.key] = _Kept(result, earlier=False, path=result.path)
        if result.status == "succeeded":
            self._note(result)

    def earliest(self, key: str) -> datetime | None:
        """When the first of the answers was given that the run has for this key."""
        return self._earliest.get(key)

    def _note(self, result: Recorded) -> None:
        self._earliest[result.key] = min(result.at, self._earliest.get(result.key, result.at))

    def failed(self, path: str, key: str) -> list[Claim]:
        """The failures after which the step is executed again. Told once: its next result stands for them, too."""
        return [self._taken(kept, path) for kept in self._failed.pop((path, key), ())]

    def cut_off(self, path: str, key: str) -> Unsettled | None:
        """What is known of an earlier execution that did not come to its end, wherever its step stood then."""
        own = self._unsettled.get((path, key))
        if own is not None:
            return own
        others = (one for one in self._unsettled.values() if one.intent.key == key)
        return next((one for one in others if self._is_for(place_of(path), place_of(one.intent.path))), None)

    def _is_for(self, place: str, other: str) -> bool:
        """Whether what one step did may be what this one does: another item of a list, or a step that is no more."""
        return place == other or other not in self._unchanged

    def cut_off_otherwise(self, path: str, kind: str) -> Unsettled | None:
        """An earlier execution of the step at this path, whatever it asked, that did not come to its end.

        The step is the same at its path, and where it was moved to with its id.
        """
        for one in self._unsettled.values():
            then = one.intent.path
            moved = step_id(then) == step_id(path) and place_of(then) != place_of(path)
            if one.intent.kind == kind and (then == path or (moved and place_of(then) not in self._unchanged)):
                return one
        return None

    def resolve(self, one: Unsettled) -> None:
        """The execution that did not come to its end is done again, and what it cost counts there."""
        del self._unsettled[one.intent.path, one.intent.key]
        self._left -= one.spent_usd
        self._unknown -= is_untold(one)


def counted(result: Recorded) -> Decimal:
    """What a budget counts for it."""
    return (result.cost_usd or Decimal(0)) if result.counted_usd is None else result.counted_usd


def is_untold(one: Unsettled) -> bool:
    """Whether it may have cost what nobody knows: a call was under way, or nobody counted."""
    return one.intent.kind in {"llm", "image", "embed"} and (one.held_usd > 0 or not one.spent_usd)


def place_of(path: str) -> str:
    """Where a step stands in its workflow, and in those that this one runs: `each/summary` for `each[3]/summary`."""
    return _NUMBERS.sub("", path)


def step_id(path: str) -> str:
    """The id of the step at a path: `summary` for `each[3]/summary`."""
    return path.rpartition("/")[2].partition("[")[0]
