"""Carries the events of a run to one reader that may be slower than the run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import anyio

from executors.events import Event, StepToken

__all__ = ["EventFeed"]


@dataclass(slots=True)
class _Entry:
    event: Event
    more: list[str] = field(default_factory=list)
    """Text of later tokens of the same step, joined on delivery."""

    def deliver(self) -> Event:
        if isinstance(self.event, StepToken) and self.more:
            return replace(self.event, text=self.event.text + "".join(self.more))
        return self.event


class EventFeed:
    """An async iterator of events with bounded memory that loses nothing.

    Once `limit` events wait, a further token joins the last waiting token of its step; every other event is kept
    as it is and in order. So at most `limit` events, one token per step and the durable events wait.
    """

    def __init__(self, *, limit: int = 256) -> None:
        self._limit = limit
        self._waiting: deque[_Entry] = deque()
        self._last_token: dict[str, _Entry] = {}
        self._wake = anyio.Event()
        self._closed = False
        self._error: Exception | None = None

    def send(self, event: Event) -> None:
        """Never blocks and never drops; to be called from the event loop's thread."""
        if isinstance(event, StepToken):
            self._send_token(event)
        else:
            # A token after this event must not join one from before it.
            self._last_token.pop(getattr(event, "step_id", ""), None)
            self._waiting.append(_Entry(event))
        self._wake.set()

    def _send_token(self, event: StepToken) -> None:
        last = self._last_token.get(event.step_id)
        if last is not None and len(self._waiting) >= self._limit:
            last.more.append(event.text)
            return
        entry = _Entry(event)
        self._last_token[event.step_id] = entry
        self._waiting.append(entry)

    def close(self, error: Exception | None = None) -> None:
        """No more events come; `error` is raised to the reader after the last one."""
        self._closed, self._error = True, error
        self._wake.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __aiter__(self) -> EventFeed:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._closed:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._wake = anyio.Event()
            await self._wake.wait()
        entry = self._waiting.popleft()
        if isinstance(entry.event, StepToken) and self._last_token.get(entry.event.step_id) is entry:
            del self._last_token[entry.event.step_id]
        return entry.deliver()
