"""What a call must be like for one of a route's own lists of models to be chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unified_api.types import Capability, Sensitivity, most_sensitive

__all__ = ["Circumstances", "Condition", "first_that_holds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a call before a model is chosen."""

    category: str | None = None
    sensitivity: Sensitivity = "public"
    tokens: int = 0
    """Estimated size of the prompt."""
    needs: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Holds when everything that it names does; what is None or empty is not asked."""

    categories: frozenset[str] = frozenset()
    """One of these, upper and lower case alike."""
    sensitivity: Sensitivity | None = None
    """This label, or a more sensitive one."""
    at_least: int | None = None
    """Tokens of prompt."""
    at_most: int | None = None
    needs: frozenset[Capability] = frozenset()
    """All of these."""

    def holds(self, call: Circumstances) -> bool:
        if self.categories and (call.category or "").strip().casefold() not in self.categories:
            return False
        if self.sensitivity is not None and most_sensitive(call.sensitivity, self.sensitivity) != call.sensitivity:
            return False
        if self.at_least is not None and call.tokens < self.at_least:
            return False
        if self.at_most is not None and call.tokens > self.at_most:
            return False
        return self.needs <= call.needs

    def __str__(self) -> str:
        words = (
            f"the category is {' or '.join(sorted(self.categories))}" if self.categories else "",
            f"the data is {self.sensitivity} or more sensitive" if self.sensitivity is not None else "",
            f"the prompt has {self.at_least:,} tokens or more" if self.at_least is not None else "",
            f"the prompt has {self.at_most:,} tokens or fewer" if self.at_most is not None else "",
            f"the call needs {' and '.join(sorted(self.needs))}" if self.needs else "",
        )
        return " and ".join(filter(None, words))


def first_that_holds(conditions: Iterable[Condition], call: Circumstances) -> int | None:
    """The place of the first condition that holds."""
    return next((place for place, one in enumerate(conditions) if one.holds(call)), None)
