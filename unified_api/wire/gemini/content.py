"""A conversation as Gemini's `contents` (https://ai.google.dev/api/caching#Content)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire.gemini.media import encode_media, own_state
from unified_api.wire.gemini.target import Target

__all__ = ["encode_contents", "encode_system"]

_MEDIA = (ImagePart, AudioPart, VideoPart, DocumentPart)
_ALLOWED: dict[Role, tuple[type[Part], ...]] = {
    "system": (TextPart,),
    "user": (TextPart, *_MEDIA, BuiltinToolPart),
    "assistant": (TextPart, RefusalPart, ToolCallPart, ReasoningPart, BuiltinToolPart, *_MEDIA),
    "tool": (ToolResultPart,),
}
_NO_PARTS = frozenset({"groundingMetadata", "urlContextMetadata"})
"""Kinds of an answer's blocks that stand beside its parts and have no place in a request."""
_MADE_UP = re.compile(r"call_\d{1,6}")
"""Ids that `base.call_id` gave to calls which came without one: unknown to Google, so not sent."""
_NO_SIGNATURE = "skip_thought_signature_validator"
"""What stands for the signature of a call that another model made; since Gemini 3 a turn's first call must have one
(https://ai.google.dev/gemini-api/docs/thought-signatures)."""


def encode_system(messages: tuple[Message, ...]) -> list[Json]:
    """The texts of all system messages, wherever they stand: Gemini takes them beside the conversation only."""
    system = (message for message in messages if message.role == "system")
    parts = (part for message in system for part in message.parts)
    return [{"text": part.text} for part in parts if isinstance(part, TextPart) and part.text]


def encode_contents(messages: tuple[Message, ...], target: Target) -> list[Json]:
    """The turns of user and model. Tool messages that follow each other make one turn, as Gemini wants it.

    A document's `name`, for which there is no field, stands as a text before it. Raises InvalidRequestError for what
    no model could take, UnsupportedParameterError for what Gemini has no words for.
    """
    contents: list[Json] = []
    calls = _Calls()
    results: list[tuple[str, ToolResultPart]] = []
    for place, message in enumerate(messages):
        _check(message, f"messages[{place}]", target)
        if message.role == "tool":
            found = enumerate(message.parts)
            results += [(f"messages[{place}].parts[{at}]", one) for at, one in found if isinstance(one, ToolResultPart)]
            continue
        _add(contents, "user", calls.answers(results, target))
        results = []
        if message.role != "system":
            role = "model" if message.role == "assistant" else "user"
            _add(contents, role, list(_parts(message, f"messages[{place}]", calls, target)))
    _add(contents, "user", calls.answers(results, target))
    if not contents:
        raise InvalidRequestError(
            "the messages hold nothing to send: Gemini needs a message of the user",
            provider=target.provider,
            model=f"{target.provider}/{target.model}",
            param="messages",
        )
    return contents


def _add(contents: list[Json], role: str, parts: list[Json]) -> None:
    if parts:
        contents.append({"role": role, "parts": parts})


def _check(message: Message, place: str, target: Target) -> None:
    for part in message.parts:
        if not isinstance(part, _ALLOWED[message.role]):
            raise InvalidRequestError(
                f"{place}: a message of role {message.role!r} cannot hold {type(part).__name__}",
                provider=target.provider,
                model=f"{target.provider}/{target.model}",
                param="messages",
            )
    if message.name is not None:
        raise UnsupportedParameterError(
            f"{place}: Gemini knows no names of speakers; leave out {message.name!r} or write it into the text",
            provider=target.provider,
            model=f"{target.provider}/{target.model}",
            param="messages",
        )


