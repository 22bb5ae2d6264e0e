"""Calls that are being made, so that whoever asks the same meanwhile waits for their answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import anyio

from unified_api.call import AnyCall, AnyResponse
from unified_api.errors import AttemptsExhaustedError, GatewayError, ProviderError

__all__ = ["End", "Failed", "Flight", "Flights", "Landed", "Left", "Stalled"]

_SHORT_S = 1.0
"""With less than this to the deadline, who failed may have failed for want of time."""


@dataclass(frozen=True, slots=True)
class Landed:
    """The answer, and the model that was asked for it."""

    answer: AnyResponse
    model: str


@dataclass(frozen=True, slots=True)
class Failed:
    error: GatewayError
    remaining: float
    """Seconds that the deadline of the failed call left."""
    begun: bool = False
    """Whether content had come, so that it was nobody's turn to be asked any more."""

    def concerns(self, leader: AnyCall, follower: AnyCall) -> bool:
        """Whether the follower would have failed too: the fault is not the leader's own deadline, money or patience."""
        if not isinstance(self.error, ProviderError | AttemptsExhaustedError):
            return False
        asked, own = follower.policy, leader.policy
        if self.begun and (follower.operation != "stream" or asked.reader != own.reader):
            return False  # a whole answer is asked for again after a break, and so is one that a program reads
        if asked.max_attempts > own.max_attempts or asked.max_billable != own.max_billable:
            return False
        wait = getattr(self.error.__cause__ or self.error, "retry_after", None) or 0.0
        return self.remaining > max(wait, _SHORT_S) or follower.deadline <= leader.deadline


@dataclass(frozen=True, slots=True)
class Left:
    """Whoever made the call went away before its answer came."""


@dataclass(frozen=True, slots=True)
class Stalled:
    """The reader of the stream asks for nothing more, so nobody knows when its answer will be whole."""


End: TypeAlias = Landed | Failed | Left | Stalled


class Flight:
    """One call that is being made. `end` is set once, by the task that makes it."""

    __slots__ = ("_ended", "call", "end", "held", "told")

    def __init__(self, call: AnyCall) -> None:
        self.call = call
        self.end: End | None = None
        self.told = 0
        """Chunks of a stream that its reader has taken."""
        self.held = False
        """Whether a stream is in its reader's hands, and nothing comes before it asks for the next chunk."""
        self._ended: anyio.Event | None = None  # made by the first who waits: most calls have nobody

    async def wait(self) -> None:
        while self.end is None:
            if self._ended is None:
                self._ended = anyio.Event()
            await self._ended.wait()

    def finish(self, end: End) -> None:
        if self.end is None:
            self.end = end
            if self._ended is not None:
                self._ended.set()


class Flights:
    """By key. Whoever finds none begins one; there is no wait between the two, so there is never a second one."""

    def __init__(self) -> None:
        self._flying: dict[bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def get(self, key: bytes) -> Flight | None:
        return self._flying.get(key)

    def begin(self, key: bytes, call: AnyCall) -> Flight:
        flight = self._flying[key] = Flight(call)
        return flight

    def end(self, key: bytes, flight: Flight, end: End) -> None:
        """Tell those who wait. Only the first end of a flight counts."""
        if self._flying.get(key) is flight:
            del self._flying[key]
        flight.finish(end)
