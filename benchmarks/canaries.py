"""Random requests with planted canaries, and what each recipient on loopback may see of them."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from unified_api.privacy.checksums import luhn
from unified_api.privacy.kinds import LABELS
from unified_api.types import (
    SENSITIVITIES,
    EmbedRequest,
    Message,
    Policy,
    Request,
    Sensitivity,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    cleared,
    most_sensitive,
)

__all__ = ["Canaries", "Provider", "Recipient", "World", "upstream"]

_MARK = re.compile(r"cnry\d{6}q|mail\d{6}q@example|4\d{15}")
_JOINED = re.compile(r"(?<=\d)[ -](?=\d)")
REGIONS = ("eu", "us", None)


@dataclass(frozen=True)
class Provider:
    name: str
    clearance: Sensitivity
    region: str | None


@dataclass(frozen=True)
class _Planted:
    label: Sensitivity | Literal["nobody"]
    policy: Policy


@dataclass(frozen=True)
class Recipient:
    """Who is shown something: a provider, or a part of the gateway (`provider` is None)."""

    name: str
    clearance: Sensitivity
    provider: Provider | None = None
    by_name: bool = True
    """Whether allow and deny lists are about it."""


@dataclass
class Canaries:
    """What was planted, and who has seen what."""

    redacts: bool
    planted: dict[str, _Planted] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    """Canaries by recipient, each time it saw one."""
    leaks: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=count)

    def look(self, recipient: Recipient, text: str) -> set[str]:
        """What of the planted is in the text; noted as a leak where that recipient may not see it."""
        marks = {mark for mark in _MARK.findall(_JOINED.sub("", text)) if mark in self.planted}
        for mark in marks:
            self.seen[recipient.name] += 1
            why = _why_not(recipient, self.planted[mark])
            if why:
                self.leaks.append(f"{recipient.name} saw {mark}: {why}")
        return marks

    def plant(self, source: random.Random, providers: list[Provider]) -> tuple[Request | EmbedRequest, Policy]:
        """A random request under a random policy, with a canary and sometimes a personal value of its own."""
        number = next(self.numbers)
        label = source.choice(SENSITIVITIES)
        policy = _policy(source, label, providers)
        canary = f"cnry{number:06d}q"
        kind, value, mark = _value(source, number)
        expected = label
        if kind is not None:
            expected = label if self.redacts else most_sensitive(label, LABELS[kind])
            self.planted[mark] = _Planted("nobody" if self.redacts else expected, policy)
        self.planted[canary] = _Planted(expected, policy)
        request = _request(source, f"{canary} {value}".strip(), providers)
        if isinstance(request, Request) and source.random() < 0.2:
            request = replace(request, stop=(canary,), metadata={"for": canary})
        return request, policy


def _why_not(recipient: Recipient, planted: _Planted) -> str | None:
    if planted.label == "nobody":
        return "it was to be replaced"
    if not cleared(recipient.clearance, planted.label):
        return f"it is {planted.label}, and the recipient is cleared for {recipient.clearance}"
    if recipient.provider is None:
        return None
    policy, provider = planted.policy, recipient.provider
    if policy.regions and provider.region not in policy.regions:
        return f"it must stay in {sorted(policy.regions)}"
    if f"{provider.name}/*" in policy.deny:
        return "the provider is denied"
    if recipient.by_name and policy.allow and f"{provider.name}/*" not in policy.allow:
        return "the provider is not among those allowed"
    return None


def _policy(source: random.Random, label: Sensitivity, providers: list[Provider]) -> Policy:
    def some(share: float) -> frozenset[str]:
        return frozenset(f"{one.name}/*" for one in providers if source.random() < share)

    return Policy(
        sensitivity=label,
        regions=source.choice([frozenset(), frozenset(), frozenset({"eu"}), frozenset({"eu", "us"})]),
        allow=some(0.7) if source.random() < 0.2 else frozenset(),
        deny=some(0.2) if source.random() < 0.3 else frozenset(),
        deadline_s=5.0,
    )


def _value(source: random.Random, number: int) -> tuple[Literal["card", "email"] | None, str, str]:
    """A personal value: its kind, how it is written, and what of it is looked for."""
    drawn = source.random()
    if drawn < 0.25:
        mark = f"mail{number:06d}q@example"
        return "email", f"{mark}.com", mark
    if drawn < 0.5:
        body = f"4{number:06d}{source.randrange(10**8):08d}"
        digits = body + next(check for check in "0123456789" if luhn(body + check))
        between = source.choice(["", " ", "-"])
        return "card", between.join(digits[at : at + 4] for at in range(0, 16, 4)), digits
    return None, "", ""


def _request(source: random.Random, text: str, providers: list[Provider]) -> Request | EmbedRequest:
    if source.random() < 0.1:
        return EmbedRequest(model=f"{source.choice(providers).name}/embed-1", inputs=("one", text))
    model = f"route/{source.choice('abcdef')}"
    user, cut = Message.user("What do you make of it?"), source.randrange(len(text))
    tools: tuple[Tool, ...] = ()
    called = (
        Message("assistant", (ToolCallPart("call_1", "look", json.dumps({"for": text})),)),
        Message("tool", (ToolResultPart("call_1", "nothing"),)),
    )
    answered = (
        Message("assistant", (ToolCallPart("call_1", "look", "{}"),)),
        Message("tool", (ToolResultPart("call_1", text),)),
    )
    match source.randrange(6):
        case 0:
            messages = (Message.system(text), user)
        case 1:
            messages = (Message("user", (TextPart(text[:cut]), TextPart(text[cut:]))),)
        case 2:
            messages, tools = (user, *called), (Tool("look"),)
        case 3:
            messages, tools = (user, *answered), (Tool("look"),)
        case 4:
            messages = (user, Message.assistant(text), user)
        case _:
            messages = (Message.user(f"{text} and some more words"),)
    return Request(model=model, messages=messages, tools=tools)


class World:
    """The providers on loopback: they note what they are sent, fail at random, and repeat the canaries they see."""

    def __init__(self, canaries: Canaries, recipients: dict[str, Recipient], *, seed: int) -> None:
        self.canaries = canaries
        self.recipients = recipients
        self.random = random.Random(seed)
        self.port = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                name, path = head.split(" ", 2)[1].strip("/").split("/v1/")
                if not await self._answer(writer, name, path, head + body.decode()):
                    break
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, name: str, path: str, text: str) -> bool:
        """Whether the connection goes on."""
        marks = self.canaries.look(self.recipients[name], text.replace("\\u0040", "@"))
        drawn = self.random.random() if name.startswith("p") else 1.0
        said = " ".join(["I see", *sorted(marks)])
        if drawn < 0.05:
            return False
        if drawn < 0.25:
            status = self.random.choice([500, 503, 429, 400])
            return await _send(writer, status, {"error": {"message": f"cannot do that: {text[-300:]}", "code": "bad"}})
        if path == "embeddings":
            inputs = json.loads(text[text.index("\r\n\r\n") :])["input"]
            vectors = [{"index": at, "embedding": [1.0, self.random.random()]} for at in range(len(inputs))]
            return await _send(writer, 200, {"data": vectors, "model": "m", "usage": {"prompt_tokens": 1}})
        if path == "moderations":
            return await _send(writer, 200, {"results": [{"flagged": False, "categories": {}, "category_scores": {}}]})
        if name == "judge":
            said = json.dumps({"score": self.random.randrange(11)})
        if '"stream":true' in text.replace(" ", ""):
            return await _stream(writer, said, cut=drawn < 0.3)
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return await _send(
            writer,
            200,
            {"id": "1", "model": "m", "choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 5}},
        )


async def _send(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> bool:
    told = json.dumps(body).encode()
    extra = b"retry-after: 0.01\r\n" if status == 429 else b""
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(told)}\r\n".encode()
    writer.write(head + extra + b"\r\n" + told)
    await writer.drain()
    return True


async def _stream(writer: asyncio.StreamWriter, said: str, *, cut: bool) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    pieces = [said[at : at + 5] for at in range(0, len(said), 5)]
    for piece in pieces[: len(pieces) // 2] if cut else pieces:
        event = {"choices": [{"index": 0, "delta": {"content": piece}}]}
        writer.write(f"data: {json.dumps(event)}\n\n".encode())
    if not cut:
        writer.write(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    await writer.drain()
    return False


@asynccontextmanager
async def upstream(world: World) -> AsyncIterator[None]:
    server = await asyncio.start_server(world.serve, "127.0.0.1", 0)
    world.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
