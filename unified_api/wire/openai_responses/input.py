"""The messages of a request as the input items of the Responses API.

https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
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
)
from unified_api.wire.base import sniff_media_type

__all__ = ["InputWriter"]

_AUDIO_FORMATS: Mapping[str, str] = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}


_OF_AN_ITEM = frozenset({"id", "status", "phase", "namespace"})


@dataclass(frozen=True, slots=True)
class InputWriter:
    """Writes the messages for `provider`: its own state goes along, that of others stays behind.

    A refusal goes back inside the message it came in, or as the text it is.
    """

    provider: str
    model: str
    marks_cache: bool = False
    """Whether parts may be marked as the end of what may be cached."""
    keeps_nothing: bool = False
    """Whether the provider has kept nothing: reasoning that is only an id would be looked up there in vain."""

    def instructions(self, messages: tuple[Message, ...]) -> tuple[str | None, tuple[Message, ...]]:
        """A first system message that is all text goes where the API has a place for it, unless it stands alone."""
        first = messages[0] if len(messages) > 1 else None
        if first is None or first.role != "system" or first.name is not None or not first.parts:
            return None, messages
        texts = [part.text for part in first.parts if isinstance(part, TextPart) and not self._own(part.state)]
        return (None, messages) if len(texts) < len(first.parts) else ("\n".join(texts), messages[1:])

    def items(self, messages: tuple[Message, ...], *, offset: int = 0) -> list[Json]:
        items: list[Json] = []
        for number, message in enumerate(messages, offset):
            place = f"messages[{number}]"
            if message.name is not None:
                self._cannot(f"{place}: the wire has no field for the name {message.name!r}; say it in the text")
            if message.role == "assistant":
                items.extend(self._assistant(message.parts, place))
            elif message.role == "tool":
                items.extend(self._results(message.parts, place))
            else:
                items.extend(self._told(message, place))
        return items

    def _told(self, message: Message, place: str) -> Iterator[JsonObject]:
        """What a user or the system says; steps of built-in tools among it are items of their own."""
        said: list[TextPart | MediaPart] = []
        for part in message.parts:
            if isinstance(part, BuiltinToolPart):
                if said:
                    yield self._message(message.role, said, place)
                    said = []
                yield from self._step(part, place)
            elif isinstance(part, TextPart) or (message.role == "user" and isinstance(part, MediaPart)):
                said.append(part)
            else:
                self._misplaced(part, message.role, place)
        if said:
            yield self._message(message.role, said, place)

    def _message(self, role: str, parts: list[TextPart | MediaPart], place: str) -> JsonObject:
        content = self._content(parts, place)
        plain = len(content) == 1 and content[0].keys() == {"type", "text"}
        return {"role": role, "content": content[0]["text"] if plain else list(content)}

    def _results(self, parts: tuple[Part, ...], place: str) -> Iterator[JsonObject]:
        for part in parts:
            if isinstance(part, BuiltinToolPart):
                yield from self._step(part, place)
            elif isinstance(part, ToolResultPart):
                given = part.in_words().content
                output: Json = given if isinstance(given, str) else list(self._content(given, place))
                yield {"type": "function_call_output", "call_id": part.call_id, "output": output}
            else:
                self._misplaced(part, "tool", place)

    def _assistant(self, parts: tuple[Part, ...], place: str) -> Iterator[JsonObject]:
        """An answer as the items it came in: texts of one message together, the rest each by itself and in order."""
        spoken: _Spoken | None = None
        for part in parts:
            if isinstance(part, TextPart | RefusalPart):
                state = self._own(part.state) if isinstance(part, TextPart) else {}
                if spoken is None or not spoken.takes(part, state):
                    yield from spoken.items() if spoken else ()
                    spoken = _Spoken(self.provider)
                spoken.add(part, state)
                continue
            yield from spoken.items() if spoken else ()
            spoken = None
            yield from self._made(part, place)
        yield from spoken.items() if spoken else ()

    def _made(self, part: Part, place: str) -> Iterator[JsonObject]:
        """An item of an answer that is no text."""
        if isinstance(part, ToolCallPart):
            yield {
                **self._of_an_item(part.state),
                "type": "function_call",
                "call_id": part.id,
                "name": part.name,
                "arguments": part.arguments or "{}",
            }
        elif isinstance(part, ReasoningPart):
            state = self._own(part.state)
            whole = any(state.get(name) for name in ("encrypted_content", "content"))
            if state.get("type") == "reasoning" and (whole or not self.keeps_nothing):
                yield state
        elif isinstance(part, BuiltinToolPart):
            yield from self._step(part, place)
        elif isinstance(part, ImagePart) and self._own(part.state).get("type") == "image_generation_call":
            result = part.url or base64.b64encode(part.data or b"").decode("ascii")
            yield {**self._own(part.state), "result": result}
        elif isinstance(part, MediaPart):
            kind = type(part).__name__
            self._cannot(f"{place}: the wire cannot give {kind} back as the assistant's own; show it as the user's")
        else:
            self._misplaced(part, "assistant", place)

    def _step(self, part: BuiltinToolPart, place: str) -> Iterator[JsonObject]:
        if part.provider != self.provider:
            return
        if not isinstance(part.content, dict):
            self._refuse(f"{place}: the content of a BuiltinToolPart of {self.provider} is an object as on its wire")
        yield part.content

    def _content(self, parts: Sequence[TextPart | MediaPart], place: str) -> list[JsonObject]:
        return [self._part(part, f"{place}.parts[{index}]") for index, part in enumerate(parts)]

    def _part(self, part: TextPart | MediaPart, place: str) -> JsonObject:
        state = {**self._of_a_part(part.state), **self._mark(part)}
        if isinstance(part, TextPart):
            return {**state, "type": "input_text", "text": part.text}
        if isinstance(part, DocumentPart) and part.text is not None:
            # Not every model reads files; words they all read.
            text = f"{part.name}\n\n{part.text}" if part.name else part.text
            return {**self._mark(part), "type": "input_text", "text": text}
        if isinstance(part, ImagePart):
            return {"detail": part.detail or "auto", **state, "type": "input_image", **self._image(part, state, place)}
        if isinstance(part, DocumentPart):
            return {**state, "type": "input_file", **self._document(part, state, place)}
        if isinstance(part, AudioPart):
            return {**state, "type": "input_audio", "input_audio": self._audio(part, place)}
        return self._cannot(f"{place}: the wire has no words for video")

    def _mark(self, part: TextPart | MediaPart) -> JsonObject:
        """The end of what may be cached; for how long is asked for once, for the whole request."""
        return {"prompt_cache_breakpoint": {"mode": "explicit"}} if part.cache and self.marks_cache else {}

    def _image(self, part: ImagePart, state: JsonObject, place: str) -> JsonObject:
        if "file_id" in state and part.url is None and part.data is None:
            return {}
        if (part.url is None) == (part.data is None):
            self._refuse(f"{place}: an image has either a url or data, or a file_id of {self.provider} as its state")
        if part.data is None:
            return {"image_url": part.url}
        media_type = part.media_type or sniff_media_type(part.data)
        if media_type is None:
            self._refuse(f"{place}: the image's media_type is not given and its bytes do not tell it")
        return {"image_url": _data_url(media_type, part.data)}

    def _document(self, part: DocumentPart, state: JsonObject, place: str) -> JsonObject:
        named: JsonObject = {} if part.name is None else {"filename": part.name}
        if "file_id" in state and part.url is None and part.data is None:
            return named
        if (part.url is None) == (part.data is None):
            self._refuse(f"{place}: a document has a url, data or text, or a file_id of {self.provider} as its state")
        if part.data is None:
            url = part.url or ""
            if not url.startswith("data:"):
                return {**named, "file_url": url}
            return {"filename": part.name or _file_name(url[5:].partition(";")[0]), "file_data": url}
        media_type = part.media_type or ("application/pdf" if part.data.startswith(b"%PDF-") else None)
        if media_type is None:
            self._refuse(f"{place}: the document's media_type is not given and its bytes do not tell it")
        return {"filename": part.name or _file_name(media_type), "file_data": _data_url(media_type, part.data)}

    def _audio(self, part: AudioPart, place: str) -> JsonObject:
        form = _AUDIO_FORMATS.get(part.media_type or "")
        if part.data is None or form is None:
            self._cannot(f"{place}: sound must be given as data of type audio/wav or audio/mpeg")
        return {"data": base64.b64encode(part.data).decode("ascii"), "format": form}

    def _own(self, state: ProviderState | None) -> JsonObject:
        return state.content if state is not None and state.provider == self.provider else {}

    def _of_an_item(self, state: ProviderState | None) -> JsonObject:
        """The fields of a call's item; what else the provider gave came through another of its APIs."""
        own = self._own(state)
        return own if own.keys() & _OF_AN_ITEM else {}

    def _of_a_part(self, state: ProviderState | None) -> JsonObject:
        """The fields of a part that is shown; those of an answer's item mean nothing where it is shown again."""
        own = self._own(state)
        return {} if own.keys() & _OF_AN_ITEM else own

    def _misplaced(self, part: Part, role: str, place: str) -> NoReturn:
        self._refuse(f"{place}: a message of role {role!r} cannot hold {type(part).__name__}")

    def _refuse(self, message: str) -> NoReturn:
        raise InvalidRequestError(message, model=self.model, param="messages")

    def _cannot(self, message: str) -> NoReturn:
        raise UnsupportedParameterError(
            message, provider=self.provider, model=f"{self.provider}/{self.model}", param="messages"
        )


