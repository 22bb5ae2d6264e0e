"""Several programs on one ledger, on SQLite and on PostgreSQL, and programs that are killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import anyio
import pytest
from sqlalchemy import URL, create_engine

from unified_api.clock import MonotonicClock
from unified_api.errors import ConfigurationError, LedgerError
from unified_api.ledger import Account, Ledger, Share, Shortage
from unified_api.ledger.address import address_of, unusable
from unified_api.settings import BudgetSettings, Environment, Settings

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as these are POSIX")

PROGRAM = """
import os, random, sys, time
import anyio
from sqlalchemy import make_url
from unified_api.clock import MonotonicClock
from unified_api.ledger import Account, Ledger, Share, Shortage

CAP, EACH, CALLS, WAIT = map(int, sys.argv[1:5])
SHARES = [Share(Account("user", "u", month="2026-11"), CAP), Share(Account("run", "r"), CAP + 1_000)]

async def main():
    ledger = Ledger(make_url(os.environ["LEDGER"]), clock=MonotonicClock(), wall=time.time)
    async def calls():
        for _ in range(CALLS):
            try:
                until = anyio.current_time() + WAIT
                held = await ledger.reserve(SHARES, EACH, tries=2, lease_s=1, until=until)
            except Shortage:
                return
            await anyio.sleep(random.random() / 200)
            cost = random.randint(0, EACH)
            await ledger.settle(held, cost)
            print(cost, flush=True)
    async with anyio.create_task_group() as group:
        for _ in range(16):
            group.start_soon(calls)
    await ledger.aclose()

