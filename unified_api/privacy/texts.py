"""Every text of a request that leaves with it, to be looked at or replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from unified_api.privacy.documents import is_embedded, text_of
from unified_api.types import (
    AnyRequest,
    AudioPart,
    BuiltinToolPart,
    DocumentPart,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    MediaPart,
    Message,
    ModerationRequest,
    Part,
    ReasoningPart,
    RefusalPart,
    Request,
    RerankRequest,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

__all__ = ["Visitor", "visited"]

Whole = TypeVar("Whole", bound=AnyRequest)


class Visitor(Protocol):
    """What is done with the texts; those that come back changed replace the ones in the request."""

    def texts(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        """Pieces that are read one after the other, as the text parts of a message are."""

    def behind(self, context: str, text: str) -> str:
        """A text that is read behind another, which stays as it is."""

    def arguments(self, text: str) -> str:
        """A JSON text."""

    def fixed(self, text: str) -> None:
        """A text that may not be changed: a name, an address, what a schema says."""

    def definitions(self, texts: list[str]) -> None:
        """The many short texts of a schema, which may not be changed either."""

    def media(self) -> None:
        """What cannot be read."""


def visited(request: Whole, visitor: Visitor) -> Whole:
    """The request with its texts as the visitor gives them back; the same object where it changes none."""
    match request:
        case EmbedRequest():
            return _changed(request, inputs=_each(request.inputs, visitor))
        case RerankRequest():
            query = _one(request.query, visitor)
            return _changed(request, query=query, documents=_each(request.documents, visitor))
        case ModerationRequest():
            return _changed(request, inputs=tuple(_moderated(given, visitor) for given in request.inputs))
        case ImageRequest():
            return _image(request, visitor)  # type: ignore[return-value]  # of the same type, as each branch is
        case _:
            return _chat(request, visitor)  # type: ignore[return-value]  # as above


def _image(request: ImageRequest, visitor: Visitor) -> ImageRequest:
    _fixed_json(dict(request.extra), visitor)
    return _changed(
        request,
        prompt=_one(request.prompt, visitor),
        negative_prompt=_maybe(request.negative_prompt, visitor),
        user=_maybe(request.user, visitor),
    )


def _chat(request: Request, visitor: Visitor) -> Request:
    # First what stays the same from turn to turn, so that a conversation that grows keeps its numbers.
    user, metadata = _maybe(request.user, visitor), _metadata(request.metadata, visitor)
    messages = tuple(_message(message, visitor) for message in request.messages)
    _definitions(request, visitor)
    messages = request.messages if _same(messages, request.messages) else messages
    return _changed(request, messages=messages, user=user, metadata=metadata)


def _definitions(request: Request, visitor: Visitor) -> None:
    """What the request says of its tools and schemas: a contract with the caller's code, so it is not rewritten."""
    for tool in request.tools:
        visitor.fixed(tool.name)
        visitor.fixed(tool.description)
        _fixed_json(tool.parameters, visitor)
    if request.output_schema is not None:
        visitor.fixed(request.output_schema.name)
        visitor.fixed(request.output_schema.description)
        _fixed_json(request.output_schema.schema, visitor)
    for builtin in request.builtin_tools:
        _fixed_json(builtin.definition, visitor)
    for parameters in request.extra.values():
        _fixed_json(parameters, visitor)
    for stop in request.stop:
        visitor.fixed(stop)


def _metadata(metadata: Mapping[str, str], visitor: Visitor) -> Mapping[str, str]:
    if not metadata:
        return metadata
    for key in metadata:
        visitor.fixed(key)
    # The key goes along as context: `{"phone": "..."}` says what the value is.
    seen = {key: visitor.behind(f"{key}: ", value) for key, value in metadata.items()}
    return metadata if seen == metadata else seen


def _message(message: Message, visitor: Visitor) -> Message:
    if message.name is not None:
        visitor.fixed(message.name)
    parts = _parts(message.parts, visitor)
    return message if _same(parts, message.parts) else replace(message, parts=parts)


P = TypeVar("P", bound=Part)


