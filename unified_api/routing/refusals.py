"""Credentials that providers have refused, for a time."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Refusals"]

Credential = TypeVar("Credential", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Refusal:
    since: float
    words: str


class Refusals(Generic[Credential]):
    """A refusal counts for `lasting_s` seconds, or until a later call succeeds. There are as many as credentials.

    `now` is in seconds of a clock that should only grow; where it falls, nothing that was refused later counts.
    """

    def __init__(self, lasting_s: float) -> None:
        self._lasting_s = lasting_s
        self._known: dict[Credential, _Refusal] = {}

    def __bool__(self) -> bool:
        return bool(self._known)

    def refuse(self, credential: Credential, words: str, now: float) -> None:
        self._known[credential] = _Refusal(now, words)

    def words(self, credential: Credential, now: float) -> str | None:
        """How it was refused, while that counts."""
        refusal = self._known.get(credential)
        if refusal is None:
            return None
        if refusal.since <= now < refusal.since + self._lasting_s:
            return refusal.words
        del self._known[credential]
        return None

    def revive(self, credential: Credential, begun: float) -> None:
        """A call that began at `begun` succeeded."""
        refusal = self._known.get(credential)
        if refusal is not None and begun >= refusal.since:
            del self._known[credential]

    def forget(self, credential: Credential) -> None:
        self._known.pop(credential, None)
