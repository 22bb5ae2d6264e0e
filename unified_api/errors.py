"""The error tree of the gateway.

    GatewayError                      provider, model, status, request_id; `code` is the class's own word
    |-- ConfigurationError            the settings cannot be used: says which key and how to mend it
    |-- NoCandidateError              nothing may serve the call; lists why each candidate was dropped
    |-- AttemptsExhaustedError        every permitted try failed; `attempts` tells the story
    |-- DeadlineExceededError         the call's whole deadline passed
    |-- RestingError                  whoever may serve is left alone just now; `retry_after`, `resting`
    |-- BudgetExceededError           a cap on spending has no room for the call
    |-- UnknownPriceError             a cap on spending holds, and nobody knows what the call may cost
    |-- LedgerError                   caps cannot be checked just now, so nothing is sent
    `-- ProviderError                 a provider (or the way to it) said no
        |-- InvalidRequestError       400, 422: the request itself is at fault
        |   |-- ContextOverflowError  too many tokens for the model
        |   |-- ContentRefusedError   the provider's filter refused the content
        |   |-- FailedGenerationError the model wrote a tool call or JSON that its provider rejected
        |   |-- UnsupportedParameterError  a parameter this model cannot take
        |   |   `-- ParameterRefusedError  the server refuses one that may be left out; it is asked again without it
        |   `-- SchemaRefusedError    the server makes no answer keep to this schema; it is asked again another way
        |-- AuthenticationError       401, or a bad key under another status
        |-- PermissionDeniedError     403
        |-- QuotaError                402, or a 429 that waiting will not cure
        |-- NotFoundError             404: no such model or address
        |-- RateLimitError            429; `retry_after` in seconds where given
        |-- ServerError               500 and up, and overload
        |-- ConnectionFailedError     no connection, or it broke
        |-- TimedOutError             one of the timeouts passed
        |-- MalformedResponseError    an answer that cannot be read
        `-- TruncatedStreamError      a stream that ended without its terminal event

`retryable` says whether the same deployment may be asked again, `fallback` whether another one may be, `billable`
whether a bill may still come for the call that failed.
Status decides before the message's words (a message match is only a guess).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from unified_api.types import Attempt

__all__ = [
    "AttemptsExhaustedError",
    "AuthenticationError",
    "BudgetExceededError",
    "ConfigurationError",
    "ConnectionFailedError",
    "ContentRefusedError",
    "ContextOverflowError",
    "DeadlineExceededError",
    "FailedGenerationError",
    "GatewayError",
    "InvalidRequestError",
    "LedgerError",
    "MalformedResponseError",
    "NoCandidateError",
    "NotFoundError",
    "ParameterRefusedError",
    "PermissionDeniedError",
    "ProviderError",
    "QuotaError",
    "RateLimitError",
    "RestingError",
    "SchemaRefusedError",
    "ServerError",
    "TimedOutError",
    "TruncatedStreamError",
    "UnknownPriceError",
    "UnsupportedParameterError",
]


class GatewayError(Exception):
    """Base of everything the gateway raises. `str()` says what happened and what to do."""

    code: ClassVar[str] = "gateway_error"
    billable: bool = False
    """Whether the provider may have worked for the call, and so may bill it."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.attempts = attempts


class ConfigurationError(GatewayError):
    """The settings cannot be used."""

    code = "configuration"


class NoCandidateError(GatewayError):
    """No deployment satisfies the call's policy; the message gives the reason for every one dropped."""

    code = "no_candidate"


class AttemptsExhaustedError(GatewayError):
    """Every permitted try failed. `__cause__` is the last failure."""

    code = "attempts_exhausted"


class DeadlineExceededError(GatewayError):
    """The deadline of the whole call passed."""

    code = "deadline_exceeded"
    billable = True


class BudgetExceededError(GatewayError):
    """A user, key, tag or run has too little left for what the call may cost; the message says which and how much."""

    code = "budget_exceeded"


class UnknownPriceError(GatewayError):
    """Who pays for the call has a cap, and nobody knows what a model that may answer costs."""

    code = "unknown_price"


class LedgerError(GatewayError):
    """The ledger of what was spent cannot be asked; a cap that cannot be checked lets nothing through."""

    code = "ledger_unavailable"


class RestingError(GatewayError):
    """Nothing was asked: every deployment that may serve has failed lately and is left alone until later."""

    code = "resting"

    def __init__(self, message: str, *, retry_after: float, resting: tuple[str, ...]) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds until the first of them may be asked."""
        self.resting = resting
        """Which they are, as `provider/model`."""


class ProviderError(GatewayError):
    """A provider, or the way to it, said no."""

    code = "provider_error"
    retryable: ClassVar[bool] = False
    fallback: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        attempts: tuple[Attempt, ...] = (),
        status: int | None = None,
        provider_code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, provider=provider, model=model, attempts=attempts)
        self.status = status
        self.provider_code = provider_code
        """The provider's own code or type, as given."""
        self.param = param
        """The request parameter the provider blames."""
        self.retry_after = retry_after
        """Seconds to wait, where the provider said so."""
        self.request_id = request_id


class InvalidRequestError(ProviderError):
    """The request itself is at fault; asking elsewhere would not mend it."""

    code = "invalid_request"
    fallback = False


class ContextOverflowError(InvalidRequestError):
    """The request has more tokens than the model's context; a model with a longer one may take it."""

    code = "context_overflow"
    fallback = True


class ContentRefusedError(InvalidRequestError):
    """The provider's filter refused the content. That is an answer, no reason to ask elsewhere."""

    code = "content_refused"


class FailedGenerationError(InvalidRequestError):
    """The model wrote a tool call or JSON that its provider rejected; asking again may go better."""

    code = "failed_generation"
    retryable = True
    fallback = True


class UnsupportedParameterError(InvalidRequestError):
    """The model cannot take the parameter named by `param`."""

    code = "unsupported_parameter"


class ParameterRefusedError(UnsupportedParameterError):
    """The server refuses the parameter named by `param`, and the policy lets it be left out."""

    code = "parameter_refused"
    retryable = True
    fallback = True


class SchemaRefusedError(InvalidRequestError):
    """The server refuses to make an answer keep to the schema; the same model may be asked for it another way."""

    code = "schema_refused"
    retryable = True
    fallback = True


class AuthenticationError(ProviderError):
    """The key is missing or wrong."""

    code = "authentication"


class PermissionDeniedError(ProviderError):
    """The key is right but may not do this."""

    code = "permission_denied"


class QuotaError(ProviderError):
    """The account has no money or quota left; waiting a little will not help."""

    code = "quota"


class NotFoundError(ProviderError):
    """No such model, or no such address."""

    code = "not_found"


class RateLimitError(ProviderError):
    """Too many requests or tokens just now."""

    code = "rate_limit"
    retryable = True


class ServerError(ProviderError):
    """The provider failed or is overloaded."""

    code = "server_error"
    retryable = True


class ConnectionFailedError(ProviderError):
    """The connection could not be made, or broke before the answer was complete."""

    code = "connection_failed"
    retryable = True


class TimedOutError(ProviderError):
    """A timeout passed. A silent deployment is left, not asked again."""

    code = "timed_out"
    billable = True


class MalformedResponseError(ProviderError):
    """The answer cannot be read as what it should be."""

    code = "malformed_response"
    retryable = True
    billable = True


class TruncatedStreamError(ProviderError):
    """The stream ended without its terminal event, so the text may be cut."""

    code = "truncated_stream"
    retryable = True
    billable = True
