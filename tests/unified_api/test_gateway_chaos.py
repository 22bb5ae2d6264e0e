"""Everything on at once, over a network that fails at random: what must hold of every call, whatever happens to it."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial
from itertools import count
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from unified_api.errors import GatewayError
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.testing import ManualClock
from unified_api.types import Attempt, Caller, Chunk, Message, Policy, Request, TextChunk, TextPart

SEEDS = 4
SECRET = "anna.lind@mail.example"
"""Stands in half of the questions, and no provider and no log may see it."""

PROVIDER = """
[providers.{name}]
base_url = "https://{name}.example/v1"
models = ["m"]
clearance = "restricted"
[providers.{name}.prices.m]
input = 100
output = 400
"""
"""So dear that some calls do not fit under their caps."""

SETTINGS = """
[routes.main]
models = ["north/m", "east/m", "south/m"]
[routes.spread]
models = ["north/m", "east/m"]
strategy = "weighted"
weights = {"north/m" = 0.5, "east/m" = 0.5}
last_resort = ["south/m"]
[routes.raced]
models = ["east/m", "north/m"]
hedge = true
[routes.judged]
models = ["south/m", "north/m"]
[routes.judged.escalate]
when = "low_confidence"
[timeouts]
first_token_s = 20
silence_s = 10
headers_s = 30
total_s = 300
[budgets]
wait_s = 0
[budgets.default]
per_user_month_usd = 0.7
per_tag_month_usd = 1.8
[privacy]
redact = "placeholders"
[cache]
enabled = true
clearance = "restricted"
[safety]
action = "flag"
window = 80
overlap = 20
[record]
log = true
"""


def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "orchestrator.toml"
    path.write_text("".join(PROVIDER.format(name=name) for name in ("north", "east", "south")) + SETTINGS)
    return Settings.load(path, {"ORCHESTRATOR_HOME": str(tmp_path)})


class Network(httpx.AsyncBaseTransport):
    """Providers that answer numbered words and repeat the question, or fail in one of many ways by seeded chance."""

    def __init__(self, chance: Random, clock: ManualClock) -> None:
        self.chance, self.clock = chance, clock
        self.open = 0
        self.bodies: list[bytes] = []
        self._numbers = count()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        asked = json.loads(request.content)
        fate = self.chance.random()
        await self.clock.sleep(self.chance.choice((0.0, 0.1, 1.0)))
        if fate < 0.06:
            raise httpx.ConnectError("refused")
        if fate < 0.16:
            headers = {"retry-after": "2"} if self.chance.random() < 0.5 else {}
            status = self.chance.choice((429, 429, 500, 503, 401, 404))
            return httpx.Response(status, headers=headers, json={"error": {"message": "no", "code": "x"}})
        if fate < 0.20:
            await self.clock.sleep(10_000)
        number = next(self._numbers)
        words = [f"a{number}w{place} " for place in range(self.chance.randint(5, 60))]
        words.append(f"said: {asked['messages'][-1]['content']}")
        self.open += 1
        if asked.get("stream"):
            body = self._streamed(words, fate)
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(self, body))
        body = self._whole([] if fate < 0.26 else words)
        return httpx.Response(200, headers={"content-type": "application/json"}, stream=Body(self, body))

    async def _whole(self, words: list[str]) -> AsyncIterator[bytes]:
        message = {"role": "assistant", "content": "".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        yield json.dumps({"model": "m", "choices": [choice], "usage": usage(len(words))}).encode()

    async def _streamed(self, words: list[str], fate: float) -> AsyncIterator[bytes]:
        end = self.chance.randrange(len(words)) if fate < 0.45 else inf
        for place, word in enumerate(words):
            if place == end:
                if fate < 0.30:
                    raise httpx.ReadError("broke")
                if fate < 0.36:
                    await self.clock.sleep(10_000)
                if fate < 0.40:
                    yield event(error={"message": "overloaded", "type": "server_error", "code": 503})
                return
            yield event(choices=[{"index": 0, "delta": {"content": word}, "finish_reason": None}])
            await self.clock.sleep(0.01)
        yield event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        yield event(choices=[], usage=usage(len(words)))
        yield b"data: [DONE]\n\n"


class Body(httpx.AsyncByteStream):
    """Says when the answer is let go of."""

    def __init__(self, network: Network, pieces: AsyncIterator[bytes]) -> None:
        self._network, self._pieces = network, pieces
        self._open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        self._network.open -= self._open
        self._open = False


def usage(words: int) -> dict[str, int]:
    return {"prompt_tokens": 20, "completion_tokens": words, "total_tokens": 20 + words}


def event(**fields: Any) -> bytes:
    return f"data: {json.dumps({'model': 'm', **fields})}\n\n".encode()


def is_one_answer(text: str, question: str) -> bool:
    """Whether it is one of the network's answers, whole, with the question as it was asked."""
    if not text:  # an answer of no words is one too, where the route has no better one
        return True
    told, _, said = text.partition("said: ")
    words = re.findall(r"a(\d+)w(\d+) ", told)
    whole = told == "".join(f"a{words[0][0]}w{place} " for place in range(len(words))) if words else False
    return whole and said == question


