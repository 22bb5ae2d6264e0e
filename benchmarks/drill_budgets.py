"""Drill 4: concurrent calls against caps on user, tag and run; four processes on one ledger; one of them killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import anyio

from benchmarks.bar import at_least, at_most, equal, figure
from benchmarks.faulty_server import FaultyServer, faulty_server
from unified_api.clock import MonotonicClock
from unified_api.errors import BudgetExceededError, GatewayError
from unified_api.gateway import Gateway
from unified_api.ledger import Account, Ledger, Share, micros
from unified_api.ledger.address import address_of
from unified_api.providers import ProviderRow
from unified_api.settings import BudgetSettings, Environment, Settings
from unified_api.types import Caller, Message, Policy, Request

sys.path.append(
    str(Path(__file__).resolve().parents[1] / "tests")
)  # behind the packages: it has folders of their names

from postgres import Unavailable, postgres  # the server that the tests go by, too

__all__ = ["main", "worker"]

CALLS = 1_000
PROCESSES = 4
CALLER = Caller(user="alice", tags=frozenset({"drill"}), run="r1")
REQUEST = Request(model="a/m", messages=(Message.user("Why is there a tide?"),), max_tokens=100)
CAPS = {
    "default": {"per_user_month_usd": 0.1, "per_tag_month_usd": 0.15, "per_run_usd": 0.125},
    "wait_s": 60,
    "lease_s": 10,
}
CAP = 100_000
"""The user's, the lowest, in millionths of a dollar."""
_LOOP = {"use_uvloop": find_spec("uvloop") is not None}
LEASE_S = 70
"""The least that a lease may be: a call's deadline, and a minute."""


def settings(url: str, home: str, ledger: str | None) -> Settings:
    """Of a provider whose prices let some 500 of the calls have room."""
    row = ProviderRow.model_validate(
        {"base_url": url, "models": ["m"], "prices": {"*": {"input": 10, "output": 20}}},
    )
    named = {} if ledger is None else {"ledger_env": "LEDGER"}
    environment = Environment({"ORCHESTRATOR_HOME": home, **({} if ledger is None else {"LEDGER": ledger})})
    return Settings(
        providers={"a": row}, budgets=BudgetSettings.model_validate({**CAPS, **named}), environment=environment
    )


async def load(made: Settings, calls: int, *, concurrency: int) -> dict[str, int]:
    """What became of `calls` calls; each cost is told on standard output as soon as it is settled."""
    told = {"served": 0, "refused": 0, "failed": 0, "spent": 0, "each": 0}
    left = iter(range(calls))
    policy = Policy(caller=CALLER, max_attempts=2, deadline_s=60)
    async with Gateway(made) as gateway:
        told["each"] = micros(gateway.estimate(REQUEST, policy) or Decimal(0))

        async def work() -> None:
            for _ in left:
                try:
                    response = await gateway.chat(REQUEST, policy)
                except BudgetExceededError:
                    told["refused"] += 1
                except GatewayError:
                    told["failed"] += 1
                else:
                    told["served"] += 1
                    told["spent"] += micros(response.cost_usd or Decimal(0))
                    if concurrency < calls:
                        print(micros(response.cost_usd or Decimal(0)), flush=True)

        async with anyio.create_task_group() as group:
            for _ in range(concurrency):
                group.start_soon(work)
    return told


def worker(url: str, home: str, ledger: str, calls: str, concurrency: str) -> None:
    """One of several processes: ends with a line of JSON."""
    made = settings(url, home, ledger or None)
    print(json.dumps(anyio.run(lambda: load(made, int(calls), concurrency=int(concurrency)))), flush=True)


def main(*, quick: bool = False) -> bool:
    """Run the drill and print its figures; whether every bar is met."""
    calls = 200 if quick else CALLS
    with faulty_server() as server, _server_of_ledgers() as postgres_address:
        server.plan("a", faults=[(0.05, "server_error", {"status": 503})], delay_s=0.02)
        met = _one_process(server, calls=CALLS)
        for name, address in (("SQLite", None), ("PostgreSQL", postgres_address)):
            if name == "PostgreSQL" and address is None:
                continue
            met &= _several(server, address, name=name, calls=calls)
            met &= _killed(server, address, name=name)
    return _cost(quick=quick) and met


@contextmanager
def _server_of_ledgers() -> Iterator[str | None]:
    try:
        with postgres() as address:
            yield address
    except Unavailable as reason:
        print(f"PostgreSQL is left out: {reason}", flush=True)
        with nullcontext():
            yield None


def _one_process(server: FaultyServer, *, calls: int) -> bool:
    print(
        f"{calls} calls at once against caps on user ($0.1), tag ($0.15) and run ($0.125); 5 % answer 503", flush=True
    )
    with tempfile.TemporaryDirectory() as home:
        made = settings(server.url("a"), home, None)
        began = time.perf_counter()
        told = anyio.run(lambda: load(made, calls, concurrency=calls))
        seconds = time.perf_counter() - began
        sums = anyio.run(_sums, made)
    figure("served, refused, failed", f"{told['served']}, {told['refused']}, {told['failed']} in {seconds:.1f} s")
    return _bars(told, sums)


