"""The faults that providers and networks have, each by its name.

For the script of a FaultyTransport. Every one works for whole answers and for streamed ones, as an OpenAI-compatible
server would give them:

    network = FaultyTransport([faults.rate_limited(retry_after=2), faults.answer("ok")], clock=clock)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import accumulate
from math import inf
from random import Random

import httpx

from unified_api.errors import ConfigurationError
from unified_api.testing.http_answer import ByForm, Fault, HttpAnswer, Play, chat_answer, played, stream_answer

__all__ = [
    "answer",
    "bad_key",
    "context_overflow",
    "cut",
    "drip",
    "error_inside",
    "mixed",
    "no_done",
    "no_finish",
    "rate_limited",
    "refusal",
    "refused_connection",
    "refused_request",
    "reset",
    "retry_after_on_success",
    "server_error",
    "silence",
    "slow",
    "stall",
    "unreadable",
]

_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream"}
_WORDS = ("The ", "tide ", "comes ", "in.")
_COMMENT = b": keep-alive\n\n"
_AHEAD = {"role": "assistant", "content": ""}


def answer(text: str = "".join(_WORDS)) -> ByForm:
    """No fault: a good answer, word by word where it is streamed."""
    words = [word + " " for word in text.split(" ")]
    words[-1] = words[-1][:-1]
    return ByForm(whole=chat_answer(text), streamed=stream_answer(*words))


def rate_limited(
    *, retry_after: float | None = None, as_date: bool = False, as_ms: bool = False, now: datetime | None = None
) -> HttpAnswer:
    """429. `retry_after` seconds are told in seconds or decimals, as an HTTP date (counted from `now`), or in `-ms`."""
    headers = dict(_JSON)
    if retry_after is not None and as_ms:
        headers["retry-after-ms"] = f"{retry_after * 1000:.0f}"
    elif retry_after is not None and as_date:
        start = (now or datetime.now(UTC)).replace(microsecond=0)
        headers["date"] = format_datetime(start, usegmt=True)
        headers["retry-after"] = format_datetime(start + timedelta(seconds=retry_after), usegmt=True)
    elif retry_after is not None:
        headers["retry-after"] = f"{retry_after:g}"
    return _error(429, "Rate limit reached for requests", "rate_limit_exceeded", headers)


def server_error(status: int = 500, *, retry_after: float | None = None) -> HttpAnswer:
    """500, 503 or another status of a server that failed."""
    headers = _JSON if retry_after is None else {**_JSON, "retry-after": f"{retry_after:g}"}
    return _error(status, "The server had an error while processing the request", "server_error", headers)


def bad_key() -> HttpAnswer:
    """401."""
    return _error(401, "Incorrect API key provided", "invalid_api_key")


def context_overflow(*, limit: int = 8192) -> HttpAnswer:
    """400: the request has more tokens than the model takes."""
    message = f"This model's maximum context length is {limit} tokens. Please reduce the length of the messages."
    return _error(400, message, "context_length_exceeded")


def refused_request() -> HttpAnswer:
    """400: the provider's filter refuses the prompt."""
    message = "The response was filtered due to the prompt triggering the content management policy"
    return _error(400, message, "content_filter")


