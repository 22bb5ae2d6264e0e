"""The keywords of JSON Schema that jsonschema may take ages over, checked in time that grows with the value alone."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

__all__ = ["one_value", "patient"]

_Keyword: TypeAlias = "Callable[[Any, Any, Any, Any], Iterator[ValidationError]]"


class _Seen(threading.local):
    """What was found of each value under each reference while one value is checked; None outside of such a check."""

    found: dict[tuple[str, int], tuple[Any, dict[str, Any] | None]] | None = None


_seen: Final = _Seen()


@contextmanager
def one_value() -> Iterator[None]:
    """Within it, a part of a value is held against a referred schema only once, however many ways lead there.

    For schemas whose references stay in their own document: the reference's text stands for what it means.
    """
    _seen.found = {}
    try:
        yield
    finally:
        _seen.found = None


@lru_cache
def patient(dialect: type[Validator]) -> type[Validator]:
    """The dialect with patterns matched and items compared in linear time, and no reference followed twice."""
    from jsonschema import validators

    keywords = {
        "pattern": _pattern_errors,
        "patternProperties": _pattern_property_errors,
        "additionalProperties": _additional_property_errors,
        "uniqueItems": _unique_item_errors,
        "$ref": _remembering(dialect.VALIDATORS["$ref"]),
    }
    extended: type[Validator] = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped
        dialect, keywords
    )
    return extended


def _remembering(follow: _Keyword) -> _Keyword:
    from jsonschema.exceptions import ValidationError

    def reference_errors(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        found = _seen.found
        if found is None:
            yield from follow(validator, reference, instance, schema)
            return
        key = (reference, id(instance))
        if key in found:
            first = found[key][1]
            if first is not None:
                yield ValidationError(**first)
            return
        fits = True
        for error in follow(validator, reference, instance, schema):
            if fits:
                fits = False
                # Before the yield: who only asks whether there is an error never comes back. With the value itself,
                # lest its address be given to another one.
                found[key] = (instance, _repeatable(error))
            yield error
        if fits:
            found[key] = (instance, None)

    return reference_errors


def _repeatable(error: ValidationError) -> dict[str, Any]:
    # Without its context, whose errors know one parent, and so one place.
    return {
        "message": error.message,
        "path": tuple(error.relative_path),
        "validator": error.validator,
        "validator_value": error.validator_value,
        "instance": error.instance,
        "schema": error.schema,
    }


def _pattern_errors(validator: Any, pattern: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if validator.is_type(instance, "string") and not _matcher(pattern)(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_property_errors(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, schema in patterns.items():
            matches = _matcher(pattern)
            for name, value in instance.items():
                if matches(name):
                    yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_property_errors(
    validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    matchers = [_matcher(pattern) for pattern in patterns]
    named = schema.get("properties", {})
    others = [name for name in instance if name not in named and not any(matches(name) for matches in matchers)]
    if validator.is_type(allowed, "object"):
        for name in others:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and others:
        shown = ", ".join(map(repr, sorted(others)))
        if patterns:
            verb = "does" if len(others) == 1 else "do"
            told = f"{shown} {verb} not match any of the regexes: {', '.join(map(repr, sorted(patterns)))}"
        else:
            verb = "was" if len(others) == 1 else "were"
            told = f"Additional properties are not allowed ({shown} {verb} unexpected)"
        yield ValidationError(told)


def _unique_item_errors(validator: Any, wanted: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if wanted and validator.is_type(instance, "array"):
        seen: dict[bytes, int] = {}
        for place, item in enumerate(instance):
            first = seen.setdefault(_canonical(item), place)
            if first != place:
                yield ValidationError(f"{instance!r} has non-unique elements: items {first} and {place} are equal")
                return


def _canonical(value: Any) -> bytes:
    """A text that two values share where JSON Schema calls them equal: 1 and 1.0, but not 1 and true.

    Bytes, because Python seeds their hashes: those of numbers can be made to collide.
    """
    whole = _whole(value)
    try:
        return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, TypeError):
        import json  # orjson refuses integers of more than 64 bits

        return json.dumps(whole, sort_keys=True).encode()


def _whole(value: Any) -> Any:
    """The value with 1 for every 1.0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return value


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Callable[[str], object]:
    """Whether a text holds a match. Python's own engine may take ages over 30 letters, in the one event loop; that of
    pydantic does not, and knows all but look-around and back references.
    """
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True))
    except SchemaError:
        return re.compile(pattern).search
    return validator.isinstance_python
