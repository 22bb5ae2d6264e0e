"""The breakers of many deployments, of which only those used last are remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from unified_api.routing.breaker import Breaker, Limits

__all__ = ["Breakers"]

Key = TypeVar("Key", bound=Hashable)


class Breakers(Generic[Key]):
    """Open ones are kept apart: they are few, and those that were merely used once do not push them out."""

    def __init__(self, limits: Limits, *, kept: int) -> None:
        self._limits = limits
        self._kept = kept
        self._quiet: OrderedDict[Key, Breaker] = OrderedDict()
        self._tripped: OrderedDict[Key, Breaker] = OrderedDict()

    @property
    def all_closed(self) -> bool:
        return not self._tripped

    def tripped(self, key: Key) -> Breaker | None:
        """The breaker of `key`, where it is not closed."""
        return self._tripped.get(key)

    def of(self, key: Key) -> Breaker:
        breaker = self._tripped.get(key) or self._quiet.get(key)
        if breaker is None:
            breaker = self._quiet[key] = Breaker(self._limits)
            if len(self._quiet) > self._kept:
                self._quiet.popitem(last=False)
        elif breaker.is_closed:
            self._quiet.move_to_end(key)
        return breaker

    def file(self, key: Key, breaker: Breaker) -> Key | None:
        """Keep `breaker` by what it has become; gives the key of one that had to be forgotten for it."""
        if breaker.is_closed:
            if self._tripped.get(key) is breaker:
                self._quiet[key] = self._tripped.pop(key)
        elif self._quiet.get(key) is breaker:
            self._tripped[key] = self._quiet.pop(key)
            if len(self._tripped) > self._kept:
                return self._tripped.popitem(last=False)[0]
        return None

    def __iter__(self) -> Iterator[tuple[Key, Breaker]]:
        return iter([*self._quiet.items(), *self._tripped.items()])

    def __len__(self) -> int:
        return len(self._quiet) + len(self._tripped)
