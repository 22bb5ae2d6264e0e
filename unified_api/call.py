"""One logical call on its way through the layers, and what a layer is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeAlias

from unified_api.models import Selection
from unified_api.needs import AnyRequest, Asked
from unified_api.trail import Trail
from unified_api.types import (
    AnyResponse,
    Chunk,
    Policy,
    Request,
)

__all__ = [
    "AnyCall",
    "AnyResponse",
    "Call",
    "Consult",
    "Handler",
    "Layer",
    "Operation",
    "Purpose",
    "StreamHandler",
    "through",
    "through_stream",
]

Operation = Literal["chat", "stream", "embed", "image", "rerank", "moderate"]
Purpose = Literal["answer", "evaluation", "safety", "similarity"]
"""Why a call is made: for its caller, or for a part of the gateway that judges another call's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Asked]):
    """A layer that changes the request or the policy hands on a copy; the trail is the same for all."""

    operation: Operation
    request: Asked
    policy: Policy
    deadline: float
    """In the clock's seconds; retries, fallbacks and waits included."""
    purpose: Purpose = "answer"
    trail: Trail = field(default_factory=Trail)
    selection: Selection | None = None
    """Who may serve, where a layer had to know that before; None: whoever serves it decides."""
    more: Callable[[], Awaitable[bool]] | None = None
    """Asked where `Policy.max_billable` tries are used up: whether there is room for one more."""


AnyCall: TypeAlias = Call[Any]  # of any kind of request
Handler: TypeAlias = Callable[[AnyCall], Awaitable[Any]]
"""Answers a call with the response of its kind."""
StreamHandler: TypeAlias = Callable[[Call[Request]], AbstractAsyncContextManager[AsyncIterator[Chunk]]]
"""Answers a chat call with its chunks. Entering waits for the first content; the iterator ends cleanly only when the
answer is complete, and raises a GatewayError otherwise. Leaving early ends the upstream call."""
Consult: TypeAlias = Callable[[AnyCall, Operation, AnyRequest, Purpose], Awaitable[Any]]
"""Asks a model about a call: a call of its own for the same caller, under the same label, filters and deadline, by the
same layers; its cost is noted on the first call's trail."""


class Layer(Protocol):
    """A wrapper around every call. One instance serves many calls at once."""

    async def whole(self, call: AnyCall, proceed: Handler) -> Any:
        """The response to `call`, by `proceed` or without it."""

    def stream(
        self, call: Call[Request], proceed: StreamHandler
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]: ...


def through(layers: Iterable[Layer], inmost: Handler) -> Handler:
    """`inmost` with the layers around it, the first outermost."""
    handler = inmost
    for layer in reversed(list(layers)):
        handler = partial(layer.whole, proceed=handler)
    return handler


def through_stream(layers: Iterable[Layer], inmost: StreamHandler) -> StreamHandler:
    """The same for streams."""
    handler = inmost
    for layer in reversed(list(layers)):
        handler = partial(layer.stream, proceed=handler)
    return handler
