"""A recorded or incoming chat request of the family, read as ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar, cast, get_args

from unified_api.errors import InvalidRequestError
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
from unified_api.wire.base import WireProfile
from unified_api.wire.model_patterns import first_match
from unified_api.wire.openai_chat.history import HistoryReader, cache_mark
from unified_api.wire.shown import shown

__all__ = ["read_request"]

Kind = TypeVar("Kind", str, int, float, bool)
_EFFORTS = frozenset(get_args(ReasoningEffort))


def read_request(
    body: JsonObject, *, provider: str, model: str | None = None, profile: WireProfile | None = None
) -> Request:
    """The request in `body`, which is one for `provider`; `model` is for bodies that name none (Azure's deployments).

    What the canonical request has no field for stays in `extra[provider]`; so does `response_format: json_object`.
    Raises InvalidRequestError, naming the place, for what is no such request.
    """
    profile = profile or WireProfile()
    rest = _Rest(dict(body), provider, profile)
    messages = HistoryReader(provider=provider, profile=profile).read(rest.take("messages"))
    named = rest.word("model", str) or model
    if not named:
        raise rest.bad("model", None, "the name of a model")
    rest.take("stream")
    _drop_usage_wish(rest)
    tools, builtin = _tools(rest)
    more = rest.word("max_completion_tokens", int)
    return Request(
        model=named,
        messages=messages,
        tools=tools,
        builtin_tools=builtin,
        tool_choice=_tool_choice(rest),
        parallel_tool_calls=rest.word("parallel_tool_calls", bool),
        output_schema=_output_schema(rest),
        temperature=rest.word("temperature", float),
        top_p=rest.word("top_p", float),
        top_k=rest.word("top_k", int),
        frequency_penalty=rest.word("frequency_penalty", float),
        presence_penalty=rest.word("presence_penalty", float),
        max_tokens=more if more is not None else rest.word("max_tokens", int),
        stop=_stop(rest),
        seed=rest.word("seed", int),
        reasoning_effort=_effort(rest, named),
        reasoning_budget=_if_named(rest, "reasoning_budget", int),
        show_reasoning=_if_named(rest, "show_reasoning", bool),
        logprobs=_logprobs(rest),
        n=rest.word("n", int),
        user=rest.word("user", str),
        metadata=_metadata(rest),
        extra={provider: rest.fields} if rest.fields else {},
    )


@dataclass
class _Rest:
    """What of a body is not read yet."""

    fields: JsonObject
    provider: str
    profile: WireProfile

    def take(self, name: str) -> Json:
        """What the body says under `name`, or where the profile puts it."""
        path = self.profile.renamed.get(name, name)
        found = self._take_path(path.removeprefix("!").split("."))
        if found is None and path != name:
            return self.fields.pop(name, None)
        return not found if path.startswith("!") and isinstance(found, bool) else found

    def word(self, name: str, kind: type[Kind]) -> Kind | None:
        value = self.take(name)
        if value is None:
            return None
        if kind is float and type(value) is int:
            value = float(value) if abs(value) < 1 << 53 else value
        if kind is int and type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not kind:
            names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
            raise self.bad(name, value, names[kind])
        return value

    def bad(self, place: str, value: Json, wanted: str) -> InvalidRequestError:
        what = "is missing" if value is None else f"is {shown(value)}"
        return InvalidRequestError(f"{place} {what}: give {wanted}", provider=self.provider, param=place)

    def _take_path(self, path: list[str]) -> Json:
        first, *inner = path
        value = self.fields.get(first)
        if not inner:
            return self.fields.pop(first, None)
        if not isinstance(value, dict) or inner[0] not in value:
            return None
        value = dict(value)
        nested = _Rest(value, self.provider, self.profile)
        found = nested._take_path(inner)  # its own kind
        if nested.fields:
            self.fields[first] = nested.fields
        else:
            del self.fields[first]
        return found


def _drop_usage_wish(rest: _Rest) -> None:
    """`include_usage` is our own affair; other options of a stream stay."""
    options = rest.take("stream_options")
    if isinstance(options, dict):
        others = {name: value for name, value in options.items() if name != "include_usage"}
        if others:
            rest.fields["stream_options"] = others


def _tools(rest: _Rest) -> tuple[tuple[Tool, ...], tuple[BuiltinTool, ...]]:
    given, old = rest.take("tools"), rest.take("functions")
    entries = [*_list(given, "tools", rest), *({"function": one} for one in _list(old, "functions", rest))]
    tools: list[Tool] = []
    builtin: list[BuiltinTool] = []
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise rest.bad(f"tools[{place}]", entry, "an object with a function")
        if entry.get("type", "function") == "function":
            tools.append(_tool(entry, f"tools[{place}].function", rest))
        else:
            builtin.append(BuiltinTool(rest.provider, entry))
    return tuple(tools), tuple(builtin)


def _list(value: Json, place: str, rest: _Rest) -> Iterator[Json]:
    if not isinstance(value, list | None):
        raise rest.bad(place, value, "a list")
    yield from value or ()


def _tool(entry: JsonObject, place: str, rest: _Rest) -> Tool:
    function = entry.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise rest.bad(place, function, "an object with a name and parameters")
    name, description = function["name"], function.get("description")
    parameters, strict = function.get("parameters"), function.get("strict")
    if not isinstance(parameters, dict | None):
        raise rest.bad(f"{place}.parameters", parameters, "a JSON Schema")
    return Tool(
        name=str(name),
        description=description if isinstance(description, str) else "",
        parameters=parameters or {"type": "object", "properties": {}},
        strict=strict if isinstance(strict, bool) else None,
        cache=cache_mark(entry),
    )


def _tool_choice(rest: _Rest) -> ToolChoice | None:
    choice, old = rest.take("tool_choice"), rest.take("function_call")
    if choice is None and old is not None:
        choice = {"function": old} if isinstance(old, dict) else old
    match choice:
        case None:
            return None
        case "auto" | "none" | "required":
            return choice
        case "any":
            return "required"
        case {"function": {"name": str(name)}}:
            return NamedTool(name)
        case dict():  # a choice among several tools, or of a built-in one
            rest.fields["tool_choice"] = choice
            return None
        case _:
            raise rest.bad("tool_choice", choice, "auto, none, required or the name of a function")


def _output_schema(rest: _Rest) -> OutputSchema | None:
    wanted = rest.take("response_format")
    match wanted:
        case None | {"type": "text"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **more}}:
            name, description = more.get("name"), more.get("description")
            return OutputSchema(
                schema,
                name=name if isinstance(name, str) else "output",
                strict=more.get("strict") is True,
                description=description if isinstance(description, str) else "",
            )
        case dict():
            rest.fields["response_format"] = wanted
            return None
        case _:
            raise rest.bad("response_format", wanted, "an object with a type")


def _stop(rest: _Rest) -> tuple[str, ...]:
    stop = rest.take("stop")
    words = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    if not isinstance(stop, str | list | None) or not all(isinstance(word, str) for word in words):
        raise rest.bad("stop", stop, "text or a list of texts")
    return tuple(str(word) for word in words)


def _effort(rest: _Rest, model: str) -> ReasoningEffort | None:
    """The effort by the provider's own words; a word that we have none for stays what it is."""
    known = first_match(rest.profile.efforts, model) or {}
    for effort, meant in known.items():
        if isinstance(meant, dict) and meant and all(rest.fields.get(name) == value for name, value in meant.items()):
            for name in meant:
                del rest.fields[name]
            return cast("ReasoningEffort", effort)
    before = dict(rest.fields)
    word = rest.word("reasoning_effort", str)
    said = next((effort for effort, meant in known.items() if meant == word), word)
    if said is None or said in _EFFORTS:
        return cast("ReasoningEffort | None", said)
    rest.fields = before
    return None


def _if_named(rest: _Rest, name: str, kind: type[Kind]) -> Kind | None:
    return rest.word(name, kind) if name in rest.profile.renamed else None


def _logprobs(rest: _Rest) -> int | None:
    wanted, tops = rest.take("logprobs"), rest.take("top_logprobs")
    if wanted is True and (tops is None or type(tops) is int):
        return tops or 0
    left = {"logprobs": wanted, "top_logprobs": tops}
    rest.fields.update({name: value for name, value in left.items() if value not in (None, False)})
    return None


def _metadata(rest: _Rest) -> dict[str, str]:
    given = rest.take("metadata")
    if not isinstance(given, dict | None):
        raise rest.bad("metadata", given, "an object of texts")
    told = {name: value for name, value in (given or {}).items() if isinstance(value, str)}
    if len(told) != len(given or {}):
        rest.fields["metadata"] = given
        return {}
    return told
