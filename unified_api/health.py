"""How the deployments of one gateway have fared: their breakers, refused keys and latencies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeAlias

import anyio

from unified_api.clock import Clock
from unified_api.errors import (
    AuthenticationError,
    ConnectionFailedError,
    MalformedResponseError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from unified_api.models import Model
from unified_api.providers import ProviderRow
from unified_api.routing.breaker import Breaker, Failure, Limits, State, Ticket
from unified_api.routing.breakers import Breakers
from unified_api.routing.latency import Kind, Latencies
from unified_api.routing.moves import CALM, Standing
from unified_api.routing.refusals import Refusals
from unified_api.settings import BreakerSettings, Environment

__all__ = ["Condition", "Credential", "Health", "Try"]

_FAULTS = (ServerError, ConnectionFailedError, TimedOutError, TruncatedStreamError, MalformedResponseError)
_REFUSALS = (AuthenticationError, QuotaError)
_SALT = os.urandom(16)
_KEPT = 2048
"""Deployments that are remembered: callers may name any model, so there must be a bound."""


@dataclass(frozen=True, slots=True)
class Credential:
    """With what a provider is asked: told apart by the key, and shown by the name of its variable alone."""

    provider: str
    variable: str | None = None
    digest: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, provider: str, row: ProviderRow | None, environment: Environment) -> Credential:
        variable = None if row is None else row.api_key_env
        key = None if variable is None else environment.get(variable)
        return cls(
            provider, variable, b"" if key is None else blake2b(key.encode(), digest_size=16, key=_SALT).digest()
        )


_Key: TypeAlias = tuple[Credential, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How one deployment is at one moment."""

    model: str
    """`provider/model`."""
    key: str | None
    """The environment variable of its key."""
    state: State
    opens_in_s: float = 0.0
    """Seconds until an open breaker lets a call through."""
    is_probed: bool = False
    """Whether a call is under way that tries whether the deployment is back."""
    cause: str = ""
    """Why the breaker opened."""
    key_refused: str = ""
    """How the provider refused its key, while it is asked last for that."""


@dataclass(slots=True, eq=False)
class Try:
    """One call of one deployment, admitted by `Health` and to be ended by it, once."""

    key: _Key
    breaker: Breaker
    ticket: Ticket
    begun: float