def _parts(parts: tuple[P, ...], visitor: Visitor) -> tuple[P, ...]:
    texts = tuple(part.text for part in parts if isinstance(part, TextPart))
    given = iter(visitor.texts(texts) if texts else ())
    return tuple(_part(part, visitor, given) for part in parts)


def _part(part: P, visitor: Visitor, texts: Iterator[str]) -> P:
    match part:
        case TextPart():
            return _changed(part, text=next(texts))
        case ReasoningPart() | RefusalPart():
            return _changed(part, text=_one(part.text, visitor))
        case ToolCallPart():
            visitor.fixed(part.name)
            return _changed(part, arguments=visitor.arguments(part.arguments))
        case ToolResultPart():
            return _changed(part, content=_result(part, visitor))
        case BuiltinToolPart():  # goes back, as it is, to the provider that made it, and to no other
            return part
        case _:
            return _medium(part, visitor)


def _result(part: ToolResultPart, visitor: Visitor) -> str | tuple[TextPart | MediaPart, ...]:
    if isinstance(part.content, str):
        return _one(part.content, visitor)
    content = _parts(part.content, visitor)
    return part.content if _same(content, part.content) else content


M = TypeVar("M", bound=MediaPart)


def _medium(part: M, visitor: Visitor) -> M:
    if part.url is not None and not is_embedded(part.url):
        visitor.fixed(part.url)
    match part:
        case DocumentPart():
            _document(part, visitor)
            return _changed(part, text=_maybe(part.text, visitor), name=_maybe(part.name, visitor))
        case AudioPart():
            visitor.media()
            return _changed(part, transcript=_maybe(part.transcript, visitor))
        case _:
            visitor.media()
            return part


def _document(part: DocumentPart, visitor: Visitor) -> None:
    """What comes besides its text: it is not rewritten, because a file is to arrive as it was sent."""
    contents = text_of(part)
    if contents is not None:
        visitor.fixed(contents)
    unsure = part.data is not None and (part.media_type is None or part.url is not None)
    elsewhere = part.url is not None and not is_embedded(part.url)
    unread = contents is None and (part.data is not None or part.url is not None or part.text is None)
    if unsure or elsewhere or unread:
        visitor.media()


def _moderated(given: str | ImagePart, visitor: Visitor) -> str | ImagePart:
    return _one(given, visitor) if isinstance(given, str) else _medium(given, visitor)


def _one(text: str, visitor: Visitor) -> str:
    return visitor.texts((text,))[0]


def _maybe(text: str | None, visitor: Visitor) -> str | None:
    return None if text is None else _one(text, visitor)


def _each(texts: tuple[str, ...], visitor: Visitor) -> tuple[str, ...]:
    given = tuple(_one(text, visitor) for text in texts)
    return texts if _same(given, texts) else given


def _fixed_json(value: object, visitor: Visitor) -> None:
    texts = list(_texts_in(value))
    if texts:
        visitor.definitions(texts)


def _texts_in(value: object) -> Iterator[str]:
    """Every string and long number with its key; a loop, because schemas may be deeper than Python's stack.

    Callers give tuples and mappings of their own, too, and floats without a fraction: all is sent as JSON.
    """
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        context, one = waiting.pop()
        match one:
            case str():
                yield f"{context}{one}"
            case bool():
                pass
            case int() | float() if _LONG <= abs(one) < _LONGEST and one == int(one):
                yield f"{context}{int(one)}"
            case Mapping():
                yield from map(str, one)
                waiting += ((f"{key}: ", inner) for key, inner in one.items())
            case list() | tuple() | set() | frozenset():
                waiting += ((context, inner) for inner in one)
            case _:
                pass


_LONG, _LONGEST = 10**5, 10**40


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return all(a is b for a, b in zip(one, other, strict=True))


T = TypeVar("T")


def _changed(whole: T, **fields: object) -> T:
    """A copy with those fields, or the object itself where they are the same."""
    if all(getattr(whole, name) is value for name, value in fields.items()):
        return whole
    changed: T = replace(whole, **fields)  # type: ignore[type-var]  # only dataclasses come here
    return changed