def _parts(message: Message, place: str, calls: _Calls, target: Target) -> Iterator[Json]:
    first_call = True
    for at, part in enumerate(message.parts):
        where = f"{place}.parts[{at}]"
        if isinstance(part, TextPart | RefusalPart):
            state = own_state(part.state, target.provider) if isinstance(part, TextPart) else {}
            if part.text or state:  # Vertex AI refuses texts that hold nothing
                yield {"text": part.text, **state}
        elif isinstance(part, ReasoningPart):
            state = own_state(part.state, target.provider)
            if state:
                yield {"text": part.text, **state, "thought": True}
        elif isinstance(part, ToolCallPart):
            yield calls.call(part, where, target, first=first_call)
            first_call = False
        elif isinstance(part, BuiltinToolPart):
            if part.provider == target.provider and part.kind not in _NO_PARTS:
                yield part.content
        elif isinstance(part, _MEDIA):
            yield from _media(part, where, target)


def _media(part: ImagePart | AudioPart | VideoPart | DocumentPart, place: str, target: Target) -> Iterator[Json]:
    if part.url is None and part.data is None and not own_state(part.state, target.provider):
        if isinstance(part, AudioPart) and part.transcript is not None:
            if part.transcript:
                yield {"text": part.transcript}
            return
        if part.state is not None:
            return  # another provider holds it
    if isinstance(part, DocumentPart) and part.name:
        yield {"text": part.name}
    yield encode_media(part, place, target)


def _is_named(call_id: str, target: Target) -> bool:
    """Whether Google is told the id of the call."""
    return not target.unnamed and not _MADE_UP.fullmatch(call_id)


class _Calls:
    """The calls of the conversation so far: their names, which results must repeat, and their order."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._order: dict[str, int] = {}

    def call(self, part: ToolCallPart, place: str, target: Target, *, first: bool) -> JsonObject:
        self._names[part.id] = part.name
        self._order[part.id] = len(self._order)
        call: JsonObject = {"name": part.name, "args": _arguments(part, place, target)}
        if _is_named(part.id, target):
            call["id"] = part.id
        state = own_state(part.state, target.provider)
        if first and not state and not target.former:
            state = {"thoughtSignature": _NO_SIGNATURE}
        return {"functionCall": call, **state}

    def answers(self, results: list[tuple[str, ToolResultPart]], target: Target) -> list[Json]:
        """The results in the order of their calls where only that tells which answers which."""
        if not all(_is_named(part.call_id, target) for _, part in results):
            results = sorted(results, key=lambda result: self._order.get(result[1].call_id, -1))
        return [self._answer(part, place, target) for place, part in results]

    def _answer(self, part: ToolResultPart, place: str, target: Target) -> JsonObject:
        name = self._names.get(part.call_id)
        if name is None:
            raise InvalidRequestError(
                f"{place}: the tool result answers the call {part.call_id!r}, which stands in no message before it",
                provider=target.provider,
                model=f"{target.provider}/{target.model}",
                param="messages",
            )
        answer: JsonObject = {"name": name, "response": _response(part)}
        if _is_named(part.call_id, target):
            answer["id"] = part.call_id
        if part.media:
            answer["parts"] = _result_media(part, place, target)
        return {"functionResponse": answer}


def _arguments(part: ToolCallPart, place: str, target: Target) -> Json:
    try:
        arguments: Json = orjson.loads(part.arguments or "{}")
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequestError(
            f"{place}: the arguments of the call of {part.name!r} are no JSON object, which Gemini needs",
            provider=target.provider,
            model=f"{target.provider}/{target.model}",
            param="messages",
        )
    return arguments


def _response(part: ToolResultPart) -> Json:
    """The result as the object that Gemini wants: its own, or under the documented keys `output` and `error`."""
    text = part.text
    if part.failed:
        return {"error": text}
    try:
        value: Json = orjson.loads(text) if text.lstrip()[:1] == "{" else None
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        value = None
    if isinstance(value, dict):
        return value
    return {} if part.media and not text else {"output": text}


def _result_media(part: ToolResultPart, place: str, target: Target) -> list[Json]:
    # https://ai.google.dev/gemini-api/docs/function-calling#multimodal: since Gemini 3.
    if target.former:
        raise UnsupportedParameterError(
            f"{place}: {target.model!r} takes no images or documents in a tool result; say them in words, or send them "
            "in a user message after it",
            provider=target.provider,
            model=f"{target.provider}/{target.model}",
            param="messages",
        )
    return [encode_media(one, f"{place}.content", target) for one in part.media]
