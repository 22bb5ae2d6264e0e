"""Values for a workflow's inputs from `KEY=VALUE` words, typed by the inputs' schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

__all__ = ["InputSyntaxError", "Json", "parse_inputs", "typed"]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class InputSyntaxError(ValueError):
    """A `KEY=VALUE` word that cannot be read; the message says how to write it."""


def parse_inputs(
    words: Iterable[str], schemas: Mapping[str, Mapping[str, object]], *, read: Callable[[str], str]
) -> dict[str, Json]:
    """The inputs that the words give.

    `read` gives the text of a file, and of standard input for `-`. `KEY=@@text` is the text `@text` itself.
    Raises InputSyntaxError for a word without a key or that is no text, a key given twice, or a value of another type
    than the schema's.
    """
    values: dict[str, Json] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise InputSyntaxError(f"cannot read the input {word!r}: write it as KEY=VALUE, such as topic=tides")
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InputSyntaxError(
                f"the input {key!r} is no valid text (UTF-8): check the terminal's encoding"
            ) from None
        if key in values:
            raise InputSyntaxError(f"the input {key!r} is given twice: keep one of them")
        values[key] = typed(key, _text(text, read), schema=schemas.get(key, {}))
    return values


def _text(text: str, read: Callable[[str], str]) -> str:
    if text == "-":
        return read("-")
    if text.startswith("@@"):
        return text[1:]
    return read(text[1:]) if text.startswith("@") else text


def typed(key: str, text: str, *, schema: Mapping[str, object]) -> Json:
    """`text` as the type that `schema` asks for: a string stays as it is, anything else is read as JSON."""
    allowed = _types(schema)
    if allowed == {"string"}:
        return text
    try:
        value: Json = json.loads(text, parse_constant=_no_constant)
    except ValueError:
        value = {"true": True, "false": False}.get(text.strip().lower(), text)
    if not allowed or _type(value) in allowed or (_type(value) == "integer" and "number" in allowed):
        return value
    if "string" in allowed:
        return text
    wanted = " or ".join(sorted(allowed))
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    raise InputSyntaxError(f"the input {key!r} must be {wanted}, not {shown!r}: {_example(key, allowed)}")


def _types(schema: Mapping[str, object]) -> set[str]:
    """The JSON types that a schema names; empty when it names none."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return {item for item in kind if isinstance(item, str)}
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list) and all(isinstance(option, Mapping) for option in options):
        named = [_types(option) for option in options]
        return set().union(*named) if all(named) else set()
    values = schema.get("enum")
    return {_type(value) for value in values} if isinstance(values, list) else set()


def _type(value: object) -> str:
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "object"


def _example(key: str, allowed: set[str]) -> str:
    examples = {"array": '\'["a", "b"]\'', "object": "'{\"a\": 1}'", "integer": "3", "number": "2.5", "boolean": "true"}
    example = next((examples[kind] for kind in sorted(allowed) if kind in examples), "null")
    return f"write it as JSON, such as {key}={example}"


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")
