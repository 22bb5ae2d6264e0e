"""What becomes of a call that meets a fault: written out once, for the tests in process and the drill over sockets.

Every fault is met whole and streamed, alone and on a route with a healthy provider behind. `a` is the provider that
fails, always in the same way; `b` is the healthy one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unified_api.errors import AttemptsExhaustedError, GatewayError
from unified_api.gateway import Gateway
from unified_api.settings import Timeouts
from unified_api.types import Attempt, Message, Policy, Request, Response

__all__ = ["ALONE", "ROUTED", "Case", "Expected", "Met", "cases", "meet", "timeouts"]

ALONE, ROUTED = "a/m", "route/main"
TEXT = "The tide comes in."


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An answer by `provider`, or else an error."""

    provider: str | None = None
    error: str | None = None
    """The code of the failure itself, where all tries failed that of the last."""
    tries: int | None = None
    """Of the failing provider; None: it is asked again at least once."""
    content: bool = False
    """Whether some of the answer reached the reader before the error."""
    refusal: bool = False
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault, by its name in `unified_api.testing.faults`, and what it comes to."""

    fault: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    whole: Expected
    whole_routed: Expected
    streamed: Expected
    streamed_routed: Expected
    for_step: Expected
    """Streamed and routed, where only a program reads the stream."""

    @property
    def name(self) -> str:
        return self.fault + "".join(f" {key}={value:g}" for key, value in self.arguments.items())

    def expected(self, *, stream: bool, routed: bool, step: bool = False) -> Expected:
        if step:
            return self.for_step
        if stream:
            return self.streamed_routed if routed else self.streamed
        return self.whole_routed if routed else self.whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What really became of a call."""

    provider: str | None = None
    error: str | None = None
    tries: int = 0
    text: str = ""
    refusal: bool = False
    skipped: int = 0
    last: str | None = None
    """The outcome of the last try."""

    def against(self, expected: Expected) -> list[str]:
        """What is not as expected."""
        wrong = [
            f"{name} is {getattr(self, name)!r}, not {getattr(expected, name)!r}"
            for name in ("provider", "error", "refusal", "skipped")
            if getattr(self, name) != getattr(expected, name)
        ]
        if self.tries < 2 if expected.tries is None else self.tries != expected.tries:
            wrong.append(f"the failing provider was tried {self.tries} times, not {expected.tries or 'again'}")
        if expected.error is None and not expected.refusal and self.text != TEXT and not expected.skipped:
            wrong.append(f"the answer is {self.text!r}")
        if expected.error is not None and bool(self.text) is not expected.content:
            wrong.append(f"{self.text!r} reached the reader before the error")
        if self.last != ("succeeded" if expected.error is None else "failed"):
            wrong.append(f"the last try {self.last}")
        return wrong


def timeouts(unit: float) -> Timeouts:
    """Limits of `unit` seconds for each silence."""
    return Timeouts(
        connect_s=max(unit, 1.0), headers_s=unit, first_token_s=unit, silence_s=unit, total_s=max(4 * unit, 2.5)
    )