class Health:
    """What the calls of one gateway have met, for the calls to come. One object serves many calls at once."""

    def __init__(
        self,
        settings: BreakerSettings | None = None,
        *,
        clock: Clock,
        rows: Mapping[str, ProviderRow] | None = None,
        environment: Environment | None = None,
    ) -> None:
        settings = settings or BreakerSettings()
        self.latencies = Latencies()
        self._clock = clock
        self._rows = rows or {}
        self._environment = environment or Environment()
        self._credentials: dict[str, Credential] = {}
        limits = Limits(**settings.model_dump(exclude={"refused_key_s"}))
        self._breakers: Breakers[_Key] = Breakers(limits, kept=_KEPT)
        self._refusals: Refusals[Credential] = Refusals(settings.refused_key_s)
        self._waiting: dict[_Key, dict[anyio.Event, None]] = {}  # in the order of their coming

    def standing(self, candidates: Sequence[Model]) -> Standing:
        """Who of the candidates is better left alone just now."""
        if self._breakers.all_closed and not self._refusals:
            return CALM
        now = self._clock.now()
        resting: dict[int, float] = {}
        dead: set[int] = set()
        for index, model in enumerate(candidates):
            key = self._key(model)
            breaker = self._breakers.tripped(key)
            opening = None if breaker is None else breaker.reopens(now)
            if opening is not None:
                resting[index] = opening
            if self._refusals.words(key[0], now) is not None:
                dead.add(index)
        return Standing(resting, dead) if resting or dead else CALM

    def why_resting(self, model: Model) -> str:
        """Why it is passed over, in words."""
        now = self._clock.now()
        breaker = self._breakers.of(self._key(model))
        left = (breaker.reopens(now) or now) - now
        if left > 0:
            return f"its breaker is open for another {_seconds(left)}, after {breaker.cause}"
        return f"its breaker opened after {breaker.cause}, and another call is trying whether it is back"

    def why_dead(self, model: Model) -> str:
        """Why it is asked last, in words."""
        words = self._refusals.words(self._key(model)[0], self._clock.now()) or "its key was refused"
        return f"{words} lately, so the others are asked first"

    def admit(self, model: Model, now: float) -> Try | None:
        """Begin a call of `model`, which has to be ended; None where its breaker lets nothing through just now."""
        key = self._key(model)
        breaker = self._breakers.of(key)
        ticket = breaker.admit(now)
        return None if ticket is None else Try(key, breaker, ticket, now)

    def answered(self, one: Try, kind: Kind) -> None:
        """The answer, or a stream's first content, is there. The call may still fail."""
        now = self._clock.now()
        self.latencies.add(one.key[1], now - one.begun, now, kind=kind)
        if self._refusals:
            self._refusals.revive(one.key[0], one.begun)
        one.breaker.answered(one.ticket)
        self._file(one)

    def succeeded(self, one: Try) -> None:
        """The call has ended well."""
        one.breaker.succeeded(one.ticket, self._clock.now())
        self._file(one)

    def failed(self, one: Try, error: Exception) -> None:
        """The call has ended badly, be it in the middle of a stream. The error's kind says whose fault that is."""
        now = self._clock.now()
        if isinstance(error, _REFUSALS):
            self._refusals.refuse(one.key[0], _refusal(error, one.key[0]), now)
        if isinstance(error, (RateLimitError, *_FAULTS)):
            failure: Failure = "rate_limit" if isinstance(error, RateLimitError) else "fault"
            one.breaker.failed(one.ticket, failure, now, retry_after=error.retry_after)
        else:
            one.breaker.let_go(one.ticket)
        self._file(one)

    def let_go(self, one: Try) -> None:
        """Nobody waited for the call's end."""
        one.breaker.let_go(one.ticket)
        self._file(one)

    async def change(self, models: Iterable[Model], delay: float, *, deadline: float) -> None:
        """Wait until the probe of one of `models` ends, at most `delay` seconds and not beyond `deadline`."""
        event = anyio.Event()
        keys = [self._key(model) for model in models]
        for key in keys:
            self._waiting.setdefault(key, {})[event] = None
        try:
            if self._clock.now() + delay >= deadline:
                with self._clock.scope(deadline):
                    await event.wait()
            else:
                await self._sleep(delay, event)
        finally:
            for key in keys:
                waiting = self._waiting.get(key, {})
                waiting.pop(event, None)
                if not waiting:
                    self._waiting.pop(key, None)

    def seconds(self, model: Model, kind: Kind, *, share: float = 0.5, least: int = 1) -> float | None:
        """Within how many seconds that share of the model's latest answers came; None for fewer than `least`."""
        return self.latencies.percentile(model.id, share, self._clock.now(), kind=kind, least=least)

    def conditions(self) -> tuple[Condition, ...]:
        """Every deployment that was asked lately, by name."""
        now = self._clock.now()
        return tuple(sorted((self._condition(*one, now=now) for one in self._breakers), key=lambda one: one.model))

    def reset(self, model: str | None = None) -> None:
        """Close the breaker of `model` (`provider/model`) and trust its key again; None: those of all."""
        for key, breaker in self._breakers:
            if model is None or key[1] == model:
                breaker.reset()
                self._breakers.file(key, breaker)
                self._refusals.forget(key[0])
                self._wake(key)

    async def _sleep(self, seconds: float, event: anyio.Event) -> None:
        async def wake() -> None:
            await event.wait()
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(wake)
            await self._clock.sleep(seconds)
            group.cancel_scope.cancel()

    def _condition(self, key: _Key, breaker: Breaker, *, now: float) -> Condition:
        state = breaker.state(now)
        return Condition(
            model=key[1],
            key=key[0].variable,
            state=state,
            opens_in_s=(breaker.reopens(now) or now) - now if state == "open" else 0.0,
            is_probed=breaker.is_probed,
            cause="" if state == "closed" else breaker.cause,
            key_refused=self._refusals.words(key[0], now) or "",
        )

    def _key(self, model: Model) -> _Key:
        credential = self._credentials.get(model.provider)
        if credential is None:
            row = self._rows.get(model.provider)
            credential = self._credentials[model.provider] = Credential.of(model.provider, row, self._environment)
        return credential, model.id

    def _file(self, one: Try) -> None:
        forgotten = self._breakers.file(one.key, one.breaker)
        if forgotten is not None:
            self._wake(forgotten)
        if self._waiting and not one.breaker.is_probed:
            self._wake(one.key)

    def _wake(self, key: _Key) -> None:
        for event in self._waiting.get(key, ()):
            event.set()


def _refusal(error: ProviderError, credential: Credential) -> str:
    what = "its account had no money or quota left" if isinstance(error, QuotaError) else "its key was refused"
    return what if credential.variable is None else f"{what} ({credential.variable})"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