class Customers:
    """Make random calls, and hold each end of one against what must be true of it."""

    def __init__(self, gateway: Gateway, chance: Random) -> None:
        self._gateway, self._chance = gateway, chance
        self.ends: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        """User -> micro-dollars that the calls were told of; those that left were told of nothing."""

    async def call(self) -> None:
        chance = self._chance
        caller = Caller(
            tenant=chance.choice("tu"),
            user=chance.choice(("ann", "bob", "cyd")),
            tags=frozenset({"t"}),
            session=chance.choice((None, "s1", "s2")),
        )
        policy = Policy(
            caller=caller,
            deadline_s=chance.choice((None, 60.0, 5.0)),
            reader=chance.choice(("person", "step")),
            max_attempts=chance.choice((1, 3, 4)),
        )
        question = chance.choice((f"I am {SECRET}", f"Question {chance.randrange(60)}"))
        model = chance.choice(("route/main", "route/spread", "route/raced", "route/judged", "north/m"))
        request = Request(model=model, messages=(Message.user(question),), max_tokens=80, temperature=0.0)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                if chance.random() < 0.3:
                    group.start_soon(leave, scope, chance.randrange(60))
                make = self._chat if chance.random() < 0.5 else self._stream
                await self._held(policy, partial(make, request, policy))
                group.cancel_scope.cancel()
        self.ends["left"] += scope.cancelled_caught

    async def _held(self, policy: Policy, make: Any) -> None:
        try:
            end, attempts = await make()
        except GatewayError as error:
            end, attempts = error.code, error.attempts
        self.ends[end] += 1
        tries = [one for one in attempts if one.number]
        assert [one.number for one in tries] == list(range(1, len(tries) + 1))
        assert len(tries) <= policy.max_attempts
        self.paid[str(policy.caller.user)] += sum(int((one.cost_usd or 0) * 1_000_000) for one in tries)

    async def _chat(self, request: Request, policy: Policy) -> tuple[str, tuple[Attempt, ...]]:
        response = await self._gateway.chat(request, policy)
        assert is_one_answer(response.text, asked_of(request))
        return "answered", response.attempts

    async def _stream(self, request: Request, policy: Policy) -> tuple[str, tuple[Attempt, ...]]:
        enough = self._chance.choice((inf, inf, 3))
        async with self._gateway.stream(request, policy) as stream, aclosing(told(stream)) as chunks:
            read = 0
            async for chunk in chunks:
                read += isinstance(chunk, TextChunk)
                if read > enough:
                    return "left", ()
            assert is_one_answer(stream.response.text, asked_of(request))
            return "streamed", stream.response.attempts


def asked_of(request: Request) -> str:
    return "".join(part.text for part in request.messages[0].parts if isinstance(part, TextPart))


async def told(stream: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    async for chunk in stream:
        yield chunk


async def leave(scope: anyio.CancelScope, after: int) -> None:
    for _ in range(after):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


def numbers(text: str) -> Iterator[str]:
    yield from re.findall(r"a\d+w\d+", text)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_happens_each_call_ends_well_or_says_why_and_leaves_nothing_behind(
    seed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    chance, clock = Random(seed), ManualClock()
    network = Network(Random(seed), clock)
    async with Gateway(settings(tmp_path), backend=network, clock=clock, random=chance.random) as gateway:
        customers = Customers(gateway, chance)
        for _ in range(15):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(customers.call)
        assert gateway._ledger is not None
        accounts = await gateway._ledger.balances()
    assert network.open == 0
    assert {account.held for account in accounts} == {0}
    for account in accounts:
        cap = 1_800_000 if "tag" in account.key else 700_000
        assert account.spent <= cap, account
    for user, paid in customers.paid.items():
        assert paid <= sum(account.spent for account in accounts if user in account.key)
    assert sum(customers.ends.values()) >= 300
    assert {"answered", "streamed", "left"} <= set(customers.ends), customers.ends
    assert not [body for body in network.bodies if SECRET.encode() in body]
    assert SECRET not in caplog.text
    assert not list(numbers(caplog.text))
