"""Output schemas whose root is no object, which OpenAI refuses: asked for as the one property of an object.

The wire formats send `wrapped(schema)` and the adapter gives the answer through `unwrapped` or `Unwrapper`, so that
neither the caller nor the check of the answer ever meets the object around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson

from unified_api.types import (
    AlternativeChunk,
    Chunk,
    FinishChunk,
    Json,
    JsonObject,
    OutputSchema,
    Part,
    Response,
    TextChunk,
    TextPart,
)
from unified_api.wire.json_text import parse_strictly

__all__ = ["Unwrapper", "needs_object", "unwrapped", "wrapped"]

_KEY = "value"
_DEFINITIONS = ("$defs", "definitions")
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS})
_NO_SCHEMAS = frozenset({"const", "enum", "default", "examples", "example"})
_FENCE = "```"


def needs_object(wanted: OutputSchema | None) -> bool:
    """Whether the schema's root admits anything but an object (https://platform.openai.com/docs/guides/structured-outputs:
    "root objects must not be anyOf and must be an object").
    """
    return wanted is not None and wanted.schema.get("type") != "object"


def wrapped(schema: JsonObject) -> JsonObject:
    """An object whose only property has this schema; definitions stay at the root, where references look for them."""
    try:
        inner = _moved(schema)
    except RecursionError:
        return schema  # too deep to be written as JSON, which is refused in words
    definitions = {key: inner.pop(key) for key in _DEFINITIONS if key in inner}
    return {
        "type": "object",
        "properties": {_KEY: inner},
        "required": [_KEY],
        "additionalProperties": False,
        **definitions,
    }


def unwrapped(response: Response) -> Response:
    """The answers with the value alone as text; as they are where the text is no such object (refused, cut off)."""
    others = tuple(replace(one, parts=_bare_parts(one.parts)) for one in response.alternatives)
    return replace(response, parts=_bare_parts(response.parts), alternatives=others)


class Unwrapper:
    """Takes the object from around a streamed answer. The text comes in one piece before the answer's finish."""

    def __init__(self) -> None:
        self._held: dict[int, list[TextChunk]] = {}

    def feed(self, chunks: list[Chunk]) -> list[Chunk]:
        return list(self._fed(chunks))

    def _fed(self, chunks: list[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            number, inner = (chunk.number, chunk.chunk) if isinstance(chunk, AlternativeChunk) else (0, chunk)
            if isinstance(inner, TextChunk):
                self._held.setdefault(number, []).append(inner)
                continue
            if isinstance(inner, FinishChunk) and number in self._held:
                said = _said(self._held.pop(number))
                yield AlternativeChunk(number, said) if number else said
            yield chunk


def _said(held: list[TextChunk]) -> TextChunk:
    text = "".join(chunk.text for chunk in held)
    bare = _bare(text)
    return TextChunk(text if bare is None else bare, next((one.state for one in reversed(held) if one.state), None))


def _bare_parts(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts with the value as one text at the end; what is cited is cited for all of it."""
    texts = [part for part in parts if isinstance(part, TextPart)]
    bare = _bare("".join(part.text for part in texts))
    if bare is None:
        return parts
    cited = tuple(replace(one, start=None, end=None) for part in texts for one in part.citations)
    state = next((part.state for part in reversed(texts) if part.state), None)
    return (*(part for part in parts if not isinstance(part, TextPart)), TextPart(bare, cited, state))


def _bare(text: str) -> str | None:
    try:
        value = parse_strictly(_unfenced(text).encode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return orjson.dumps(value[_KEY]).decode() if isinstance(value, dict) and value.keys() == {_KEY} else None


def _unfenced(text: str) -> str:
    """What is inside a fence of Markdown. Without a pattern: one would take forever on a model's endless spaces."""
    bare = text.strip()
    if not bare.startswith(_FENCE) or not bare.endswith(_FENCE):
        return text
    return bare.partition("\n")[2].removesuffix(_FENCE)


def _moved(schema: JsonObject) -> JsonObject:
    """The schema with its references to its own root following it to its new place."""
    moved: JsonObject = {}
    for key, value in schema.items():
        if key in _NAMED_SCHEMAS and isinstance(value, dict):
            moved[key] = {name: _moved_any(one) for name, one in value.items()}
        elif key == "$ref" and isinstance(value, str):
            moved[key] = _reference(value)
        else:
            moved[key] = value if key in _NO_SCHEMAS else _moved_any(value)
    return moved


def _moved_any(value: Json) -> Json:
    if isinstance(value, list):
        return [_moved_any(one) for one in value]
    return _moved(value) if isinstance(value, dict) else value


def _reference(target: str) -> str:
    here = target == "#" or target.startswith("#/")
    if not here or target.startswith(tuple(f"#/{key}/" for key in _DEFINITIONS)):
        return target
    return f"#/properties/{_KEY}{target[1:]}"
