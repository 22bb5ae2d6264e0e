"""What a request asks of a model, read off the request itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeVar

from unified_api.types import (
    AnyRequest,
    AudioPart,
    BuiltinToolPart,
    Capability,
    DocumentPart,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    MediaPart,
    ModerationRequest,
    Part,
    ReasoningPart,
    RefusalPart,
    Request,
    RerankRequest,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)

__all__ = ["AnyRequest", "Asked", "least_tokens", "needs_of", "parameters_of", "tools_of", "worst_tokens"]

Asked = TypeVar("Asked", Request, EmbedRequest, ImageRequest, RerankRequest, ModerationRequest)
_CONTENT = frozenset({"model", "messages", "inputs", "prompt", "query", "documents", "extra"})

_OPTIONAL: dict[type[AnyRequest], tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(kind) if f.name not in _CONTENT)
    for kind in (Request, EmbedRequest, ImageRequest, RerankRequest, ModerationRequest)
}
_KINDS: dict[type[AnyRequest], Capability] = {
    Request: "chat",
    EmbedRequest: "embeddings",
    ImageRequest: "image_output",
    RerankRequest: "rerank",
    ModerationRequest: "moderation",
}
_MEDIA: dict[type[MediaPart], Capability] = {
    ImagePart: "vision",
    AudioPart: "audio",
    VideoPart: "video",
    DocumentPart: "documents",
}


def needs_of(request: AnyRequest) -> frozenset[Capability]:
    """The capabilities without which the request cannot be served; a schema can be asked for in words (`in_words`)."""
    needs: set[Capability] = {_KINDS[type(request)]}
    if isinstance(request, Request):
        if request.tools:
            needs.add("tools")
        needs |= {_MEDIA[type(part)] for part in _shown(request)}
    return frozenset(needs)


def parameters_of(request: AnyRequest) -> frozenset[str]:
    """The optional fields that the request sets, without the schema, which no model must take, and `n` of one."""
    set_ = {name for name in _OPTIONAL[type(request)] if getattr(request, name) not in (None, (), {})}
    if getattr(request, "n", None) == 1:
        set_.remove("n")
    return frozenset(set_) - {"output_schema"}


def tools_of(request: AnyRequest) -> frozenset[str]:
    """The providers whose built-in tools the request brings."""
    return frozenset(tool.provider for tool in request.builtin_tools) if isinstance(request, Request) else frozenset()


def _shown(request: Request) -> Iterator[MediaPart]:
    """What the model must be able to see, hear or read. What a model itself said aloud goes back as its words."""
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                yield from (one for one in part.media if not _is_plain(one))
            elif isinstance(part, MediaPart) and not (_is_plain(part) or _is_said(part, message.role)):
                yield part


def _is_plain(part: MediaPart) -> bool:
    return isinstance(part, DocumentPart) and part.text is not None


def _is_said(part: MediaPart, role: Role) -> bool:
    return isinstance(part, AudioPart) and role == "assistant"


def least_tokens(request: AnyRequest) -> int:
    """A count that the prompt surely reaches: tokenisers put at most six bytes of ordinary text into a token.

    Of several texts that a model reads one by one, the longest counts.
    """
    match request:
        case EmbedRequest():
            return max((_bytes(text) for text in request.inputs), default=0) // 6
        case RerankRequest():
            return (_bytes(request.query) + max((_bytes(text) for text in request.documents), default=0)) // 6
        case ModerationRequest():
            return max((_bytes(text) for text in request.inputs if isinstance(text, str)), default=0) // 6
        case ImageRequest():
            return _bytes(request.prompt) // 6
        case _:
            return _chat_size(request).sure // 6


def worst_tokens(request: AnyRequest) -> int:
    """A count that the prompt does not exceed: a token a byte, as digits and rare scripts take, and the framing.

    Sound, film and documents are taken at what the dearest provider counts for that many bytes; of those that are
    given by their address alone, ten minutes or a hundred pages are assumed.
    """
    match request:
        case EmbedRequest():
            return sum(_bytes(text) + 2 for text in request.inputs) + 17
        case RerankRequest():  # the query is read anew with each document
            each = _bytes(request.query) + 16
            return sum(each + _bytes(text) for text in request.documents) + each
        case ModerationRequest():
            texts = sum(_bytes(given) for given in request.inputs if isinstance(given, str))
            images = sum(not isinstance(given, str) for given in request.inputs)
            return texts + _TOKENS_PER_IMAGE * images + 17
        case ImageRequest():
            return _bytes(request.prompt) + _bytes(request.negative_prompt or "") + 17
        case _:
            size = _chat_size(request)
            return size.sure + size.maybe + 1 + 16 * len(request.messages)


_TOKENS_PER_IMAGE = 1_500
"""A large picture in high detail; OpenAI, "Images and vision", counts 85 to 1,445 for GPT-4o."""
_AUDIO_TOKENS_PER_S = 32
"""Gemini, "Audio understanding"; OpenAI counts 10."""
_VIDEO_TOKENS_PER_S = 300
"""Gemini, "Video understanding": 258 a frame at one frame a second, sound beside it."""
_LEAST_AUDIO_BYTES_PER_S = 750
"""Speech in Opus at 6 kbit/s."""
_LEAST_VIDEO_BYTES_PER_S = 6_000
_PAGE_TOKENS = 4_500
"""Anthropic, "PDF support": up to 3,000 of text a page, and the page as an image."""
_ASKING = 250
"""What is written around a schema that is asked for by a tool or in words."""
_ASSUMED_S = 600
_ASSUMED_PAGES = 100


@dataclass(slots=True)
class _Size:
    sure: int = 0
    """Bytes of text that every provider is sent."""
    maybe: int = 0
    """Tokens that some providers count besides."""

    def add(self, part: Part) -> None:
        match part:
            case TextPart():
                self.sure += _bytes(part.text)
            case ToolResultPart():
                self.sure += _bytes(part.text)
                for one in part.media:
                    self.add(one)
            case ToolCallPart():
                self.sure += _bytes(part.name) + _bytes(part.arguments)
            case BuiltinToolPart():
                self.maybe += _bytes(str(part.content))
            case ReasoningPart():  # goes back with its state or not at all
                self.maybe += _bytes(part.text) if part.state else 0
            case RefusalPart():
                self.maybe += _bytes(part.text)
            case DocumentPart() if part.text is not None:
                self.sure += _bytes(part.text) + _bytes(part.name or "")
            case _:
                self.maybe += _media_tokens(part)
        state = getattr(part, "state", None)
        self.maybe += 0 if state is None else _bytes(str(state.content))


def _media_tokens(part: MediaPart) -> int:
    size = None if part.data is None else len(part.data)
    match part:
        case ImagePart():
            return _TOKENS_PER_IMAGE
        case AudioPart():
            seconds = _ASSUMED_S if size is None else size / _LEAST_AUDIO_BYTES_PER_S
            return int(seconds * _AUDIO_TOKENS_PER_S) + _bytes(part.transcript or "") + 32
        case VideoPart():
            seconds = _ASSUMED_S if size is None else size / _LEAST_VIDEO_BYTES_PER_S
            return int(seconds * _VIDEO_TOKENS_PER_S) + 300
        case _:  # a page takes at least some thousand bytes, and a short document is one page
            return _PAGE_TOKENS * _ASSUMED_PAGES if size is None else size + _PAGE_TOKENS


def _chat_size(request: Request) -> _Size:
    size = _Size()
    for message in request.messages:
        for part in message.parts:
            size.add(part)
    for tool in request.tools:
        size.sure += _bytes(tool.name) + _bytes(tool.description) + _bytes(str(tool.parameters))
    if request.output_schema is not None:
        size.sure += _bytes(str(request.output_schema.schema)) + _bytes(request.output_schema.description)
        size.maybe += _ASKING
    size.maybe += sum(_bytes(str(tool.definition)) for tool in request.builtin_tools)
    size.maybe += max((_bytes(str(parameters)) for parameters in request.extra.values()), default=0)
    return size


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
