"""The messages of a chat as an OpenAI-compatible server takes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NoReturn

from unified_api.errors import UnsupportedParameterError
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
from unified_api.wire.model_patterns import any_matches
from unified_api.wire.openai_chat.parts import PartWriter

__all__ = ["begins_answer", "write_messages"]

_ALLOWED: dict[Role, tuple[type[Part], ...]] = {
    "system": (TextPart, BuiltinToolPart),
    "user": (TextPart, ImagePart, AudioPart, VideoPart, DocumentPart, BuiltinToolPart),
    "assistant": (TextPart, RefusalPart, ToolCallPart, ReasoningPart, BuiltinToolPart, AudioPart),
    "tool": (ToolResultPart,),
}
_FIELDS = ("reasoning_content", "reasoning")
"""Ways of sending thinking back that are fields of the message."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BLOCK = "content_part"
"""The key of a state that holds a whole part of the content, where others hold fields of the message."""


def write_messages(messages: tuple[Message, ...], writer: PartWriter) -> list[Json]:
    """Raises InvalidRequestError for messages that no server takes, UnsupportedParameterError for what this one does
    not.
    """
    written: list[Json] = []
    for place, message in enumerate(messages):
        _check(message, place, writer)
        if message.role == "tool":
            written.extend(_results(message, f"messages[{place}]", writer))
            continue
        named: JsonObject = {"name": message.name} if message.name is not None else {}
        if message.role == "assistant":
            last = place == len(messages) - 1
            written.append({**_assistant(message.parts, writer, last=last), **named})
        else:
            content = _content(message.parts, f"messages[{place}]", writer)
            written.append({"role": message.role, "content": content, **named})
    if not written:
        writer.refuse("the messages hold nothing to send")
    _check_order(messages, writer)
    return written


def begins_answer(messages: tuple[Message, ...]) -> bool:
    """Whether the last message is the assistant's and calls nothing: the model is to go on with it."""
    last = messages[-1] if messages else None
    return last is not None and last.role == "assistant" and not any(isinstance(p, ToolCallPart) for p in last.parts)


def _check(message: Message, place: int, writer: PartWriter) -> None:
    for part in message.parts:
        if isinstance(part, _ALLOWED[message.role]):
            continue
        what = f"messages[{place}]: a message of role {message.role!r} cannot hold {type(part).__name__}"
        if message.role == "assistant" and isinstance(part, ImagePart | VideoPart | DocumentPart):
            _unsupported(f"{what}: show it in a message of the user", writer)  # other families can
        writer.refuse(what)
    if message.name is not None and message.role != "tool" and not writer.profile.message_names:
        what = (
            f"messages[{place}] has the name {message.name!r}, and {writer.model!r} takes no names: say it in the text"
        )
        _unsupported(what, writer)


def _unsupported(what: str, writer: PartWriter) -> NoReturn:
    model = f"{writer.provider}/{writer.model}"
    raise UnsupportedParameterError(what, provider=writer.provider, model=model, param="messages")


