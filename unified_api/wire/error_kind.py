"""Which error of ours an error answer means: by its status, by codes where that is vague, by words where both are."""

from __future__ import annotations

import re
from collections.abc import Callable

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
from unified_api.wire.base import WireProfile
from unified_api.wire.error_body import ErrorBody
from unified_api.wire.parameter_words import fields_of, refused_in_words

__all__ = ["error_kind"]

_QUOTA = frozenset({
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance",
    "insufficient_credits", "credit_balance_too_low", "quota_exhausted", "payment_required", "arrearage",
    "allocationquota.freetieronly", "budget_exceeded", "account_deactivated_billing", "billing_error",
    "servicequotaexceededexception",
})  # fmt: skip
_OVERFLOW = frozenset({
    "context_length_exceeded", "context_window_exceeded", "exceed_context_size_error", "string_above_max_length",
    "request_too_large", "max_tokens_exceeded", "prompt_too_long", "model_max_prompt_tokens_exceeded",
})  # fmt: skip
_BAD_KEY = frozenset({
    "invalid_api_key", "api_key_invalid", "invalid_authentication", "authentication_error", "unauthenticated",
    "invalid_iam_token", "unauthorized", "access_token_type_unsupported", "invalid_authentication_error",
    "incorrect_api_key", "missing_api_key", "invalidapikey", "no_api_key",
    # AWS, which says 403 where others say 401
    "expiredtokenexception", "expiredtoken", "unrecognizedclientexception", "invalidsignatureexception",
    "signaturedoesnotmatch", "incompletesignatureexception", "missingauthenticationtokenexception",
    "invalidclienttokenid", "requestexpired",
})  # fmt: skip
_UNSUPPORTED = frozenset({
    "unsupported_parameter", "unknown_parameter", "unsupported_value", "extra_forbidden", "unrecognized_parameter",
})  # fmt: skip
_NO_MODEL = frozenset({
    "model_not_found", "model_not_available", "unknown_model", "deploymentnotfound", "invalid_model",
    "model_decommissioned", "model_not_supported", "modelnotfound", "model_not_exist", "not_found_error",
})  # fmt: skip
_NO_RIGHT = frozenset({"permission_error"})
_REFUSED = frozenset({
    "content_filter", "content_policy_violation", "moderation_blocked", "responsibleaipolicyviolation",
    "datainspectionfailed", "data_inspection_failed", "content_filtered", "sensitive_words_detected",
})  # fmt: skip
_FAILED_GENERATION = frozenset({"tool_use_failed", "json_validate_failed", "output_parse_failed"})
_RATE = frozenset({
    "rate_limit_exceeded", "rate_limit_error", "rate_limited", "ratelimitexceeded", "resource_exhausted",
    "too_many_requests", "throttling", "throttlingexception", "requests", "tokens",
})  # fmt: skip
_SERVER = frozenset({
    "server_error", "internal_error", "internal_server_error", "overloaded_error", "service_unavailable",
    "unavailable", "api_error", "engine_overloaded_error", "timeout_error", "bad_gateway", "internal",
})  # fmt: skip
_INVALID = frozenset({"invalid_request_error", "bad_request", "invalid_argument", "badrequesterror", "invalid_value"})

