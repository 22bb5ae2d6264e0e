"""JSON Schema: is a schema one, and does a value fit it. jsonschema does the work; nothing is ever fetched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from workflows.findings import Finding, pointer

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

__all__ = ["resolve", "schema_findings", "value_findings"]

_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_MOST_FINDINGS = 20


def schema_findings(schema: Any, where: str = "", *, code: str = "invalid_schema") -> tuple[Finding, ...]:
    """Why a JSON value is no JSON Schema that can be used here: `where` is its place in the file."""
    if _is_plain(schema):
        return ()
    return tuple(
        Finding(code=code, pointer=where + place, message=message, fix=fix)
        for place, message, fix in _schema_problems(_key(schema))
    )


def value_findings(value: Any, schema: Mapping[str, Any], where: str = "", *, code: str) -> tuple[Finding, ...]:
    """Why a value does not fit a schema, at most twenty reasons, each at its place under `where`."""
    validator = _validator(_key(schema))
    if validator is None:
        return ()  # the schema itself is a finding already
    try:
        errors = sorted(validator.iter_errors(value), key=lambda error: [str(part) for part in error.absolute_path])
    except RecursionError:
        return (Finding(code=code, pointer=where, message="the schema refers to itself without an end"),)
    return tuple(_value_finding(error, where, code) for error in errors[:_MOST_FINDINGS])


def _key(schema: Any) -> bytes | str:
    try:
        return orjson.dumps(schema)
    except (orjson.JSONEncodeError, TypeError):
        import json  # orjson refuses integers of more than 64 bits

        return json.dumps(schema)


def _is_plain(schema: Any) -> bool:
    """Whether a schema is valid at sight: it uses only the everyday keywords, correctly.

    jsonschema takes 1 to 3 ms for what this sees in 10 us, and most schemas in workflows are of this sort.
    """
    return schema is True or (
        isinstance(schema, dict) and all(word in _PLAIN and _PLAIN[word](value) for word, value in schema.items())
    )


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(one in _TYPES for one in value if isinstance(one, str)) and _are_names(value)
    return isinstance(value, str) and value in _TYPES


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value) and len(set(value)) == len(value)


def _are_plain(value: Any) -> bool:
    schemas = value.values() if isinstance(value, dict) else value
    return all(_is_plain(one) for one in schemas)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_PLAIN: Final[dict[str, Callable[[Any], bool]]] = {
    "type": _is_type,
    "properties": lambda value: isinstance(value, dict) and _are_plain(value),
    "items": _is_plain,
    "required": _are_names,
    "additionalProperties": lambda value: value is False or _is_plain(value),
    "enum": lambda value: isinstance(value, list),
    "const": lambda _: True,
    "default": lambda _: True,
    "examples": lambda value: isinstance(value, list),
    **dict.fromkeys(
        ("anyOf", "oneOf", "allOf"), lambda value: isinstance(value, list) and bool(value) and _are_plain(value)
    ),
    **dict.fromkeys(("title", "description", "$comment"), _is_text),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
}


@lru_cache(maxsize=1024)
def _schema_problems(key: bytes | str) -> tuple[tuple[str, str, str | None], ...]:
    from jsonschema import Draft202012Validator  # 70 ms of import that most workflows never need
    from jsonschema.validators import validator_for

    schema = orjson.loads(key)
    if not isinstance(schema, dict | bool):
        return (("", "a JSON Schema is an object", None),)
    dialect = validator_for(schema, default=Draft202012Validator)
    errors = dialect(dialect.META_SCHEMA).iter_errors(schema)
    problems = [(pointer(*error.absolute_path), _schema_message(error), None) for error in errors]
    return tuple(problems) or tuple(_beyond_the_metaschema(schema, schema, ()))


def _schema_message(error: ValidationError) -> str:
    if error.validator == "anyOf" and error.absolute_path and error.absolute_path[-1] == "type":
        return f"{error.instance!r} is no type of JSON Schema; the types are {', '.join(sorted(_TYPES))}"
    return f"not valid as JSON Schema: {_short(error.message)}"


def _beyond_the_metaschema(part: Any, root: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, str, str | None]]:
    """References that lead nowhere and patterns that are no regular expressions: the metaschema sees neither."""
    if isinstance(part, list):
        for place, one in enumerate(part):
            yield from _beyond_the_metaschema(one, root, (*path, place))
    if not isinstance(part, dict):
        return
    for word, value in part.items():
        here = (*path, word)
        if word in {"$ref", "$dynamicRef"} and isinstance(value, str):
            yield from _reference_problem(value, root, here)
        elif word == "pattern" and isinstance(value, str):
            yield from _pattern_problem(value, here)
        elif word == "patternProperties" and isinstance(value, dict):
            for pattern in value:
                yield from _pattern_problem(pattern, (*here, pattern))
        if word not in {"const", "enum", "default", "examples"}:
            yield from _beyond_the_metaschema(value, root, here)


def _reference_problem(reference: str, root: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, str, str | None]]:
    if not reference.startswith("#"):
        yield (
            pointer(*path),
            f"the schema {reference!r} lies elsewhere, and nothing is fetched",
            "Put the schema under `$defs` and refer to `#/$defs/NAME`.",
        )
    elif reference.startswith("#/") and resolve(reference, root) is None:
        yield pointer(*path), f"{reference!r} leads nowhere", "Put the schema under `$defs`."


def resolve(reference: str, root: Any) -> Any:
    """The subschema that a `#/...` reference means; None when there is none."""
    from urllib.parse import unquote

    part = root
    for token in unquote(reference).removeprefix("#").split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(part, dict) and name in part:
            part = part[name]
        elif isinstance(part, list) and name.isdigit() and int(name) < len(part):
            part = part[int(name)]
        else:
            return None
    return part


def _pattern_problem(pattern: str, path: tuple[str | int, ...]) -> Iterator[tuple[str, str, str | None]]:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield pointer(*path), f"{_short(repr(pattern))} is no regular expression: {error}", None


@lru_cache(maxsize=1024)
def _validator(key: bytes | str) -> Validator | None:
    if _schema_problems(key):
        return None
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    schema = orjson.loads(key)
    # An own, empty registry: jsonschema's default one would fetch what it does not know.
    validator: Validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
    return validator


def _value_finding(error: ValidationError, where: str, code: str) -> Finding:
    from jsonschema.exceptions import best_match

    if error.context and error.validator in {"anyOf", "oneOf"}:
        # The reason inside the alternative that came nearest says more than "not valid under any".
        deeper = best_match([error])
        error = deeper or error
    place = where + pointer(*error.absolute_path)
    values: Any = error.validator_value
    allowed = tuple(str(one) for one in values) if error.validator == "enum" else ()
    return Finding(code=code, pointer=place, message=_short(error.message), allowed=allowed)


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-90:]}"
