"""CPU of one call through the gateway against the same call through plain httpx, side by side in one run.

The server is a child process, so that only the client's CPU is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import httpx

from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import Message, Request, TextChunk

CALLS = 500
CONCURRENCY = (1, 32)
_TESTS = Path(__file__).resolve().parents[1] / "tests"
_SERVER = """
import sys
from loopback import loopback
with loopback(lambda body: "word " * 50, models=("m",)) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
Call = Callable[[], Awaitable[None]]


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(command, cwd=_TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child.stdout.readline().strip()
        finally:
            child.stdin.close()
            child.wait(timeout=10)


@asynccontextmanager
async def _plain(url: str, *, stream: bool) -> AsyncIterator[Call]:
    """What a careful user writes by hand: one client, JSON parsed, the pieces of a stream joined."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Say something"}], "stream": stream}
    limits = httpx.Limits(max_connections=1024, max_keepalive_connections=1024)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def whole() -> None:
            answer = await client.post(f"{url}/chat/completions", json=body)
            assert answer.json()["choices"][0]["message"]["content"].startswith("word")

        async def streamed() -> None:
            words = []
            async with client.stream("POST", f"{url}/chat/completions", json=body) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data: {"):
                        delta = json.loads(line[6:])["choices"][0]["delta"]
                        words.append(delta.get("content") or "")
            assert len("".join(words)) == 250

        yield streamed if stream else whole


@asynccontextmanager
async def _gateway(url: str, *, stream: bool) -> AsyncIterator[Call]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orchestrator.toml"
        path.write_text(f'[providers.bench]\nbase_url = "{url}"\nmodels = ["m"]\n', "utf-8")
        settings = Settings.load(path, environ={})
    request = Request(model="bench/m", messages=(Message.user("Say something"),))
    async with Gateway(settings) as gateway:

        async def whole() -> None:
            assert (await gateway.chat(request)).text.startswith("word")

        async def streamed() -> None:
            async with gateway.stream(request) as chunks:
                words = [chunk.text async for chunk in chunks if isinstance(chunk, TextChunk)]
            assert len("".join(words)) == 250

        yield streamed if stream else whole


async def _cpu(call: Call, concurrency: int) -> float:
    """Milliseconds of CPU a call."""
    left = iter(range(CALLS))

    async def work() -> None:
        for _ in left:
            await call()

    for _ in range(20):
        await call()
    start = time.process_time()
    async with anyio.create_task_group() as group:
        for _ in range(concurrency):
            group.start_soon(work)
    return (time.process_time() - start) / CALLS * 1000


async def _measure() -> None:
    with _server() as url:
        for stream in (False, True):
            for concurrency in CONCURRENCY:
                found = []
                for make in (_plain, _gateway):
                    async with make(url, stream=stream) as call:
                        found.append(await _cpu(call, concurrency))
                plain, ours = found
                kind = "stream of 50 words" if stream else "whole answer"
                print(
                    f"{kind}, {concurrency:>2} at once: plain httpx {plain:.2f} ms, gateway {ours:.2f} ms, "
                    f"ratio {ours / plain:.2f}"
                )


def main() -> None:
    """Print the ratios."""
    anyio.run(_measure)


if __name__ == "__main__":
    main()