@dataclass(slots=True)
class _Spoken:
    """The texts and refusals of one assistant message."""

    provider: str
    state: JsonObject = field(default_factory=dict)
    parts: list[TextPart | RefusalPart] = field(default_factory=list)

    def takes(self, part: TextPart | RefusalPart, state: JsonObject) -> bool:
        return isinstance(part, RefusalPart) or state.get("id") == self.state.get("id")

    def add(self, part: TextPart | RefusalPart, state: JsonObject) -> None:
        self.parts.append(part)
        self.state = {**self.state, **state}

    def items(self) -> Iterator[JsonObject]:
        if "id" in self.state:
            content: list[Json] = [self._content(part) for part in self.parts]
            yield {"status": "completed", **self.state, "type": "message", "role": "assistant", "content": content}
            return
        text = "".join(part.text for part in self.parts)
        state = {name: value for name, value in self.state.items() if name == "phase"}
        if text:
            yield {**state, "role": "assistant", "content": text}

    def _content(self, part: TextPart | RefusalPart) -> JsonObject:
        if isinstance(part, RefusalPart):
            return {"type": "refusal", "refusal": part.text}
        states = [one.state for one in part.citations if one.state is not None]
        annotations: list[Json] = [state.content for state in states if state.provider == self.provider]
        return {"type": "output_text", "text": part.text, "annotations": annotations, "logprobs": []}


def _file_name(media_type: str) -> str:
    """The API asks for a name wherever the file itself is sent."""
    return "document.pdf" if media_type == "application/pdf" else "document"


def _data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
