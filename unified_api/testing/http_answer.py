"""What a network that fails on purpose answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx

from unified_api.types import Json

__all__ = ["ByForm", "Fault", "HttpAnswer", "Play", "chat_answer", "played", "stream_answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """One HTTP answer, told piece by piece."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes | float, ...] = ()
    """The body, piece by piece; a number is a silence of that many seconds, `inf` one for ever."""
    repeat: tuple[bytes | float, ...] = ()
    """What comes after the pieces, again and again for ever."""
    wait_s: float = 0.0
    """Silence before the headers."""
    pause_s: float = 0.0
    """Silence before each piece but the first; `inf` is for ever."""
    cut: bool = False
    """Whether the connection breaks after the last piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByForm:
    """A fault that looks different in a whole answer and in a streamed one."""

    whole: HttpAnswer
    streamed: HttpAnswer


Play: TypeAlias = "HttpAnswer | Exception"
"""What one request meets: an answer, or an exception to raise."""
Fault: TypeAlias = "Play | ByForm | Callable[[httpx.Request], Play | ByForm]"


def played(fault: Fault, request: httpx.Request) -> Play:
    """What `request` meets by `fault`."""
    if callable(fault):
        fault = fault(request)
    if isinstance(fault, ByForm):
        return fault.streamed if _wants_stream(request) else fault.whole
    return fault


def _wants_stream(request: httpx.Request) -> bool:
    """By its body, and where that does not say (Gemini, Bedrock), by its address."""
    try:
        body = json.loads(request.content or b"null")
    except ValueError:
        body = None
    stated = isinstance(body, dict) and body.get("stream")
    return stated is True or "stream" in request.url.path.rpartition("/")[2].lower()


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
