"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from executors.events import RunStatus, StepError, StepFinished

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
