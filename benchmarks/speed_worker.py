"""One row of the speed drill, in a process of its own: `python speed_worker.py ROW`, then JSON lines on standard input.

Needs nothing but the row's own library, so that peers run in their own environments: `httpx`, `openai`, `litellm`,
`litellm.Router`, and for every other name an adapter of `benchmarks.library_adapter`. A line asks for so many calls
(`{"base": URL, "calls": 100, "at_once": 32, "stream": false}`) and is answered with the CPU they took.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

QUESTION = "Say something about foxes, please. " * 4


def _messages():
    system = {"role": "system", "content": "You are a helpful assistant."}
    return [system, {"role": "user", "content": QUESTION}]


class Httpx:
    """What a careful user writes by hand: one client, JSON parsed."""

    def __init__(self, base):
        import httpx

        limits = httpx.Limits(max_connections=1024, max_keepalive_connections=1024)
        self._client = httpx.AsyncClient(limits=limits, timeout=60, trust_env=False)
        self._url = f"{base}/chat/completions"

    async def call(self):
        answer = await self._client.post(self._url, json={"model": "m", "messages": _messages()})
        return answer.json()["choices"][0]["message"]["content"]

    async def stream(self):
        body = {"model": "m", "messages": _messages(), "stream": True}
        chunks = 0
        async with self._client.stream("POST", self._url, json=body) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    json.loads(line[6:])
                    chunks += 1
        return None, chunks


class OpenAI:
    def __init__(self, base):
        import openai

        self._client = openai.AsyncOpenAI(base_url=base, api_key="none", max_retries=0)

    async def call(self):
        answer = await self._client.chat.completions.create(model="m", messages=_messages())
        return answer.choices[0].message.content

    async def stream(self):
        stream = await self._client.chat.completions.create(model="m", messages=_messages(), stream=True)
        return None, len([chunk async for chunk in stream])


class Litellm:
    def __init__(self, base):
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm

        litellm.telemetry = False
        self._ask = litellm.acompletion
        self._asked = {"model": "openai/m", "api_base": base, "api_key": "none", "num_retries": 0}

    async def call(self):
        answer = await self._ask(messages=_messages(), **self._asked)
        return answer.choices[0].message.content

    async def stream(self):
        stream = await self._ask(messages=_messages(), stream=True, **self._asked)
        return None, len([chunk async for chunk in stream])


class LitellmRouter(Litellm):
    def __init__(self, base):
        super().__init__(base)
        import litellm

        asked = {key: value for key, value in self._asked.items() if key != "num_retries"}
        router = litellm.Router(model_list=[{"model_name": "m", "litellm_params": asked}], num_retries=0)
        self._ask, self._asked = router.acompletion, {"model": "m"}


PEERS = {"httpx": Httpx, "openai": OpenAI, "litellm": Litellm, "litellm.Router": LitellmRouter}


async def _made(row, base):
    if row in PEERS:
        return PEERS[row](base)
    from benchmarks.library_adapter import ADAPTERS

    return await ADAPTERS[row]()(base)


async def _measured(target, calls, at_once, stream):
    left, chunks = iter(range(calls)), 0

    async def work():
        nonlocal chunks
        for _ in left:
            if stream:
                _, read = await target.stream()
                chunks += read
            else:
                assert await target.call()

    started = time.process_time()
    await asyncio.gather(*[work() for _ in range(at_once)])
    return {"cpu_s": time.process_time() - started, "chunks": chunks}


async def _serve(row, say):
    targets = {}
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        base = asked["base"]
        try:
            if base not in targets:
                targets[base] = await _made(row, base)
            say(await _measured(targets[base], asked["calls"], asked["at_once"], asked["stream"]))
        except Exception as error:  # noqa: BLE001 # a library's own, which its row is to show
            say({"error": repr(error)[:300]})
    os._exit(0)  # libraries leave threads and clients behind


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer

    def say(told):
        print(json.dumps(told), file=out, flush=True)

    try:
        import uvloop as loops
    except ImportError:
        loops = asyncio
    loops.run(_serve(sys.argv[1], say))


if __name__ == "__main__":
    main()