# Words are a guess, looked at only where the status leaves the meaning open (400, 413, 422 and no status at all).
_OVERFLOW_WORDS = re.compile(
    r"context[ _-]?(length|window|size|limit)|maximum context"
    r"|(prompt|input|request|messages?)\b.{0,40}\btoo (long|large)"
    r"|(input|prompt|total|requested)\b.{0,30}\btokens?\b.{0,60}\b(exceed|greater|more than|larger)"
    r"|exceeds?\b.{0,50}\btokens?\b"
    r"|too many (input )?tokens|max_model_len|\bn_ctx\b|reduce the length|token limit",
    re.IGNORECASE,
)
_KEY_WORDS = re.compile(
    r"(incorrect|invalid|wrong|missing|expired|bad|no|malformed|revoked)\b.{0,20}\bapi[ _-]?key"
    r"|api[ _-]?key\b.{0,40}\b(invalid|incorrect|not valid|not found|expired|missing|wrong|required)",
    re.IGNORECASE,
)
# What AWS says of keys and signatures under 403, where the header that names the exception was lost on the way.
_SIGNATURE_WORDS = re.compile(
    r"security token included in the request|request signature we calculated|make sure your api key is valid"
    r"|signature (expired|not yet current)|missing authentication token",
    re.IGNORECASE,
)
_UNSUPPORTED_WORDS = re.compile(
    r"unsupported (parameter|value)|unrecognized request argument|unknown (parameter|field|argument|name)"
    r"|extra (inputs|fields) (are )?not permitted"
    r"|(parameter|property|argument|field)\b.{0,60}\b(is|are) (not supported|unsupported)"
    r"|(does not|doesn't|not) support\b.{0,30}\bparameters?\b|not supported with this model"
    r"|doesn't support the \S+ field|#: extraneous key \[",  # Bedrock; deeper in the body it is no parameter
    re.IGNORECASE,
)
_MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,80}\b(not found|does not exist|doesn't exist|not exist|unknown|is not a valid|decommissioned)"
    r"|(invalid|unknown|no such|non-existent) model\b|not a valid model|model identifier is invalid"
    r"|on-demand throughput isn.t supported"  # Bedrock: the model is there by its inference profile only
    r"|^unexpected endpoint or method",  # LM Studio, under status 200, for a base_url without /v1
    re.IGNORECASE,
)
_QUOTA_WORDS = re.compile(
    r"(credit|balance)\b.{0,30}\b(too low|insufficient|exhausted|depleted)|insufficient (balance|credits?|funds)"
    r"|exceeded your current quota|billing hard limit",
    re.IGNORECASE,
)
_TOO_LARGE_WORDS = re.compile(r"request too large|tokens per (minute|day)", re.IGNORECASE)


def error_kind(status: int | None, found: ErrorBody, profile: WireProfile | None) -> type[ProviderError]:
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
    found_kind = next((kind for words, kind in _BY_WORDS if words.search(found.message)), None)
    return found_kind or (UnsupportedParameterError if _refuses_parameter(found) else None)


def _refuses_parameter(found: ErrorBody) -> bool:
    """Whether the words refuse a field of the request: the one that `param` names, where it names one."""
    word = refused_in_words(found.message)
    return word is not None and (found.param is None or not {*fields_of(word)}.isdisjoint(fields_of(found.param)))


def _forbidden(found: ErrorBody) -> type[ProviderError]:
    if found.codes & _QUOTA:
        return QuotaError
    if found.codes & _BAD_KEY or _SIGNATURE_WORDS.search(found.message):
        return AuthenticationError
    return ContentRefusedError if found.codes & _REFUSED or found.flagged else PermissionDeniedError


def _too_large(found: ErrorBody) -> type[ProviderError]:
    large = found.codes & (_OVERFLOW | _RATE) or _OVERFLOW_WORDS.search(found.message)
    # Groq's 413 means more tokens than the account may send in a minute: waiting does not help, another model may.
    return ContextOverflowError if large or _TOO_LARGE_WORDS.search(found.message) else InvalidRequestError


def _throttled(found: ErrorBody) -> type[ProviderError]:
    return QuotaError if found.codes & _QUOTA else RateLimitError


def _failed_behind(found: ErrorBody) -> type[ProviderError]:
    """Bedrock's word for a model that failed; the status of what it failed with may stand in the body."""
    return ServerError if found.status in {None, 424} else error_kind(found.status, found, None)


_BY_STATUS: dict[int, Callable[[ErrorBody], type[ProviderError]]] = {
    401: lambda _: AuthenticationError,
    402: lambda _: QuotaError,
    403: _forbidden,
    404: lambda _: NotFoundError,
    408: lambda _: TimedOutError,
    409: lambda _: ServerError,
    413: _too_large,
    424: _failed_behind,
    425: lambda _: ServerError,
    429: _throttled,
    498: lambda _: RateLimitError,
    501: lambda _: NotFoundError,  # llama.cpp for what it was not started to do; asking again changes nothing
}
_BY_CODE: tuple[tuple[frozenset[str], type[ProviderError]], ...] = (
    (_QUOTA, QuotaError),
    (_OVERFLOW, ContextOverflowError),
    (_BAD_KEY, AuthenticationError),
    (_NO_RIGHT, PermissionDeniedError),
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
