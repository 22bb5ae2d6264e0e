"""What is wrong with a call whatever its model: told before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from math import isnan
from typing import get_args

from unified_api.errors import ConfigurationError, InvalidRequestError
from unified_api.needs import AnyRequest
from unified_api.policy_words import names, one_of
from unified_api.types import SENSITIVITIES, Caller, Capability, ImageRequest, Message, Policy, Reader, Request

__all__ = ["check_policy", "check_request"]

_READERS: tuple[Reader, ...] = get_args(Reader)
_ON_UNSUPPORTED = ("refuse", "drop")
_CAPABILITIES: tuple[Capability, ...] = get_args(Capability)
_NAMELESS = Caller()


def check_request(request: AnyRequest) -> None:
    """InvalidRequestError for what no model can be asked; what single models refuse, their wires say."""
    if isinstance(request, Request):
        if not all(isinstance(one, Message) for one in request.messages):
            raise InvalidRequestError("messages holds something else than Messages; write (Message.user('Hello'),)")
        _at_least_one("max_tokens", request.max_tokens)
    if isinstance(request, Request | ImageRequest):
        _at_least_one("n", request.n)


def _at_least_one(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise InvalidRequestError(f"{name} is {value}; give 1 or more, or leave it out", param=name)


def check_policy(policy: Policy) -> None:
    """ConfigurationError for what no call can be made under."""
    one_of(SENSITIVITIES, policy.sensitivity, "sensitivity")
    one_of(_READERS, policy.reader, "reader")
    one_of(_ON_UNSUPPORTED, policy.on_unsupported, "on_unsupported")
    for need in policy.needs:
        one_of(_CAPABILITIES, need, "need")
    if policy.max_attempts < 1:
        raise ConfigurationError(f"the policy's max_attempts is {policy.max_attempts}; a call needs one at least")
    if policy.max_billable is not None and policy.max_billable < 1:
        raise ConfigurationError(f"the policy's max_billable is {policy.max_billable}; a call needs one at least")
    if policy.deadline_s is not None and isnan(policy.deadline_s):
        raise ConfigurationError("the policy's deadline_s is no number; give seconds, or None for that of the settings")
    ceiling: object = policy.max_cost_usd
    if ceiling is not None and not isinstance(ceiling, Decimal):
        raise ConfigurationError(f"the policy's max_cost_usd is {ceiling!r}; write it as Decimal('{ceiling}')")
    if policy.caller != _NAMELESS:
        _check_caller(policy.caller)


def _check_caller(caller: Caller) -> None:
    """A name that is empty is one that somebody forgot to fill in, and nobody would be charged."""
    tags: object = caller.tags
    if not isinstance(tags, frozenset):
        raise ConfigurationError(f"the caller's tags are {caller.tags!r}; write frozenset({{...}})")
    for what in ("user", "key", "run", "session"):
        if getattr(caller, what) == "":
            raise ConfigurationError(f"the caller's {what} is empty; name one, or leave it out")
    if "" in names(caller.tags, "tags"):
        raise ConfigurationError("one of the caller's tags is empty; name it, or leave it out")
