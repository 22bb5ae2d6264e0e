"""An error answer, or an error inside a good one, as the error of ours that it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from unified_api.errors import (
    AuthenticationError,
    ContentRefusedError,
    ContextOverflowError,
    FailedGenerationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    UnsupportedParameterError,
)
from unified_api.types import Json
from unified_api.wire.base import WireProfile, shorten
from unified_api.wire.error_body import ErrorBody, read_error, read_error_body
from unified_api.wire.retry_after import duration, retry_after

__all__ = ["decode_error", "embedded_error"]

_QUOTA = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "insufficient_credits",
        "credit_balance_too_low",
        "quota_exhausted",
        "payment_required",
        "arrearage",
        "allocationquota.freetieronly",
        "budget_exceeded",
        "account_deactivated_billing",
    }
)
_OVERFLOW = frozenset(
    {
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",
        "string_above_max_length",
        "request_too_large",
        "max_tokens_exceeded",
        "prompt_too_long",
        "model_max_prompt_tokens_exceeded",
    }
)
_BAD_KEY = frozenset(
    {
        "invalid_api_key",
        "api_key_invalid",
        "invalid_authentication",
        "authentication_error",
        "unauthenticated",
        "invalid_iam_token",
        "unauthorized",
        "access_token_type_unsupported",
        "invalid_authentication_error",
        "incorrect_api_key",
        "missing_api_key",
        "invalidapikey",
        "no_api_key",
    }
)
_UNSUPPORTED = frozenset(
    {
        "unsupported_parameter",
        "unknown_parameter",
        "unsupported_value",
        "extra_forbidden",
        "unrecognized_parameter",
    }
)
_NO_MODEL = frozenset(
    {
        "model_not_found",
        "model_not_available",
        "unknown_model",
        "deploymentnotfound",
        "invalid_model",
        "model_decommissioned",
        "model_not_supported",
        "modelnotfound",
        "model_not_exist",
    }
)
_REFUSED = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "moderation_blocked",
        "responsibleaipolicyviolation",
        "datainspectionfailed",
        "data_inspection_failed",
        "content_filtered",
        "sensitive_words_detected",
    }
)
_FAILED_GENERATION = frozenset({"tool_use_failed", "json_validate_failed", "output_parse_failed"})
_RATE = frozenset(
    {
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limited",
        "ratelimitexceeded",
        "resource_exhausted",
        "too_many_requests",
        "throttling",
        "throttlingexception",
        "requests",
        "tokens",
    }
)
_SERVER = frozenset(
    {
        "server_error",
        "internal_error",
        "internal_server_error",
        "overloaded_error",
        "service_unavailable",
        "unavailable",
        "api_error",
        "engine_overloaded_error",
        "timeout_error",
        "bad_gateway",
        "internal",
    }
)
_INVALID = frozenset({"invalid_request_error", "bad_request", "invalid_argument", "badrequesterror", "invalid_value"})

# Words are a guess, looked at only where the status leaves the meaning open (400, 413, 422 and no status at all).
_OVERFLOW_WORDS = re.compile(
    r"context[ _-]?(length|window|size|limit)|maximum context"
    r"|(prompt|input|request|messages?)\b.{0,40}\btoo (long|large)"
    r"|(input|prompt|total|requested)\b.{0,30}\btokens?\b.{0,60}\b(exceed|greater|more than|larger)"
    r"|exceeds?\b.{0,50}\btokens?\b"
    r"|too many (input )?tokens|max_model_len|reduce the length|token limit",
    re.IGNORECASE,
)
_KEY_WORDS = re.compile(
    r"(incorrect|invalid|wrong|missing|expired|bad|no|malformed|revoked)\b.{0,20}\bapi[ _-]?key"
    r"|api[ _-]?key\b.{0,40}\b(invalid|incorrect|not valid|not found|expired|missing|wrong|required)",
    re.IGNORECASE,
)
_UNSUPPORTED_WORDS = re.compile(
    r"unsupported (parameter|value)|unrecognized request argument|unknown (parameter|field|argument|name)"
    r"|extra (inputs|fields) (are )?not permitted"
    r"|(parameter|property|argument|field)\b.{0,60}\b(is|are) (not supported|unsupported)"
    r"|(does not|doesn't|not) support\b.{0,30}\bparameters?\b|not supported with this model",
    re.IGNORECASE,
)
_MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,80}\b(not found|does not exist|doesn't exist|not exist|unknown|is not a valid|decommissioned)"
    r"|(invalid|unknown|no such|non-existent) model\b|not a valid model|model identifier is invalid",
    re.IGNORECASE,
)
_QUOTA_WORDS = re.compile(
    r"(credit|balance)\b.{0,30}\b(too low|insufficient|exhausted|depleted)|insufficient (balance|credits?|funds)"
    r"|exceeded your current quota|billing hard limit",
    re.IGNORECASE,
)
_TOO_LARGE_WORDS = re.compile(r"request too large|tokens per (minute|day)", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:parameter|argument|property|field|value|name|supplied)s?:?\s*['\"`]([A-Za-z_][\w.\[\]]*)['\"`]"
    r"|supplied:\s*([A-Za-z_][\w.]*)|['\"`]([A-Za-z_][\w.\[\]]*)['\"`]\s*(?:is|are|does|:)?\s*(?:not|un)",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\b((?:sk|pk|gsk|xai|hf|nvapi|pplx|r8|key|AIza)[-_A-Za-z0-9]{2})[-_A-Za-z0-9]{14,}")

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
    found = read_error_body(body)
    wait = retry_after(lower, now=now)
    if wait is None and found.retry_delay:
        wait = duration(found.retry_delay)
    request_id = next((lower[name] for name in _REQUEST_IDS if lower.get(name)), found.request_id)
    effective = status if status >= 400 else found.status
    kind = _kind(effective, found, profile)
    return _build(kind, found, status=status, provider=provider, model=model, wait=wait, request_id=request_id)


def embedded_error(value: Json, *, provider: str, model: str, profile: WireProfile | None = None) -> ProviderError:
    """The error that JSON inside a 200 (a body, a stream's event) means."""
    found = read_error(value)
    wait = duration(found.retry_delay) if found.retry_delay else None
    kind = _kind(found.status, found, profile)
    return _build(
        kind, found, status=found.status, provider=provider, model=model, wait=wait, request_id=found.request_id
    )


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
        param = next(filter(None, named.groups()), None) if named else None
    return kind(
        f"{provider} refused {model!r} with {where}{code}: {said}{advice}",
        provider=provider,
        model=f"{provider}/{model}",
        status=status,
        provider_code=found.code,
        param=param,
        retry_after=wait,
        request_id=request_id,
    )


def _kind(status: int | None, found: ErrorBody, profile: WireProfile | None) -> type[ProviderError]:
    """The status decides where it can; codes refine it; words only where both leave it open."""
    if profile is not None and found.codes & profile.throttle_codes:
        return RateLimitError
    if status is None:
        return _by_codes(found) or _by_words(found) or _by_vague_codes(found) or ServerError
    decide = _BY_STATUS.get(status)
    if decide is not None:
        return decide(found)
    if status >= 500:
        return ContextOverflowError if found.codes & _OVERFLOW else ServerError
    return _by_codes(found) or _by_words(found) or InvalidRequestError


def _by_codes(found: ErrorBody) -> type[ProviderError] | None:
    return next((kind for codes, kind in _BY_CODE if found.codes & codes), None)


def _by_vague_codes(found: ErrorBody) -> type[ProviderError] | None:
    return next((kind for codes, kind in _BY_VAGUE_CODE if found.codes & codes), None)


def _by_words(found: ErrorBody) -> type[ProviderError] | None:
    return next((kind for words, kind in _BY_WORDS if words.search(found.message)), None)


def _forbidden(found: ErrorBody) -> type[ProviderError]:
    if found.codes & _QUOTA:
        return QuotaError
    return ContentRefusedError if found.codes & _REFUSED or found.flagged else PermissionDeniedError


def _too_large(found: ErrorBody) -> type[ProviderError]:
    large = found.codes & (_OVERFLOW | _RATE) or _OVERFLOW_WORDS.search(found.message)
    # Groq's 413 means more tokens than the account may send in a minute: waiting does not help, another model may.
    return ContextOverflowError if large or _TOO_LARGE_WORDS.search(found.message) else InvalidRequestError


def _throttled(found: ErrorBody) -> type[ProviderError]:
    return QuotaError if found.codes & _QUOTA else RateLimitError


_BY_STATUS: dict[int, Callable[[ErrorBody], type[ProviderError]]] = {
    401: lambda _: AuthenticationError,
    402: lambda _: QuotaError,
    403: _forbidden,
    404: lambda _: NotFoundError,
    408: lambda _: TimedOutError,
    409: lambda _: ServerError,
    413: _too_large,
    425: lambda _: ServerError,
    429: _throttled,
    498: lambda _: RateLimitError,
}
_BY_CODE: tuple[tuple[frozenset[str], type[ProviderError]], ...] = (
    (_QUOTA, QuotaError),
    (_OVERFLOW, ContextOverflowError),
    (_BAD_KEY, AuthenticationError),
    (_REFUSED, ContentRefusedError),
    (_FAILED_GENERATION, FailedGenerationError),
    (_NO_MODEL, NotFoundError),
    (_UNSUPPORTED, UnsupportedParameterError),
)
_BY_WORDS: tuple[tuple[re.Pattern[str], type[ProviderError]], ...] = (
    (_KEY_WORDS, AuthenticationError),
    (_OVERFLOW_WORDS, ContextOverflowError),
    (_UNSUPPORTED_WORDS, UnsupportedParameterError),
    (_MODEL_WORDS, NotFoundError),
    (_QUOTA_WORDS, QuotaError),
)
_BY_VAGUE_CODE: tuple[tuple[frozenset[str], type[ProviderError]], ...] = (
    (_RATE, RateLimitError),
    (_SERVER, ServerError),
    (_INVALID, InvalidRequestError),
)
