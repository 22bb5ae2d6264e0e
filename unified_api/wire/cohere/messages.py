"""Messages as Cohere's API v2 takes them, and the documents beside them."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.types import (
    BuiltinToolPart,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    Message,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.cohere.answer import TOOL_PLAN
from unified_api.wire.request_writer import RequestWriter

__all__ = ["write_documents", "write_messages"]

_READABLE = ("text/", "application/json", "application/xml", "application/yaml")
_MISPLACED = ToolCallPart | ToolResultPart | ReasoningPart | BuiltinToolPart


def write_messages(messages: tuple[Message, ...], writer: RequestWriter) -> list[Json]:
    encoded: list[Json] = []
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        if message.name is not None:
            writer.cannot(f"has no word for who speaks ({place}.name): put it into the text", "messages")
        if message.role == "tool":
            encoded.extend(_results(message, writer, place))
        elif message.role == "assistant":
            encoded.append(_assistant(message, writer, place))
        else:
            encoded.append(_asked(message, writer, place))
    return encoded


def write_documents(messages: tuple[Message, ...], writer: RequestWriter) -> list[Json]:
    """The documents of all user messages: Cohere has them beside the conversation."""
    return [
        _document(part, writer, f"messages[{number}].parts[{index}]")
        for number, message in enumerate(messages)
        if message.role == "user"
        for index, part in enumerate(message.parts)
        if isinstance(part, DocumentPart)
    ]


def _asked(message: Message, writer: RequestWriter, place: str) -> JsonObject:
    blocks: list[Json] = []
    for number, part in enumerate(message.parts):
        spot = f"{place}.parts[{number}]"
        if isinstance(part, TextPart):
            blocks.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart) and message.role == "user":
            blocks.append(_image(part, writer, spot))
        elif not (isinstance(part, DocumentPart) and message.role == "user"):
            _refuse_part(part, message, writer, spot)
    return {"role": message.role, "content": _content(blocks)}


def _content(blocks: list[Json]) -> Json:
    """One text as the string it is."""
    only = blocks[0] if len(blocks) == 1 else None
    if isinstance(only, dict) and only.keys() == {"type", "text"}:
        return only["text"]
    return blocks or ""


def _assistant(message: Message, writer: RequestWriter, place: str) -> JsonObject:
    blocks: list[Json] = []
    calls: list[Json] = []
    citations: list[Json] = []
    plan = ""
    for number, part in enumerate(message.parts):
        if isinstance(part, TextPart | RefusalPart):
            citations.extend(_citations(part, len(blocks), writer))
            blocks.append({"type": "text", "text": part.text})
        elif isinstance(part, ToolCallPart):
            function: JsonObject = {"name": part.name, "arguments": part.arguments or "{}"}
            calls.append({"id": part.id, "type": "function", "function": function})
        elif isinstance(part, ReasoningPart):
            # Only Cohere's own thinking goes back, each kind to where it came from.
            if writer.own(part.state) and part.state is not None and part.state.content == TOOL_PLAN:
                plan += part.text
            elif writer.own(part.state) and part.state is not None:
                blocks.append({**part.state.content, "thinking": part.text})
        elif isinstance(part, BuiltinToolPart):
            if writer.own(part):
                blocks.append(part.content)
        else:
            _refuse_part(part, message, writer, f"{place}.parts[{number}]")
    whole: JsonObject = {"role": "assistant"}
    if blocks or not (calls or plan):
        whole["content"] = _content(blocks)
    for name, value in (("tool_plan", plan), ("tool_calls", calls), ("citations", citations)):
        if value:
            whole[name] = value
    return whole


def _citations(part: TextPart | RefusalPart, block: int, writer: RequestWriter) -> Iterator[Json]:
    """Cohere's own citations, at their place in the text as it goes back: several blocks may have become one."""
    for citation in part.citations if isinstance(part, TextPart) else ():
        if citation.state is None or not writer.own(citation.state):
            continue
        cited = dict(citation.state.content)
        if citation.start is not None:
            cited |= {"start": citation.start, "end": citation.end}
            if "content_index" in cited:
                cited["content_index"] = block
        yield cited


def _results(message: Message, writer: RequestWriter, place: str) -> Iterator[JsonObject]:
    for number, part in enumerate(message.parts):
        if not isinstance(part, ToolResultPart):
            _refuse_part(part, message, writer, f"{place}.parts[{number}]")
        else:
            told = part.in_words()
            content: Json = told.content if isinstance(told.content, str) else _result(told, writer, place)
            yield {"role": "tool", "tool_call_id": part.call_id, "content": content}


def _result(part: ToolResultPart, writer: RequestWriter, place: str) -> list[Json]:
    blocks: list[Json] = []
    for piece in part.content if isinstance(part.content, tuple) else ():
        if isinstance(piece, TextPart):
            blocks.append({"type": "text", "text": piece.text})
        elif isinstance(piece, DocumentPart):
            blocks.append({"type": "document", "document": _document(piece, writer, place)})
        else:
            problem = f"takes tool results of text and documents alone ({place}): give the media in a user message"
            writer.cannot(problem, "messages")
    return blocks


def _image(part: ImagePart, writer: RequestWriter, place: str) -> JsonObject:
    image: JsonObject = {"url": writer.data_url(part, place)}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _document(part: DocumentPart, writer: RequestWriter, place: str) -> Json:
    """A document by its text: Cohere reads no files. One that came from there goes back as it was."""
    if isinstance(part.state, ProviderState) and writer.own(part.state):
        return part.state.content
    text = part.text
    if text is None and part.data is not None and (part.media_type or "").startswith(_READABLE):
        try:
            text = part.data.decode("utf-8")
        except UnicodeDecodeError as error:
            writer.refuse(f"{place}: the document's bytes are no UTF-8 text ({error})", "messages")
    if text is None:
        what = part.media_type or part.url or "bytes of unknown type"
        writer.cannot(f"reads documents as text alone ({place}: {what}): give the document's text", "messages")
    return {"data": {"title": part.name, "text": text} if part.name else {"text": text}}


def _refuse_part(part: Part, message: Message, writer: RequestWriter, place: str) -> None:
    kind = type(part).__name__
    if isinstance(part, _MISPLACED) or message.role == "tool":
        writer.refuse(f"{place}: a message of role {message.role!r} cannot hold {kind}", "messages")
    writer.cannot(f"cannot be shown {kind} in a message of role {message.role!r} ({place}): leave it out", "messages")