anyio.run(main)
"""


def url(address: URL | Path) -> str:
    made = URL.create("sqlite", database=str(address)) if isinstance(address, Path) else address
    return made.render_as_string(hide_password=False)


def program(address: URL | Path, *, cap: int, each: int, calls: int, wait: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, (cap, each, calls, wait))],
        env={**os.environ, "LEDGER": url(address)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def spent_and_held(address: URL | Path) -> dict[str, tuple[int, int]]:
    ledger = Ledger(address, clock=MonotonicClock())
    found = {Account.of_key(one.key).name: (one.spent, one.held) for one in await ledger.balances()}
    await ledger.aclose()
    return found


async def test_four_programs_never_overspend_and_leave_less_than_one_reservation(ledger_address: URL | Path):
    cap, each = 10_000, 100
    programs = [program(ledger_address, cap=cap, each=each, calls=1_000, wait=20) for _ in range(4)]
    ended = [one.communicate(timeout=50) for one in programs]
    assert [err for _, err in ended] == ["", "", "", ""]
    told = sum(int(line) for out, _ in ended for line in out.split())
    assert await spent_and_held(ledger_address) == {"u": (told, 0), "r": (told, 0)}
    assert cap - each < told <= cap


async def test_a_killed_program_loses_no_settled_cent_and_leases_free_the_rest(ledger_address: URL | Path):
    cap, each = 10_000_000, 100
    killed = program(ledger_address, cap=cap, each=each, calls=100_000, wait=5)
    assert killed.stdout is not None
    told = [int(killed.stdout.readline()) for _ in range(200)]
    killed.send_signal(signal.SIGKILL)
    rest, _ = killed.communicate(timeout=20)
    told += [int(line) for line in rest.split("\n")[:-1]]
    # What was settled as it died, and not told any more, is at most what it had under way.
    for spent, held in (await spent_and_held(ledger_address)).values():
        assert sum(told) <= spent <= sum(told) + 16 * each
        assert held <= 16 * 2 * each
    later = Ledger(ledger_address, clock=MonotonicClock(), wall=lambda: time.time() + 3)
    await later.settle(await later.reserve([Share(Account("tag", "t"), 1)], 1, tries=1, lease_s=60, until=0), 0)
    await later.aclose()
    after = await spent_and_held(ledger_address)
    assert after.pop("t") == (0, 0)
    assert {held for _, held in after.values()} == {0}
    assert min(spent for spent, _ in after.values()) >= sum(told)


async def test_a_server_that_is_not_there_refuses_in_words_without_the_password():
    address = URL.create("postgresql+psycopg", "me", "hush-hush", "127.0.0.1", 1, "budgets")
    ledger = Ledger(address, clock=MonotonicClock(), wall=time.time)
    with pytest.raises(LedgerError, match="cannot be used") as caught:
        await ledger.reserve([Share(Account("user", "u"), 5)], 1, tries=1, lease_s=60, until=0)
    assert "hush-hush" not in str(caught.value)
    await ledger.aclose()


async def test_a_connection_that_was_cut_is_made_anew(postgres_ledger: URL):
    ledger = Ledger(postgres_ledger, clock=MonotonicClock(), wall=time.time)
    shares = [Share(Account("user", "u"), 1_000)]
    held = await ledger.reserve(shares, 10, tries=1, lease_s=60, until=0)
    engine = create_engine(postgres_ledger)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'meta-orchestrator'"
        )
    engine.dispose()
    await ledger.settle(held, 7)
    await ledger.reserve(shares, 10, tries=1, lease_s=60, until=0)
    assert [(one.spent, one.held) for one in await ledger.balances()] == [(7, 10)]
    await ledger.aclose()


def settings(value: str | None) -> Settings:
    environment = Environment({} if value is None else {"BUDGETS": value})
    return Settings(budgets=BudgetSettings(ledger_env="BUDGETS"), environment=environment)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "BUDGETS, which is not set"),
        ("hush-hush", "no address of a database"),
        ("mysql://me:hush-hush@host/db", "neither PostgreSQL nor"),
        ("sqlite://", "neither PostgreSQL nor"),
        ("postgresql://me:hush-hush@host:port/db", "no address of a database"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_that_does_not_show_it(value: str | None, says: str):
    with pytest.raises(ConfigurationError, match=says) as caught:
        address_of(settings(value))
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_address_is_taken(scheme: str):
    address = address_of(settings(f"{scheme}://me:secret@host/db"))
    assert isinstance(address, URL)
    assert (address.drivername, address.host, address.password) == ("postgresql+psycopg", "host", "secret")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hush-hush@127.0.0.1:1/budgets",
        "postgresql://127.0.0.1:1/budgets?user=me&password=hush-hush",
        "postgresql://127.0.0.1:1/budgets?sslpassword=hush-hush",
        "postgresql://me@127.0.0.1:1/budgets?hush-hush=hush-hush",
    ],
)
async def test_of_an_address_only_host_port_and_database_are_shown(address: str):
    found = address_of(settings(address))
    assert "hush-hush" not in unusable(found, TimeoutError("no answer"))
    assert "'postgresql://127.0.0.1:1/budgets'" in unusable(found, TimeoutError("no answer"))
    if "password=" in address and "ssl" not in address:
        assert isinstance(found, URL)
        assert (found.username, found.password) == ("me", "hush-hush")
        assert "hush-hush" not in repr(found)
        ledger = Ledger(found, clock=MonotonicClock())
        with pytest.raises(LedgerError, match="cannot be used") as caught:
            await ledger.balances()
        assert "hush-hush" not in "".join(traceback.format_exception(caught.value))
        await ledger.aclose()


def test_without_an_address_the_ledger_is_a_file_in_the_data_folder(tmp_path: Path):
    here = Settings(environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}))
    assert address_of(here) == tmp_path / "data" / "budgets.sqlite"


async def test_on_several_machines_leases_end_by_the_clock_of_the_database(
    postgres_ledger: URL, monkeypatch: pytest.MonkeyPatch
):
    one, other = Ledger(postgres_ledger, clock=MonotonicClock()), Ledger(postgres_ledger, clock=MonotonicClock())
    shares = [Share(Account("user", "u"), 1_000)]
    held = await one.reserve(shares, 1_000, tries=1, lease_s=60, until=0)
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + 10_000)  # as on a machine whose clock is ahead
    with pytest.raises(Shortage):
        await other.reserve(shares, 1_000, tries=1, lease_s=60, until=0)
    await one.settle(held, 300)
    assert [(row.spent, row.held) for row in await other.balances()] == [(300, 0)]
    await one.aclose()
    await other.aclose()


async def test_an_account_that_somebody_keeps_locked_holds_up_nobody_else(postgres_ledger: URL):
    ledger = Ledger(postgres_ledger, clock=MonotonicClock())
    mine, yours = [Share(Account("user", "mine"), 1_000)], [Share(Account("user", "yours"), 1_000)]
    held = await ledger.reserve(mine, 10, tries=1, lease_s=60, until=0)
    engine = create_engine(postgres_ledger)
    began = anyio.current_time()
    async with anyio.create_task_group() as patient:
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT * FROM budget_accounts FOR UPDATE")
            patient.start_soon(lambda: ledger.reserve(mine, 20, tries=1, lease_s=60, until=0))
            async with anyio.create_task_group() as group:
                group.start_soon(refused_at, ledger, mine, began + 2)
                group.start_soon(ledger.settle, held, 7)
                for _ in range(2):
                    with anyio.fail_after(2):
                        await ledger.reserve(yours, 10, tries=1, lease_s=60, until=0)
    assert anyio.current_time() - began < 5
    engine.dispose()
    await ledger.aclose()
    assert {Account.of_key(one.key).name: (one.spent, one.held) for one in await ledger.balances()} == {
        "mine": (7, 20),
        "yours": (0, 20),
    }
    await ledger.aclose()


async def refused_at(ledger: Ledger, shares: list[Share], deadline: float) -> None:
    with pytest.raises(LedgerError, match="no answer in the time"):
        await ledger.reserve(shares, 10, tries=1, lease_s=60, until=0, deadline=deadline)
