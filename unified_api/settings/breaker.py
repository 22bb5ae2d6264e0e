"""`[breaker]`: when a deployment is left alone, and for how long."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from unified_api.settings.table import Table

__all__ = ["BreakerSettings"]

_Seconds: TypeAlias = Annotated[float, Field(gt=0, le=86_400)]


class BreakerSettings(Table):
    """`[breaker]`."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 3
    """Answers of 429 within `window_s` that open the breaker of a deployment."""
    window_s: _Seconds = 60.0
    """How far back failures count, in seconds."""
    cooldown_s: _Seconds = 30.0
    """How long an opened breaker lets nothing through, unless the provider asks for longer; doubles with each failed
    probe."""
    cooldown_cap_s: _Seconds = 600.0
    """The longest that doubling makes it."""
    refused_key_s: _Seconds = 300.0
    """How long the models of a key that was refused (401), or whose account has no money left (402), are asked after
    all others."""
    failure_ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of calls within `window_s` that opens it too when they end in server errors, broken connections or
    timeouts."""
    least_calls: Annotated[int, Field(ge=1, le=1000)] = 10
    """Calls within `window_s` below which the ratio says nothing."""