def _check_order(messages: tuple[Message, ...], writer: PartWriter) -> None:
    """Results stand right after the turn that called for them, all of them and no others."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        results = {part.call_id for part in message.parts if isinstance(part, ToolResultPart)}
        if results - waiting:
            strange = sorted(results - waiting)
            writer.refuse(f"messages[{place}]: the tool results {strange} answer no call just before them")
        waiting -= results
        if waiting and message.role != "tool":
            break
        waiting |= {part.id for part in message.parts if isinstance(part, ToolCallPart)}
    if waiting:
        writer.refuse(f"the tool calls {sorted(waiting)} have no result right after them")


def _results(message: Message, place: str, writer: PartWriter) -> Iterator[JsonObject]:
    named: JsonObject = {"name": message.name} if message.name is not None else {}
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            content = _result(part.in_words(), place, writer)
            yield {"role": "tool", "tool_call_id": _call_id(part.call_id, writer), **named, "content": content}


def _result(part: ToolResultPart, place: str, writer: PartWriter) -> Json:
    parts = (TextPart(part.content),) if isinstance(part.content, str) else part.content
    written = [writer.in_result(one, place) for one in parts]
    if written and writer.mark(part.cache):
        written[-1] |= writer.mark(part.cache)
    if all(one.keys() == {"type", "text"} for one in written):
        return "\n".join(str(one["text"]) for one in written)
    return [*written]


def _content(parts: tuple[Part, ...], place: str, writer: PartWriter) -> Json:
    """Plain text as one string, which every server takes; a list only where there is more than that."""
    written: list[JsonObject] = []
    for index, part in enumerate(parts):
        if isinstance(part, TextPart):
            written.append(writer.text(part))
        elif isinstance(part, BuiltinToolPart):
            written.extend(_blocks(part, writer))
        elif isinstance(part, ImagePart | AudioPart | VideoPart | DocumentPart):
            written.append(writer.media(part, f"{place}.parts[{index}]"))
    if all(one.keys() == {"type", "text"} for one in written):
        return "\n".join(str(one["text"]) for one in written)
    return [one for one in written if one != {"type": "text", "text": ""}]


def _assistant(parts: tuple[Part, ...], writer: PartWriter, *, last: bool) -> JsonObject:
    calls: list[Json] = [_call(part, writer) for part in parts if isinstance(part, ToolCallPart)]
    content = _spoken(parts, writer)
    message: JsonObject = {"role": "assistant", "content": content or (None if calls else "")}
    if calls:
        message["tool_calls"] = calls
    for name, value in _beside(parts, writer):
        before = message.get(name)
        message[name] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    back = writer.profile.reasoning_back
    if back in _FIELDS and any_matches(writer.profile.reasoning_always_back, writer.model):
        message.setdefault(back, "")
    if last and not calls and writer.profile.prefix_field is not None:
        message[writer.profile.prefix_field] = True
    return message


def _beside(parts: tuple[Part, ...], writer: PartWriter) -> Iterator[tuple[str, Json]]:
    """Fields of the message beside its content: what the provider wants back."""
    thoughts: list[str] = []
    for part in parts:
        own = writer.own(part.state) if isinstance(part, TextPart | ReasoningPart | AudioPart) else {}
        if isinstance(part, AudioPart):
            if own:
                yield "audio", own
        else:
            yield from ((name, value) for name, value in own.items() if name not in {"role", "content", _BLOCK})
        if isinstance(part, ReasoningPart) and not own and not writer.foreign(part.state):
            thoughts.append(part.text)
    if thoughts and writer.profile.reasoning_back in _FIELDS:
        yield writer.profile.reasoning_back, "".join(thoughts)


def _spoken(parts: tuple[Part, ...], writer: PartWriter) -> Json:
    """The content of an assistant's message: one string, or a list where there is more in it than text."""
    written: list[JsonObject] = []
    for part in parts:
        if isinstance(part, TextPart):
            written.append(writer.text(part))
        elif isinstance(part, RefusalPart):
            # As the text it is: only OpenAI has a field for it, and templates fail over a null content.
            written.append({"type": "text", "text": part.text})
        elif isinstance(part, AudioPart) and not writer.own(part.state) and part.transcript:
            written.append({"type": "text", "text": part.transcript})
        elif isinstance(part, ReasoningPart):
            written.extend(_thought(part, writer))
        elif isinstance(part, BuiltinToolPart):
            written.extend(_blocks(part, writer))
    if all(one.keys() == {"type", "text"} for one in written):
        return "".join(str(one["text"]) for one in written)
    return [one for one in written if one != {"type": "text", "text": ""}]


def _thought(part: ReasoningPart, writer: PartWriter) -> Iterator[JsonObject]:
    """Shown thinking as a part of the content, for servers that want it there; other thinking stays with us."""
    block = writer.whole(part.state)
    if block is not None:
        yield block
    elif writer.own(part.state) or writer.foreign(part.state):
        return
    elif part.text and writer.profile.reasoning_back == "thinking_part":
        yield {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}


def _blocks(part: BuiltinToolPart, writer: PartWriter) -> Iterator[JsonObject]:
    """A part of the content that only its provider knows; steps told beside the content are for reading only."""
    if (
        part.provider == writer.provider
        and part.kind not in writer.profile.step_fields
        and isinstance(part.content, dict)
    ):
        yield part.content


def _call(part: ToolCallPart, writer: PartWriter) -> JsonObject:
    own, identity = writer.own(part.state), _call_id(part.id, writer)
    if own.get("type") == "custom":
        return {**own, "id": identity, "custom": {"name": part.name, "input": part.arguments}}
    function: JsonObject = {"name": part.name, "arguments": part.arguments or "{}"}
    return {**own, "id": identity, "type": "function", "function": function}


def _call_id(identity: str, writer: PartWriter) -> str:
    """The id itself, or one of the length that the server demands, the same for the same id."""
    length = writer.profile.call_id_length
    if length is None or re.fullmatch(f"[A-Za-z0-9]{{{length}}}", identity):
        return identity
    number = int.from_bytes(hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest(), "big")
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)
