"""Which deployment a session keeps to."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import NamedTuple

from unified_api.models import Selection
from unified_api.types import Caller

__all__ = ["Affinity", "Session", "kept_to"]


class Session(NamedTuple):
    """One conversation of one tenant about one model name."""

    tenant: str
    session: str
    asked: str
    """The request's `model`: what a session was served by under one name says nothing of another."""

    @classmethod
    def of(cls, caller: Caller, asked: str) -> Session | None:
        """None where the caller names no session."""
        return None if caller.session is None else cls(caller.tenant, caller.session, asked)


class Affinity:
    """Remembers the latest `sessions` sessions, each until nobody has used it for `idle_s` seconds.

    Times are in one clock's seconds, and given with every call.
    """

    def __init__(self, *, idle_s: float, sessions: int) -> None:
        self._idle_s = idle_s
        self._sessions = sessions
        self._served: OrderedDict[Session, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._served)

    def remember(self, session: Session, model: str, *, now: float) -> None:
        """The deployment `model` (`provider/model`) has served the session."""
        self._served[session] = (model, now)
        self._served.move_to_end(session)
        while self._served:
            oldest, (_, at) = next(iter(self._served.items()))
            if len(self._served) <= self._sessions and now - at <= self._idle_s:
                break
            del self._served[oldest]

    def model_of(self, session: Session, *, now: float) -> str | None:
        """Who served the session last, where that is still remembered."""
        found = self._served.get(session)
        if found is None:
            return None
        model, at = found
        if now - at > self._idle_s:
            del self._served[session]
            return None
        return model


def kept_to(selection: Selection, model: str) -> Selection | None:
    """The selection with `model` asked first; None where it may not be asked, or where the order has a meaning.

    A last resort stays the last, and an escalation begins where it begins.
    """
    if selection.rules.escalation is not None or model in selection.rules.last_resort:
        return None
    first = [one for one in selection.candidates if one.id == model]
    others = [one for one in selection.candidates if one.id != model]
    return replace(selection, candidates=(*first, *others)) if first else None
