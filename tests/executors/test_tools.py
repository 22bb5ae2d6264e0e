from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from executors.tools import ToolDefinitionError, ToolError, ToolRegistry


class Place(BaseModel):
    city: str
    population: int = 0


@dataclass
class Point:
    x: float
    y: float


class Colour(enum.Enum):
    RED = "red"


async def called(function: Any, **arguments: Any) -> Any:
    registry = ToolRegistry()
    return await registry.call(registry.add(function).name, arguments)


async def error_of(function: Any, **arguments: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await called(function, **arguments)
    return caught.value


def test_a_signature_becomes_the_schema_of_the_arguments():
    registry = ToolRegistry()

    @registry.tool
    def weather(
        city: str,
        days: Annotated[int, Field(ge=1, le=14)] = 3,
        units: Literal["metric", "imperial"] = "metric",
        near: Place | None = None,
    ) -> list[Place]:
        """Tells the weather
        of a city.

        Args:
            city: Name of the city.
            units (str): How to count.
        """
        return []

    spec = registry.specs["weather"]
    properties = spec.parameters["properties"]
    assert spec.description == "Tells the weather of a city."
    assert spec.parameters["required"] == ["city"]
    assert spec.parameters["additionalProperties"] is False
    assert properties["city"] == {"type": "string", "description": "Name of the city."}
    assert properties["days"] == {"type": "integer", "minimum": 1, "maximum": 14, "default": 3}
    assert properties["units"]["enum"] == ["metric", "imperial"]
    assert properties["near"]["default"] is None
    assert spec.returns is not None
    assert spec.returns["type"] == "array"


def test_a_tool_may_have_another_name_and_description():
    registry = ToolRegistry()

    @registry.tool(name="web.search", description="Looks it up.")
    def search(query: str) -> str:
        return query

    assert registry.specs["web.search"].description == "Looks it up."
    assert search("x") == "x"


async def test_sync_functions_run_in_a_thread_and_async_ones_are_awaited():
    import threading

    here = threading.get_ident()

    def sync() -> bool:
        return threading.get_ident() == here

    async def coroutine() -> bool:
        return threading.get_ident() == here

    assert await called(sync) is False
    assert await called(coroutine) is True


async def test_a_callable_object_and_a_bound_method_are_tools_too():
    class Adder:
        def __init__(self, base: int) -> None:
            self.base = base

        async def __call__(self, more: int) -> int:
            return self.base + more

        def plus(self, more: int) -> int:
            return self.base + more

    registry = ToolRegistry([Adder(1).plus])
    registry.add(Adder(2), name="adder")
    assert await registry.call("plus", {"more": 1}) == 2
    assert await registry.call("adder", {"more": 1}) == 3


async def test_arguments_are_converted_and_absent_ones_keep_the_function_s_defaults():
    marker = object()

    def describe(place: Place, when: datetime, missing: Any = marker) -> list[Any]:
        return [type(place).__name__, when.year, missing is marker]

    assert await called(describe, place={"city": "Graz"}, when="2026-11-22T00:00:00Z") == ["Place", 2026, True]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "count: Field required"),
        ({"count": "many"}, "count: Input should be a valid integer"),
        ({"count": 1, "extra": 2}, "extra: Extra inputs are not permitted"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_by_name(arguments: dict[str, Any], said: str):
    def counted(count: int) -> int:
        return count

    error = await error_of(counted, **arguments)
    assert error.code == "invalid_argument"
    assert said in error.message
    assert "'counted'" in error.message


async def test_an_unknown_tool_suggests_the_nearest():
    registry = ToolRegistry()
    registry.add(lambda query: query, name="web_search")
    with pytest.raises(ToolError, match=r"no tool is named 'websearch'; did you mean 'web_search'\?") as caught:
        await registry.call("websearch", {})
    assert caught.value.code == "unknown_tool"


@pytest.mark.parametrize("raised", [ValueError("no such city"), KeyError("x"), StopIteration(), SystemExit(3)])
async def test_what_a_tool_raises_names_the_tool(raised: BaseException):
    def sync() -> None:
        raise raised

    async def coroutine() -> None:
        raise raised

    for function in (sync, coroutine):
        error = await error_of(function)
        assert error.code == "tool_failed"
        assert f"'{function.__name__}'" in error.message


async def test_a_cancellation_that_a_tool_lets_escape_is_its_failure():
    async def confused() -> None:
        raise anyio.get_cancelled_exc_class()

    assert (await error_of(confused)).code == "tool_failed"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Place(city="Graz"), {"city": "Graz", "population": 0}),
        (Point(1.0, 2.5), {"x": 1.0, "y": 2.5}),
        ({"when": datetime(2026, 1, 2, tzinfo=UTC)}, {"when": "2026-01-02T00:00:00Z"}),
        ([Decimal("1.5"), Colour.RED, (1, 2)], ["1.5", "red", [1, 2]]),
        (None, None),
        (10**30, 10**30),
    ],
)
async def test_results_become_plain_json(result: Any, expected: Any):
    async def give() -> Any:
        return result

    assert await called(give) == expected


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "result",
    [
        object(),
        math.nan,
        {"x": [math.inf]},
        b"\xff\xfe",
        "\ud800",
        {"\ud800": 1},
        deep(300),
        pytest.param(10**5000, id="huge"),
    ],
)
async def test_a_result_that_is_no_json_is_a_clear_error(result: Any):
    async def give() -> Any:
        return result

    error = await error_of(give)
    assert error.code == "not_json"
    assert "'give'" in error.message


async def test_a_result_that_holds_itself_is_a_clear_error():
    async def give() -> Any:
        circle: list[Any] = []
        circle.append(circle)
        return circle

    assert (await error_of(give)).code == "not_json"


def positional_only(x: int, /) -> int:
    return x


def many(*values: int) -> int:
    return sum(values)


def connected(connection: anyio.abc.SocketStream) -> None: ...


@pytest.mark.parametrize("function", [positional_only, many, connected, lambda: 1])
def test_a_function_that_json_cannot_call_is_refused(function: Any):
    with pytest.raises(ToolDefinitionError):
        ToolRegistry([function])


def test_a_name_is_registered_once():
    registry = ToolRegistry([many_names])
    with pytest.raises(ToolDefinitionError, match="registered already"):
        registry.add(many_names)


def many_names(schema: str = "", json: int = 1, copy: bool = False, model_config: str = "") -> list[Any]:
    return [schema, json, copy, model_config]


@given(st.text(), st.integers(-(2**63), 2**63), st.booleans())
@settings(deadline=None)
async def test_parameters_may_have_any_name(schema: str, json: int, copy: bool):
    assert await called(many_names, schema=schema, json=json, copy=copy) == [schema, json, copy, ""]


async def test_further_arguments_go_to_a_function_that_takes_them():
    def loose(first: int, **others: Any) -> dict[str, Any]:
        return {"first": first, **others}

    assert await called(loose, first=1, second=2) == {"first": 1, "second": 2}
