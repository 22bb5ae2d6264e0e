"""Whether an answer can be used at all: not empty, refused or cut off, and true to its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

import orjson

from unified_api.call import Call
from unified_api.evaluators.evaluator import Score
from unified_api.types import Json, JsonObject, ReasoningPart, Request, Response, TextPart

if TYPE_CHECKING:
    from jsonschema import ValidationError

__all__ = ["Structural"]


class Structural:
    """Gives 0 or 1, by the answer's outward shape alone."""

    async def score(self, call: Call[Request], response: Response) -> Score:
        fault = _fault(call.request, response)
        return Score(1.0, "it is whole") if fault is None else Score(0.0, fault)


def _fault(request: Request, response: Response) -> str | None:
    if response.refusal is not None or response.finish_reason == "content_filter":
        return "it was refused"
    if response.finish_reason == "length":
        return "it was cut off"
    if response.finish_reason == "error":
        return "it ended in an error"
    if any(not isinstance(part, TextPart | ReasoningPart) for part in response.parts):
        return None  # what it wants done, or shows, is no text to be checked
    if not response.answer.strip():
        return "it is empty"
    return None if request.output_schema is None else _misfit(response.answer, request.output_schema.schema)


def _misfit(answer: str, schema: JsonObject) -> str | None:
    try:
        value: Json = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return "it is no JSON, and a schema was asked for"
    from referencing.exceptions import Unresolvable

    check = _check_of(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    try:
        return "it does not fit its schema" if check is not None and not check.is_valid(value) else None
    except (Unresolvable, RecursionError):  # of a schema that refers to another document, or to itself alone
        return None


class _Check(Protocol):
    def is_valid(self, instance: Json) -> bool: ...


@lru_cache(maxsize=128)
def _check_of(schema: bytes) -> _Check | None:
    """None for what is no schema. Regular expressions are not held to: one may take hours, and it is anybody's."""
    from jsonschema import SchemaError, validators
    from referencing import Registry

    rules = orjson.loads(schema)
    made = validators.validator_for(rules, default=validators.Draft202012Validator)
    try:
        made.check_schema(rules)
    except SchemaError:
        return None
    closed = made.VALIDATORS.get("additionalProperties")
    lenient = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema leaves it so
        made,
        {
            "pattern": _passed,
            "patternProperties": _passed,
            "unevaluatedProperties": _passed,
            "additionalProperties": partial(_unless_by_pattern, closed) if closed is not None else _passed,
        },
    )
    check: _Check = lenient(rules, registry=Registry())
    return check


def _passed(*_: object) -> Iterator[ValidationError]:
    return iter(())


def _unless_by_pattern(
    closed: Callable[..., Iterator[ValidationError]], validator: object, more: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Which further properties there may be, where that does not hang on the pattern of their names."""
    if "patternProperties" not in schema:
        yield from closed(validator, more, instance, schema)
