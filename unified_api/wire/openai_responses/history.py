"""The input items of a Responses body as messages."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal, NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    MediaPart,
    Message,
    Part,
    ProviderState,
    Role,
    TextPart,
    ToolResultPart,
)
from unified_api.wire.openai_responses.items import item_kind, read_item, word
from unified_api.wire.shown import shown

__all__ = ["HistoryReader"]

_ROLES: dict[str, Role] = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}
_DATA_URL = re.compile(r"data:([^;,]+);base64,", re.IGNORECASE)
_OF_A_RESULT = frozenset({"type", "call_id", "output", "id", "status"})
_OF_THE_CLIENT = re.compile(r"_output$|_response$")
"""Items that a client sends to answer a call, beside `function_call_output`: `computer_call_output` ..."""
_DETAILS: tuple[Literal["auto", "low", "high"], ...] = ("auto", "low", "high")
_SOUNDS = {"wav": "audio/wav", "mp3": "audio/mpeg"}


class HistoryReader:
    """Reads items into messages; what the model made of one turn becomes one message of the assistant.

    The state that goes back is kept for `provider`. Ids and statuses of what a user or a tool said are left out: they
    say nothing to the model.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._messages: list[Message] = []

    def read(self, items: list[Json]) -> tuple[Message, ...]:
        for place, item in enumerate(items):
            if not isinstance(item, dict):
                self._refuse(f"input[{place}]", f"is {shown(item)}: give an object")
            self._read(item, f"input[{place}]")
        return tuple(self._messages)

    def _read(self, item: JsonObject, place: str) -> None:
        kind = item_kind(item)
        if kind == "message":
            self._read_message(item, place)
        elif kind == "function_call_output" and not item.keys() - _OF_A_RESULT:
            self._add("tool", (self._result(item, place),))
        elif not kind:
            self._refuse(place, "has no type")
        elif word(item.get("role")) in {"developer", "system"}:
            self._add("system", (BuiltinToolPart(self._provider, kind, item),), alone=True)
        elif _OF_THE_CLIENT.search(kind) and item.get("execution") != "server":
            self._add("tool", (BuiltinToolPart(self._provider, kind, item),))
        else:
            parts = tuple(read_item(item, provider=self._provider))
            self._add("assistant", parts or (BuiltinToolPart(self._provider, kind, item),))

    def _read_message(self, item: JsonObject, place: str) -> None:
        role = _ROLES.get(word(item.get("role")))
        if role is None:
            self._refuse(f"{place}.role", f"is {shown(item.get('role'))}: give one of {', '.join(_ROLES)}")
        content = item.get("content")
        if not isinstance(content, str | list):
            self._refuse(f"{place}.content", f"is {shown(content)}: give a text or a list of parts")
        if role == "assistant":
            self._read_answer(item)
        elif isinstance(content, str):
            self._add(role, (TextPart(content),), alone=True)
        else:
            parts = (self._part(part, f"{place}.content[{at}]") for at, part in enumerate(content))
            self._add(role, tuple(parts), alone=True)

    def _read_answer(self, item: JsonObject) -> None:
        parts = tuple(self._bare(part) for part in read_item(item, provider=self._provider))
        last = self._messages[-1].parts[-1:] if self._messages else ()
        # Texts that nothing tells apart would run into one: the second begins a message of its own.
        merges = any(isinstance(part, TextPart) and part.state is None for part in (*last, *parts[:1]))
        self._add("assistant", parts, alone=merges)

    def _bare(self, part: Part) -> Part:
        """A text whose message has neither an id nor anything else to go back needs no state."""
        if isinstance(part, TextPart) and part.state is not None and not part.state.content.keys() - {"status"}:
            return TextPart(part.text, part.citations)
        return part

    def _add(self, role: Role, parts: tuple[Part, ...], *, alone: bool = False) -> None:
        last = self._messages[-1] if self._messages else None
        if last is None or alone or last.role != role:
            self._messages.append(Message(role, parts))
        else:
            self._messages[-1] = Message(role, (*last.parts, *parts))

    def _result(self, item: JsonObject, place: str) -> ToolResultPart:
        identity, output = item.get("call_id"), item.get("output")
        if not isinstance(identity, str) or not identity:
            self._refuse(f"{place}.call_id", f"is {shown(identity)}: give the call_id of the call that is answered")
        if isinstance(output, str):
            return ToolResultPart(identity, output)
        if not isinstance(output, list):
            self._refuse(f"{place}.output", f"is {shown(output)}: give a text or a list of parts")
        parts = (self._part(part, f"{place}.output[{at}]") for at, part in enumerate(output))
        return ToolResultPart(identity, tuple(parts))

    def _part(self, part: Json, place: str) -> TextPart | MediaPart:
        if not isinstance(part, dict):
            self._refuse(place, f"is {shown(part)}: give an object")
        given: JsonObject = {name: value for name, value in part.items() if value is not None}
        kind = word(given.pop("type", None))
        cache = CacheMark() if "prompt_cache_breakpoint" in given else None
        if kind in {"input_text", "output_text", "text"} and isinstance(given.get("text"), str):
            text = word(given.pop("text"))
            return TextPart(text, state=self._state(given), cache=cache)
        if kind == "input_image":
            return self._image(given, cache)
        if kind == "input_file":
            return self._file(given, cache)
        if kind == "input_audio":
            return self._audio(given, place)
        return self._refuse(place, f"is of type {shown(kind)}: give input_text, input_image, input_file or input_audio")

    def _image(self, given: JsonObject, cache: CacheMark | None) -> ImagePart:
        url, detail = given.pop("image_url", None), given.get("detail")
        known = next((one for one in _DETAILS if one == detail), None)
        if known is not None:
            del given["detail"]
        media_type, data = _bytes_of(url)
        return ImagePart(
            url=word(url) or None if data is None else None,
            data=data,
            media_type=media_type,
            detail=known,
            state=self._state(given),
            cache=cache,
        )

    def _file(self, given: JsonObject, cache: CacheMark | None) -> DocumentPart:
        url = given.pop("file_url", None) or given.pop("file_data", None)
        media_type, data = _bytes_of(url)
        return DocumentPart(
            url=word(url) or None if data is None else None,
            data=data,
            media_type=media_type,
            name=word(given.pop("filename", None)) or None,
            state=self._state(given),
            cache=cache,
        )

    def _audio(self, given: JsonObject, place: str) -> AudioPart:
        sound = given.get("input_audio")
        data = _decoded(word(sound.get("data"))) if isinstance(sound, dict) else None
        media_type = _SOUNDS.get(word(sound.get("format"))) if isinstance(sound, dict) else None
        if data is None or media_type is None:
            self._refuse(f"{place}.input_audio", f"needs base64 data and a format of {', '.join(_SOUNDS)}")
        return AudioPart(data=data, media_type=media_type)

    def _state(self, left: JsonObject) -> ProviderState | None:
        return ProviderState(self._provider, left) if left else None

    def _refuse(self, place: str, problem: str) -> NoReturn:
        raise InvalidRequestError(f"{place} {problem}", param=place)


def _bytes_of(url: Json) -> tuple[str | None, bytes | None]:
    """The media type and bytes of a data URL; nothing of any other address."""
    found = _DATA_URL.match(word(url))
    data = _decoded(word(url)[found.end() :]) if found else None
    return (found[1].lower(), data) if found and data is not None else (None, None)


def _decoded(text: str) -> bytes | None:
    """White space inside base64 is passed over, as OpenAI does."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
