"""A provider as a row of data: where it is, how it speaks, what its models can do and who may see what it is sent."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from unified_api.address import checked, is_loopback, origin, sketched
from unified_api.facts import Facts
from unified_api.models import Prices
from unified_api.types import Capability, FinishReason, Quality, ReasoningEffort, Sensitivity, Tier
from unified_api.wire.base import FORMER_GEMINI, ImageSize, ReasoningStyle, WireProfile
from unified_api.wire.names import WireName, wire_for

__all__ = [
    "PROVIDER_NAME_PATTERN",
    "DataPolicyRow",
    "PriceRow",
    "ProfileRow",
    "ProviderRow",
    "builtin_rows",
    "is_loopback",
    "origin",
]

PROVIDER_NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_OWN_HEADERS = frozenset({"authorization", "host", "content-length", "transfer-encoding"})
_LONG_WORD = 20
"""Letters and digits in a row that no variable's name has, and every key."""

# What the lists of Ollama and LM Studio hold besides chat models says so by its name only.
_EMBEDS = re.compile(r"embed|\bbge-|\bgte-|\be5-|minilm|\bparaphrase-|sentence-transformers")
_KINDS: tuple[Capability, ...] = ("image_output", "rerank", "moderation")
_NO_CHAT = re.compile(
    r"rerank|whisper|\btts\b|\bclip-vit|\bveo-\d|\bnova-(?:canvas|reel)|(?:^|\.)stability\.|\bflux[.-]|stable-diffusion"
)

Pattern = Annotated[str, Field(min_length=1, max_length=200)]
RequestField = Literal[
    "tools", "builtin_tools", "tool_choice", "parallel_tool_calls", "output_schema", "temperature", "top_p", "top_k",
    "frequency_penalty", "presence_penalty", "max_tokens", "stop", "seed", "reasoning_effort", "reasoning_budget",
    "show_reasoning", "logprobs", "n", "user", "metadata", "dimensions", "purpose", "size", "negative_prompt", "top_n",
]  # fmt: skip


def _checked_key_name(value: str) -> str:
    """The name of a variable. Refuses what is a key itself: a name is shown in errors, records and by the doctor."""
    if any(len(word) >= _LONG_WORD and re.search("[0-9]", word) for word in value.split("_")):
        raise ValueError("looks like a key; write the name of the environment variable that holds it")
    return value


def _checked_builtin(value: str) -> str:
    if value not in builtin_rows():
        near = get_close_matches(value, builtin_rows(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(builtin_rows())}"
        raise ValueError(f"{value!r} is no built-in provider{hint}")
    return value


def _checked_header(name: str) -> str:
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"{name!r} is set by the call itself: its key by `auth`, the others by HTTP; leave it out")
    return name


