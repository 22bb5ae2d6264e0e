"""The upstream of the drills: providers on loopback that speak OpenAI chat completions and fail as they are told.

    with faulty_server() as server:
        server.plan("a", faults=[(0.3, "server_error", {"status": 503})])   # 30 % of its requests
        server.plan("b")                                                    # healthy
        ...  # base URLs: server.url("a"), server.url("b")
        print(server.stats("a").requests)

It is a child process, so that only the client's CPU is counted; it ends with the block, with its parent, and after
`LIFETIME_S` at the latest. The faults are those of `unified_api.testing.faults`, told over a real socket, and
`random_cut`: a stream that ends somewhere before its finish is told, in one of the three ways a connection has to end,
and `slow_failure`: a 500 that takes its time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, cycle
from math import inf
from pathlib import Path
from typing import Any

import httpx

from unified_api.testing import faults
from unified_api.testing.http_answer import HttpAnswer, Play, played, stream_answer

__all__ = ["FaultyServer", "Seen", "Stats", "faulty_server"]

LIFETIME_S = 1_200
MAX_BODY_BYTES = 4 * 2**20
MAX_SEEN = 200_000
_WORDS = "It is the moon that moves the water of the sea, and the sun helps a little. "
Share = tuple[float, str, dict[str, Any]]
"""The share of requests, the fault's name, and what it is called with."""


