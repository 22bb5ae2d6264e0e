"""`[breaker]`: when a deployment is left alone, and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from unified_api.settings.table import Table

__all__ = ["BreakerSettings"]


class BreakerSettings(Table):
    """`[breaker]`."""

    failures: Annotated[int, Field(ge=1)] = 3
    """Answers of 429 within `window_s` that open the breaker of a deployment."""
    window_s: Annotated[float, Field(gt=0)] = 60.0
    """How far back failures count, in seconds."""
    cooldown_s: Annotated[float, Field(gt=0)] = 30.0
    """How long an opened breaker lets nothing through, unless the provider asks for longer; doubles with each failed
    probe."""
    cooldown_cap_s: Annotated[float, Field(gt=0)] = 600.0
    """The longest that doubling makes it."""
    failure_ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of calls within `window_s` that opens it too when they end in server errors, broken connections or
    timeouts."""
    least_calls: Annotated[int, Field(ge=1)] = 10
    """Calls within `window_s` below which the ratio says nothing."""