def _checked_header_value(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("cannot be sent in a header: give printable ASCII characters on one line")
    return value


class ProfileRow(BaseModel):
    """How the provider departs from its wire family; becomes a `WireProfile`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    refused_while_thinking: dict[RequestField, tuple[Pattern, ...]] = {}
    needs_extra: dict[Literal["metadata"], str] = {}
    renamed: dict[str, str] = {}
    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning")
    finish_reasons: dict[str, FinishReason] = {}
    stream_usage: bool = True
    done_is_finish: bool = False
    throttle_codes: frozenset[str] = frozenset()
    unsupported: dict[RequestField, tuple[Pattern, ...]] = {}
    audio: Literal["encoded", "data_url", "encoded_or_url"] = "encoded"
    video_url: bool = False
    document: Literal["file", "file_or_url", "document_url"] = "file"
    tool_result_media: frozenset[Literal["image", "audio", "video", "document"]] = frozenset()
    cache_mark: Literal["cache_control", "prompt_cache_breakpoint"] | None = None
    efforts: dict[Pattern, dict[ReasoningEffort, str | dict[str, Any]]] = {}
    reasoning_back: Literal["reasoning_content", "reasoning", "thinking_part"] | None = None
    reasoning_always_back: tuple[Pattern, ...] = ()
    call_id_length: Annotated[int, Field(ge=1, le=40)] | None = None
    prefix_field: str | None = None
    prefill_fields: dict[str, str | int | float | bool] = {}
    message_names: bool = True
    step_fields: tuple[str, ...] = ("executed_tools",)
    stateless: bool = False
    default_max_tokens: dict[Pattern, Annotated[int, Field(ge=1)]] = {}
    reasoning_style: dict[Pattern, ReasoningStyle] = {}
    top_k_field: dict[Pattern, str] = {}
    cache_points: tuple[Pattern, ...] = ("*",)
    tool_cache_points: tuple[Pattern, ...] = ("*",)
    cache_ttl: tuple[Pattern, ...] = ("*",)
    signed_thinking: tuple[Pattern, ...] = ("*",)
    no_thinking_back: tuple[Pattern, ...] = ()
    system_turns: tuple[Pattern, ...] = ()
    unforced: tuple[Pattern, ...] = ()
    one_sampler: tuple[Pattern, ...] = ()
    no_prefill: tuple[Pattern, ...] = ()
    former_models: tuple[Pattern, ...] = FORMER_GEMINI
    unnamed_calls: tuple[Pattern, ...] = ()
    told_tool_steps: bool = False
    embedding_format: str | None = None
    purpose_field: str | None = None
    purposes: dict[Literal["query", "document"], str] = {}
    worded_purpose: tuple[Pattern, ...] = ("gemini-embedding-[2-9]*",)
    paths: dict[
        Literal["/chat/completions", "/embeddings", "/embed", "/rerank", "/moderations", "/models"],
        Annotated[str, Field(pattern=r"^/")],
    ] = {}
    rerank_fields: dict[str, str | int | float | bool] = {}
    embedding_batch: dict[Pattern, Annotated[int, Field(ge=1)]] = {}
    image_format: str | None = None
    image_size: dict[Pattern, ImageSize] = {}
    image_fields: frozenset[Literal["negative_prompt", "seed"]] = frozenset()

    def for_wire(self, unsupported: frozenset[str] = frozenset()) -> WireProfile:
        """The profile of a model that cannot take the fields `unsupported`."""
        return WireProfile(**self.model_dump(exclude={"unsupported"}), unsupported=unsupported)


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$"), AfterValidator(_checked_header)]
HeaderValue = Annotated[str, AfterValidator(_checked_header_value)]


class PriceRow(BaseModel):
    """US dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class DataPolicyRow(BaseModel):
    """What the provider says it does with what it is sent; an absent key is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retention: str | None = None
    trains: bool | None = None
    region: str | None = None
    source: str | None = None
    """The page that says so."""
    as_of: date | None = None
    """When that page was read."""


class ProviderRow(BaseModel):
    """One table of `providers.toml`, or one `[providers.NAME]` of the user's file merged over it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    base_url: Annotated[str, AfterValidator(checked)] | None = None
    """What the wire's paths are appended to, such as `https://api.openai.com/v1`. May hold variables of the environment
    as `${NAME}` or `${NAME:-default}`."""
    wire: Literal[WireName, "local"] = "openai_chat"
    """The wire family of the chat models."""
    wires: dict[WireName, tuple[Pattern, ...]] = {}
    """Wire family -> patterns of the models that speak it instead."""
    auth: Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4"] = "bearer"
    """How the key is sent: `Authorization: Bearer KEY`, the header of that name, or an AWS signature. `api_key_env` is
    then `AWS_ACCESS_KEY_ID`; `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` lie beside it, and
    `AWS_BEARER_TOKEN_BEDROCK` is sent in their place where it is set."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Further headers of every call, such as a version. Never keys."""
    api_key_env: (
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_checked_key_name)] | None
    ) = None
    """Name of the environment variable that holds the key; none means that no key is needed."""
    key_in_clear: bool = False
    """Whether the key may go over plain http to another machine."""
    tiers: dict[Tier, Pattern] = {}
    """The model that serves `auto` at each tier."""
    models: tuple[Pattern, ...] = ()
    """Further models, which serve `auto` after the tiers' own."""
    auto: bool = True
    """Whether `auto` may choose its models. Not where the key is one that people have for other things as well."""
    capabilities: dict[Capability, tuple[Pattern, ...]] = {}
    """Capability -> patterns of model names that have it. One that is not named here goes by `DEFAULTS`."""
    prefill: tuple[Pattern, ...] = ()
    """Patterns of the models that go on with an answer that was begun for them (a last message of the assistant). A
    stream of another model that broke may end with one of them."""
    repeats_prefill: bool = False
    """Whether the server's answer then begins with what it was given, which is not shown twice."""
    structured_by: Literal["native", "grammar"] = "native"
    """How models with `structured_output` keep to a schema: the provider's own way, or a grammar while decoding."""
    context: Annotated[int, Field(ge=1)] | None = None
    """Context size in tokens, where the price data does not know the model."""
    free: bool = False
    """Whether calls cost nothing, as on your own machine."""
    prices: dict[Pattern, PriceRow] = {}
    """Pattern of model names -> price, before that of genai-prices, which knows the well-known `base_url`s."""
    priced_as: Annotated[str, AfterValidator(_checked_builtin)] | None = None
    """Name of the built-in provider whose public prices hold here too, as behind a proxy that passes them on."""
    known_as: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The provider's name in OpenTelemetry's conventions (`gen_ai.provider.name`), where it is not the table's own."""
    profile: ProfileRow = ProfileRow()
    clearance: Sensitivity | None = None
    """The most sensitive label that may be sent there."""
    data_policy: DataPolicyRow = DataPolicyRow()
    quality: dict[Quality, tuple[Pattern, ...]] = {}
    """Offline stand-ins: mark -> patterns of model names."""

    @property
    def effective_clearance(self) -> Sensitivity:
        """What is stated; else everything for this machine and only public data for any other."""
        if self.clearance is not None:
            return self.clearance
        here = self.wire == "local" or (self.base_url is not None and is_loopback(self.base_url))
        return "restricted" if here else "public"

    @property
    def price_address(self) -> str | None:
        """The address by which the price data knows who bills."""
        address = self.base_url if self.priced_as is None else builtin_rows()[self.priced_as].base_url
        return None if address is None else sketched(address)

    @property
    def names(self) -> tuple[str, ...]:
        """The models that the row names, each once, the tiers' own first."""
        return tuple(dict.fromkeys((*self.tiers.values(), *self.models)))

    @property
    def lists_priced(self) -> bool:
        """Whether the row can tell which of genai-prices' models are callable here."""
        return "chat" in self.capabilities

    @property
    def auth_header(self) -> tuple[str, str]:
        """The header that holds the key, and its value with `{key}` where the key goes."""
        # A Bedrock API key takes the place of a signature.
        return ("authorization", "Bearer {key}") if self.auth in {"bearer", "sigv4"} else (self.auth, "{key}")

    def wire_of(self, name: str, facts: Facts | None = None) -> str:
        """The wire family that the model speaks."""
        named = (wire for wire, patterns in self.wires.items() if _any_matches(patterns, name))
        return next(named, None) or wire_for(self.wire, self.capabilities_of(name, facts))

    def tier_of(self, name: str) -> Tier | None:
        return next((tier for tier, model in self.tiers.items() if model == name), None)

    def capabilities_of(self, name: str, facts: Facts | None = None) -> frozenset[Capability]:
        """What the model can do: by the `facts`, else by this row's patterns, else by `DEFAULTS` for a chat model."""
        facts = facts or Facts()
        kind = facts.kind or self._kind_of(name)
        if kind != "chat":
            return frozenset() if kind is None or kind == "none" else frozenset({kind})
        extras = {able for able, default in DEFAULTS.items() if self._can(able, name, facts, default=default)}
        return frozenset({kind, *extras})

    def unsupported_by(self, name: str, facts: Facts | None = None) -> frozenset[str]:
        """Fields of a request that the model refuses."""
        stated = {key for key, patterns in self.profile.unsupported.items() if _any_matches(patterns, name)}
        return frozenset(stated | ((facts or Facts()).cannot & set(get_args(RequestField)) - set(DEFAULTS)))

    def takes_prefill(self, name: str) -> bool:
        return _any_matches(self.prefill, name)

    def quality_of(self, name: str) -> Quality | None:
        return next((mark for mark, patterns in self.quality.items() if _any_matches(patterns, name)), None)

    def prices_of(self, name: str) -> Prices | None:
        """The price that the row itself states."""
        if self.free:
            return Prices(input=Decimal(0), output=Decimal(0))
        stated = (price for pattern, price in self.prices.items() if _any_matches((pattern,), name))
        price = next(stated, None)
        return None if price is None else Prices(input=price.input, output=price.output)

    def _kind_of(self, name: str) -> Capability | None:
        """`chat` or what else the model does, by patterns and by what its name says; None for what no call asks for."""
        unasked = _NO_CHAT.search(name.lower()) is not None
        if self._matches("embeddings", name, default=not unasked and _EMBEDS.search(name.lower()) is not None):
            return "embeddings"
        kind = next((kind for kind in _KINDS if self._matches(kind, name, default=False)), None)
        return kind or ("chat" if self._matches("chat", name, default=not unasked) else None)

    def _can(self, able: Capability, name: str, facts: Facts, *, default: bool) -> bool:
        said = facts.says(able)
        return self._matches(able, name, default=default) if said is None else said

    def _matches(self, capability: Capability, name: str, *, default: bool) -> bool:
        patterns = self.capabilities.get(capability)
        return default if patterns is None else _any_matches(patterns, name)


DEFAULTS: Mapping[Capability, bool] = {
    "streaming": True,
    "tools": True,
    "structured_output": True,
    "vision": False,
    "audio": False,
    "video": False,
    "documents": False,
    "reasoning": False,
}
"""What a chat model of an OpenAI-compatible server is taken to do where its row says nothing."""


def _any_matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether the last pattern that fits says so; one with "!" says no."""
    matched = False
    for pattern in patterns:
        if fnmatchcase(name.lower(), pattern.removeprefix("!").lower()):
            matched = not pattern.startswith("!")
    return matched


@cache
def builtin_rows() -> Mapping[str, ProviderRow]:
    """The rows of `providers.toml`, in order of preference for `auto`."""
    tables = tomllib.loads(files("unified_api").joinpath("providers.toml").read_text("utf-8"))
    return {name: ProviderRow.model_validate(table) for name, table in tables.items()}
