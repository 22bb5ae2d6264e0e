"""The `contents` of a Gemini request as messages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NoReturn

import orjson

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    BuiltinToolPart,
    Json,
    JsonObject,
    MediaPart,
    Message,
    Part,
    ProviderState,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import call_id
from unified_api.wire.gemini.media import BESIDE, UnreadablePartError, camel_keys, read_media
from unified_api.wire.shown import shown

__all__ = ["HistoryReader", "invalid"]

_ROLES: dict[Json, Role] = {"user": "user", "model": "assistant", "function": "user", None: "user", "": "user"}
_CALL_KEYS = frozenset({"name", "args", "id"})
_NOTHING = TextPart("")
"""A text that holds nothing is read as none, for it could not be sent again."""
_ANSWER_KEYS = frozenset({"name", "response", "id", "parts"})


def invalid(place: str, problem: str) -> NoReturn:
    raise InvalidRequestError(f"{place} {problem}", param=place.partition("[")[0].partition(".")[0])


class HistoryReader:
    """Gives calls that came without an id one, by which the results can name them."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._count = 0
        self._waiting: list[ToolCallPart] = []

    def system(self, content: Json) -> tuple[Message, ...]:
        """The system instruction, if there is one; it may be a bare text."""
        if isinstance(content, str):
            return (Message.system(content),) if content else ()
        if not isinstance(content, dict | None):
            invalid("systemInstruction", f"is {type(content).__name__}, not an object")
        texts: list[Part] = []
        for at, part in enumerate(_listed((content or {}).get("parts"))):
            text = part.get("text") if isinstance(part, dict) else None
            if not isinstance(text, str):
                invalid(f"systemInstruction.parts[{at}]", f"is no text: {shown(part)}")
            if text:
                texts.append(TextPart(text))
        return (Message("system", tuple(texts)),) if texts else ()

    def messages(self, contents: Json) -> Iterator[Message]:
        """A message for each turn; function responses stand in messages of their own."""
        if not isinstance(contents, list) or not contents:
            invalid("contents", "must be a list of turns")
        for at, content in enumerate(contents):
            place = f"contents[{at}]"
            if not isinstance(content, dict):
                invalid(place, f"is {type(content).__name__}, not an object")
            role = content.get("role")
            if not isinstance(role, str | None) or role not in _ROLES:
                invalid(f"{place}.role", f"is {shown(role)}: give 'user' or 'model'")
            read = [self._part(one, f"{place}.parts[{n}]") for n, one in enumerate(_listed(content.get("parts")))]
            parts = [part for part in read if part != _NOTHING]
            for answers, run in groupby(parts, key=lambda part: isinstance(part, ToolResultPart)):
                yield Message("tool" if answers else _ROLES[role], tuple(run))

    def _part(self, value: Json, place: str) -> Part:
        if not isinstance(value, dict):
            invalid(place, f"is {type(value).__name__}, not an object")
        part = camel_keys(value)
        held = next((name for name in part if name not in BESIDE), None)
        state = {name: part[name] for name in sorted(BESIDE & part.keys())}
        kept = ProviderState(self._provider, state) if state else None
        inner = part.get(held or "")
        if held == "text" or (held is None and kept is not None):
            if not isinstance(inner, str | None):
                invalid(f"{place}.text", f"is {type(inner).__name__}, not a text")
            return (
                ReasoningPart(inner or "", kept) if part.get("thought") is True else TextPart(inner or "", state=kept)
            )
        if held in {"inlineData", "fileData"}:
            return self._media(part, place)
        if held == "functionCall" and isinstance(inner, dict) and inner.keys() <= _CALL_KEYS:
            return self._call(inner, kept, place)
        if held == "functionResponse" and isinstance(inner, dict) and inner.keys() <= _ANSWER_KEYS:
            return self._answer(inner, place)
        if held is None:
            invalid(place, "holds nothing")
        return BuiltinToolPart(self._provider, held, value)

    def _media(self, part: JsonObject, place: str) -> MediaPart:
        try:
            media = read_media(part, provider=self._provider)
        except UnreadablePartError as error:
            invalid(place, f"cannot be read: {error}")
        return media if media is not None else invalid(place, "holds no object")

    def _call(self, call: JsonObject, state: ProviderState | None, place: str) -> ToolCallPart:
        name, arguments, identity = call.get("name"), call.get("args"), call.get("id")
        if not isinstance(name, str) or not name:
            invalid(f"{place}.functionCall", "has no name")
        if not isinstance(arguments, dict | None):
            invalid(f"{place}.functionCall.args", f"is {type(arguments).__name__}, not an object")
        given = identity if isinstance(identity, str) and identity else self._next_id()
        made = ToolCallPart(given, name, _written(arguments or {}, f"{place}.functionCall.args"), state)
        self._waiting.append(made)
        return made

    def _next_id(self) -> str:
        self._count += 1
        return call_id(self._count - 1)

    def _answer(self, answer: JsonObject, place: str) -> ToolResultPart:
        name, identity, response = answer.get("name"), answer.get("id"), answer.get("response")
        same_id = (one for one in self._waiting if one.id == identity)
        call = next(same_id, None) or next((one for one in self._waiting if one.name == name), None)
        if call is None:
            invalid(f"{place}.functionResponse", f"answers {name!r}, which no call before it asks for")
        self._waiting.remove(call)
        if not isinstance(response, dict | None):
            invalid(f"{place}.functionResponse.response", f"is {type(response).__name__}, not an object")
        inner = [camel_keys(one) if isinstance(one, dict) else {} for one in _listed(answer.get("parts"))]
        media = tuple(self._media(one, f"{place}.functionResponse.parts[{at}]") for at, one in enumerate(inner))
        text, failed = _result(response or {}, f"{place}.functionResponse.response", bare=not media)
        content = (*((TextPart(text),) if text else ()), *media) if media else text
        return ToolResultPart(call.id, content, failed)


def _listed(parts: Json) -> list[Json]:
    """Google takes one part for a list of one."""
    return parts if isinstance(parts, list) else [] if parts is None else [parts]


def _written(value: JsonObject, place: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        invalid(place, f"cannot be written: {error}")


def _result(response: JsonObject, place: str, *, bare: bool) -> tuple[str, bool]:
    """The text of a result and whether it tells a failure: what `output` or `error` say, else the object's JSON."""
    if response.keys() == {"error"} and isinstance(response["error"], str):
        return response["error"], True
    output = response.get("output")
    if response.keys() == {"output"} and isinstance(output, str) and output.lstrip()[:1] != "{" and (output or bare):
        return output, False
    return "" if not response and not bare else _written(response, place), False
