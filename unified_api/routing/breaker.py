"""The circuit breaker of one deployment: when it is left alone, and who may try whether it is back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Literal

__all__ = ["Breaker", "Failure", "Limits", "State", "Ticket"]

State = Literal["closed", "open", "half_open"]
Failure = Literal["rate_limit", "fault"]
"""An answer of 429; or a server error, a broken connection or a timeout."""

_LEAST_KEPT = 100
_LONGEST_REST_S = 86_400.0
"""No provider may have itself left alone for longer, whatever it says in `Retry-After`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers that a breaker goes by; the settings explain them."""

    failures: int
    window_s: float
    cooldown_s: float
    cooldown_cap_s: float
    failure_ratio: float
    least_calls: int


@dataclass(slots=True, eq=False)
class Ticket:
    """Permission for one call, given by `Breaker.admit` and handed back with what came of it."""

    era: int
    """How often the breaker had opened when the call began."""
    settled: bool = False


class Breaker:
    """Opens on too many failures, and lets one probe through when its time is over. Pure: `now` is told.

    `now` is in seconds of a clock that should only grow. Where it falls all the same, all that is remembered moves with
    it, so that nothing lasts longer than it was meant to.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._limited: deque[float] = deque(maxlen=limits.failures)
        self._calls: deque[tuple[float, bool]] = deque(maxlen=max(_LEAST_KEPT, limits.least_calls))
        self._faults = 0
        self._era = 0
        self._until: float | None = None
        self._asked_until = -inf
        self._cooldown_s = limits.cooldown_s
        self._probe: Ticket | None = None
        self._seen = 0.0
        self.cause = ""
        """Why it opened last, in words."""

    def state(self, now: float) -> State:
        self._hear(now)
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half_open"

    @property
    def is_closed(self) -> bool:
        return self._until is None

    @property
    def is_probed(self) -> bool:
        """Whether a probe is under way."""
        return self._probe is not None

    def reopens(self, now: float) -> float | None:
        """When a call may be let through; None: now. A time that is over: when the probe that is under way ends."""
        if self._until is None:
            return None
        self._hear(now)
        return self._until if now < self._until or self._probe is not None else None

    def admit(self, now: float) -> Ticket | None:
        """Permission for a call that begins now, or None. Every ticket has to be handed back."""
        ticket = Ticket(self._era)
        if self._until is not None:
            self._hear(now)
            if now < self._until or self._probe is not None:
                return None
            self._probe = ticket
        return ticket

    def answered(self, ticket: Ticket) -> None:
        """A sign of life: the first content of a stream. A probe has succeeded with it; the call may still fail."""
        if ticket is self._probe:
            self._close()

    def succeeded(self, ticket: Ticket, now: float) -> None:
        self.answered(ticket)
        if ticket.era == self._era and not ticket.settled:
            self._asked_until = -inf
        self._settle(ticket, now, fault=False)

    def failed(self, ticket: Ticket, failure: Failure, now: float, *, retry_after: float | None = None) -> None:
        """The call failed in a way that speaks against the deployment.

        A failure of a call from before the opening changes nothing but this: an open breaker heeds its Retry-After.
        """
        self._hear(now)
        asked = min(retry_after, _LONGEST_REST_S) if retry_after is not None and retry_after > 0 else 0.0
        if ticket is self._probe:
            self._probe = None
            ticket.settled = True
            self._cooldown_s = min(self._cooldown_s * 2, max(self._limits.cooldown_cap_s, self._limits.cooldown_s))
            self._open(now, asked, "the call that was let through to try it failed")
        elif self._until is not None:
            ticket.settled = True
            if asked and now < self._until:
                self._until = max(self._until, now + asked)
        elif ticket.era == self._era and not ticket.settled:
            self._settle(ticket, now, fault=failure == "fault")
            self._asked_until = max(self._asked_until, now + asked)
            if failure == "rate_limit":
                self._limited.append(now)
            cause = self._too_many(now)
            if cause is not None:
                self._open(now, asked, cause)

    def let_go(self, ticket: Ticket) -> None:
        """The call ended without a word on the deployment: it was cancelled, or the request was at fault."""
        ticket.settled = True
        if ticket is self._probe:
            self._probe = None

    def reset(self) -> None:
        """Closed, with nothing remembered."""
        self._era += 1
        self._close()

    def _settle(self, ticket: Ticket, now: float, *, fault: bool) -> None:
        """Count the call, once."""
        if ticket.settled or ticket.era != self._era or self._until is not None:
            return
        ticket.settled = True
        self._hear(now)
        if len(self._calls) == self._calls.maxlen:
            self._faults -= self._calls[0][1]
        self._calls.append((now, fault))
        self._faults += fault
        self._forget(now)

    def _too_many(self, now: float) -> str | None:
        """Why it has to open."""
        limits = self._limits
        if len(self._limited) == limits.failures and self._limited[0] > now - limits.window_s:
            return f"{limits.failures} answers of 429 within {limits.window_s:g} s"
        calls = len(self._calls)
        if self._faults and calls >= limits.least_calls and self._faults >= limits.failure_ratio * calls:
            return f"{self._faults} of {calls} calls failed"
        return None

    def _open(self, now: float, asked: float, cause: str) -> None:
        self._era += 1
        self._until = max(now + self._cooldown_s, now + asked, self._asked_until)
        self.cause = cause
        self._limited.clear()
        self._calls.clear()
        self._faults = 0

    def _close(self) -> None:
        self._until = self._probe = None
        self._asked_until = -inf
        self._cooldown_s = self._limits.cooldown_s
        self._limited.clear()
        self._calls.clear()
        self._faults = 0

    def _forget(self, now: float) -> None:
        while self._calls and self._calls[0][0] <= now - self._limits.window_s:
            self._faults -= self._calls.popleft()[1]

    def _hear(self, now: float) -> None:
        fallen, self._seen = self._seen - now, now
        if fallen <= 0:
            return
        self._asked_until -= fallen
        if self._until is not None:
            self._until -= fallen
        self._limited = deque((at - fallen for at in self._limited), maxlen=self._limited.maxlen)
        self._calls = deque(((at - fallen, fault) for at, fault in self._calls), maxlen=self._calls.maxlen)
