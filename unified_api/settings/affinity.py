"""`[affinity]`: how long a session keeps to the deployment that served it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from unified_api.settings.table import Table

__all__ = ["AffinitySettings"]


class AffinitySettings(Table):
    """`[affinity]`. Only calls whose policy names a session (`Caller.session`) are kept together."""

    idle_s: Annotated[float, Field(ge=0)] = 3600.0
    """Seconds after its last call in which a session is remembered; 0: not at all."""
    sessions: Annotated[int, Field(ge=1)] = 10_000
    """How many are remembered; the one that was used least lately is forgotten first."""
