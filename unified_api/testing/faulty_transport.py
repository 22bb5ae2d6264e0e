"""A network that fails on purpose."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

import anyio.lowlevel
import httpx

from unified_api.clock import Clock
from unified_api.testing.manual_clock import ManualClock
from unified_api.types import Json

__all__ = ["FaultyTransport", "HttpAnswer", "chat_answer", "stream_answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What FaultyTransport answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    """The body, piece by piece."""
    wait_s: float = 0.0
    """Silence before the headers."""
    pause_s: float = 0.0
    """Silence before each piece but the first; `inf` is for ever."""
    cut: bool = False
    """Whether the connection breaks after the last piece."""


Fault: TypeAlias = "HttpAnswer | Exception"


class FaultyTransport(httpx.AsyncBaseTransport):
    """Stands in for the network: `Gateway(settings, backend=FaultyTransport(...))`.

    Args:
        script: one answer, or exception to raise (such as `httpx.ConnectError("refused")`), a request; the last one
            answers all further requests. Or a function of the request.
        clock: what silence goes by; take the gateway's own ManualClock, so that no time passes.

    """

    def __init__(self, script: Sequence[Fault] | Callable[[httpx.Request], Fault], *, clock: Clock) -> None:
        self._script = script
        self._clock = clock
        self.requests: list[httpx.Request] = []
        self.open = 0
        """Answers that have been begun and not yet been closed."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await anyio.lowlevel.checkpoint()
        fault = self._next(request)
        if isinstance(fault, Exception):
            raise fault
        if fault.wait_s:
            await _silence(self._clock, fault.wait_s)
        self.open += 1
        return httpx.Response(fault.status, headers=dict(fault.headers), stream=_Body(self, fault, self._clock))

    def _next(self, request: httpx.Request) -> Fault:
        if callable(self._script):
            return self._script(request)
        return self._script[min(len(self.requests), len(self._script)) - 1]


class _Body(httpx.AsyncByteStream):
    def __init__(self, owner: FaultyTransport, answer: HttpAnswer, clock: Clock) -> None:
        self._owner = owner
        self._answer = answer
        self._clock = clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number, piece in enumerate(self._answer.pieces):
            if number and self._answer.pause_s:
                await _silence(self._clock, self._answer.pause_s)
            await anyio.lowlevel.checkpoint()
            yield piece
        if self._answer.cut:
            raise httpx.ReadError("the connection broke")

    async def aclose(self) -> None:
        self._owner.open -= 1


async def _silence(clock: Clock, seconds: float) -> None:
    if seconds == inf and isinstance(clock, ManualClock):
        seconds = 1e9
    await clock.sleep(seconds)


def chat_answer(text: str, *, model: str = "scripted", usage: tuple[int, int] | None = (10, 5)) -> HttpAnswer:
    """A whole chat answer as an OpenAI-compatible server gives it; `usage` is prompt and completion tokens."""
    message: Json = {"role": "assistant", "content": text}
    body: dict[str, Json] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    if usage is not None:
        body["usage"] = _usage(usage)
    return HttpAnswer(headers={"content-type": "application/json"}, pieces=(json.dumps(body).encode(),))


def stream_answer(
    *texts: str,
    model: str = "scripted",
    usage: tuple[int, int] | None = (10, 5),
    finish: str | None = "stop",
) -> HttpAnswer:
    """A streamed chat answer, one event a piece: the role, `texts`, the finish, the usage, `[DONE]`.

    Without a `finish` it stops after the texts, as a truncated stream does.
    """
    deltas: list[tuple[dict[str, Json], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": text}, None) for text in texts]
    if finish is not None:
        deltas.append(({}, finish))
    events: list[dict[str, Json]] = [
        {"model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
    ]
    if finish is not None and usage is not None:
        events.append({"model": model, "choices": [], "usage": _usage(usage)})
    pieces = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    if finish is not None:
        pieces.append(b"data: [DONE]\n\n")
    return HttpAnswer(headers={"content-type": "text/event-stream"}, pieces=tuple(pieces))


def _usage(tokens: tuple[int, int]) -> dict[str, Json]:
    asked, answered = tokens
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
