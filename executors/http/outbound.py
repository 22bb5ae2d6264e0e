"""Sends the requests of workflows: each hop is checked before it is gone to."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from dataclasses import dataclass, field

from executors.failures import StepFailure
from executors.http.addresses import not_public
from executors.http.exchange import Answer, Unanswered, exchange
from executors.http.hosts import AllowedHost, allowed, check_clearance, secured
from executors.http.request import Request
from executors.http.resolving import Resolve, by_name_server, checked_addresses
from executors.http.target import Target
from unified_api.clock import Clock
from unified_api.settings import Environment, HttpSettings
from unified_api.types import Sensitivity

__all__ = ["MAX_REDIRECTS", "Outbound"]

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class _Journey:
    """How far a request has come."""

    request: Request
    target: Target
    sent: bool = False
    left: AllowedHost | None = None
    """The host whose redirect is followed to another origin."""
    was_public: bool = False
    """Whether a host in the open internet had a say in where it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """The one way out for steps of kind `http`."""

    settings: HttpSettings
    environment: Environment = field(repr=False)
    clock: Clock
    resolve: Resolve = by_name_server
    tls: ssl.SSLContext | None = None
    """By default the system's certificates."""

    async def send(
        self,
        request: Request,
        target: Target,
        *,
        label: Sensitivity,
        repeatable: bool,
        final: Collection[int] = (),
    ) -> Answer:
        """The answer, whatever its status; redirects are followed unless their status is among `final`.

        Raises:
            StepFailure: `host_not_allowed`, `private_address`, `insufficient_clearance`, `insecure_url` and
                `no_credentials` before anything is sent; `too_many_redirects`, `timed_out`, `unknown_outcome`, or as
                `checked_addresses` and `exchange`.
        """
        journey = _Journey(request, target)
        try:
            return await self._in_time(journey, label, final)
        except Unanswered as error:
            broke = f"the connection to {journey.target.origin} broke: {error}"
            raise _lost(journey, broke, repeatable=repeatable) from error
        except TimeoutError:
            within = f"no answer of {journey.target.origin} within {self.settings.timeout_s:g} s ([http] timeout_s)"
            raise _lost(journey, within, repeatable=repeatable, code="timed_out") from None

    async def _in_time(self, journey: _Journey, label: Sensitivity, final: Collection[int]) -> Answer:
        with self.clock.scope(self.clock.now() + self.settings.timeout_s):
            return await self._follow(journey, label, final)
        raise TimeoutError

    async def _follow(self, journey: _Journey, label: Sensitivity, final: Collection[int]) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._hop(journey, label)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or answer.status in final or not location:
                return answer
            onward = journey.target.redirected(location)
            elsewhere = onward.origin != journey.target.origin
            is_upgrade = onward.origin == f"https://{journey.target.host}" and journey.target.scheme == "http"
            journey.left = allowed(journey.target, self.settings) if elsewhere and not is_upgrade else None
            if journey.target.scheme == "https" and onward.scheme == "http":
                raise StepFailure(
                    "insecure_url", f"{journey.target.named} redirects to {onward.named}, which is not encrypted"
                )
            journey.request = journey.request.redirected(answer.status, elsewhere=elsewhere)
            journey.target = onward
        raise StepFailure(
            "too_many_redirects",
            f"there were more than {MAX_REDIRECTS} redirects, the last one to {journey.target.named}",
        )

    async def _hop(self, journey: _Journey, label: Sensitivity) -> Answer:
        target = journey.target
        try:
            host = allowed(target, self.settings)
            check_clearance(host, label)
            addresses = await checked_addresses(target, host, self.resolve)
            public = [not_public(address) is None for address in addresses]
            secured(target, host, is_private=not any(public))
            _check_redirect(journey, host, is_public=all(public))
            credentials = host.credentials(self.environment)
        except StepFailure as failure:
            if journey.sent:
                failure = StepFailure(
                    failure.code, f"a redirect led on to {target.named}: {failure.message}", retryable=failure.retryable
                )
            raise failure from None
        journey.sent, journey.was_public = True, journey.was_public or any(public)
        return await exchange(
            journey.request,
            target,
            addresses=addresses,
            credentials=credentials,
            max_bytes=self.settings.max_bytes,
            tls=self.tls,
        )


def _check_redirect(journey: _Journey, host: AllowedHost, *, is_public: bool) -> None:
    """Refuses what the host that redirects could not do by itself. StepFailure `redirect_refused`."""
    if journey.was_public and not is_public:
        why = "a host in the open internet must not choose what is asked in a private network"
    elif journey.left is None:
        return
    elif not journey.request.only_reads:
        why = f"another host must not choose where a {journey.request.method} takes effect"
    elif (host.token_env or host.headers_env) and host.entry != journey.left.entry:
        why = f"another host must not choose what is asked with the credentials of {host.entry!r}"
    else:
        return
    raise StepFailure(
        "redirect_refused",
        f"{why}; ask it in a step of its own, or put the status among `expect` to have the redirect as the answer",
    )


def _lost(journey: _Journey, message: str, *, repeatable: bool, code: str = "connection_lost") -> StepFailure:
    if repeatable or not journey.sent:
        return StepFailure(code, message, retryable=True)
    return StepFailure(
        "unknown_outcome",
        f"{message}; the {journey.request.method} may have been done. Look there before it is sent again, or say"
        " `idempotent: true` where a second time does no harm",
    )
