"""The gateway as a row of an in-process comparison of client libraries.

`plain` is a gateway with nothing set up, `ours` one with every layer: record, privacy, cache (prompts are distinct),
safety with the local classifier and a budget with caps, kept in SQLite. The other rows have one layer each. A row is an
async factory of something with `call()` and `stream()`.
"""

from __future__ import annotations

import atexit
import shutil
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
LAYERS = {
    "record": '[record]\nlog = true\nfile = "calls.jsonl"\n',
    "privacy": '[privacy]\ndetect = true\nredact = "placeholders"\n',
    "cache": '[cache]\nenabled = true\nclearance = "restricted"\n',
    "safety": '[safety]\nenabled = true\nbackend = "local"\n',
    "budget": (
        "[budgets.default]\nper_user_month_usd = 100000\nper_key_month_usd = 100000\nper_tag_month_usd = 100000\n"
        "per_run_usd = 100000\n"
    ),
}


def settings(base: str, *, layers: str) -> Settings:
    """With one provider at `base`, and the tables of `layers`; files go to a folder that lives as long as the process.

    A local back end's weights are those that `orchestrate models pull local` has put into the user's cache.
    """
    folder = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "orchestrator.toml"
    provider = f'[providers.bench]\nbase_url = "{base}"\nmodels = ["mock"]\nclearance = "restricted"\n'
    prices = "prices = { mock = { input = 1.0, output = 2.0 } }\n"
    path.write_text(provider + prices + layers.replace("calls.jsonl", str(folder / "calls.jsonl")), "utf-8")
    return Settings.load(path, environ={"ORCHESTRATOR_HOME": str(folder)})


class Row:
    """A gateway that is asked one question after the other, no two alike."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._numbers = count()
        self._policy = Policy(caller=Caller(tenant="t", user="u", run="r", key="k", tags=frozenset({"bench"})))

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


ADAPTERS: dict[str, Any] = {
    "plain": _row(""),
    **{name: _row(table) for name, table in LAYERS.items()},
    "ours": _row("".join(LAYERS.values())),
}
