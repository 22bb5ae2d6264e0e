"""A body of the old text completions read as a canonical request."""

from __future__ import annotations

from typing import NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import Json, JsonObject, Message, Request
from unified_api.wire.shown import shown

__all__ = ["read_request"]

_READ = frozenset({
    "model", "prompt", "stop", "user", "stream", "stream_options", "temperature", "top_p", "frequency_penalty",
    "presence_penalty", "max_tokens", "seed", "logprobs", "n",
})  # fmt: skip


def read_request(body: JsonObject, *, provider: str) -> Request:
    """The request in `body`, whose prompt is one message of the user; the rest stays in `extra[provider]`.

    `stream` and its options are the caller's affair. Several prompts at once are several requests, and a prompt of
    token numbers is no text: both raise InvalidRequestError, as does a field of the wrong kind.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        _refuse("model", "is no name", model)
    extra: JsonObject = {name: value for name, value in body.items() if name not in _READ and value is not None}
    user = body.get("user")
    if user is not None and not isinstance(user, str):
        _refuse("user", "is no text", user)
    return Request(
        model=f"{provider}/{model}",
        messages=(Message.user(_prompt(body.get("prompt"))),),
        stop=_stop(body.get("stop")),
        user=user,
        extra={provider: extra} if extra else {},
        temperature=_number(body, "temperature"),
        top_p=_number(body, "top_p"),
        frequency_penalty=_number(body, "frequency_penalty"),
        presence_penalty=_number(body, "presence_penalty"),
        max_tokens=_count(body, "max_tokens"),
        seed=_count(body, "seed"),
        logprobs=_count(body, "logprobs"),
        n=_count(body, "n"),
    )


def _prompt(prompt: Json) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        _refuse("prompt", "is not one text", prompt)
    return prompt


def _stop(stop: Json) -> tuple[str, ...]:
    words = [stop] if isinstance(stop, str) else ([] if stop is None else stop)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        _refuse("stop", "is neither a text nor a list of texts", stop)
    return tuple(str(word) for word in words)


def _number(body: JsonObject, name: str) -> float | None:
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        _refuse(name, "is no number", value)
    return value


def _count(body: JsonObject, name: str) -> int | None:
    value = body.get(name)
    if value is not None and type(value) is not int:
        _refuse(name, "is no whole number", value)
    return value


def _refuse(place: str, problem: str, value: Json) -> NoReturn:
    raise InvalidRequestError(f"{place} {problem}: {shown(value)}", param=place)
