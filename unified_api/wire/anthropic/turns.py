"""The conversation as the Messages API wants it: turns of the user and the assistant in alternation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from unified_api.errors import InvalidRequestError
from unified_api.types import (
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
)
from unified_api.wire.anthropic.content import BlockWriter

__all__ = ["conversation"]

_NOT_IN: Mapping[Role, tuple[type[Part], ...]] = {
    "system": (ToolCallPart, ToolResultPart, ReasoningPart, RefusalPart, ImagePart, DocumentPart),
    "user": (ToolCallPart, ReasoningPart, RefusalPart),
    "assistant": (ToolResultPart, ImagePart, DocumentPart),
    "tool": (TextPart, ToolCallPart, ReasoningPart, RefusalPart, ImagePart, DocumentPart),
}


def conversation(messages: tuple[Message, ...], writer: BlockWriter, *, takes_system: bool) -> JsonObject:
    """`system` and `messages` of the body.

    What is said in one role without a pause becomes one turn, tool results first, as the server wants them. The system
    messages before all others are the `system` field. A later one is a turn of its own after the user's turn that it
    stands next to, for models that take those; others find it in that turn, between `<system>` tags.
    """
    every = ((message, _blocks(message, writer, f"messages[{place}]")) for place, message in enumerate(messages))
    written = [(message, blocks) for message, blocks in every if blocks]
    begun = next((place for place, (one, _) in enumerate(written) if one.role != "system"), len(written))
    turns: list[Json] = []
    for is_model, run in groupby(written[begun:], key=lambda one: one[0].role == "assistant"):
        side = list(run)
        turns.extend(_assistant(side) if is_model else _user(side, writer, takes_system=takes_system))
    if not turns:
        raise InvalidRequestError("the messages hold nothing to send: give a message of the user", param="messages")
    system: list[Json] = [block for _, blocks in written[:begun] for block in blocks]
    return {"system": system, "messages": turns} if system else {"messages": turns}


def _blocks(message: Message, writer: BlockWriter, place: str) -> list[JsonObject]:
    if message.name is not None:
        writer.refuse(f"{place} is of {message.name!r}, but messages have no names here: write it into the text")
    for part in message.parts:
        if isinstance(part, _NOT_IN[message.role]):
            writer.refuse(f"{place}: a message of role {message.role!r} cannot hold {type(part).__name__}")
    return writer.blocks(message.parts, place)


_Written = list[tuple[Message, list[JsonObject]]]


def _assistant(side: _Written) -> Iterator[JsonObject]:
    yield {"role": "assistant", "content": [block for _, blocks in side for block in blocks]}


def _user(side: _Written, writer: BlockWriter, *, takes_system: bool) -> Iterator[JsonObject]:
    # A system turn must have the user's turn before it.
    apart = takes_system and any(message.role != "system" for message, _ in side)
    system: list[Json] = []
    said: list[JsonObject] = []
    for message, blocks in side:
        if message.role != "system":
            said += blocks
        elif apart:
            system += blocks
        else:
            said += _tagged(blocks, writer)
    said.sort(key=lambda block: block.get("type") != "tool_result")
    yield {"role": "user", "content": [*said]}
    if system:
        yield {"role": "system", "content": system}


def _tagged(blocks: list[JsonObject], writer: BlockWriter) -> list[JsonObject]:
    if any(block.get("type") != "text" for block in blocks):
        writer.refuse("a system message amid the conversation holds more than text, which this model does not take")
    return [{**block, "text": f"<system>{block['text']}</system>"} for block in blocks]
