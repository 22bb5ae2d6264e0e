"""What makes two calls the same: the tenant, the label, and everything of request and policy that shapes an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from hashlib import sha256
from math import isfinite
from operator import attrgetter
from typing import Any

import orjson

from unified_api.needs import AnyRequest
from unified_api.types import (
    Caller,
    EmbedRequest,
    ImageRequest,
    Message,
    ModerationRequest,
    Policy,
    Request,
    RerankRequest,
    TextPart,
)

__all__ = ["MEANING", "NO_MEANING", "Question", "asks_for_chance", "key_of", "question_of"]

MEANING: Mapping[type, frozenset[str]] = {
    Request: frozenset({
        "model", "messages", "tools", "builtin_tools", "tool_choice", "parallel_tool_calls", "output_schema",
        "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "max_tokens", "stop", "seed",
        "reasoning_effort", "reasoning_budget", "show_reasoning", "logprobs", "n", "metadata", "extra",
    }),
    EmbedRequest: frozenset({"model", "inputs", "dimensions", "purpose"}),
    ImageRequest: frozenset({"model", "prompt", "size", "n", "negative_prompt", "seed", "extra"}),
    RerankRequest: frozenset({"model", "query", "documents", "top_n"}),
    ModerationRequest: frozenset({"model", "inputs"}),
    Policy: frozenset({
        "needs", "sensitivity", "regions", "allow", "deny", "max_cost_usd", "tier", "strategy", "category", "fallback",
        "on_unsupported",
    }),
    Caller: frozenset({"tenant"}),
}  # fmt: skip
"""The fields that may shape an answer, or say who may be shown it."""

NO_MEANING: Mapping[type, frozenset[str]] = {
    Request: frozenset({"user"}),
    ImageRequest: frozenset({"user"}),
    Policy: frozenset({
        "max_attempts", "max_billable", "deadline_s", "hedge", "reader", "cache", "caller",
    }),
    Caller: frozenset({"user", "key", "run", "session", "tags"}),
}  # fmt: skip
"""The fields that say who pays, how long may be waited and how often tried: of one tenant, all share their answers."""

_FLOATS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def _reader(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    read: Callable[[Any], tuple[Any, ...]] = attrgetter(*sorted(MEANING[kind]))
    return read


_READERS = {kind: _reader(kind) for kind in (Request, EmbedRequest, ImageRequest, RerankRequest, ModerationRequest)}
_POLICY = _reader(Policy)


def key_of(request: AnyRequest, policy: Policy, *, side: str | None = None) -> bytes | None:
    """Equal for two calls that may be given the same answer; None where the request holds what is no JSON.

    `side` is the model that falls to the caller, where a route gives each of its models a share of the callers.
    """
    read = _READERS.get(type(request))
    if read is None or not _finite(request):
        return None
    # Positions tell the fields apart, and the kind of request whose positions they are.
    text = _canonical((type(request).__name__, read(request), _POLICY(policy), policy.caller.tenant, side))
    schemas = _in_order(request)
    return None if text is None or schemas is None else sha256(text + schemas).digest()


@dataclass(frozen=True, slots=True)
class Question:
    """The last words of a user, and the key of all the rest of the call."""

    text: str
    context: bytes


def question_of(request: Request, policy: Policy, *, side: str | None = None) -> Question | None:
    """None where the last message is not a user's alone in plain text."""
    if not request.messages:
        return None
    last = request.messages[-1]
    if last.role != "user" or not all(type(part) is TextPart for part in last.parts):
        return None
    text = "\n".join(part.text for part in last.parts if isinstance(part, TextPart)).strip()
    emptied = Message("user", (), last.name)
    context = key_of(replace(request, messages=(*request.messages[:-1], emptied)), policy, side=side)
    return Question(text, context) if text and context is not None else None


def asks_for_chance(request: AnyRequest) -> bool:
    """Whether the request itself wants another answer each time: a temperature above 0 without a seed, or several."""
    if isinstance(request, Request):
        several = request.n is not None and request.n > 1
        return several or (request.seed is None and (request.temperature or 0) > 0)
    return False


def _finite(request: AnyRequest) -> bool:
    """JSON has one word, null, for no number and for none."""
    if not isinstance(request, Request):
        return True
    return all(value is None or isfinite(value) for value in (getattr(request, name) for name in _FLOATS))


def _in_order(request: AnyRequest) -> bytes | None:
    """The schemas as they are written: models fill in properties in their order, and think so."""
    if not isinstance(request, Request) or (request.output_schema is None and not request.tools):
        return b""
    schema = None if request.output_schema is None else request.output_schema.schema
    return _canonical((schema, [tool.parameters for tool in request.tools]), is_sorted=False)


def _canonical(value: object, *, is_sorted: bool = True) -> bytes | None:
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS if is_sorted else orjson.OPT_NON_STR_KEYS)
    except TypeError:
        pass
    # Integers beyond 64 bits and half surrogate pairs, which orjson refuses, are rare enough for the slower writer.
    try:
        return json.dumps(value, default=_plain_whole, sort_keys=is_sorted).encode()
    except (TypeError, ValueError, RecursionError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, AbstractSet):
        return sorted(value)
    if isinstance(value, Decimal):
        return str(value.normalize())
    if isinstance(value, bytes | bytearray | memoryview):
        return sha256(value).hexdigest()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def _plain_whole(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return _plain(value)
