"""A request body of Converse, read as a canonical request."""

from __future__ import annotations

from typing import NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import BuiltinTool, Json, JsonObject, NamedTool, OutputSchema, Request, Tool, ToolChoice
from unified_api.wire.bedrock.turns import TurnReader
from unified_api.wire.json_text import parse_json
from unified_api.wire.shown import shown

__all__ = ["read_request"]

_SETTINGS: dict[str, tuple[str, tuple[type, ...]]] = {
    "maxTokens": ("max_tokens", (int,)),
    "temperature": ("temperature", (int, float)),
    "topP": ("top_p", (int, float)),
}
"""Key of `inferenceConfig` -> field of a Request, and its kinds."""
_EFFORTS = frozenset({"low", "medium", "high", "xhigh"})
_READ = frozenset({"modelId", "messages", "system", "inferenceConfig", "toolConfig", "outputConfig", "requestMetadata"})


def read_request(body: JsonObject, *, provider: str, model: str | None = None) -> Request:
    """The request in `body`; what it has no field for stays in `extra[provider]`, and goes back from there.

    The API names the model in its path: give its unquoted name as `model`.
    """
    turns = TurnReader(provider)
    extra: JsonObject = {name: value for name, value in body.items() if name not in _READ}
    named = body.get("modelId")
    system = _list(body, "system")
    messages = (*turns.system(system), *turns.messages(_list(body, "messages")))
    fields: dict[str, object] = {
        **_settings(_object(body, "inferenceConfig"), extra),
        **_tools(_object(body, "toolConfig"), extra, provider),
        **_output(_object(body, "outputConfig"), extra),
    }
    return Request(
        model=f"{provider}/{named if isinstance(named, str) else model or ''}",
        messages=messages,
        metadata=_metadata(body),
        extra={provider: extra} if extra else {},
        **fields,  # type: ignore[arg-type]  # each value was looked at where it was read
    )


def _settings(given: JsonObject, extra: JsonObject) -> dict[str, object]:
    fields: dict[str, object] = {}
    rest = dict(given)
    for key, (name, kinds) in _SETTINGS.items():
        value = rest.pop(key, None)
        if value is not None:
            if type(value) not in kinds:
                _refuse(f"inferenceConfig.{key}", "is no number", value)
            fields[name] = value
    stops = rest.pop("stopSequences", None)
    if stops:
        if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
            _refuse("inferenceConfig.stopSequences", "is no list of texts", stops)
        fields["stop"] = tuple(stops)
    _keep(extra, "inferenceConfig", rest)
    return fields


def _tools(given: JsonObject, extra: JsonObject, provider: str) -> dict[str, object]:
    tools: list[Tool] = []
    builtin: list[BuiltinTool] = []
    for place, one in enumerate(_list(given, "tools")):
        if not isinstance(one, dict):
            _refuse(f"toolConfig.tools[{place}]", "is no object", one)
        mark = TurnReader.cache_mark(one)
        tool = _tool(one)
        if tool is not None:
            tools.append(tool)
        elif mark is not None and tools and not builtin and tools[-1].cache is None:
            tools[-1] = Tool(
                tools[-1].name, tools[-1].description, tools[-1].parameters, strict=tools[-1].strict, cache=mark
            )
        else:
            builtin.append(BuiltinTool(provider, one))
    choice = _tool_choice(given.get("toolChoice"), {tool.name for tool in tools})
    rest: JsonObject = {name: value for name, value in given.items() if name not in {"tools", "toolChoice"}}
    if choice is None and given.get("toolChoice") is not None:
        rest["toolChoice"] = given["toolChoice"]
    _keep(extra, "toolConfig", rest)
    return {"tools": tuple(tools), "builtin_tools": tuple(builtin), "tool_choice": choice}


def _tool(given: JsonObject) -> Tool | None:
    """The function that is given, or None for what is no plain function."""
    spec = given.get("toolSpec")
    if not isinstance(spec, dict) or not spec.keys() <= {"name", "description", "inputSchema", "strict"}:
        return None
    name, description, strict = spec.get("name"), spec.get("description"), spec.get("strict")
    schema = spec.get("inputSchema")
    parameters = schema.get("json") if isinstance(schema, dict) else None
    if not isinstance(name, str) or not isinstance(parameters, dict):
        return None
    said = description if isinstance(description, str) else ""
    return Tool(name, said, parameters, strict=strict if isinstance(strict, bool) else None)


def _tool_choice(choice: Json, names: set[str]) -> ToolChoice | None:
    """None where there is no choice, or one that only the provider knows the meaning of (a tool of its own)."""
    if not isinstance(choice, dict) or not names:
        return None
    forced = choice.get("tool")
    name = forced.get("name") if isinstance(forced, dict) else None
    if isinstance(name, str):
        return NamedTool(name) if name in names else None
    if "any" in choice:
        return "required"
    return "auto" if "auto" in choice else None


def _output(given: JsonObject, extra: JsonObject) -> dict[str, object]:
    fields: dict[str, object] = {}
    rest = dict(given)
    if isinstance(given.get("effort"), str) and given["effort"] in _EFFORTS:
        fields["reasoning_effort"] = rest.pop("effort")
    schema = _output_schema(given.get("textFormat"))
    if schema is not None:
        fields["output_schema"] = schema
        del rest["textFormat"]
    _keep(extra, "outputConfig", rest)
    return fields


def _output_schema(wanted: Json) -> OutputSchema | None:
    """The schema; None for a format that is none, or for a root that our own requests would not send bare."""
    structure = wanted.get("structure") if isinstance(wanted, dict) else None
    definition = structure.get("jsonSchema") if isinstance(structure, dict) else None
    text = definition.get("schema") if isinstance(definition, dict) else None
    if not isinstance(definition, dict) or not isinstance(text, str):
        return None
    try:
        schema = parse_json(text.encode("utf-8", "replace"))
    except ValueError:
        return _refuse("outputConfig.textFormat.structure.jsonSchema.schema", "is no JSON", text[:80])
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return None
    name, description = definition.get("name"), definition.get("description")
    return OutputSchema(
        schema,
        name=name if isinstance(name, str) and name else "output",
        description=description if isinstance(description, str) else "",
    )


def _metadata(body: JsonObject) -> dict[str, str]:
    given = _object(body, "requestMetadata")
    for name, value in given.items():
        if not isinstance(value, str):
            _refuse(f"requestMetadata.{name}", "is no text", value)
    return {name: str(value) for name, value in given.items()}


def _keep(extra: JsonObject, name: str, rest: JsonObject) -> None:
    if rest:
        extra[name] = rest


def _list(table: JsonObject, name: str) -> list[Json]:
    value = table.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else _refuse(name, "is no list", value)


def _object(table: JsonObject, name: str) -> JsonObject:
    value = table.get(name)
    if value is None:
        return {}
    return value if isinstance(value, dict) else _refuse(name, "is no object", value)


def _refuse(place: str, problem: str, value: Json) -> NoReturn:
    raise InvalidRequestError(f"{place} {problem}: {shown(value)}", param=place)
