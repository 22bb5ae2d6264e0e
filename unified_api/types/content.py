"""What a message is made of: typed parts, from text to what a provider wants back unread."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from unified_api.errors import InvalidRequestError
from unified_api.types.common import Json, JsonObject, Role

__all__ = [
    "AudioPart",
    "BuiltinToolPart",
    "CacheMark",
    "Citation",
    "DocumentPart",
    "ImagePart",
    "MediaPart",
    "Message",
    "Part",
    "ProviderState",
    "ReasoningPart",
    "RefusalPart",
    "TextPart",
    "ToolCallPart",
    "ToolResultPart",
    "VideoPart",
]


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What a provider wants back unread: thought signatures, encrypted reasoning, ids of things it keeps.

    `content` is named as on that provider's wire (`{"signature": ...}`). It goes back to `provider` alone; every other
    provider is sent the part without it. Raises InvalidRequestError for content that is no object.
    """

    provider: str
    content: JsonObject = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.content, dict):
            raise InvalidRequestError(
                f"the state of {self.provider!r} is of type {type(self.content).__name__}: give back the object that "
                "came with the part, or leave the state out",
                param="messages",
            )


@dataclass(frozen=True, slots=True)
class CacheMark:
    """A prompt-cache marker: the prompt up to here may be kept for `ttl` (None: the provider's default)."""

    ttl: Literal["5m", "1h"] | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a piece of an answer comes from. `start` and `end` count characters in the text part that holds it."""

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    """The words of the source."""
    start: int | None = None
    end: int | None = None
    state: ProviderState | None = None
    """The citation as the provider gave it."""


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str
    citations: tuple[Citation, ...] = ()
    state: ProviderState | None = None
    cache: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image: `url` (https or data) or `data` with its `media_type`, or held by the provider itself (`state`)."""

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    detail: Literal["auto", "low", "high"] | None = None
    state: ProviderState | None = None
    cache: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class AudioPart:
    """Sound: `data` with its `media_type` (`audio/wav`, `audio/mpeg` ...) or `url`; `transcript` is what is said."""

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    transcript: str | None = None
    state: ProviderState | None = None
    cache: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class VideoPart:
    """A video: `data` with its `media_type`, `url`, or held by the provider itself (`state`)."""

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    state: ProviderState | None = None
    cache: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A document to read: `data` with its `media_type` (`application/pdf` ...), `url`, or plain `text`."""

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    text: str | None = None
    name: str | None = None
    """File name or title."""
    state: ProviderState | None = None
    cache: CacheMark | None = None


MediaPart: TypeAlias = ImagePart | AudioPart | VideoPart | DocumentPart


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """Thinking that a model chose to show (or only its `state`, without words); never sent to another provider than its
    state's. Without a state it is the caller's own word, and goes to those who want plain thinking back.
    """

    text: str
    state: ProviderState | None = None


@dataclass(frozen=True, slots=True)
class RefusalPart:
    """The model's own words for declining. A refusal is an answer, not an error."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call the model asks for. `arguments` is the JSON text as given; an absent one is `{}`."""

    id: str
    name: str
    arguments: str = "{}"
    state: ProviderState | None = None
    cache: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool call gave back; `call_id` is the `id` of the `ToolCallPart` it answers.

    `content` is text, or parts where a tool gives images or documents. `failed`: the tool could not do its work; where
    a wire has no word for that, `Error: ` goes before the text (`in_words`).
    """

    call_id: str
    content: str | tuple[TextPart | MediaPart, ...]
    failed: bool = False
    cache: CacheMark | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    def in_words(self) -> ToolResultPart:
        """The result with its failure told by the text alone, unless that begins with the word itself."""
        if not self.failed:
            return self
        if self.text.lstrip().lower().startswith("error"):
            return replace(self, failed=False)
        content = f"Error: {self.content}" if isinstance(self.content, str) else (TextPart("Error:"), *self.content)
        return replace(self, content=content, failed=False)

    @property
    def media(self) -> tuple[MediaPart, ...]:
        if isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if not isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class BuiltinToolPart:
    """A step of a tool that the provider runs itself (web search, code execution ...): its call, its result or both.

    `content` is the block as the provider gave it, and goes back to `provider` as it is; others are not sent it.
    """

    provider: str
    kind: str
    """The provider's own word for the block, such as `web_search_tool_result`."""
    content: Json = field(repr=False)


Part: TypeAlias = TextPart | MediaPart | ReasoningPart | RefusalPart | ToolCallPart | ToolResultPart | BuiltinToolPart


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    """Who speaks, where several speak in one role."""

    @classmethod
    def system(cls, text: str) -> Message:
        return cls("system", (TextPart(text),))

    @classmethod
    def user(cls, text: str) -> Message:
        return cls("user", (TextPart(text),))

    @classmethod
    def assistant(cls, text: str) -> Message:
        return cls("assistant", (TextPart(text),))
