"""The caller's wishes for one call."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from unified_api.types.common import Capability, Reader, Sensitivity, Strategy, Tier

__all__ = ["Caller", "Policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf a call is made: who pays for it, and with whom it shares answers and affinity."""

    tenant: str = ""
    """Whose data it is: nothing cached or remembered for one tenant is shown to another."""
    user: str | None = None
    key: str | None = None
    """The name of the key that the caller showed, never the key."""
    run: str | None = None
    session: str | None = None
    """Calls of one session keep to the deployment that served them before."""
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The caller's wishes for one call: what must hold, what is preferred, what may happen on failure."""

    needs: frozenset[Capability] = frozenset()
    sensitivity: Sensitivity = "public"
    regions: frozenset[str] = frozenset()
    """Where the data may be processed, as provider rows name it (`eu`, `us`); empty: anywhere."""
    allow: frozenset[str] = frozenset()
    """Models (`provider/model`) or providers (`provider/*`) that alone may answer; empty: all. Who is asked *about* a
    call (a judge, a safety model, embeddings for comparing) goes by label, regions and `deny`."""
    deny: frozenset[str] = frozenset()
    """Models or providers, written so, that are not asked."""
    max_cost_usd: Decimal | None = None
    """The most that a try may cost at worst; a model of unknown price is not asked then."""
    tier: Tier | None = None
    """Asked of `auto`; a named model or route is taken as it is."""
    strategy: Strategy | None = None
    """How the candidates are ordered; None: as the route says, and `auto` by tier."""
    category: str | None = None
    """The kind of task (`code`, `creative`, ...), which a route may choose by."""
    fallback: bool = True
    """Whether a failure may move the call to the next deployment of its route."""
    on_unsupported: Literal["refuse", "drop"] = "refuse"
    """What becomes of a parameter that the model cannot take; what was dropped is in the response's `dropped`."""
    max_attempts: int = 4
    """Tries in all, retries and fallbacks together."""
    max_billable: int | None = None
    """Tries that may be billed although they failed or their answer was rejected, after which the call ends: what a
    budget has room for."""
    deadline_s: float | None = None
    """Seconds for the whole logical call, every attempt and wait included."""
    hedge: bool | None = None
    """Whether a slow deployment may be raced by the next one; None: as the route says, and else not."""
    reader: Reader = "person"
    """Who reads a stream: one that only a program reads may begin anew after it broke."""
    cache: bool = True
    """Whether the answer may come from the cache and be kept there, where the settings have one."""
    caller: Caller = Caller()
