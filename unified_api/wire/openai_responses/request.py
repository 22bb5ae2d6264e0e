"""A body of the Responses API read as a canonical request: what `encode` makes, taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn, cast, get_args

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    BuiltinTool,
    JsonObject,
    Message,
    NamedTool,
    OutputSchema,
    ReasoningEffort,
    Request,
    Tool,
    ToolChoice,
)
from unified_api.wire.openai_responses.history import HistoryReader
from unified_api.wire.shown import shown

__all__ = ["read_request"]

_LOGPROBS = "message.output_text.logprobs"
_OF_A_FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
_OF_A_FORMAT = frozenset({"type", "name", "description", "schema", "strict"})
_CHOICES = ("auto", "none", "required")


def read_request(body: JsonObject, *, provider: str) -> Request:
    """The request that `body` means, in which what only `provider` understands is kept for it alone.

    Values of null count as absent and `stream` as the caller's affair. A function with fields that ours lacks
    (`defer_loading`) is a built-in tool of the provider. A body with a stored `prompt` may leave the model unnamed.
    Raises InvalidRequestError naming the place of what is wrong.
    """
    return _Body(body, provider).request()


class _Body:
    """Takes the canonical fields out of the body; what is left belongs to the provider."""

    def __init__(self, body: JsonObject, provider: str) -> None:
        self._left: JsonObject = {name: value for name, value in body.items() if value is not None and name != "stream"}
        self._provider = provider

    def request(self) -> Request:
        model = self._text("model")
        if not model and "prompt" not in self._left:
            _refuse("model", "is missing: name the model")
        messages = self._messages()
        tools, builtin_tools = self._tools()
        request = Request(
            model=f"{self._provider}/{model or ''}",
            messages=messages,
            tools=tools,
            builtin_tools=builtin_tools,
            tool_choice=self._tool_choice(),
            parallel_tool_calls=self._flag("parallel_tool_calls"),
            output_schema=self._output_schema(),
            temperature=self._number("temperature"),
            top_p=self._number("top_p"),
            max_tokens=self._count("max_output_tokens"),
            reasoning_effort=self._effort(),
            show_reasoning=self._show_reasoning(),
            logprobs=self._logprobs(),
            user=self._text("user"),
            metadata=self._metadata(),
        )
        return replace(request, extra={self._provider: self._left}) if self._left else request

    def _messages(self) -> tuple[Message, ...]:
        instructions, given = self._text("instructions"), self._left.pop("input", None)
        before = () if instructions is None else (Message.system(instructions),)
        if isinstance(given, str):
            return (*before, Message.user(given))
        if given is None:
            return before
        if not isinstance(given, list):
            _refuse("input", f"is {shown(given)}: give a text or a list of items")
        return (*before, *HistoryReader(self._provider).read(given))

    def _tools(self) -> tuple[tuple[Tool, ...], tuple[BuiltinTool, ...]]:
        given = self._left.pop("tools", [])
        if not isinstance(given, list):
            _refuse("tools", f"is {shown(given)}: give a list")
        functions: list[Tool] = []
        others: list[BuiltinTool] = []
        for place, tool in enumerate(given):
            if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
                _refuse(f"tools[{place}]", f"is {shown(tool)}: give an object with a type")
            elif tool["type"] == "function" and not tool.keys() - _OF_A_FUNCTION:
                functions.append(_function(tool, f"tools[{place}]"))
            else:
                others.append(BuiltinTool(self._provider, tool))
        return tuple(functions), tuple(others)

    def _tool_choice(self) -> ToolChoice | None:
        """The choice, where it is one of ours; any other stays with the provider."""
        choice = self._left.get("tool_choice")
        if choice in _CHOICES:
            return cast("ToolChoice", self._left.pop("tool_choice"))
        if isinstance(choice, dict) and choice.keys() == {"type", "name"} and choice["type"] == "function":
            self._left.pop("tool_choice")
            return NamedTool(str(choice["name"]))
        return None

    def _output_schema(self) -> OutputSchema | None:
        text = self._left.get("text")
        form = text.get("format") if isinstance(text, dict) else None
        if not isinstance(form, dict) or form.get("type") != "json_schema" or form.keys() - _OF_A_FORMAT:
            return None
        schema, name = form.get("schema"), form.get("name")
        if not isinstance(schema, dict) or not isinstance(name, str):
            _refuse("text.format", "needs a name and a schema, which is an object")
        self._leave_inner("text", "format")
        description = form.get("description")
        return OutputSchema(
            schema, name, form.get("strict") is True, description if isinstance(description, str) else ""
        )

    def _effort(self) -> ReasoningEffort | None:
        reasoning = self._left.get("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
        if effort not in get_args(ReasoningEffort):
            return None
        self._leave_inner("reasoning", "effort")
        return cast("ReasoningEffort", effort)

    def _show_reasoning(self) -> bool | None:
        """`auto` is what we ask for ourselves; the finer wishes stay with the provider."""
        reasoning = self._left.get("reasoning")
        if not isinstance(reasoning, dict) or reasoning.get("summary") != "auto":
            return None
        self._leave_inner("reasoning", "summary")
        return True

    def _logprobs(self) -> int | None:
        include = self._left.get("include")
        if not isinstance(include, list) or _LOGPROBS not in include:
            return None
        left = [one for one in include if one != _LOGPROBS]
        self._left["include"] = left
        if not left:
            del self._left["include"]
        return self._count("top_logprobs") or 0

    def _metadata(self) -> dict[str, str]:
        metadata = self._left.pop("metadata", {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            _refuse("metadata", f"is {shown(metadata)}: give an object of texts")
        return {name: str(value) for name, value in metadata.items()}

    def _leave_inner(self, name: str, key: str) -> None:
        """Takes `key` out of the object `name`, and the object too when nothing is left in it."""
        outer = self._left.pop(name)
        inner = {one: value for one, value in outer.items() if one != key} if isinstance(outer, dict) else {}
        if any(value is not None for value in inner.values()):
            self._left[name] = inner

    def _text(self, name: str) -> str | None:
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, str):
            _refuse(name, f"is {shown(value)}: give a text")
        return value

    def _flag(self, name: str) -> bool | None:
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, bool):
            _refuse(name, f"is {shown(value)}: give true or false")
        return value

    def _number(self, name: str) -> float | None:
        value = self._left.pop(name, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            _refuse(name, f"is {shown(value)}: give a number")
        return value

    def _count(self, name: str) -> int | None:
        value = self._left.pop(name, None)
        if value is not None and type(value) is not int:
            _refuse(name, f"is {shown(value)}: give a whole number")
        return value


def _function(tool: JsonObject, place: str) -> Tool:
    name, description, parameters = tool.get("name"), tool.get("description"), tool.get("parameters")
    strict = tool.get("strict")
    if not isinstance(name, str) or not name:
        _refuse(f"{place}.name", f"is {shown(name)}: give a text")
    if parameters is not None and not isinstance(parameters, dict):
        _refuse(f"{place}.parameters", f"is {shown(parameters)}: give a JSON Schema")
    if strict is not None and not isinstance(strict, bool):
        _refuse(f"{place}.strict", f"is {shown(strict)}: give true or false")
    described = description if isinstance(description, str) else ""
    return Tool(name, described, strict=strict) if parameters is None else Tool(name, described, parameters, strict)


def _refuse(place: str, problem: str) -> NoReturn:
    raise InvalidRequestError(f"{place} {problem}", param=place)
