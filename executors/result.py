"""How a run ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from executors.events import RunFinished, RunStatus, StepError, StepFinished

__all__ = ["RunResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The end of a run; a failed one is described here, not raised."""

    run_id: str
    status: RunStatus
    outputs: dict[str, Any]
    """The workflow's outputs; empty unless the run succeeded."""
    steps: tuple[StepFinished, ...]
    """Every step once, in the order of the workflow file."""
    cost_usd: Decimal | None
    """The sum of what is known, earlier passes included; None when a paid call's cost is unknown."""
    seconds: float
    error: StepError | None = None
    earlier_usd: Decimal | None = Decimal(0)
    """What of it earlier passes of a resumed run had paid; None when that is unknown."""

    @classmethod
    def of(cls, end: RunFinished, steps: Iterable[StepFinished]) -> Self:
        """What the last event of a run tells, and how its steps ended."""
        return cls(
            run_id=end.run_id,
            status=end.status,
            outputs=end.outputs,
            steps=tuple(steps),
            cost_usd=end.cost_usd,
            seconds=end.seconds,
            error=end.error,
            earlier_usd=end.earlier_usd,
        )