def _several(server: FaultyServer, address: str | None, *, name: str, calls: int) -> bool:
    print(f"{PROCESSES} processes of {calls} calls at once on one ledger in {name}", flush=True)
    with _ledger(address) as (home, ledger):
        started = [_start(server, home, ledger, calls, calls) for _ in range(PROCESSES)]
        ended = [json.loads(one.communicate(timeout=120)[0].splitlines()[-1]) for one in started]
        sums = anyio.run(_sums, settings(server.url("a"), home, ledger))
    told = {key: sum(one[key] for one in ended) for key in ended[0]} | {"each": ended[0]["each"]}
    figure("served by each process", ", ".join(str(one["served"]) for one in ended))
    return _bars(told, sums)


def _killed(server: FaultyServer, address: str | None, *, name: str) -> bool:
    print(f"a process of 50 calls at once, killed by kill -9 in the middle, {name}", flush=True)
    with _ledger(address) as (home, ledger):
        killed = _start(server, home, ledger, 1_000_000, 50)
        assert killed.stdout is not None
        lines = [killed.stdout.readline() for _ in range(120)]
        killed.send_signal(signal.SIGKILL)
        rest, _ = killed.communicate(timeout=20)
        told = sum(map(int, lines)) + sum(map(int, rest.split("\n")[:-1]))
        made = settings(server.url("a"), home, ledger)
        after, later = anyio.run(_sums, made), anyio.run(_sums, made, 61.0 + LEASE_S)
    spent, held = after["user"]
    figure("settled as its callers knew, and in the ledger", f"${told / 1e6:.6f}, ${spent / 1e6:.6f}")
    met = at_least("settled money in the ledger, of what callers knew", 100 * spent / told, 100, unit=" %")
    met &= at_least("held for calls that died", held, 1, unit=" millionths", digits=0)
    met &= equal("held when their leases have ended", {kept for _, kept in later.values()}, {0})
    return equal("settled money after that", later["user"][0], spent) and met


def _bars(told: dict[str, int], sums: dict[str, tuple[int, int]]) -> bool:
    spent = {kind: one for kind, (one, _) in sums.items()}
    met = equal("the ledger's sums, beside what the callers paid", set(spent.values()), {told["spent"]})
    met &= at_most("overspend", max(0, told["spent"] - CAP), 0, unit=" millionths", digits=0)
    under = CAP - told["spent"]
    met &= at_most(
        "under-use, in reservations of one try", under / told["each"], (told["each"] - 1) / told["each"], digits=3
    )
    return equal("held afterwards", {held for _, held in sums.values()}, {0}) and met


async def _sums(made: Settings, ahead: float = 0.0) -> dict[str, tuple[int, int]]:
    """Kind of account -> spent and held."""
    ledger = Ledger(address_of(made), clock=MonotonicClock(), wall=lambda: time.time() + ahead)
    if ahead:  # looking gives nothing back, but whoever asks for room does
        another = Share(Account("user", "another"), 1)
        await ledger.settle(await ledger.reserve([another], 1, tries=1, lease_s=LEASE_S, until=0), 0)
    found = {
        Account.of_key(one.key).kind: (one.spent, one.held)
        for one in await ledger.balances()
        if "another" not in one.key
    }
    await ledger.aclose()
    return found


@contextmanager
def _ledger(address: str | None) -> Iterator[tuple[str, str]]:
    """A data folder and the address of a ledger, both empty: a schema of its own in PostgreSQL, or a file."""
    with tempfile.TemporaryDirectory() as home:
        if address is None:
            yield home, f"sqlite:///{home}/budgets.sqlite"
            return
        schema = f"drill_{time.time_ns()}"
        import psycopg

        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")  # a name made here
        yield home, f"{address}?options=-csearch_path%3D{schema}"


def _start(server: FaultyServer, home: str, ledger: str, calls: int, concurrency: int) -> subprocess.Popen[str]:
    words = (server.url("a"), home, ledger, str(calls), str(concurrency))
    program = "import sys; from benchmarks.drill_budgets import worker; worker(*sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], env=dict(os.environ), stdout=subprocess.PIPE, text=True
    )


def _cost(*, quick: bool) -> bool:
    """CPU of reserving and settling alone, in SQLite. The bars leave room for a machine that does other things too."""
    print(f"CPU of reserving on three accounts and settling, in SQLite (uvloop: {_LOOP['use_uvloop']})", flush=True)
    met = True
    for concurrency, limit in ((32, 150.0), (128, 100.0)):
        with tempfile.TemporaryDirectory() as home:
            rounds = [Path(home) / f"{number}.sqlite" for number in range(3)]
            calls = 2_000 if quick else 5_000
            spent = min(anyio.run(_cpu, path, concurrency, calls, backend_options=_LOOP) for path in rounds)
        met &= at_most(f"a call, {concurrency} at a time, the best of three rounds", spent, limit, unit=" us", digits=0)
    return met


async def _cpu(path: Path, concurrency: int, calls: int) -> float:
    ledger = Ledger(path, clock=MonotonicClock(), wall=time.time)
    shares = [Share(Account(kind, "x"), 10**12) for kind in ("user", "tag", "run")]
    await ledger.settle(await ledger.reserve(shares, 100, tries=4, lease_s=60, until=0), 50)
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await ledger.settle(await ledger.reserve(shares, 100, tries=4, lease_s=60, until=0), 50)

    began = time.process_time()
    async with anyio.create_task_group() as group:
        for _ in range(concurrency):
            group.start_soon(work)
    spent = time.process_time() - began
    await ledger.aclose()
    return spent / calls * 1e6
