"""The messages of a chat request of the family, read as ours."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, cast

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
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire.base import WireProfile, call_id
from unified_api.wire.openai_chat.parts import AUDIO_FORMATS
from unified_api.wire.openai_chat.words import arguments_text, call_state, called, json_text, reasoning, thought
from unified_api.wire.shown import shown

__all__ = ["HistoryReader", "cache_mark"]

_MEDIA_TYPES = {form: media_type for media_type, form in reversed(AUDIO_FORMATS.items())}
_READ = frozenset({"role", "content", "name", "tool_calls", "function_call", "refusal", "audio"})
_OF_PARTS = frozenset({"type", "cache_control", "prompt_cache_breakpoint", "document_name", "file_id"})
_INSIDE: Mapping[str, frozenset[str]] = {
    "image_url": frozenset({"url", "detail"}),
    "input_audio": frozenset({"data", "format"}),
    "video_url": frozenset({"url"}),
    "file": frozenset({"filename", "file_data", "file_id"}),
}
_STATES = ("reasoning_details", "extra_content", "thought_signature")


def cache_mark(entry: JsonObject) -> CacheMark | None:
    """The mark on a part or tool that ends what may be cached."""
    mark = entry.get("cache_control") or entry.get("prompt_cache_breakpoint")
    if not isinstance(mark, dict):
        return None
    ttl = mark.get("ttl")
    return CacheMark("1h" if ttl == "1h" else "5m" if ttl == "5m" else None)


class HistoryReader:
    """Reads messages in their order; remembers which calls wait for a result, for servers that number neither."""

    def __init__(self, *, provider: str, profile: WireProfile) -> None:
        self._provider = provider
        self._profile = profile
        self._waiting: list[ToolCallPart] = []
        self._calls = 0
        self._readers: Mapping[str, Callable[[JsonObject, str], Part]] = {
            "text": self._text,
            "image_url": self._image,
            "input_audio": self._sound,
            "video_url": self._video,
            "document_url": self._document,
            "file": self._file,
            "refusal": self._refusal,
            "thinking": self._block,
            "reasoning": self._block,
        }

    def read(self, messages: Json) -> tuple[Message, ...]:
        """Raises InvalidRequestError, naming the place, for what is no message of a chat.

        Keys that only a provider knows are kept of the model's turns; elsewhere they are passed over.
        """
        if not isinstance(messages, list):
            raise self._bad("messages", f"are {_kind(messages)}: give a list of messages")
        return tuple(
            self._message(message, f"messages[{place}]", last=place == len(messages) - 1)
            for place, message in enumerate(messages)
        )

    def _message(self, message: Json, place: str, *, last: bool) -> Message:
        if not isinstance(message, dict):
            raise self._bad(place, f"is {_kind(message)}: give an object with a role and a content")
        role, name = message.get("role"), message.get("name")
        name = name if isinstance(name, str) else None
        match role:
            case "system" | "developer":
                return Message("system", tuple(self._content(message, place)), name)
            case "user":
                return Message("user", tuple(self._content(message, place)), name)
            case "assistant":
                return Message("assistant", tuple(self._assistant(message, place, last=last)), name)
            case "tool" | "function":
                return Message("tool", (self._result(message, place),), name if role == "tool" else None)
            case _:
                raise self._bad(f"{place}.role", f"is {shown(role)}: give system, developer, user, assistant or tool")

    def _content(self, message: JsonObject, place: str) -> Iterator[Part]:
        content = message.get("content")
        if isinstance(content, str):
            yield TextPart(content, cache=cache_mark(message))
        elif isinstance(content, list):
            for number, item in enumerate(content):
                part = self._part(item, f"{place}.content[{number}]")
                if isinstance(part, ReasoningPart) and message.get("role") != "assistant":
                    # Mistral shows its models in the system's words how to think.
                    part = BuiltinToolPart(self._provider, "thinking", item)
                yield part
        elif content is not None:
            raise self._bad(f"{place}.content", f"is {_kind(content)}: give text or a list of parts")

    def _assistant(self, message: JsonObject, place: str, *, last: bool) -> Iterator[Part]:
        yield from self._thinking(message)
        yield from (part for part in self._content(message, place) if part != TextPart(""))
        refusal, audio = message.get("refusal"), message.get("audio")
        if isinstance(refusal, str) and refusal:
            yield RefusalPart(refusal)
        if isinstance(audio, dict) and audio:
            yield AudioPart(state=self._state(audio))
        others = {name: value for name, value in message.items() if self._is_other(name, value, last=last)}
        if others:
            yield TextPart("", state=self._state(others))
        self._waiting = list(self._tool_calls(message, place))
        yield from self._waiting

    def _is_other(self, name: str, value: Json, *, last: bool) -> bool:
        """Whether a field of the message is one that only its provider knows."""
        known = name in _READ or name in self._profile.reasoning_fields or name in _STATES or name == "cache_control"
        return not (known or not value or (last and name == self._profile.prefix_field))

    def _thinking(self, message: JsonObject) -> Iterator[ReasoningPart]:
        kept: JsonObject = {name: message[name] for name in _STATES if message.get(name)}
        text = reasoning(message, self._profile)
        found = [name for name in self._profile.reasoning_fields if message.get(name)]
        if kept or found != [self._profile.reasoning_back]:
            kept |= {name: message[name] for name in found}
        if text or kept:
            yield ReasoningPart(text, self._state(kept) if kept else None)

    def _tool_calls(self, message: JsonObject, place: str) -> Iterator[ToolCallPart]:
        calls, old = message.get("tool_calls"), message.get("function_call")
        entries: list[Json] = calls if isinstance(calls, list) else [{"function": old}] if old else []
        for number, entry in enumerate(entries):
            function = called(entry) if isinstance(entry, dict) else None
            name = None if function is None else function.get("name")
            if not isinstance(entry, dict) or function is None or not isinstance(name, str):
                raise self._bad(f"{place}.tool_calls[{number}]", "is no call of a tool with a name")
            identity, held = entry.get("id"), call_state(entry)
            given = identity if isinstance(identity, str) and identity else call_id(self._calls)
            self._calls += 1
            arguments = arguments_text(function.get("arguments")) or "{}"
            yield ToolCallPart(given, name, arguments, self._state(held) if held else None)

    def _result(self, message: JsonObject, place: str) -> ToolResultPart:
        given, name = message.get("tool_call_id"), message.get("name")
        named = [call for call in self._waiting if message.get("role") == "function" and call.name == name]
        answered = next((call for call in (*named, *self._waiting) if given in (None, "", call.id)), None)
        if answered in self._waiting:
            self._waiting.remove(answered)
        identity = given if isinstance(given, str) and given else None if answered is None else answered.id
        if identity is None:
            raise self._bad(f"{place}.tool_call_id", "is missing, and no call before it waits for a result")
        content, cache = message.get("content"), cache_mark(message)
        if isinstance(content, list):
            return ToolResultPart(identity, tuple(self._result_parts(content, place)), cache=cache)
        text = content if isinstance(content, str) else "" if content is None else json_text(content)
        return ToolResultPart(identity, text, cache=cache)

    def _result_parts(self, content: list[Json], place: str) -> Iterator[TextPart | MediaPart]:
        for number, item in enumerate(content):
            part = self._part(item, f"{place}.content[{number}]")
            if not isinstance(part, TextPart | ImagePart | AudioPart | VideoPart | DocumentPart):
                raise self._bad(f"{place}.content[{number}]", "is no part that a tool's result can hold")
            yield part

    def _part(self, item: Json, place: str) -> Part:
        if not isinstance(item, dict):
            raise self._bad(place, f"is {_kind(item)}: give an object with a type")
        kind = item.get("type")
        if not isinstance(kind, str) or not kind:
            raise self._bad(f"{place}.type", f"is {shown(kind)}: give the kind of the part, such as 'text'")
        read = self._readers.get(kind)
        part = BuiltinToolPart(self._provider, kind, item) if read is None else read(item, place)
        if not isinstance(part, TextPart | ImagePart | AudioPart | VideoPart | DocumentPart):
            return part
        state = self._state({"content_part": item}) if part.state is None and _says_more(item, kind) else part.state
        return replace(part, cache=cache_mark(item), state=state)

    def _text(self, item: JsonObject, place: str) -> Part:
        text = item.get("text")
        if not isinstance(text, str):
            raise self._bad(f"{place}.text", f"is {_kind(text)}: give text")
        return TextPart(text)

    def _image(self, item: JsonObject, place: str) -> Part:
        image = item.get("image_url")
        detail = image.get("detail") if isinstance(image, dict) else None
        url = self._url(item, "image_url", place)
        if detail in (None, "auto", "low", "high"):
            return ImagePart(url=url, detail=cast("Literal['auto', 'low', 'high'] | None", detail))
        return BuiltinToolPart(self._provider, "image_url", item)  # a finer word that only this provider has

    def _video(self, item: JsonObject, place: str) -> Part:
        return VideoPart(url=self._url(item, "video_url", place))

    def _document(self, item: JsonObject, place: str) -> Part:
        named = item.get("document_name")
        url = self._url(item, "document_url", place)
        return DocumentPart(url=url, name=named if isinstance(named, str) else None)

    def _refusal(self, item: JsonObject, place: str) -> Part:  # noqa: ARG002  # read like the other kinds
        return RefusalPart(str(item.get("refusal") or ""))

    def _block(self, item: JsonObject, place: str) -> Part:  # noqa: ARG002  # read like the other kinds
        return ReasoningPart(thought(item), self._state({"content_part": item}))

    def _url(self, item: JsonObject, name: str, place: str) -> str:
        """The address in a part, bare or in an object."""
        held = item.get(name)
        url = held.get("url") if isinstance(held, dict) else held
        if not isinstance(url, str) or not url:
            raise self._bad(f"{place}.{name}", "has no url: give an address, or the bytes as a data address")
        return url

    def _sound(self, item: JsonObject, place: str) -> Part:
        sound = item.get("input_audio")
        data, form = (sound.get("data"), sound.get("format")) if isinstance(sound, dict) else (sound, None)
        media_type = _MEDIA_TYPES.get(form, f"audio/{form}") if isinstance(form, str) else None
        if not isinstance(data, str) or not data:
            raise self._bad(f"{place}.input_audio.data", f"is {_kind(data)}: give the sound in base64")
        if data.startswith(("http://", "https://", "data:")):
            return AudioPart(url=data, media_type=media_type)
        return AudioPart(data=self._bytes(data, f"{place}.input_audio.data"), media_type=media_type)

    def _file(self, item: JsonObject, place: str) -> Part:
        held = item.get("file")
        if not isinstance(held, dict):  # Mistral
            held = {"file_id": item["file_id"]} if "file_id" in item else {}
        name, data = held.get("filename"), held.get("file_data")
        name = name if isinstance(name, str) and name else None
        if isinstance(held.get("file_id"), str):
            return DocumentPart(name=name, state=self._state(held))
        if not isinstance(data, str) or not data:
            raise self._bad(f"{place}.file", "has neither file_data nor file_id")
        if not data.startswith("data:"):
            is_address = data.startswith(("http://", "https://"))
            if is_address:
                return DocumentPart(url=data, name=name)
            return DocumentPart(
                data=self._bytes(data, f"{place}.file.file_data"), media_type="application/pdf", name=name
            )
        kind, _, encoded = data[5:].partition(";base64,")
        return DocumentPart(data=self._bytes(encoded, f"{place}.file.file_data"), media_type=kind, name=name)

    def _bytes(self, encoded: str, place: str) -> bytes:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._bad(place, f"begins {encoded[:20]!r} and is no base64") from error

    def _state(self, content: JsonObject) -> ProviderState:
        return ProviderState(self._provider, content)

    def _bad(self, place: str, what: str) -> InvalidRequestError:
        return InvalidRequestError(f"{place} {what}", provider=self._provider, param=place)


def _says_more(item: JsonObject, kind: str) -> bool:
    """Whether a part has keys that ours has no field for (frames a second, pixels ...)."""
    inner = item.get(kind)
    beside = (name for name, value in item.items() if value is not None and name not in {kind, *_OF_PARTS})
    inside = inner.keys() - _INSIDE.get(kind, frozenset()) if isinstance(inner, dict) else ()
    return any(beside) or any(inside)


def _kind(value: Json) -> str:
    """What a value is, in words of JSON."""
    if value is None:
        return "missing"
    names = {bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
