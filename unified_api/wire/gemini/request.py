"""A recorded or incoming generateContent body as the canonical request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from unified_api.types import (
    BuiltinTool,
    Json,
    JsonObject,
    NamedTool,
    OutputSchema,
    ReasoningEffort,
    Request,
    Tool,
    ToolChoice,
)
from unified_api.wire.gemini.history import HistoryReader, invalid
from unified_api.wire.gemini.media import camel_keys
from unified_api.wire.gemini.schema import as_json_schema
from unified_api.wire.shown import shown

__all__ = ["read_request"]

_LEVELS: Mapping[str, ReasoningEffort] = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
_DECLARED = frozenset({"name", "description", "parameters", "parametersJsonSchema"})


def read_request(body: JsonObject, *, provider: str, model: str = "") -> Request:
    """The request in `body`, for the `model` of its address; what it has no field for stays in `extra[provider]`.

    Both spellings of Google's keys are understood (`file_data`, `fileData`). Raises InvalidRequestError naming the
    place of what is no such request.
    """
    rest = camel_keys(body)
    named = rest.pop("model", None)
    reader = HistoryReader(provider)
    system = reader.system(rest.pop("systemInstruction", None))
    messages = (*system, *reader.messages(rest.pop("contents", None)))
    tools, builtin_tools = _tools(rest.pop("tools", None), provider)
    calling = _Calling(tools)
    config = calling.take(_object(rest.pop("toolConfig", None), "toolConfig"))
    settings = _Settings(_object(rest.pop("generationConfig", None), "generationConfig"))
    request = settings.request(
        Request(
            model=model or (named if isinstance(named, str) else ""),
            messages=messages,
            tools=calling.tools,
            builtin_tools=builtin_tools,
            tool_choice=calling.choice,
            metadata=_labels(rest.pop("labels", None)),
        )
    )
    beside: JsonObject = {"toolConfig": config, "generationConfig": settings.rest}
    rest.update((name, value) for name, value in beside.items() if value)
    return replace(request, extra={provider: rest} if rest else {})


def _tools(value: Json, provider: str) -> tuple[tuple[Tool, ...], tuple[BuiltinTool, ...]]:
    """The functions, and whatever else Google offers as a tool, as are functions with fields that ours lacks."""
    functions: list[Tool] = []
    others: list[BuiltinTool] = []
    for at, tool in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        if not isinstance(tool, dict):
            invalid(f"tools[{at}]", f"is {type(tool).__name__}, not an object")
        declared = next((name for name in tool if camel_keys({name: None}).keys() == {"functionDeclarations"}), None)
        declarations = tool.get(declared or "") or []
        if not isinstance(declarations, list):
            invalid(f"tools[{at}].functionDeclarations", "is no list")
        for number, one in enumerate(declarations):
            place = f"tools[{at}].functionDeclarations[{number}]"
            declaration = camel_keys(one) if isinstance(one, dict) else {}
            if declaration.keys() <= _DECLARED:
                functions.append(_function(declaration, place))
            else:
                others.append(BuiltinTool(provider, {"functionDeclarations": [one]}))
        beside = {name: definition for name, definition in tool.items() if name != declared}
        if beside:
            others.append(BuiltinTool(provider, beside))
    return tuple(functions), tuple(others)


def _function(declaration: JsonObject, place: str) -> Tool:
    name, description = declaration.get("name"), declaration.get("description")
    if not isinstance(name, str) or not name:
        invalid(place, "has no name")
    schema = declaration.get("parametersJsonSchema")
    if schema is None:
        schema = as_json_schema(declaration.get("parameters"))
    words = description if isinstance(description, str) else ""
    return Tool(name, words, schema) if isinstance(schema, dict) else Tool(name, words)


class _Calling:
    """What `functionCallingConfig` says of the tools."""

    def __init__(self, tools: tuple[Tool, ...]) -> None:
        self.tools = tools
        self.choice: ToolChoice | None = None

    def take(self, config: JsonObject) -> JsonObject:
        """What is left of `toolConfig`."""
        calling = _object(config.get("functionCallingConfig"), "toolConfig.functionCallingConfig")
        left = self._read(calling) if self.tools else calling
        rest = {name: value for name, value in config.items() if name != "functionCallingConfig"}
        return {**rest, "functionCallingConfig": left} if left else rest

    def _read(self, calling: JsonObject) -> JsonObject:
        said = calling.get("mode")
        mode = said.upper() if isinstance(said, str) else ""
        allowed = calling.get("allowedFunctionNames")
        names = allowed if isinstance(allowed, list) else []
        left = {name: value for name, value in calling.items() if name != "mode"}
        if mode == "ANY" and len(names) == 1 and names[0] in [tool.name for tool in self.tools]:
            self.choice = NamedTool(str(names[0]))
            del left["allowedFunctionNames"]
        elif mode == "ANY":
            self.choice = "required"
        elif mode == "NONE":
            self.choice = "none"
        elif mode == "AUTO":
            self.choice = "auto"
        elif mode == "VALIDATED":
            self.choice = "auto"
            self.tools = tuple(replace(tool, strict=True) for tool in self.tools)
        else:
            return calling
        return left


@dataclass(slots=True)
class _Settings:
    """Takes the canonical fields out of `generationConfig`; what is left stays in `rest`."""

    rest: JsonObject

    def request(self, request: Request) -> Request:
        return replace(
            self._thinking(request),
            temperature=self._number("temperature"),
            top_p=self._number("topP"),
            top_k=self._whole("topK"),
            max_tokens=self._whole("maxOutputTokens"),
            stop=self._texts("stopSequences"),
            seed=self._whole("seed"),
            n=self._whole("candidateCount"),
            presence_penalty=self._number("presencePenalty"),
            frequency_penalty=self._number("frequencyPenalty"),
            logprobs=self._logprobs(),
            output_schema=self._schema(),
        )

    def _number(self, name: str) -> float | None:
        value = self.rest.pop(name, None)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            invalid(f"generationConfig.{name}", f"is {shown(value)}: give a number")
        return value

    def _whole(self, name: str) -> int | None:
        value = self._number(name)
        if isinstance(value, float):
            if not value.is_integer():
                invalid(f"generationConfig.{name}", f"is {shown(value)}: give a whole number")
            return int(value)
        return value

    def _texts(self, name: str) -> tuple[str, ...]:
        value = self.rest.pop(name, None)
        texts = [value] if isinstance(value, str) else value or []
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            invalid(f"generationConfig.{name}", f"is {shown(value)}: give a list of texts")
        return tuple(str(text) for text in texts)

    def _logprobs(self) -> int | None:
        if self.rest.get("responseLogprobs") is not True:
            return None
        del self.rest["responseLogprobs"]
        return self._whole("logprobs") or 0

    def _schema(self) -> OutputSchema | None:
        if self.rest.get("responseMimeType") != "application/json":
            return None
        given = [name for name in ("responseJsonSchema", "responseSchema") if isinstance(self.rest.get(name), dict)]
        if len(given) != 1:
            return None
        schema = self.rest.pop(given[0])
        del self.rest["responseMimeType"]
        found = as_json_schema(schema) if given[0] == "responseSchema" else schema
        return OutputSchema(found) if isinstance(found, dict) else None

    def _thinking(self, request: Request) -> Request:
        config = _object(self.rest.pop("thinkingConfig", None), "generationConfig.thinkingConfig")
        effort = _LEVELS.get(str(config.get("thinkingLevel")).upper())
        budget, shown = config.get("thinkingBudget"), config.get("includeThoughts")
        if effort is not None:
            request = replace(request, reasoning_effort=effort)
            del config["thinkingLevel"]
        if type(budget) is int:
            request = replace(request, reasoning_budget=budget)
            del config["thinkingBudget"]
        if isinstance(shown, bool):
            request = replace(request, show_reasoning=shown)
            del config["includeThoughts"]
        if config:
            self.rest["thinkingConfig"] = config
        return request


def _object(value: Json, place: str) -> JsonObject:
    if not isinstance(value, dict | None):
        invalid(place, f"is {type(value).__name__}, not an object")
    return camel_keys(value or {})


def _labels(value: Json) -> dict[str, str]:
    if not isinstance(value, dict | None) or not all(isinstance(one, str) for one in (value or {}).values()):
        invalid("labels", "must be an object of texts")
    return {name: str(one) for name, one in (value or {}).items()}