def cases(unit: float) -> list[Case]:
    """Every fault, for limits of `unit` seconds."""
    wait = max(1.0, unit / 20)
    once = Expected(provider="b", tries=1)
    fine = Expected(provider="a", tries=1)
    return [
        # Waited out and tried again; beside a healthy one a single time at most, and that one answers.
        *(_before("rate_limited", arguments, "rate_limit") for arguments in _limits(wait)),
        _before("rate_limited", {"retry_after": 86_400.0}, "rate_limit", tries=1),
        _before("server_error", {"status": 500}, "server_error"),
        _before("server_error", {"status": 503}, "server_error"),
        _before("server_error", {"status": 503, "retry_after": wait}, "server_error"),
        _before("reset", {}, "connection_failed"),
        # Left alone: what is silent, and what would say the same again.
        _before("silence", {}, "timed_out", tries=1),
        _before("slow", {"seconds": 2 * unit}, "timed_out", tries=1),
        _before("bad_key", {}, "authentication", tries=1),
        _before("context_overflow", {}, "context_overflow", tries=1),
        # Slow is not silent.
        _all("slow", {"seconds": unit / 2}, fine),
        # Broken in the middle: nobody has seen a whole answer, and what was streamed is not taken back.
        _within("cut", {}, "connection_failed", whole="connection_failed"),
        _before("cut", {"after": 0}, "connection_failed"),
        _within("no_finish", {}, "truncated_stream", whole="malformed_response"),
        _within("error_inside", {"after": 2}, "server_error", whole="server_error"),
        _before("error_inside", {}, "server_error"),
        _within("stall", {}, "timed_out", whole="timed_out", tries=1),
        _before("stall", {"after": 0}, "timed_out", tries=1),
        # An event that cannot be read is passed over and counted, a body that cannot is no answer.
        Case(
            fault="unreadable",
            whole=Expected(error="malformed_response"),
            whole_routed=once,
            streamed=Expected(provider="a", tries=1, skipped=1),
            streamed_routed=Expected(provider="a", tries=1, skipped=1),
            for_step=Expected(provider="a", tries=1, skipped=1),
        ),
        _all("no_done", {}, fine),
        _all("retry_after_on_success", {"seconds": 86_400.0}, fine),
        # A refusal is an answer and never routed around.
        _all("refusal", {}, Expected(provider="a", tries=1, refusal=True)),
        _all("refused_request", {}, Expected(error="content_refused", tries=1)),
        # An answer without end ends with the call's deadline; comments are silence.
        Case(
            fault="drip",
            arguments={"every": unit / 4},
            whole=Expected(error="deadline_exceeded", tries=1),
            whole_routed=Expected(error="deadline_exceeded", tries=1),
            streamed=Expected(error="timed_out", tries=1),
            streamed_routed=once,
            for_step=once,
        ),
        _all(
            "drip",
            {"every": unit / 4, "words": True},
            Expected(error="deadline_exceeded", tries=1, content=True),
            whole=Expected(error="deadline_exceeded", tries=1),
        ),
    ]


def _limits(wait: float) -> list[dict[str, Any]]:
    return [
        {},
        {"retry_after": wait},
        {"retry_after": wait + 0.25},
        {"retry_after": wait, "as_date": True},
        {"retry_after": wait, "as_ms": True},
    ]


def _all(fault: str, arguments: Mapping[str, Any], outcome: Expected, *, whole: Expected | None = None) -> Case:
    """Whatever stands behind, and whoever reads."""
    whole = whole or outcome
    return Case(
        fault=fault,
        arguments=arguments,
        whole=whole,
        whole_routed=whole,
        streamed=outcome,
        streamed_routed=outcome,
        for_step=outcome,
    )


def _before(fault: str, arguments: Mapping[str, Any], error: str, *, tries: int | None = None) -> Case:
    """Fails before any content, so that a healthy provider behind it answers."""
    failed = Expected(error=error, tries=tries)
    moved = Expected(provider="b", tries=1)
    return Case(
        fault=fault,
        arguments=arguments,
        whole=failed,
        whole_routed=moved,
        streamed=failed,
        streamed_routed=moved,
        for_step=moved,
    )


def _within(fault: str, arguments: Mapping[str, Any], streamed: str, *, whole: str, tries: int | None = None) -> Case:
    """Fails after content of a stream; a whole answer is asked for elsewhere, as nobody has seen any of it."""
    seen = Expected(error=streamed, tries=1, content=True)
    moved = Expected(provider="b", tries=1)
    return Case(
        fault=fault,
        arguments=arguments,
        whole=Expected(error=whole, tries=tries),
        whole_routed=moved,
        streamed=seen,
        streamed_routed=seen,
        for_step=moved,
    )


async def meet(gateway: Gateway, *, stream: bool, routed: bool, step: bool = False) -> Met:
    """One call, and what became of it."""
    request = Request(model=ROUTED if routed else ALONE, messages=(Message.user("Why is there a tide?"),))
    policy = Policy(reader="step" if step else "person")
    read = ""
    try:
        if not stream:
            response = await gateway.chat(request, policy)
        else:
            async with gateway.stream(request, policy) as chunks:
                async for _ in chunks:
                    read = chunks.text
                response = chunks.response
    except GatewayError as error:
        failure = error.__cause__ if isinstance(error, AttemptsExhaustedError) else error
        assert isinstance(failure, GatewayError)
        return Met(error=failure.code, text=read, **_told(error.attempts))
    return _answered(response)


def _answered(response: Response) -> Met:
    return Met(
        provider=response.provider,
        text=response.text,
        refusal=response.refusal is not None,
        skipped=response.skipped_events,
        **_told(response.attempts),
    )


def _told(story: tuple[Attempt, ...]) -> dict[str, Any]:
    tries = [one for one in story if one.number]
    return {"tries": sum(one.model == ALONE for one in tries), "last": tries[-1].outcome if tries else None}
