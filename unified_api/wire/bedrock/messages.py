"""The messages of a request in Converse's content blocks.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html: roles take turns, so what follows in
one role is one message, and results of tools are the user's; no text may be blank.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import orjson

from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    Message,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock.citations import cited_blocks
from unified_api.wire.bedrock.documents import around_documents
from unified_api.wire.bedrock.media import DocumentNames, media_block
from unified_api.wire.model_patterns import any_matches
from unified_api.wire.request_writer import RequestWriter

__all__ = ["MessageWriter"]

_MEDIA = (ImagePart, AudioPart, VideoPart, DocumentPart)
_ALLOWED: dict[Role, tuple[type[Part], ...]] = {
    "system": (TextPart, BuiltinToolPart),
    "user": (TextPart, *_MEDIA, ToolResultPart, BuiltinToolPart),
    "assistant": (TextPart, RefusalPart, ReasoningPart, ToolCallPart, *_MEDIA, BuiltinToolPart),
    "tool": (ToolResultPart, BuiltinToolPart),
}
_CALL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class MessageWriter(RequestWriter):
    """Writes the messages of one request; belongs to it alone, because documents must not share a name."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        super().__init__(provider=provider, model=model, profile=profile)
        self._names = DocumentNames()
        self._takes_system = any_matches(profile.system_turns, model)
        self._cached = any_matches(profile.cache_points, model)
        self._takes_ttl = any_matches(profile.cache_ttl, model)
        self._takes_signed = any_matches(profile.signed_thinking, model)

    def write(self, messages: tuple[Message, ...]) -> tuple[list[Json], list[Json]]:
        """The `system` blocks and the `messages`.

        The system messages before all others are the former. A later one is a turn of its own for models that take
        such; others find it among the user's words, between `<system>` tags.
        """
        system: list[Json] = []
        turns: list[tuple[str, list[Json]]] = []
        for place, message in enumerate(messages):
            self._check(message, place)
            blocks: list[Json] = list(self._parts(message, f"messages[{place}]"))
            if message.role == "system" and not turns:
                system += blocks
                continue
            role: str = "user" if message.role == "tool" else message.role
            if role == "system" and not self._takes_system:
                role, blocks = "user", self._tagged(blocks, f"messages[{place}]")
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(blocks)
            elif blocks:
                turns.append((role, blocks))
        if not turns:
            self.refuse("the messages hold nothing to send: give a message of the user that is not blank", "messages")
        return system, [{"role": role, "content": around_documents(blocks)} for role, blocks in turns]

    def cache_point(self, mark: CacheMark | None) -> Iterator[JsonObject]:
        """The block that marks the end of what may be cached; none for a model that has no cache."""
        if mark is not None and self._cached:
            # Even the usual time is refused where another cannot be had.
            lasting: JsonObject = {"ttl": mark.ttl} if mark.ttl and self._takes_ttl else {}
            yield {"cachePoint": {"type": "default", **lasting}}

    def _check(self, message: Message, place: int) -> None:
        for part in message.parts:
            if not isinstance(part, _ALLOWED[message.role]):
                kind = type(part).__name__
                self.refuse(f"messages[{place}]: a message of role {message.role!r} cannot hold {kind}", "messages")
        if message.name is not None and message.role != "tool":
            self.cannot(
                f"takes no names of speakers, and messages[{place}] is of {message.name!r}: say it in the text",
                "messages",
            )

    def _tagged(self, blocks: list[Json], place: str) -> list[Json]:
        tagged: list[Json] = []
        for block in blocks:
            text = block.get("text") if isinstance(block, dict) else None
            if not isinstance(text, str) and not (isinstance(block, dict) and "cachePoint" in block):
                self.cannot(f"takes nothing but text in a system message amid the conversation ({place})", "messages")
            tagged.append({"text": f"<system>{text}</system>"} if isinstance(text, str) else block)
        return tagged

    def _parts(self, message: Message, place: str) -> Iterator[JsonObject]:
        said = False
        for index, part in enumerate(message.parts):
            for block in self._blocks(part, f"{place}.parts[{index}]"):
                said = True
                yield block
            # The mark of a blank text marks what lies before it.
            if said and not isinstance(part, ReasoningPart | RefusalPart | BuiltinToolPart):
                yield from self.cache_point(part.cache)

    def _blocks(self, part: Part, place: str) -> Iterator[JsonObject]:
        match part:
            case TextPart():
                yield from self._text(part)
            case RefusalPart():
                yield from cited_blocks(TextPart(part.text), provider=self.provider)
            case ReasoningPart():
                yield from self._reasoning(part)
            case ToolCallPart():
                yield self._call(part, place)
            case ToolResultPart():
                yield self._result(part, place)
            case BuiltinToolPart():
                if self.own(part) and isinstance(part.content, dict):
                    yield part.content
            case DocumentPart() if self._own(part.state, "searchResult"):
                yield self._own(part.state, "searchResult")
            case _:
                yield media_block(part, self._names, provider=self.provider, model=self.model, place=place)

    def _own(self, state: ProviderState | None, name: str) -> JsonObject:
        """The block `name` that a part came in, where it came from here."""
        if state is None or not self.own(state) or name not in state.content:
            return {}
        return {name: state.content[name]}

    def _text(self, part: TextPart) -> Iterator[JsonObject]:
        guarded = self._own(part.state, "guardContent").get("guardContent")
        if isinstance(guarded, dict):
            yield {"guardContent": {"text": {"text": part.text, **guarded}}}
        else:
            yield from cited_blocks(part, provider=self.provider)

    def _reasoning(self, part: ReasoningPart) -> Iterator[JsonObject]:
        """Thinking goes home with its signature; what has no state of ours stays here.

        So does what is signed where another publisher's model is asked
        (https://github.com/earendil-works/pi/issues/686). Between Claudes the server itself leaves out what one cannot
        read (https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-thinking-block-binding.html).
        """
        if part.state is None or not self.own(part.state) or any_matches(self.profile.no_thinking_back, self.model):
            return
        state = part.state.content
        if not self._takes_signed and state.keys() & {"signature", "redactedContent"}:
            return
        signed: JsonObject = {"signature": state["signature"]} if "signature" in state else {}
        if part.text or signed:
            yield {"reasoningContent": {"reasoningText": {"text": part.text, **signed}}}
        if "redactedContent" in state:
            yield {"reasoningContent": {"redactedContent": state["redactedContent"]}}

    def _call(self, part: ToolCallPart, place: str) -> JsonObject:
        if not _TOOL_NAME.fullmatch(part.name):
            self.refuse(
                f"{place}: {part.name!r} is no name of a tool: give 1 to 64 letters a-z and A-Z, digits, _ and -",
                "messages",
            )
        return {"toolUse": {"toolUseId": _call_id(part.id), "name": part.name, "input": _arguments(part.arguments)}}

    def _result(self, part: ToolResultPart, place: str) -> JsonObject:
        parts = (TextPart(part.content),) if isinstance(part.content, str) else part.content
        content: list[Json] = [block for one in parts for block in self._result_blocks(one, place)]
        result: JsonObject = {"toolUseId": _call_id(part.call_id), "content": content}
        if part.failed:
            result["status"] = "error"
        return {"toolResult": result}

    def _result_blocks(
        self, part: TextPart | ImagePart | AudioPart | VideoPart | DocumentPart, place: str
    ) -> Iterator[JsonObject]:
        held = self._own(part.state, "json") or self._own(part.state, "searchResult")
        if held:
            yield held
        elif isinstance(part, AudioPart):
            self.cannot(
                f"takes no sound in the result of a tool ({place}): give it in a message of the user", "messages"
            )
        elif not isinstance(part, TextPart):
            yield media_block(part, self._names, provider=self.provider, model=self.model, place=place)
        elif part.text:
            yield {"text": part.text}


def _arguments(text: str) -> Json:
    """The arguments as JSON, `null` being none; what is no JSON goes as text in an object, so that the turn is kept."""
    try:
        value: Json = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": text}
    return {} if value is None else value


def _call_id(identity: str) -> str:
    """The id itself, or where another provider's has characters that Bedrock refuses, one made from it."""
    if _CALL_ID.fullmatch(identity):
        return identity
    return f"call_{hashlib.sha256(identity.encode('utf-8', 'replace')).hexdigest()[:32]}"
