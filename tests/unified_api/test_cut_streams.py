"""Ten thousand streams that are cut, broken, stalled or garbled at random: none may end as a success that is none.

The oracle knows only which of the bytes it wrote say that the answer is complete.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from math import inf

import pytest
from family_streams import FAMILIES, FamilyStream, family_stream

from unified_api.errors import GatewayError, ProviderError
from unified_api.gateway import Gateway
from unified_api.providers import ProviderRow
from unified_api.settings import Environment, Route, Settings
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock, stream_answer
from unified_api.types import Message, Policy, Request, Response, RestartChunk, TextChunk

SEED = 20261122
CUTS = 10_000
WORDS = ("Once ", "upön ", "a time")
TEXT, OTHER = "".join(WORDS), "told by another"
NAME = "anthropic.claude-m"
SIGNS = {
    "anthropic": rb"message_stop",
    "cohere": rb"message-end",
    "gemini": rb'"finishReason":\s*"',
    "ollama": rb'"done":\s*true',
    "openai_chat": rb'"finish_reason":\s*"',
    "openai_completions": rb'"finish_reason":\s*"|\[DONE\]',
    "openai_responses": rb"response.completed",
}
"""Without these bytes nothing has said that the answer is complete. A frame of AWS is whole or is nothing."""
CUT, DAMAGED = ("closed", "reset", "stalled"), ("garbled", "overwritten", "left out")


@dataclass(frozen=True)
class Fate:
    """What becomes of a stream on its way."""

    kind: str
    at: int
    noise: bytes

    @property
    def is_cut(self) -> bool:
        return self.kind in CUT

    def pieces(self, body: bytes) -> tuple[bytes | float, ...]:
        head, tail = body[: self.at], body[self.at :]
        if self.is_cut:
            return (head, inf, tail) if self.kind == "stalled" else (head,)
        middle = b"" if self.kind == "left out" else self.noise
        return head, middle + (tail if self.kind == "garbled" else tail[len(self.noise) :])

    def may_succeed(self, family: str, stream: FamilyStream) -> bool:
        if self.is_cut:
            return self.at >= stream.end
        arrived = b"".join(one for one in self.pieces(stream.body) if isinstance(one, bytes))
        sign = SIGNS.get(family) or re.escape(stream.events[stream.terminal])
        return re.search(sign, arrived) is not None

    def must_succeed(self, stream: FamilyStream) -> bool:
        """What comes after the terminal event may be missing, even the end of the connection."""
        return self.is_cut and self.at >= sum(map(len, stream.events[: stream.terminal + 1]))


def fate(stream: FamilyStream, dice: random.Random) -> Fate:
    """Half of them near the end, where the difference is made."""
    near = dice.random() < 0.5
    at = dice.randrange(max(stream.end - 60, 0) if near else 0, len(stream.body) + 1)
    return Fate(dice.choice((*CUT, *DAMAGED)), at, dice.randbytes(dice.choice([1, 3, 30])))


@dataclass
class Network:
    """`a` speaks a family and meets what is set; `b` always answers well."""

    family: str
    answer: HttpAnswer = field(default_factory=HttpAnswer)

    def gateway(self) -> Gateway:
        clock = ManualClock()
        rows = {
            "a": ProviderRow(base_url="https://a.example/v1", wire=self.family, models=(NAME,), free=True),
            "b": ProviderRow(base_url="https://b.example/v1", models=("m",), prefill=("*",), free=True),
        }
        routes = {"main": Route(models=(f"a/{NAME}", "b/m"))}
        other = stream_answer(OTHER)
        backend = FaultyTransport(lambda one: self.answer if one.url.host == "a.example" else other, clock=clock)
        settings = Settings(providers=rows, routes=routes, environment=Environment())
        return Gateway(settings, backend=backend, clock=clock, random=lambda: 0.5)


@dataclass
class Told:
    """What a reader was told."""

    response: Response | None = None
    error: GatewayError | None = None
    shown: str = ""
    restarted: bool = False


async def read(gateway: Gateway, model: str, policy: Policy) -> Told:
    told = Told()
    try:
        async with gateway.stream(Request(model=model, messages=(Message.user("Hi"),)), policy) as stream:
            async for chunk in stream:
                told.restarted = told.restarted or isinstance(chunk, RestartChunk)
                if isinstance(chunk, TextChunk):
                    told.shown += chunk.text
            told.response = stream.response
    except ProviderError as error:
        told.error = error
    return told


PERSON, STEP = Policy(max_attempts=1), Policy(reader="step", max_attempts=6)
READERS = {
    "alone": (f"a/{NAME}", PERSON),
    "step": ("route/main", STEP),
    "person": ("route/main", Policy(max_attempts=6)),
}


@pytest.mark.parametrize("family", FAMILIES)
async def test_no_cut_of_any_stream_ends_as_a_success_that_is_none(family: str) -> None:
    stream, dice, seen = family_stream(family, WORDS), random.Random(f"{SEED} {family}"), Counter[str]()
    network = Network(family)
    async with network.gateway() as gateway:
        for _ in range(CUTS // len(FAMILIES) + 1):
            one, reader = fate(stream, dice), dice.choice(("alone", "alone", *READERS))
            pieces = tuple(piece for piece in one.pieces(stream.body) if piece != b"")
            network.answer = HttpAnswer(
                headers={"content-type": stream.content_type}, pieces=pieces, cut=one.kind == "reset"
            )
            gateway.health.reset()
            told = await read(gateway, *READERS[reader])
            seen[judged(told, one, reader, family, stream)] += 1
    assert min(seen[what] for what in ("whole", "error", "anew", "continued", "elsewhere")) > 10, seen


def judged(told: Told, one: Fate, reader: str, family: str, stream: FamilyStream) -> str:
    """What it came to, if that is as it should be."""
    if told.response is None:
        assert told.error is not None
        assert not one.must_succeed(stream), one
        assert reader != "step" or not one.is_cut, (one, told.error)  # it has somewhere to go
        return "error"
    by_other = told.response.model.startswith("b/")
    if not by_other:
        assert one.may_succeed(family, stream), (one, told.response)
        assert told.response.text == TEXT or not one.is_cut, one
        assert told.response.finish_reason != "unknown" or not one.is_cut, one
        return "whole"
    assert reader != "alone"
    assert not one.must_succeed(stream), one
    if told.restarted:
        assert (reader, told.response.text) == ("step", OTHER)
        return "anew"
    if told.shown == OTHER:
        return "elsewhere"  # nothing of the first had been shown
    assert reader == "person"
    begun = told.shown.removesuffix(OTHER)
    assert told.shown == told.response.text
    assert begun != told.shown
    assert TEXT.startswith(begun) or not one.is_cut
    return "continued"