def refusal(text: str = "I can't help with that.") -> ByForm:
    """The model refuses: a good answer, and no fault."""
    message = {"role": "assistant", "content": None, "refusal": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    events = (_event(_AHEAD), _event({"refusal": text}), _event({}, "stop"), b"data: [DONE]\n\n")
    return ByForm(whole=_whole({"model": "scripted", "choices": [choice]}), streamed=_streamed(*events))


def refused_connection() -> Exception:
    """Nobody listens at the address."""
    return httpx.ConnectError("Connection refused")


def reset() -> Exception:
    """The connection breaks before the first byte of an answer."""
    return httpx.ReadError("Connection reset by peer")


def silence() -> HttpAnswer:
    """No byte, ever."""
    return HttpAnswer(wait_s=inf)


def slow(seconds: float, text: str = "".join(_WORDS)) -> ByForm:
    """The first word comes late. A stream begins at once, with a role and a comment, and then says nothing."""
    good = answer(text)
    ahead, *rest = good.streamed.pieces
    pieces = (ahead, _COMMENT, seconds, *rest)
    return ByForm(
        whole=HttpAnswer(headers=_JSON, pieces=good.whole.pieces, wait_s=seconds),
        streamed=HttpAnswer(headers=_EVENTS, pieces=pieces),
    )


def cut(*, after: int = 2) -> ByForm:
    """The connection breaks in the middle: of a body, or after so many words of a stream."""
    body = _good_body()
    streamed = stream_answer(*_WORDS[:after], finish=None)
    return ByForm(
        whole=HttpAnswer(
            headers={**_JSON, "content-length": str(len(body))}, pieces=(body[: len(body) // 2],), cut=True
        ),
        streamed=HttpAnswer(headers=_EVENTS, pieces=streamed.pieces, cut=True),
    )


def stall(*, after: int = 2) -> ByForm:
    """Silence for ever in the middle: of a body, or after so many words of a stream."""
    body = _good_body()
    streamed = stream_answer(*_WORDS[:after], finish=None)
    return ByForm(
        whole=HttpAnswer(headers=_JSON, pieces=(body[: len(body) // 2], inf)),
        streamed=HttpAnswer(headers=_EVENTS, pieces=(*streamed.pieces, inf)),
    )


def unreadable() -> ByForm:
    """A body that is no JSON; of a stream one event, with good ones around it."""
    ahead, *words = stream_answer(*_WORDS).pieces
    return ByForm(
        whole=HttpAnswer(headers=_JSON, pieces=(b'{"choices": [{"message": {"content": "The',)),
        streamed=_streamed(ahead, words[0], b'data: {"choices": [{"delta": \n\n', *words[1:]),
    )


def no_done() -> ByForm:
    """A finish, and no `[DONE]` after it: a whole answer all the same."""
    return ByForm(whole=answer().whole, streamed=_streamed(*stream_answer(*_WORDS).pieces[:-1]))


def no_finish(*, after: int = 2) -> ByForm:
    """An end in good order without a finish: a body in two halves of which one came, a stream after so many words."""
    body = _good_body()
    return ByForm(
        whole=HttpAnswer(headers=_JSON, pieces=(body[: len(body) // 2],)),
        streamed=_streamed(*stream_answer(*_WORDS[:after], finish=None).pieces),
    )


def error_inside(*, after: int = 0) -> ByForm:
    """A 200 that holds an error: instead of an answer, or in a stream after so many words."""
    error = {"error": {"message": "The engine is overloaded", "type": "server_error", "code": "overloaded_error"}}
    event = f"data: {json.dumps(error)}\n\n".encode()
    ahead = stream_answer(*_WORDS[:after], finish=None).pieces if after else ()
    return ByForm(whole=_whole(error), streamed=_streamed(*ahead, event))


def drip(*, every: float = 1.0, words: bool = False) -> ByForm:
    """An answer without end: blanks before the JSON of a body; of a stream comments, or `words` after words."""
    piece = _event({"content": "tide "}) if words else _COMMENT
    return ByForm(
        whole=HttpAnswer(headers=_JSON, repeat=(b" ", every)),
        streamed=HttpAnswer(headers=_EVENTS, pieces=(_event(_AHEAD),), repeat=(piece, every)),
    )


def retry_after_on_success(seconds: float = 60) -> ByForm:
    """A good answer that asks to wait, which means nothing."""
    good = answer()
    wait = {"retry-after": f"{seconds:g}"}
    return ByForm(
        whole=HttpAnswer(headers={**_JSON, **wait}, pieces=good.whole.pieces),
        streamed=HttpAnswer(headers={**_EVENTS, **wait}, pieces=good.streamed.pieces),
    )


def mixed(
    shares: Sequence[tuple[float, Fault]], *, otherwise: Fault | None = None, seed: int = 0
) -> Callable[[httpx.Request], Play]:
    """Each fault for its share of the requests, at random; `otherwise` (a good answer) for the rest.

    The same seed gives the same order. ConfigurationError for shares below 0 or above 1 in all.
    """
    total = sum(share for share, _ in shares)
    if any(share < 0 for share, _ in shares) or total > 1 + 1e-9:
        raise ConfigurationError(f"the shares of the faults are {total:g} in all; each is 0 or more, all at most 1")
    random = Random(seed)  # noqa: S311 # a test's dice
    limits = list(accumulate(share for share, _ in shares))
    rest = answer() if otherwise is None else otherwise

    def choose(request: httpx.Request) -> Play:
        drawn = random.random()
        fault = next((fault for limit, (_, fault) in zip(limits, shares, strict=True) if drawn < limit), rest)
        return played(fault, request)

    return choose


def _error(status: int, message: str, code: str, headers: dict[str, str] | None = None) -> HttpAnswer:
    body = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return HttpAnswer(status=status, headers=_JSON if headers is None else headers, pieces=(json.dumps(body).encode(),))


def _good_body() -> bytes:
    return b"".join(piece for piece in answer().whole.pieces if isinstance(piece, bytes))


def _whole(body: object) -> HttpAnswer:
    return HttpAnswer(headers=_JSON, pieces=(json.dumps(body).encode(),))


def _streamed(*pieces: bytes | float) -> HttpAnswer:
    return HttpAnswer(headers=_EVENTS, pieces=pieces)


def _event(delta: object, finish: str | None = None) -> bytes:
    event = {"model": "scripted", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(event)}\n\n".encode()
