"""What a Python function's signature says to a workflow: JSON Schemas of its arguments and its result."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, get_origin, get_type_hints

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError, to_jsonable_python
from typing_extensions import TypedDict

from unified_api.types import JsonObject

__all__ = ["Signature", "ToolDefinitionError"]

NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,199}")
_ARGUMENT_LINE = re.compile(r"^\s+\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s+(.+)$")


class ToolDefinitionError(TypeError):
    """A function that cannot be a tool; the message names it and the mend."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function seen as a tool."""

    name: str
    description: str
    parameters: JsonObject
    returns: JsonObject | None
    """None when the function does not say what it returns, or that has no JSON Schema."""
    arguments: TypeAdapter[dict[str, Any]]
    """Checks and converts the arguments object; absent ones keep the function's own defaults."""
    is_async: bool

    @classmethod
    def of(cls, function: Callable[..., Any], *, name: str | None = None) -> Signature:
        """Reads a function.

        Raises:
            ToolDefinitionError: it has no usable name, or parameters that JSON arguments cannot fill.
        """
        called = str(name or getattr(function, "__name__", ""))
        if not NAME_PATTERN.fullmatch(called):
            raise ToolDefinitionError(f"{function!r} has no usable name ({called!r}); give one with `name=`")
        if not callable(function):
            raise ToolDefinitionError(f"{called!r} is not callable; register a function")
        target = function if inspect.isroutine(function) else getattr(function, "func", type(function).__call__)
        hints = _hints(called, target)
        documentation = inspect.getdoc(function) or ""
        arguments, parameters = _arguments(called, function, hints=hints, documented=_documented(documentation))
        return cls(
            name=called,
            description=re.split(r"\n\s*\n", documentation.strip())[0].replace("\n", " "),
            parameters=parameters,
            returns=_returns(hints),
            arguments=arguments,
            is_async=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(target),
        )


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ToolDefinitionError(
            f"the annotations of tool {name!r} cannot be resolved ({error}); import the names they use in its module"
        ) from None


def _documented(documentation: str) -> dict[str, str]:
    """What an `Args:` section says of each parameter."""
    found: dict[str, str] = {}
    _, _, section = documentation.partition("Args:\n")
    for line in section.splitlines():
        match = _ARGUMENT_LINE.match(line)
        if line.strip() and not line.startswith(" "):
            break
        if match:
            found[match[1]] = match[2].strip()
    return found


def _arguments(
    name: str, function: Callable[..., Any], *, hints: dict[str, Any], documented: dict[str, str]
) -> tuple[TypeAdapter[dict[str, Any]], JsonObject]:
    fields: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    extra = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise ToolDefinitionError(
                f"tool {name!r} has the parameter {str(parameter)!r}, which cannot be given by name;"
                " workflows pass arguments by name only"
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = True
            continue
        kind = hints.get(parameter.name, Any)
        if parameter.name in documented:
            kind = Annotated[kind, Field(description=documented[parameter.name])]
        if parameter.default is not parameter.empty:
            defaults[parameter.name] = parameter.default
            kind = NotRequired[kind]
        fields[parameter.name] = kind
    make_shape: Any = TypedDict  # a type checker wants literal fields, but these are known only now
    shape = make_shape("Arguments", fields)
    shape.__pydantic_config__ = ConfigDict(extra="allow" if extra else "forbid")
    try:
        adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(shape)
        parameters = adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise ToolDefinitionError(
            f"a parameter of tool {name!r} has a type that JSON cannot fill: {str(error).splitlines()[0]}"
        ) from None
    parameters.pop("title", None)
    for field, schema in parameters.get("properties", {}).items():
        schema.pop("title", None)
        if field in defaults:
            _show_default(schema, defaults[field])
    return adapter, parameters


def _show_default(schema: JsonObject, default: Any) -> None:
    try:
        schema["default"] = to_jsonable_python(default)
    except PydanticSerializationError:
        return  # a default that is no JSON still works, it just cannot be shown


def _returns(hints: dict[str, Any]) -> JsonObject | None:
    kind = hints.get("return", Any)
    if kind is Any or get_origin(kind) is type:
        return None
    try:
        schema = TypeAdapter(kind).json_schema(mode="serialization")
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError):
        return None  # only checks lose by it; the result itself is looked at when it comes
    schema.pop("title", None)
    return schema
