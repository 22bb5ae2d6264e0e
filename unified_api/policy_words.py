"""The words of a policy: which there are, and how a call is refused that nobody may serve under it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar, get_args

from unified_api.errors import ConfigurationError, NoCandidateError
from unified_api.models import Dropped
from unified_api.types import Attempt, Capability, Strategy, Tier

__all__ = ["STRATEGIES", "TIERS", "names", "no_candidate", "one_of"]

TIERS: tuple[Tier, ...] = get_args(Tier)
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Word = TypeVar("Word", bound=str)


def one_of(words: Sequence[Word], word: Word, what: str) -> Word:
    """The word; ConfigurationError for one that there is not."""
    if word in words:
        return word
    near = get_close_matches(str(word), words, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(words)}"
    raise ConfigurationError(f"the policy's {what} is {word!r}; {hint}")


def names(given: Iterable[str], what: str) -> frozenset[str]:
    """The set; ConfigurationError for a single text, of which each letter would count as a name."""
    if isinstance(given, str):
        raise ConfigurationError(f"the policy's {what} is the text {given!r}; give a set: frozenset({{{given!r}}})")
    return frozenset(given)


def no_candidate(model: str, needs: frozenset[Capability], dropped: tuple[Dropped, ...]) -> NoCandidateError:
    """The error that says why each model was dropped."""
    if not dropped:
        return NoCandidateError(f"no known model can do {' and '.join(sorted(needs))}")
    by_reason: dict[str, list[str]] = {}
    for one in dropped:
        by_reason.setdefault(one.reason, []).append(one.model)
    reasons = "\n".join(f"  {', '.join(ids)}: {reason}" for reason, ids in by_reason.items())
    trail = tuple(Attempt(number=0, model=d.model, outcome="dropped", error=d.code, message=d.reason) for d in dropped)
    return NoCandidateError(f"no model may serve {model!r}:\n{reasons}", attempts=trail)
