from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from unified_api.errors import ServerError
from unified_api.gateway import Gateway
from unified_api.testing import ManualClock, scripted_gateway
from unified_api.trail import Trail
from unified_api.types import EmbedRequest, ImageRequest, Message, Request

ASKED = Request(model="auto", messages=(Message.user("Hello"),))


async def stream(gateway: Gateway, trail: Trail) -> None:
    async with gateway.stream(ASKED, trail=trail) as chunks:
        async for _ in chunks:
            pass


@pytest.mark.parametrize(
    "ask",
    [
        lambda gateway, trail: gateway.chat(ASKED, trail=trail),
        lambda gateway, trail: gateway.embed(EmbedRequest(model="auto", inputs=("a",)), trail=trail),
        lambda gateway, trail: gateway.image(ImageRequest(model="auto", prompt="a cat"), trail=trail),
        stream,
    ],
    ids=["chat", "embed", "image", "stream"],
)
async def test_a_call_that_is_cancelled_leaves_what_it_tried_with_who_gave_it_a_trail(
    ask: Callable[[Gateway, Trail], Awaitable[Any]],
) -> None:
    scope, trail = anyio.CancelScope(), Trail()

    async def hang(_: object) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    gateway = scripted_gateway({"p/m": [ServerError("down"), hang]}, clock=ManualClock())
    with scope:
        await ask(gateway, trail)
    assert scope.cancelled_caught
    tries = [(one.model, one.outcome) for one in trail.story if one.number]
    assert tries == [("p/m", "failed"), ("p/m", "cancelled")]
