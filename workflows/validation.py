"""JSON Schema: is a schema one, and does a value fit it. jsonschema does the work; nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from workflows.findings import Finding, pointer
from workflows.keywords import one_value, patient
from workflows.subschemas import SchemaProblem, unusable

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

__all__ = ["schema_findings", "value_findings"]

_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_NOTES: Final = frozenset({"title", "description", "default", "examples"})
_MOST_FINDINGS: Final = 20
_LONGEST: Final = 300


def schema_findings(schema: Any, where: str = "") -> tuple[Finding, ...]:
    """Why a JSON value is no JSON Schema that can be used here: `where` is its place in the file."""
    return tuple(
        Finding(code="invalid_schema", pointer=where + place, message=message, fix=fix)
        for place, message, fix in _problems(schema)
    )


def value_findings(value: Any, schema: Mapping[str, Any], where: str = "", *, code: str) -> tuple[Finding, ...]:
    """Why a value does not fit a schema, at most twenty reasons, each at its place under `where`.

    A schema that is none is no reason: it is a finding of its own.
    """
    if _fits_at_sight(value, schema) or _problems(schema):
        return ()
    try:
        with one_value():
            errors = sorted(_validator(_key(schema)).iter_errors(value), key=lambda error: list(map(str, error.path)))
    except RecursionError:
        told = "the value lies too many levels deep to be compared with the schema"
        return (Finding(code=code, pointer=where, message=told, fix="Flatten the value."),)
    except OverflowError:
        return (Finding(code=code, pointer=where, message="a number is too large to be compared with the schema"),)
    return tuple(_value_finding(error, where, code) for error in errors[:_MOST_FINDINGS])


def _fits_at_sight(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value satisfies a schema that asks for a text of some length, or a number in some range.

    Most inputs are such; for them jsonschema need not even be imported.
    """
    if isinstance(value, str):
        words, size = ("string", "minLength", "maxLength"), len(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        words, size = ("integer", "minimum", "maximum"), value
    else:
        return False
    kind, least, most = words
    if schema.get("type") != kind or not schema.keys() <= _NOTES | {least, most, "type"} or not _is_plain(schema):
        return False
    return bool(schema.get(least, size) <= size <= schema.get(most, size))


def _problems(schema: Any) -> tuple[SchemaProblem, ...]:
    return () if _is_plain(schema) and not _may_mislead(schema) else _checked(_key(schema))


def _key(schema: Any) -> bytes:
    try:
        return orjson.dumps(schema)
    except (orjson.JSONEncodeError, TypeError):
        import json  # orjson refuses integers of more than 64 bits

        return json.dumps(schema).encode()


def _may_mislead(schema: Any) -> bool:
    """Whether a schema has a word that needs more than a look at itself."""
    text = _key(schema)
    return b'"$ref"' in text or b'"pattern' in text


@lru_cache(maxsize=1024)
def _checked(key: bytes) -> tuple[SchemaProblem, ...]:
    schema = orjson.loads(key)
    problems = () if _is_plain(schema) else _against_the_metaschema(schema)
    return problems or tuple(unusable(schema))


def _against_the_metaschema(schema: Any) -> tuple[SchemaProblem, ...]:
    if not isinstance(schema, dict | bool):
        return (("", "a JSON Schema is an object", None),)
    dialect = _dialect(schema)
    if dialect is None:
        return (("/$schema", "this is no known version of JSON Schema", f"Use one of {', '.join(_dialects())}."),)
    errors = patient(dialect)(dialect.META_SCHEMA).iter_errors(schema)
    return tuple((pointer(*error.absolute_path), _schema_message(error), None) for error in errors)


@lru_cache(maxsize=1)
def _dialects() -> dict[str, type[Validator]]:
    import jsonschema  # 70 ms of import that most workflows never need

    known = (
        jsonschema.Draft202012Validator,
        jsonschema.Draft201909Validator,
        jsonschema.Draft7Validator,
        jsonschema.Draft6Validator,
        jsonschema.Draft4Validator,
    )
    return {str(one.META_SCHEMA.get("$id") or one.META_SCHEMA["id"]).rstrip("#"): one for one in known}


def _dialect(schema: Any) -> type[Validator] | None:
    dialects = _dialects()
    if not isinstance(schema, dict) or "$schema" not in schema:
        return next(iter(dialects.values()))
    name = schema["$schema"]
    return dialects.get(name.rstrip("#")) if isinstance(name, str) else None


def _schema_message(error: ValidationError) -> str:
    if error.validator == "anyOf" and error.absolute_path and error.absolute_path[-1] == "type":
        return f"{error.instance!r} is no type of JSON Schema; the types are {', '.join(sorted(_TYPES))}"
    return f"not valid as JSON Schema: {_short(error.message)}"


@lru_cache(maxsize=1024)
def _validator(key: bytes) -> Validator:
    from referencing import Registry

    schema = orjson.loads(key)
    dialect = _dialect(schema) or next(iter(_dialects().values()))
    # References are local, so the document's own address means nothing; with it they would be looked up by it. The
    # registry is empty because jsonschema's default one would fetch what it does not know.
    if isinstance(schema, dict):
        schema = {word: value for word, value in schema.items() if word not in {"$id", "id"}}
    return patient(dialect)(schema, registry=Registry())


def _value_finding(error: ValidationError, where: str, code: str) -> Finding:
    from jsonschema.exceptions import best_match

    # The reason inside the alternative that came nearest says more than "not valid under any".
    error = best_match([error]) or error
    values: Any = error.validator_value
    allowed = tuple(map(str, values)) if error.validator == "enum" else ()
    return Finding(
        code=code, pointer=where + pointer(*error.absolute_path), message=_short(error.message), allowed=allowed
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:200]} ... {text[-90:]}"


def _is_plain(schema: Any) -> bool:
    """Whether a schema is valid at sight: it uses only the everyday keywords, correctly.

    jsonschema takes 1 to 3 ms for what this sees in 10 us, and most schemas in workflows are of this sort.
    """
    return schema is True or (
        isinstance(schema, dict) and all(word in _PLAIN and _PLAIN[word](value) for word, value in schema.items())
    )


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and _are_names(value) and all(one in _TYPES for one in value)
    return isinstance(value, str) and value in _TYPES


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value) and len(set(value)) == len(value)


def _are_plain(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_plain(one) for one in value.values())


def _are_plain_choices(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_plain(one) for one in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_PLAIN: Final[dict[str, Callable[[Any], bool]]] = {
    "type": _is_type,
    "items": _is_plain,
    "required": _are_names,
    "additionalProperties": lambda value: value is False or _is_plain(value),
    "uniqueItems": lambda value: isinstance(value, bool),
    "const": lambda _: True,
    "default": lambda _: True,
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), _are_plain),
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), _are_plain_choices),
    **dict.fromkeys(("enum", "examples"), lambda value: isinstance(value, list)),
    **dict.fromkeys(("title", "description", "$comment", "format", "pattern", "$ref"), _is_text),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
}
