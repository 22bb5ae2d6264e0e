"""A chat request as the Messages API takes it (https://docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import BuiltinToolPart, Json, JsonObject, NamedTool, OutputSchema, Request, Tool
from unified_api.wire.anthropic.content import BlockWriter, cache_control
from unified_api.wire.anthropic.refusals import check_model
from unified_api.wire.anthropic.schema import UnheldSchemaError, held_schema
from unified_api.wire.anthropic.thinking import told_to_think
from unified_api.wire.anthropic.turns import conversation
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import any_matches
from unified_api.wire.object_root import needs_object, wrapped
from unified_api.wire.shown import shown

__all__ = ["UNSUPPORTED", "encode", "request_body"]

UNSUPPORTED = frozenset({"seed", "logprobs", "n", "frequency_penalty", "presence_penalty", "metadata"})
_VERSION = "2023-06-01"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_OWN_FIELDS = frozenset({"model", "messages", "stream"})
_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to the provider's own name `model`.

    `extra[provider]["anthropic_beta"]`, a list of the names of beta features, is sent as the header of that name.
    Raises UnsupportedParameterError for what the wire or the model has no words for, InvalidRequestError for a request
    that no server could take.
    """
    body = request_body(request, provider=provider, model=model, profile=profile)
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "anthropic-version": _VERSION,
    }
    betas = body.pop("anthropic_beta", None)
    if betas is not None:
        headers["anthropic-beta"] = ",".join(_betas(betas, provider, model))
    if stream:
        body["stream"] = True
    return WireRequest("POST", "/messages", headers, dump_json(body, provider=provider, model=f"{provider}/{model}"))


def request_body(request: Request, *, provider: str, model: str, profile: WireProfile) -> JsonObject:
    """The body alone, still with `anthropic_beta` in it where the request asks for beta features."""
    all_unsupported = replace(profile, unsupported=profile.unsupported | UNSUPPORTED)
    check_supported(request, provider=provider, model=model, profile=all_unsupported)
    return _Encoder(request, provider, model, profile).body()


def _betas(betas: Json, provider: str, model: str) -> list[str]:
    names = [one for one in betas if isinstance(one, str)] if isinstance(betas, list) else []
    if not names or names != betas or not all(name.isascii() and name.isprintable() and name for name in names):
        given = f"extra[{provider!r}]['anthropic_beta'] is {shown(betas)}"
        message = f"{given}: give a list of names of beta features, in printable ASCII"
        raise InvalidRequestError(message, provider=provider, model=f"{provider}/{model}", param="extra")
    return names


