"""An error answer, or an error inside a good one, as the error of ours that it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from unified_api.errors import (
    AuthenticationError,
    ContextOverflowError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
    UnsupportedParameterError,
)
from unified_api.types import Json
from unified_api.wire.base import WireProfile
from unified_api.wire.error_body import ErrorBody, read_error, read_error_body
from unified_api.wire.error_kind import error_kind
from unified_api.wire.parameter_words import refused_in_words
from unified_api.wire.quoting import shorten
from unified_api.wire.retry_after import duration, limits_reset, retry_after, told_wait

__all__ = ["decode_error", "embedded_error"]

_NAMED = re.compile(
    r"(?:parameter|argument|property|field|value|name|supplied)s?:?\s*['\"`]([A-Za-z_][\w.\[\]]*)['\"`]"
    r"|(?:supplied:\s*|support the (?=\S+ field)|extraneous key \[)([A-Za-z_][\w.]*)"
    r"|['\"`]([A-Za-z_][\w.\[\]]*)['\"`]\s*(?:is|are|does|:)?\s*(?:not|un)",
    re.IGNORECASE,
)
_LOADING = re.compile(
    r"\b(still )?loading\b.{0,20}\bmodel\b|\bmodel\b.{0,80}\b(is|still) (currently )?loading", re.IGNORECASE
)
_LOADING_S = 10.0
"""Seconds between two questions to a server that is still loading its model and does not say for how long."""
_SECRET = re.compile(
    r"[-\w+/.=~:]*?\b((?:sk|pk|gsk|xai|hf|nvapi|pplx|r8|key|AIza)[-_A-Za-z0-9]{2})[-_A-Za-z0-9]{14,}[-\w+/.=~:]*"
)
"""What looks like a key, with all of the word that it is in: another key may hold it, and no piece may be left over."""

_ADVICE: dict[type[ProviderError], str] = {
    AuthenticationError: "check this provider's API key",
    PermissionDeniedError: "the key may not do this: check its rights",
    QuotaError: "the account has no quota or money left: check its billing",
    NotFoundError: "check the model's name and the base URL",
    ContextOverflowError: "shorten the request or choose a model with a longer context",
    UnsupportedParameterError: "leave the parameter out or choose another model",
    RateLimitError: "wait, or allow a fallback",
    ServerError: "the provider is at fault: try again or allow a fallback",
}
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-ms-request-id", "cf-ray")


def decode_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    provider: str,
    model: str,
    profile: WireProfile | None = None,
    now: float | None = None,
) -> ProviderError:
    """The error that an HTTP answer of `status` means.

    `now`, in seconds since 1970, is for a Retry-After given as a date by a server that states no date of its own.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    found = _named(read_error_body(body), lower.get("x-amzn-errortype", ""))
    wait = retry_after(lower, now=now)
    if wait is None:
        wait = _told(found)
    if wait is None and status == 429:
        wait = limits_reset(lower, now=now)
    if wait is None and status == 503 and _LOADING.search(found.message):
        wait = _LOADING_S
    request_id = next((lower[name] for name in _REQUEST_IDS if lower.get(name)), found.request_id)
    effective = status if status >= 400 else found.status
    kind = error_kind(effective, found, profile)
    return _build(kind, found, status=status, provider=provider, model=model, wait=wait, request_id=request_id)


def embedded_error(value: Json, *, provider: str, model: str, profile: WireProfile | None = None) -> ProviderError:
    """The error that JSON inside a 200 (a body, a stream's event) means."""
    found = read_error(value)
    kind = error_kind(found.status, found, profile)
    return _build(
        kind, found, status=found.status, provider=provider, model=model, wait=_told(found), request_id=found.request_id
    )


def _told(found: ErrorBody) -> float | None:
    """The wait that the body asks for, in a field of its own or in words."""
    wait = duration(found.retry_delay) if found.retry_delay else None
    return told_wait(found.message) if wait is None else wait


def _named(found: ErrorBody, exception: str) -> ErrorBody:
    """With the exception that AWS names in a header only, before the address of what raised it."""
    code = exception.partition(":")[0].rpartition("#")[2]
    return replace(found, code=found.code or code, codes=found.codes | {code.lower()}) if code else found


def _build(
    kind: type[ProviderError],
    found: ErrorBody,
    *,
    status: int | None,
    provider: str,
    model: str,
    wait: float | None,
    request_id: str | None,
) -> ProviderError:
    said = _SECRET.sub(r"\1…", shorten(found.message)) or "no reason given"
    where = f"HTTP {status}" if status is not None else "an error inside the answer"
    code = f", {found.code}" if found.code and found.code != str(status) else ""
    advice = f" ({_ADVICE[kind]})" if kind in _ADVICE else ""
    param = found.param
    if param is None and kind is UnsupportedParameterError:
        named = _NAMED.search(found.message)
        param = refused_in_words(found.message) or (next(filter(None, named.groups()), None) if named else None)
    return kind(
        f"{provider} refused {repr(model) if model else 'the request'} with {where}{code}: {said}{advice}",
        provider=provider,
        model=f"{provider}/{model}" if model else None,
        status=status,
        provider_code=found.code,
        param=param,
        retry_after=wait,
        request_id=request_id,
    )
