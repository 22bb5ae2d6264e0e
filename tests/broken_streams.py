"""Gateways whose streams break, over the wire and from a script, and what their readers are told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import inf

from family_streams import family_stream

from unified_api.errors import (
    GatewayError,
    TruncatedStreamError,
)
from unified_api.gateway import Gateway
from unified_api.models import Model, Prices
from unified_api.providers import PriceRow, ProviderRow
from unified_api.response_stream import ResponseStream
from unified_api.settings import Environment, Route, Settings
from unified_api.testing import (
    ALL_CAPABILITIES,
    FaultyTransport,
    HttpAnswer,
    ManualClock,
    scripted_gateway,
    stream_answer,
)
from unified_api.types import (
    Attempt,
    Chunk,
    Message,
    Policy,
    Request,
    TextChunk,
)

__all__ = [
    "CUT",
    "NAME",
    "STEP",
    "WORDS",
    "answer",
    "ask",
    "begun",
    "broken",
    "over_the_wire",
    "read",
    "scripted",
    "tries",
]

WORDS = ("Once ", "upon ", "a time")
NAME = "anthropic.claude-m"
STEP = Policy(reader="step")


def ask(model: str = "route/main", **more: object) -> Request:
    return Request(model=model, messages=(Message.user("Hello"),), **more)


def over_the_wire(
    family: str, *first: HttpAnswer, then: Sequence[HttpAnswer] = (stream_answer("fine"),)
) -> tuple[Gateway, FaultyTransport]:
    """The provider `a` speaks `family`, and `b`, the next of the route, OpenAI's chat."""
    clock, left = ManualClock(), {"a.example": list(first), "b.example": list(then)}
    prices = {"*": PriceRow(input=Decimal(1_000_000), output=Decimal(1_000_000))}
    rows = {
        "a": ProviderRow(base_url="https://a.example/v1", wire=family, models=(NAME,), prices=prices),
        "b": ProviderRow(base_url="https://b.example/v1", models=("m",), prefill=("*",), prices=prices),
    }
    backend = FaultyTransport(lambda request: left[request.url.host].pop(0), clock=clock)
    routes = {"main": Route(models=(f"a/{NAME}", "b/m"))}
    settings = Settings(providers=rows, routes=routes, environment=Environment())
    return Gateway(settings, backend=backend, clock=clock, random=lambda: 0.5), backend


def answer(family: str, *events: bytes, **more: object) -> HttpAnswer:
    content_type = family_stream(family, WORDS).content_type
    return HttpAnswer(headers={"content-type": content_type}, pieces=events, **more)


async def read(stream: ResponseStream) -> list[Chunk]:
    return [chunk async for chunk in stream]


def tries(attempts: Sequence[Attempt]) -> list[tuple[str, str, str | None, int]]:
    return [(one.model, one.outcome, one.error, one.received) for one in attempts if one.number]


def broken(family: str, how: str) -> HttpAnswer:
    """One word, and then nothing good."""
    stream = family_stream(family, WORDS)
    begun = stream.events[: stream.lead + 1]
    if how == "error":
        return answer(family, *begun, stream.error)
    if how == "silent":
        return answer(family, b"".join(begun), stream.events[-1], pause_s=inf)
    return answer(family, *begun, cut=how == "broken")


def scripted(*, prefill: bool = False, repeats: bool = False, **scripts: object) -> Gateway:
    """Models `x/NAME` in a route in their order."""
    made = [
        Model(
            id=f"x/{name}", provider="x", name=name, wire="scripted", capabilities=ALL_CAPABILITIES, prefill=prefill,
            repeats_prefill=repeats, prices=Prices(input=Decimal(1_000_000), output=Decimal(1_000_000)),
        )
        for name in scripts
    ]  # fmt: skip
    settings = Settings(routes={"main": Route(models=tuple(one.id for one in made))})
    return scripted_gateway(
        {one.id: scripts[one.name] for one in made}, models=made, settings=settings, clock=ManualClock()
    )


CUT = TruncatedStreamError("it ended too soon")


def begun(*chunks: Chunk, error: GatewayError = CUT) -> list[Chunk | GatewayError]:
    return [*(chunks or (TextChunk("Once upon "),)), error]