@dataclass
class Plan:
    """What one provider does until it is told otherwise."""

    faults: Sequence[Share] = ()
    for_s: float | None = None
    """Healthy after so many seconds."""
    delay_s: float = 0.0
    """How long a good answer takes."""
    words: int = 8
    """How many a good answer has; 0 gives the one of `faults.answer()`."""
    singly: bool = False
    """Whether each event of a good stream is a write of its own, as a model that is still talking does."""
    seed: int = 0
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        text = (_WORDS * (self.words // 16 + 1)).split(" ")[: self.words]
        good = faults.answer(" ".join(text)) if text else faults.answer()
        together = b"".join(piece for piece in good.streamed.pieces if isinstance(piece, bytes))
        stream = HttpAnswer(headers=good.streamed.headers, pieces=(together,))
        self.good = good if self.singly else faults.ByForm(whole=good.whole, streamed=stream)

    def choose(self) -> tuple[str | None, Any]:
        """The name of the fault, None for a good answer, and what is played."""
        if self.for_s is not None and time.monotonic() - self.since > self.for_s:
            return None, self.good
        drawn, limit = self.random.random(), 0.0
        for share, name, arguments in self.faults:
            limit += share
            if drawn < limit:
                own = {"random_cut": _random_cut, "slow_failure": _slow_failure}.get(name)
                return name, getattr(faults, name)(**arguments) if own is None else own(self.random, **arguments)
        return None, self.good


@dataclass(slots=True)
class Stats:
    """What one provider has seen since the last `reset`."""

    requests: int = 0
    failed: int = 0
    open: int = 0
    most_at_once: int = 0
    left: int = 0
    """Answers that the client did not wait for."""


@dataclass(slots=True)
class Seen:
    """One request: when its first byte came and its answer was written, in monotonic seconds; `call` is its `user`."""

    provider: str
    call: str
    came: float
    answered: float
    fault: str | None


class _Server:
    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.stats: dict[str, Stats] = {}
        self.seen: list[Seen] = []

    def control(self, path: str, body: bytes) -> bytes:
        match path.strip("/").split("/"):
            case ["_plan", name]:
                self.plans[name] = Plan(**json.loads(body))
            case ["_stats", name]:
                return json.dumps(asdict(self.stats.get(name, Stats()))).encode()
            case ["_seen"]:
                return json.dumps([asdict(one) for one in self.seen]).encode()
            case ["_reset"]:
                self.stats.clear()
                self.seen.clear()
        return b"{}"


class _Connection(asyncio.Protocol):
    """One client; requests are answered one after the other."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._came = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def data_received(self, piece: bytes) -> None:
        if not self._buffer:
            self._came = time.monotonic()
        self._buffer += piece
        self._next()

    def _next(self) -> None:
        if self._task is not None or (end := self._buffer.find(b"\r\n\r\n")) < 0:
            return
        head = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        size = int(fields.get("content-length", 0))
        if size > MAX_BODY_BYTES:
            self._transport.abort()
        elif len(self._buffer) >= end + 4 + size:
            body = bytes(self._buffer[end + 4 : end + 4 + size])
            del self._buffer[: end + 4 + size]
            self._task = asyncio.get_running_loop().create_task(self._serve(head[0].split(" ")[1], body))
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and task.exception() is not None:
            print("the faulty server failed:", task.exception(), file=sys.stderr, flush=True)
            self._transport.abort()
        elif not self._transport.is_closing():
            self._came = time.monotonic()
            self._next()

    async def _serve(self, path: str, body: bytes) -> None:
        if path.startswith("/_"):
            await self._play(HttpAnswer(pieces=(self._server.control(path, body),)))
            return
        name = path.split("/")[1]
        plan = self._server.plans.setdefault(name, Plan())
        stats = self._server.stats.setdefault(name, Stats())
        stats.requests += 1
        stats.open += 1
        stats.most_at_once = max(stats.most_at_once, stats.open)
        fault, chosen = plan.choose()
        stats.failed += fault is not None
        came, told = self._came, json.loads(body)
        try:
            if fault is None and plan.delay_s:
                await asyncio.sleep(plan.delay_s)
            await self._play(played(chosen, httpx.Request("POST", f"http://loopback{path}", content=body)))
        except asyncio.CancelledError:
            stats.left += 1
            raise
        finally:
            stats.open -= 1
            if len(self._server.seen) < MAX_SEEN:
                seen = Seen(name, str(told.get("user", "")), came, time.monotonic(), fault)
                self._server.seen.append(seen)

    async def _play(self, play: Play) -> None:
        if isinstance(play, Exception):
            self._reset()
            return
        if play.wait_s:
            await _silence(play.wait_s)
        headers = dict(play.headers)
        if not play.repeat and not play.cut and not play.pause_s and len(play.pieces) == 1:
            piece = play.pieces[0]
            if isinstance(piece, bytes):
                headers["content-length"] = str(len(piece))
                self._transport.write(_head(play.status, headers) + piece)
                return
        chunked = "content-length" not in headers
        if chunked:
            headers["transfer-encoding"] = "chunked"
        self._transport.write(_head(play.status, headers))
        for piece in chain(play.pieces, cycle(play.repeat)):
            if self._transport.is_closing():
                return
            if isinstance(piece, int | float):
                await _silence(piece)
            else:
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                if play.repeat:
                    await asyncio.sleep(0)
        self._end(play, chunked=chunked)

    def _end(self, play: HttpAnswer, *, chunked: bool) -> None:
        if play.cut and play.headers.get("x-cut") == "reset":
            self._reset()
        elif play.cut:
            self._transport.close()
        elif chunked:
            self._transport.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        raw = self._transport.get_extra_info("socket")
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _random_cut(dice: random.Random) -> HttpAnswer:
    words = [f"{word} " for word in _WORDS.split()][: dice.randint(1, 12)]
    told = [piece for piece in stream_answer(*words).pieces if isinstance(piece, bytes)]
    finish = next(place for place, piece in enumerate(told) if b'"finish_reason": "stop"' in piece)
    # Up to the brace that would complete the finish, and not with it.
    last = sum(map(len, told[:finish])) + told[finish].rindex(b"}")
    whole = b"".join(told)[: dice.randint(0, last)]
    size = dice.randint(1, 400)
    pieces = tuple(whole[start : start + size] for start in range(0, len(whole), size))
    way = dice.choice(("ended", "closed", "reset"))
    headers = {"content-type": "text/event-stream", "x-cut": way}
    return HttpAnswer(headers=headers, pieces=(*pieces, 0.0), cut=way != "ended")


def _slow_failure(_dice: random.Random, *, seconds: float) -> HttpAnswer:
    return replace(faults.server_error(500), wait_s=seconds)


async def _silence(seconds: float) -> None:
    await asyncio.sleep(LIFETIME_S if seconds == inf else seconds)


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1")


class FaultyServer:
    """The server in its parent's hands."""

    def __init__(self, address: str) -> None:
        self._address = address

    def url(self, provider: str) -> str:
        """The base URL of a provider."""
        return f"{self._address}/{provider}/v1"

    def plan(
        self,
        provider: str,
        *,
        faults: Sequence[Share] = (),
        for_s: float | None = None,
        delay_s: float = 0.0,
        words: int = 8,
        singly: bool = False,
        seed: int = 0,
    ) -> None:
        """Tell what `provider` does from now on, for `for_s` seconds where given and healthy afterwards."""
        plan = {"faults": list(faults), "for_s": for_s, "delay_s": delay_s, "words": words, "singly": singly}
        self._ask(f"_plan/{provider}", plan | {"seed": seed})

    def stats(self, provider: str) -> Stats:
        return Stats(**self._ask(f"_stats/{provider}"))

    def seen(self) -> list[Seen]:
        """Every request since the last `reset`, at most `MAX_SEEN`."""
        return [Seen(**one) for one in self._ask("_seen")]

    def reset(self) -> None:
        """Forget the figures and the requests."""
        self._ask("_reset")

    def _ask(self, path: str, body: object = None) -> Any:
        # Never through a proxy that the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"{self._address}/{path}", data=json.dumps(body).encode())
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    """A server of its own process, for the block."""
    root = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.faulty_server"],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield FaultyServer(child.stdout.readline().strip())
        finally:
            child.stdin.close()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()


async def _run() -> None:
    loop = asyncio.get_running_loop()
    state = _Server()
    server = await loop.create_server(lambda: _Connection(state), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    with suppress(TimeoutError):
        await asyncio.wait_for(_end_of_input(loop), LIFETIME_S)


async def _end_of_input(loop: asyncio.AbstractEventLoop) -> None:
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


if __name__ == "__main__":
    asyncio.run(_run())
