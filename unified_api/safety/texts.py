"""What of an answer is shown to its reader: the texts and pictures that are judged."""

from __future__ import annotations

import json
import re
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

__all__ = ["called", "cited", "cut", "shown"]

_ENCODED = re.compile(r"(?:data:[\w.+/;=-]{1,100},)?([A-Za-z0-9+/_-]{200,}={0,2})")
"""What may be bytes written as base64 or hexadecimal: a signature, an encrypted result, a picture."""
_HEX = re.compile(r"[0-9a-fA-F]+")
_LETTERS = re.compile(r"([a-z])(?!\1\1\1)[a-z]{3,}|([A-Z])(?!\2\2\2)[A-Z]{3,}")
"""Letters that stand together as in words; rare in bytes, in which a run of one letter is nothing but zeros."""


def shown(part: Part) -> tuple[Piece, ...]:
    """What a reader gets to see of the part."""
    match part:
        case TextPart():
            return (part.text, *(cited(one) for one in part.citations))
        case ReasoningPart() | RefusalPart() | ToolResultPart():
            return (part.text,)
        case ToolCallPart():
            return (called(part.name, part.arguments),)
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


def called(name: str, arguments: str) -> str:
    """A tool call as it is judged: what its JSON says, not how, since `\\u0062` is a letter to whoever gets it."""
    if "\\" not in arguments:
        return f"{name} {arguments}"
    try:
        # All pairs, as whoever reads it may take the first or the last of two keys that are alike.
        content = json.loads(arguments, object_pairs_hook=_flat, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):  # half of a call, or no JSON
        return f"{name} {arguments}"
    return " ".join((name, *_words(content)))


def _flat(pairs: list[tuple[str, Json]]) -> list[Json]:
    return [one for pair in pairs for one in pair]


def _words(content: Json) -> Iterator[str]:
    """The strings of it in their order, names of members among them, but for encoded bytes."""
    left = [content]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if one and not _encoded(one):
                yield one
        elif isinstance(one, dict):
            left += reversed(_flat(list(one.items())))
        elif isinstance(one, list):
            left += reversed(one)


def _encoded(text: str) -> bool:
    """Whether the text is bytes in letters, which nobody reads. Whatever could be words is none."""
    found = _ENCODED.fullmatch(text)
    if found is None:
        return False
    letters = found[1]
    size = len(letters)
    digits = size - len(letters.translate(_NO_DIGITS))
    if _HEX.fullmatch(letters):
        return digits > size / 5
    lower, upper = size - len(letters.translate(_NO_LOWER)), size - len(letters.translate(_NO_UPPER))
    mixed = digits > size / 40 and lower > size / 7 and upper > size / 7
    return mixed and sum(len(one[0]) for one in _LETTERS.finditer(letters)) < size * 0.3


_NO_DIGITS = str.maketrans("", "", "0123456789")
_NO_LOWER = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyz")
_NO_UPPER = str.maketrans("", "", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
