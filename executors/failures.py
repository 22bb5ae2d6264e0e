"""How a step goes wrong: every cause becomes a code and a sentence."""

from __future__ import annotations

from unified_api.errors import (
    AttemptsExhaustedError,
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    ContentRefusedError,
    FailedGenerationError,
    GatewayError,
    InvalidRequestError,
    NoCandidateError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    UnknownPriceError,
)

__all__ = ["StepFailure", "of_gateway"]

_HOPELESS = (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    InvalidRequestError,
    NoCandidateError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    UnknownPriceError,
)
"""The same call would fail the same way a moment later."""


class StepFailure(Exception):  # noqa: N818  # it is control flow inside the executor and never reaches a user
    """One try of a step failed. `retryable` says whether another try could do better."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


def of_gateway(error: GatewayError) -> StepFailure:
    """The failure that a gateway's error means for a step; a refusal is told by one word wherever it comes from."""
    cause = error.__cause__ if isinstance(error, AttemptsExhaustedError) else error
    hopeless = isinstance(cause, _HOPELESS) and not isinstance(cause, FailedGenerationError)
    code = "refused" if isinstance(cause, ContentRefusedError) else error.code
    return StepFailure(code, error.message, retryable=not hopeless)