class _Encoder:
    def __init__(self, request: Request, provider: str, model: str, profile: WireProfile) -> None:
        self._request = request
        self._provider = provider
        self._model = model
        self._profile = profile
        self._extra = request.extra.get(provider, {})

    def body(self) -> JsonObject:
        self._check()
        betas = self._extra.get("anthropic_beta")
        told = told_to_think(
            self._request,
            provider=self._provider,
            model=self._model,
            profile=self._profile,
            interleaved=isinstance(betas, list) and any("interleaved-thinking" in str(one) for one in betas),
        )
        turns = conversation(
            self._request.messages,
            BlockWriter(provider=self._provider, model=self._model),
            takes_system=any_matches(self._profile.system_turns, self._model),
        )
        body: JsonObject = {"model": self._model, "max_tokens": told.max_tokens, **turns}
        if told.thinking is not None:
            body["thinking"] = told.thinking
        output: JsonObject = {} if told.effort is None else {"effort": told.effort}
        if self._request.output_schema is not None:
            output["format"] = self._format(self._request.output_schema)
        if output:
            body["output_config"] = output
        body.update(self._scalars())
        self._add_tools(body)
        if "container" not in self._extra:
            body.update(self._container())
        for name, value in self._extra.items():
            body[name] = self._joined(name, body.get(name), value)
        return body

    def _check(self) -> None:
        if not self._request.messages:
            self._refuse("a chat request needs at least one message", "messages")
        for name in ("temperature", "top_p"):
            value = getattr(self._request, name)
            if value is not None and not math.isfinite(value):
                self._refuse(f"{name} is {value!r}: give a finite number", name)
        check_model(self._request, provider=self._provider, model=self._model, profile=self._profile)

    def _scalars(self) -> Iterator[tuple[str, Json]]:
        request = self._request
        for name in ("temperature", "top_p", "top_k"):
            value = getattr(request, name)
            if value is not None:
                yield name, value
        if request.stop:
            yield "stop_sequences", list(request.stop)
        if request.user is not None:
            yield "metadata", {"user_id": request.user}

    def _container(self) -> Iterator[tuple[str, Json]]:
        """Where the last answer ran its code: calls that this code has made are answered there or nowhere."""
        last = next((one for one in reversed(self._request.messages) if one.role == "assistant"), None)
        for part in last.parts if last is not None else ():
            if isinstance(part, BuiltinToolPart) and (part.provider, part.kind) == (self._provider, "container"):
                identity = part.content.get("id") if isinstance(part.content, dict) else None
                if isinstance(identity, str):
                    yield "container", identity

    def _format(self, wanted: OutputSchema) -> JsonObject:
        schema = wrapped(wanted.schema) if needs_object(wanted) else wanted.schema
        if wanted.description and "description" not in schema:
            schema = {**schema, "description": wanted.description}
        try:
            return {"type": "json_schema", "schema": held_schema(schema)}
        except UnheldSchemaError as error:
            what = (
                f"{self._model!r} cannot be held to this unsupported JSON schema: {error}; simplify it or ask in words"
            )
            self._unsupported(what, "output_schema")

    def _add_tools(self, body: JsonObject) -> None:
        request = self._request
        for builtin in request.builtin_tools:
            if builtin.provider != self._provider:
                kind = builtin.definition.get("type")
                what = f"{kind!r} is a tool that {builtin.provider!r} runs: {self._provider!r} does not have it"
                self._unsupported(what, "builtin_tools")
        tools: list[Json] = [*map(self._tool, request.tools), *(one.definition for one in request.builtin_tools)]
        if tools:
            body["tools"] = tools
        names = [*(tool.name for tool in request.tools), *(one.definition.get("name") for one in request.builtin_tools)]
        self._check_names(names)
        # A server of tools (MCP) brings tools that are not listed here.
        if tools or "mcp_servers" in self._extra:
            choice = self._choice()
            if choice is not None:
                body["tool_choice"] = choice

    def _tool(self, tool: Tool) -> JsonObject:
        if not _NAME.fullmatch(tool.name):
            what = f"{tool.name!r} is no name of a tool: give 1 to 128 of the letters a-z and A-Z, digits, _ and -"
            self._refuse(what, "tools")
        made: JsonObject = {"name": tool.name, "input_schema": tool.parameters}
        if tool.description:
            made["description"] = tool.description
        if tool.strict is not None:
            made["strict"] = tool.strict
        return {**made, **cache_control(tool.cache)}

    def _check_names(self, names: list[Json]) -> None:
        twice = next((name for name in names if isinstance(name, str) and names.count(name) > 1), None)
        if twice is not None:
            self._refuse(f"two tools are called {twice!r}", "tools")
        choice = self._request.tool_choice
        if isinstance(choice, NamedTool) and choice.name not in names and "mcp_servers" not in self._extra:
            known = ", ".join(map(repr, names)) or "none"
            self._refuse(f"tool_choice names {choice.name!r}, which is not among the tools ({known})", "tool_choice")
        if choice == "required" and not names and "mcp_servers" not in self._extra:
            self._refuse("tool_choice is 'required' but the request has no tools", "tool_choice")

    def _choice(self) -> JsonObject | None:
        choice, parallel = self._request.tool_choice, self._request.parallel_tool_calls
        if choice is None and parallel is None:
            return None
        if isinstance(choice, NamedTool):
            made: JsonObject = {"type": "tool", "name": choice.name}
        else:
            made = {"type": _TOOL_CHOICES[choice or "auto"]}
        if parallel is not None and choice != "none":
            made["disable_parallel_tool_use"] = not parallel
        return made

    def _joined(self, name: str, own: Json, more: Json) -> Json:
        """A field of `extra` beside what the request itself says in it."""
        merges = isinstance(own, dict) and isinstance(more, dict) and not own.keys() & more.keys()
        if name in _OWN_FIELDS or not (own is None or merges):
            what = f"extra[{self._provider!r}] sets {name!r}, which the request itself says: leave one out"
            self._refuse(what, "extra")
        return {**own, **more} if isinstance(own, dict) and isinstance(more, dict) else more

    def _refuse(self, message: str, param: str) -> NoReturn:
        raise InvalidRequestError(
            message, provider=self._provider, model=f"{self._provider}/{self._model}", param=param
        )

    def _unsupported(self, message: str, param: str) -> NoReturn:
        raise UnsupportedParameterError(
            message, provider=self._provider, model=f"{self._provider}/{self._model}", param=param
        )
