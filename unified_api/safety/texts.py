"""What of an answer is shown to its reader: the texts and pictures that are judged."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.safety.verdicts import Opaque, Piece
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    Citation,
    DocumentPart,
    ImagePart,
    Json,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)

__all__ = ["cited", "cut", "shown"]

_LONGEST_WORD = 200
"""A string without a space that is longer is no words (a signature, an encrypted result), and is not judged."""


def shown(part: Part) -> tuple[Piece, ...]:
    """What a reader gets to see of the part."""
    match part:
        case TextPart():
            return (part.text, *(cited(one) for one in part.citations))
        case ReasoningPart() | RefusalPart() | ToolResultPart():
            return (part.text,)
        case ToolCallPart():
            return (f"{part.name} {part.arguments}",)
        case ImagePart():
            return (part,)
        case BuiltinToolPart():
            return (" ".join(_words(part.content)),)
    words = part.transcript if isinstance(part, AudioPart) else part.text if isinstance(part, DocumentPart) else None
    return (words or Opaque(_NAMES[type(part)]),)


_NAMES: dict[type, str] = {
    AudioPart: "a sound without a transcript",
    DocumentPart: "a document without its text",
    VideoPart: "a video",
}


def cited(citation: Citation) -> str:
    return " ".join(text for text in (citation.title, citation.quote) if text)


def cut(text: str, size: int, overlap: int) -> list[tuple[int, int]]:
    """`text` as pieces of at most `size` characters, each with the last `overlap` characters of the one before, or a
    third of a piece where that is less.
    """
    if len(text) <= size:
        return [(0, len(text))]
    overlap = min(overlap, size // 3)
    starts = range(0, len(text) - overlap, size - overlap)
    return [(start, min(start + size, len(text))) for start in starts]


def _words(content: Json) -> Iterator[str]:
    if isinstance(content, str):
        if len(content) <= _LONGEST_WORD or " " in content:
            yield content
    elif isinstance(content, dict | list):
        for one in content.values() if isinstance(content, dict) else content:
            yield from _words(one)
