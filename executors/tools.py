"""Python functions that workflows may call, typed by their signatures."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload

import anyio
import anyio.to_thread
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from executors.plain import unfit
from executors.signature import Signature, ToolDefinitionError
from unified_api.types import Json
from workflows.nearest import nearest
from workflows.tools import ToolSpec

__all__ = ["ToolDefinitionError", "ToolError", "ToolRegistry", "ToolSource"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class ToolError(Exception):
    """A call of a tool that did not work; `code` says which way and the message names the tool."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class _Tool:
    spec: ToolSpec
    function: Callable[..., Any]
    arguments: TypeAdapter[dict[str, Any]]
    is_async: bool


class ToolSource(Protocol):
    """Where tools come from that are no functions of this program, such as servers."""

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """Those that are known so far, by name."""

    async def load(self, tools: Collection[str] | None = None) -> None:
        """Makes the named tools known, or all there are; what cannot be reached is no error yet."""

    async def call(self, name: str, arguments: Mapping[str, Json]) -> Json:
        """Raises ToolError."""


class ToolRegistry:
    """The functions that steps of kind `tool` may call.

    A function's parameters become the JSON Schema of the tool's arguments, its docstring the description.
    Async functions run in the event loop, others in a worker thread. A thread cannot be stopped: when a step
    with such a function times out or is cancelled, the run goes on without waiting for it.
    """

    def __init__(self, functions: Iterable[Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, _Tool] = {}
        self._source: ToolSource | None = None
        for function in functions:
            self.add(function)

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """What checks and planners need to know of each tool, by name."""
        others = self._source.specs if self._source is not None else {}
        return {**others, **{name: tool.spec for name, tool in self._tools.items()}}

    def attach(self, source: ToolSource | None) -> None:
        """Asks `source` for every tool that is no function here; None takes it away."""
        self._source = source

    async def load(self, tools: Collection[str] | None = None) -> None:
        """Makes the named tools known, or all there are, where they come from elsewhere."""
        if self._source is not None:
            await self._source.load(tools)

    def spec(self, name: str) -> ToolSpec | None:
        """What is known of one tool."""
        if name in self._tools:
            return self._tools[name].spec
        return self._source.specs.get(name) if self._source is not None else None

    def add(self, function: Callable[..., Any], *, name: str | None = None, description: str | None = None) -> ToolSpec:
        """Registers a function under its own name or `name`.

        Raises:
            ToolDefinitionError: the name is taken, or the signature cannot be called with JSON arguments.
        """
        signature = Signature.of(function, name=name)
        if signature.name in self._tools:
            raise ToolDefinitionError(f"a tool named {signature.name!r} is registered already; give `name=` another")
        spec = ToolSpec(
            name=signature.name,
            description=signature.description if description is None else description,
            parameters=signature.parameters,
            returns=signature.returns,
        )
        self._tools[spec.name] = _Tool(spec, function, signature.arguments, signature.is_async)
        return spec

    @overload
    def tool(self, function: FunctionT) -> FunctionT: ...

    @overload
    def tool(self, *, name: str | None = None, description: str | None = None) -> Callable[[FunctionT], FunctionT]: ...

    def tool(
        self, function: FunctionT | None = None, *, name: str | None = None, description: str | None = None
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Decorator form of `add`: `@registry.tool` or `@registry.tool(name="...")`."""

        def register(function: FunctionT) -> FunctionT:
            self.add(function, name=name, description=description)
            return function

        return register if function is None else register(function)

    async def call(self, name: str, arguments: Mapping[str, Json]) -> Json:
        """Calls a tool and gives its result as JSON.

        Raises:
            ToolError: `unknown_tool`, `invalid_argument`, `tool_failed` or `not_json`, or a source's own.
        """
        tool = self._tools.get(name)
        if tool is None and self._source is not None and "." in name:
            return await self._source.call(name, arguments)
        if tool is None:
            raise ToolError("unknown_tool", self._unknown(name))
        try:
            values = tool.arguments.validate_python(arguments)
        except ValidationError as error:
            raise ToolError("invalid_argument", _complaint(name, error)) from None
        return _as_json(name, await _invoke(tool, values))

    def _unknown(self, name: str) -> str:
        near = nearest(name, self._tools)
        if near:
            return f"no tool is named {name!r}; did you mean {', '.join(map(repr, near))}?"
        known = ", ".join(map(repr, sorted(self._tools)[:20])) or "none"
        return f"no tool is named {name!r}; registered: {known}"


async def _invoke(tool: _Tool, values: dict[str, Any]) -> Any:
    try:
        if tool.is_async:
            return await tool.function(**values)
        result = await anyio.to_thread.run_sync(
            lambda: tool.function(**values), abandon_on_cancel=True, limiter=_unlimited()
        )
        return await result if inspect.isawaitable(result) else result
    except anyio.get_cancelled_exc_class() as error:
        if anyio.current_effective_deadline() == -math.inf:
            raise
        # Nobody cancelled the step: the tool let a cancellation of its own escape.
        raise ToolError("tool_failed", f"tool {tool.spec.name!r} cancelled itself") from error
    except (Exception, SystemExit) as error:  # the border of a user's code: whatever it raises is the step's failure
        text = str(error)
        said = f"{type(error).__name__}: {text}" if text else type(error).__name__
        raise ToolError("tool_failed", f"tool {tool.spec.name!r} raised {said}") from error


def _unlimited() -> anyio.CapacityLimiter:
    # `max_parallel` of the run is the limit; the event loop's own, 40 threads, would be a second one.
    return anyio.CapacityLimiter(math.inf)


def _as_json(name: str, result: Any) -> Json:
    if result is None or type(result) is bool:
        scalar: Json = result
        return scalar
    try:
        value: Json = to_jsonable_python(result)
        json.dumps(value, allow_nan=False)
        said = unfit(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
    if said is not None:
        raise ToolError(
            "not_json",
            f"tool {name!r} returned {type(result).__name__}, which cannot be written as JSON ({said});"
            " return text, finite numbers, booleans, None, lists, dicts, dataclasses or pydantic models",
        )
    return value


def _complaint(name: str, error: ValidationError) -> str:
    said = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}" for problem in error.errors()[:5]
    )
    return f"tool {name!r} cannot take these arguments: {said}"
