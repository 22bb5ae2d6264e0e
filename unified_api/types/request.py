"""A chat call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from unified_api.types.common import JsonObject, ReasoningEffort
from unified_api.types.content import CacheMark, Message

__all__ = ["BuiltinTool", "NamedTool", "OutputSchema", "Request", "Tool", "ToolChoice"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may ask for; `parameters` is the JSON Schema of its arguments object."""

    name: str
    description: str = ""
    parameters: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
    """Whether the provider must hold the arguments to the schema; None leaves it to the provider."""
    cache: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class BuiltinTool:
    """A tool that `provider` runs itself, defined as on its wire (`{"type": "web_search_20250305", ...}`)."""

    provider: str
    definition: JsonObject


@dataclass(frozen=True, slots=True)
class NamedTool:
    """A tool choice that forces this one tool."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | NamedTool


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The JSON Schema an answer must satisfy. `strict` asks the provider to enforce it while decoding.

    A model that takes no schema is made to call a tool of that schema, or asked in words; the response's
    `structured_by` says which. Some servers ignore a schema, so whoever needs the JSON checks it.
    A schema whose root is no object is asked for inside one where the wire wants that; the answer's text is the value.
    """

    schema: JsonObject
    name: str = "output"
    strict: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A chat call. `model` is `provider/model`, `route/NAME`, `auto` or an unambiguous bare model name.

    A field that a model cannot take is refused with its name, or left out and reported where the policy says so.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    builtin_tools: tuple[BuiltinTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output_schema: OutputSchema | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    """Tokens the answer may have, reasoning included where the provider counts it so."""
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    reasoning_budget: int | None = None
    """Tokens the model may think, for models that take a number instead of an effort."""
    show_reasoning: bool | None = None
    """Whether the thinking, or its summary, is wanted in the answer."""
    logprobs: int | None = None
    """How many alternatives of each token to tell with their probabilities; 0: of the chosen tokens alone."""
    n: int | None = None
    """How many answers to give; the further ones are `Response.alternatives`."""
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, JsonObject] = field(default_factory=dict)
    """Provider -> parameters of its own, sent as they are to that provider and to no other."""
