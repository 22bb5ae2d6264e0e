"""The gateway as a row of an in-process comparison of client libraries.

`plain` is a gateway with nothing set up, `ours` one with every layer: record, privacy, cache (prompts are distinct),
safety and a budget with caps. A row is an async factory of something with `call()` and `stream()`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import Message, Policy, Request
from unified_api.types.policy import Caller

__all__ = ["ADAPTERS", "Row", "settings"]

QUESTION = "Say something about foxes, please. " * 4
LAYERS = ""


def settings(base: str, *, layers: str) -> Settings:
    """With one provider at `base`, and the tables of `layers`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orchestrator.toml"
        provider = f'[providers.bench]\nbase_url = "{base}"\nmodels = ["mock"]\nclearance = "restricted"\n'
        path.write_text(provider + "prices = { mock = { input = 1.0, output = 2.0 } }\n" + layers, "utf-8")
        return Settings.load(path, environ={})


class Row:
    """A gateway that is asked one question after the other, no two alike."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._numbers = count()
        self._policy = Policy(caller=Caller(tenant="t", user="u", run="r", tags=frozenset({"bench"})))

    def _ask(self) -> Request:
        messages = (
            Message.system("You are a helpful assistant."),
            Message.user(f"{QUESTION} No. {next(self._numbers)}"),
        )
        return Request(model="bench/mock", messages=messages)

    async def call(self) -> str:
        """One answer's text."""
        return (await self._gateway.chat(self._ask(), self._policy)).text

    async def stream(self) -> tuple[float | None, int]:
        """Seconds to the first chunk, and the number of chunks."""
        started, first, chunks = time.perf_counter(), None, 0
        async with self._gateway.stream(self._ask(), self._policy) as stream:
            async for _ in stream:
                if first is None:
                    first = time.perf_counter() - started
                chunks += 1
        return first, chunks


def _row(layers: str) -> Callable[[], Callable[[str], Awaitable[Row]]]:
    async def make(base: str) -> Row:
        return Row(await Gateway(settings(base, layers=layers)).__aenter__())

    return lambda: make


ADAPTERS: dict[str, Any] = {"plain": _row(""), "ours": _row(LAYERS)}
