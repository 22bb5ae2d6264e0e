"""A request body of the Messages API, read as a canonical request."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    BuiltinTool,
    BuiltinToolPart,
    Json,
    JsonObject,
    Message,
    NamedTool,
    OutputSchema,
    ReasoningEffort,
    Request,
    Role,
    Tool,
    ToolChoice,
    ToolResultPart,
)
from unified_api.wire.anthropic.parts import PartReader, read_mark
from unified_api.wire.shown import shown

__all__ = ["read_request"]

_EFFORTS: dict[str, ReasoningEffort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_CHOICES: dict[str, ToolChoice] = {"auto": "auto", "any": "required", "none": "none"}
_DISPLAYS: dict[str, bool] = {"summarized": True, "omitted": False}
_ROLES: dict[str, Role] = {"assistant": "assistant", "system": "system"}
_TOOL_KEYS = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})


def read_request(body: JsonObject, *, provider: str, model: str | None = None) -> Request:
    """The request in `body`; what it has no field for stays in `extra[provider]`. `stream` is the caller's affair.

    `model` is for bodies that name none, as in other clouds, where it is part of the address. Raises
    InvalidRequestError naming the place that cannot be read.
    """
    named = body.get("model", model)
    if not isinstance(named, str) or not named:
        _refuse("model", "is no name", named)
    return _Reader(body, provider).request(named)


class _Reader:
    def __init__(self, body: JsonObject, provider: str) -> None:
        self._rest: JsonObject = {name: value for name, value in body.items() if value is not None}
        for name in ("model", "stream"):
            self._rest.pop(name, None)
        self._provider = provider
        self._parts = PartReader(provider=provider)

    def request(self, model: str) -> Request:
        messages = tuple(self._messages())
        tools, builtin = self._tools()
        choice, parallel = self._choice()
        effort, budget, shown = self._thinking()
        schema = self._schema()
        temperature, top_p = self._number("temperature"), self._number("top_p")
        top_k, max_tokens = self._count("top_k"), self._count("max_tokens")
        return Request(
            model=f"{self._provider}/{model}",
            messages=messages,
            tools=tools,
            builtin_tools=builtin,
            tool_choice=choice,
            parallel_tool_calls=parallel,
            output_schema=schema,
            reasoning_effort=effort,
            reasoning_budget=budget,
            show_reasoning=shown,
            stop=self._stop(),
            user=self._user(),
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            max_tokens=max_tokens,
            extra={self._provider: self._rest} if self._rest else {},
        )

    def _messages(self) -> Iterator[Message]:
        system = self._rest.pop("system", None)
        if system is not None:
            yield Message("system", self._parts.parts(system, "system"))
        messages = self._rest.pop("messages", None)
        if not isinstance(messages, list):
            _refuse("messages", "is no list", messages)
        for number, message in enumerate(messages):
            yield from self._message(message, f"messages[{number}]")

    def _message(self, message: Json, place: str) -> Iterator[Message]:
        if not isinstance(message, dict):
            _refuse(place, "is no object", message)
        role = message.get("role")
        unknown = sorted(message.keys() - {"role", "content"})
        if unknown:
            _refuse(f"{place}.{unknown[0]}", "is not known here", message[unknown[0]])
        parts = self._parts.parts(message.get("content"), f"{place}.content")
        if isinstance(role, str) and role in _ROLES:
            yield Message(_ROLES[role], parts)
        elif role != "user":
            _refuse(f"{place}.role", 'is not "user", "assistant" or "system"', role)
        elif not parts:
            yield Message("user", ())
        for is_result, run in groupby(parts if role == "user" else (), key=_is_result):
            yield Message("tool" if is_result else "user", tuple(run))

    def _tools(self) -> tuple[tuple[Tool, ...], tuple[BuiltinTool, ...]]:
        given = self._rest.pop("tools", [])
        if not isinstance(given, list):
            _refuse("tools", "is no list", given)
        tools, builtin = [], []
        for number, tool in enumerate(given):
            if not isinstance(tool, dict):
                _refuse(f"tools[{number}]", "is no object", tool)
            read = _tool(tool, f"tools[{number}]")
            if read is None:
                builtin.append(BuiltinTool(self._provider, tool))
            else:
                tools.append(read)
        return tuple(tools), tuple(builtin)

    def _choice(self) -> tuple[ToolChoice | None, bool | None]:
        given = self._rest.pop("tool_choice", None)
        if given is None:
            return None, None
        kind = given.get("type") if isinstance(given, dict) else None
        if not isinstance(given, dict) or not isinstance(kind, str) or kind not in {"tool", *_CHOICES}:
            _refuse("tool_choice", 'is not an object of type "auto", "any", "tool" or "none"', given)
        single = given.get("disable_parallel_tool_use")
        parallel = not single if isinstance(single, bool) else None
        if kind != "tool":
            return _CHOICES[kind], parallel
        name = given.get("name")
        return NamedTool(name if isinstance(name, str) else _refuse("tool_choice.name", "is no name", name)), parallel

    def _thinking(self) -> tuple[ReasoningEffort | None, int | None, bool | None]:
        """Effort, budget and whether to show it; what they cannot say as a whole stays in the rest."""
        thinking = self._rest.get("thinking", {})
        if not isinstance(thinking, dict):
            _refuse("thinking", "is no object", thinking)
        wish = _wish(thinking, self._effort())
        if wish is None:
            return None, None, None
        del self._rest["thinking"]
        output = self._rest.get("output_config")
        if wish[0] not in (None, "none") and isinstance(output, dict):
            self._keep("output_config", {name: value for name, value in output.items() if name != "effort"})
        return wish

    def _effort(self) -> ReasoningEffort | None:
        output = self._rest.get("output_config")
        word = output.get("effort") if isinstance(output, dict) else None
        return _EFFORTS.get(word) if isinstance(word, str) else None

    def _schema(self) -> OutputSchema | None:
        """The schema of `output_config.format`, or of `output_format` as it was called at first."""
        output = self._rest.get("output_config")
        given = output.get("format") if isinstance(output, dict) else None
        if isinstance(output, dict) and given is not None:
            self._keep("output_config", {name: value for name, value in output.items() if name != "format"})
        given = given or self._rest.pop("output_format", None)
        if given is None:
            return None
        schema = given.get("schema") if isinstance(given, dict) else None
        if not isinstance(given, dict) or given.get("type") != "json_schema" or not isinstance(schema, dict):
            _refuse("output_config.format", "is no format of type json_schema with a schema", given)
        return OutputSchema(schema)

    def _user(self) -> str | None:
        metadata = self._rest.get("metadata")
        user = metadata.get("user_id") if isinstance(metadata, dict) else None
        if not isinstance(metadata, dict) or not isinstance(user, str):
            return None
        self._keep("metadata", {name: value for name, value in metadata.items() if name != "user_id"})
        return user

    def _keep(self, name: str, value: JsonObject) -> None:
        if value:
            self._rest[name] = value
        else:
            del self._rest[name]

    def _stop(self) -> tuple[str, ...]:
        given = self._rest.pop("stop_sequences", [])
        texts = tuple(one for one in given if isinstance(one, str)) if isinstance(given, list) else ()
        if not isinstance(given, list) or len(texts) != len(given):
            _refuse("stop_sequences", "is no list of texts", given)
        return texts

    def _number(self, name: str) -> float | None:
        value = self._rest.pop(name, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            _refuse(name, "is no number", value)
        return value

    def _count(self, name: str) -> int | None:
        value = self._rest.pop(name, None)
        if value is not None and type(value) is not int:
            _refuse(name, "is no whole number", value)
        return value


def _is_result(part: object) -> bool:
    return isinstance(part, ToolResultPart) or (isinstance(part, BuiltinToolPart) and part.kind == "tool_result")


def _wish(
    thinking: JsonObject, effort: ReasoningEffort | None
) -> tuple[ReasoningEffort | None, int | None, bool | None] | None:
    """What a `thinking` beside an effort asks for; None when our fields cannot say it."""
    kind, budget, display = thinking.get("type"), thinking.get("budget_tokens"), thinking.get("display")
    shown = _DISPLAYS.get(display) if isinstance(display, str) else None
    if not thinking.keys() <= {"type", "budget_tokens", "display"} or (display is not None and shown is None):
        return None
    if kind in ("disabled", "between_tools") and len(thinking) == 1:
        return "none", None, None
    if kind == "enabled" and type(budget) is int and budget > 0:
        return None, budget, shown
    # An effort alone asks for thinking here, so one without thinking stays as it is.
    if kind == "adaptive" and budget is None and (effort is not None or shown):
        return effort, None, shown
    return None


def _tool(tool: JsonObject, place: str) -> Tool | None:
    """A tool of the caller's own; None for one that the provider runs or that says more than ours can."""
    if tool.get("type") not in (None, "custom") or not tool.keys() <= _TOOL_KEYS:
        return None
    name, description, schema = tool.get("name"), tool.get("description", ""), tool.get("input_schema")
    strict = tool.get("strict")
    if not isinstance(name, str):
        _refuse(f"{place}.name", "is no name", name)
    if not isinstance(schema, dict):
        _refuse(f"{place}.input_schema", "is no JSON Schema", schema)
    if not isinstance(description, str) or not isinstance(strict, bool | None):
        return None
    return Tool(name, description, schema, strict, read_mark(tool.get("cache_control"), place))


def _refuse(place: str, problem: str, value: Json) -> NoReturn:
    raise InvalidRequestError(f"{place} {problem}: {shown(value)}", param=place)
