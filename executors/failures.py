"""How a step goes wrong: every cause becomes a code and a sentence."""

from __future__ import annotations

from executors.events import StepError
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
from unified_api.types import Sensitivity

__all__ = ["NothingToDo", "StepFailure", "of_gateway", "unkept"]

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

    def __init__(  # keyword-only, each with a default
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        path: str = "",
        wait_s: float | None = None,
        label: Sensitivity | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.path = path
        """Of the step inside of this one that failed; empty for the step itself."""
        self.wait_s = wait_s
        """Seconds that whoever refused asks to wait before another try."""
        self.label = label
        """Of the message, which may quote what the step inside was given; None is that of the step itself."""

    @classmethod
    def of(cls, error: StepError, *, label: Sensitivity | None = None) -> StepFailure:
        """The failure of a step inside, as that of the step around it. Another try might do better."""
        return cls(error.code, error.message, retryable=True, path=error.path, label=label)

    def error(self, path: str) -> StepError:
        """As it is told, by the step at this path."""
        if self.path:
            return StepError(self.code, self.message, self.path)
        return StepError(self.code, f"step {path!r}: {self.message}", path)

    @property
    def ends_run(self) -> bool:
        """Whether the run fails whatever is said to be done about errors: what goes on would be lost or paid twice."""
        return self.code == "journal_failed"


class NothingToDo(Exception):  # noqa: N818  # likewise
    """The step found that it has nothing to do, and is skipped."""


def unkept(error: Exception) -> StepFailure:
    """The failure of what is not begun because it cannot be written down."""
    return StepFailure("journal_failed", f"it was not started, because the journal does not work: {error}")


def of_gateway(error: GatewayError) -> StepFailure:
    """The failure that a gateway's error means for a step; a refusal is told by one word wherever it comes from."""
    cause = error.__cause__ if isinstance(error, AttemptsExhaustedError) else error
    hopeless = isinstance(cause, _HOPELESS) and not isinstance(cause, FailedGenerationError)
    code = "refused" if isinstance(cause, ContentRefusedError) else error.code
    return StepFailure(code, error.message, retryable=not hopeless)
