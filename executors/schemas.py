"""Checks a value against a JSON Schema and says in words where it does not fit."""

from __future__ import annotations

from typing import Any

__all__ = ["InvalidSchemaError", "complaints"]

_SHOWN = 8
_LONGEST = 300


class InvalidSchemaError(Exception):
    """The schema itself is wrong, or refers to one that is not in it."""


def complaints(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with the value, worst first and at most 8 of them; empty when it satisfies the schema.

    References to other documents are never fetched.

    Raises:
        InvalidSchemaError: the schema cannot be used.
    """
    from jsonschema.exceptions import SchemaError, best_match, relevance
    from jsonschema.validators import Draft202012Validator, validator_for
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # ships no types
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
        errors = sorted(kind(schema, registry=REGISTRY).iter_errors(value), key=relevance, reverse=True)
    except SchemaError as error:
        raise InvalidSchemaError(f"the schema is wrong at {_place(error.absolute_path)}: {error.message}") from None
    except Unresolvable as error:
        raise InvalidSchemaError(f"the schema refers to {error.ref!r}, which it does not hold") from None
    except RecursionError:
        return ["the value is nested too deeply to be checked"]
    said = []
    for each in errors[:_SHOWN]:
        deepest = best_match([each]) or each
        said.append(f"{_place(deepest.absolute_path)}: {_short(deepest.message)}")
    if len(errors) > _SHOWN:
        said.append(f"... and {len(errors) - _SHOWN} more")
    return said


def _place(path: Any) -> str:
    return "".join(f"/{token}" for token in path) or "the top"


def _short(message: str) -> str:
    # jsonschema quotes the whole offending value, which may be a book.
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
