from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL, create_engine

from unified_api.clock import MonotonicClock
from unified_api.errors import LedgerError
from unified_api.ledger import Account, Ledger, Reservation, Share, Shortage, micros, month_of
from unified_api.ledger.accounts import Balance, Books, Short
from unified_api.ledger.address import url_of
from unified_api.models import Prices
from unified_api.settings import BudgetSettings, Environment, Settings
from unified_api.testing import ManualClock, scripted_gateway
from unified_api.types import Caller, Message, Policy, Request

NOVEMBER = 1_795_000_000.0  # 2026-11-18
CAP = 1_000


class Wall:
    def __init__(self) -> None:
        self.now = NOVEMBER

    def __call__(self) -> float:
        return self.now


def share(name: str, cap: int = CAP, *, month: str = "2026-11") -> Share:
    return Share(Account("user", name, month=month), cap)


def ledger_at(address: URL | Path, wall: Wall | None = None) -> Ledger:
    return Ledger(address, clock=MonotonicClock(), wall=wall or Wall())


async def reserved(
    ledger: Ledger, *shares: Share, each: int = 100, tries: int = 1, lease_s: float = 60, wait_s: float = 0
) -> Reservation:
    until = anyio.current_time() + wait_s
    return await ledger.reserve(shares, each, tries=tries, lease_s=lease_s, until=until)


async def standing(ledger: Ledger) -> dict[str, tuple[int, int]]:
    """Account name -> spent and held."""
    return {Account.of_key(one.key).name: (one.spent, one.held) for one in await ledger.balances()}


async def test_what_is_reserved_is_held_on_every_account_and_settled_on_every_one(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    held = await reserved(ledger, share("a"), share("b", 500), tries=3)
    assert held.amount == 300
    assert await standing(ledger) == {"a": (0, 300), "b": (0, 300)}
    await ledger.settle(held, 70)
    assert await standing(ledger) == {"a": (70, 0), "b": (70, 0)}
    await ledger.aclose()


async def test_an_account_without_room_keeps_the_others_as_they_were(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    with pytest.raises(Shortage) as caught:
        await reserved(ledger, share("a"), share("small", 99))
    assert (caught.value.short.share.account.name, caught.value.short.final) == ("small", True)
    assert await standing(ledger) == {"a": (0, 0), "small": (0, 0)}
    await ledger.aclose()


async def test_further_tries_are_held_in_half_of_the_room_only(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    assert (await reserved(ledger, share("a"), tries=4)).tries == 4
    assert (await reserved(ledger, share("a"), tries=4)).tries == 3
    assert (await reserved(ledger, share("a"), tries=4)).tries == 2
    assert (await reserved(ledger, share("a"), tries=4)).tries == 1
    with pytest.raises(Shortage):
        await reserved(ledger, share("a"), tries=4)
    await ledger.aclose()


async def test_a_reservation_waits_for_room_that_others_hold_and_takes_it_when_they_settle(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    first = await reserved(ledger, share("a"), each=1_000)
    granted: list[Reservation] = []

    async def wait() -> None:
        granted.append(await reserved(ledger, share("a"), each=900, wait_s=30))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert granted == []
        await ledger.settle(first, 100)
    assert granted[0].each == 900
    with pytest.raises(Shortage) as caught:
        await reserved(ledger, share("a"), each=100)
    assert (caught.value.short.final, caught.value.short.held) == (False, 900)
    await ledger.aclose()


async def test_another_program_sees_what_is_settled_without_being_told(ledger_address: URL | Path):
    one, other = ledger_at(ledger_address), ledger_at(ledger_address)
    first = await reserved(one, share("a"), each=1_000)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: reserved(other, share("a"), each=1_000, wait_s=30))
        await anyio.wait_all_tasks_blocked()
        await one.settle(first, 0)
    assert await standing(one) == {"a": (0, 1_000)}
    await one.aclose()
    await other.aclose()


async def test_a_settlement_counts_once_however_often_it_is_made(ledger_address: URL | Path):
    ledger, other = ledger_at(ledger_address), ledger_at(ledger_address)
    held = await reserved(ledger, share("a"))
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ledger.settle, held, 40)
    await ledger.settle(held, 40)
    await other.settle(held, 40)
    assert await standing(ledger) == {"a": (40, 0)}
    await ledger.aclose()
    await other.aclose()


async def test_a_lease_that_ended_frees_the_room_and_a_late_settlement_still_counts(ledger_address: URL | Path):
    wall = Wall()
    dead, living = ledger_at(ledger_address, wall), ledger_at(ledger_address, wall)
    held = await reserved(dead, share("a"), each=1_000)
    with pytest.raises(Shortage):
        await reserved(living, share("a"))
    wall.now += 62
    again = await reserved(living, share("a"), each=1_000)
    await dead.settle(held, 300)
    await dead.settle(held, 300)
    assert await standing(living) == {"a": (300, 1_000)}
    await living.settle(again, 5)
    assert await standing(living) == {"a": (305, 0)}
    await dead.aclose()
    await living.aclose()


async def test_a_program_gives_back_nothing_of_its_own_when_the_clock_jumps(ledger_address: URL | Path):
    wall = Wall()
    ledger = ledger_at(ledger_address, wall)
    held = await reserved(ledger, share("a"), each=1_000)
    wall.now += 10 * 365 * 86_400
    with pytest.raises(Shortage):
        await reserved(ledger, share("a"))
    wall.now = 0.0
    await ledger.settle(held, 400)
    assert await standing(ledger) == {"a": (400, 0)}
    await ledger.aclose()


async def test_a_lease_written_while_a_clock_was_ahead_ends_all_the_same(ledger_address: URL | Path):
    ahead, wall = Wall(), Wall()
    ahead.now += 10 * 365 * 86_400
    dead, living = ledger_at(ledger_address, ahead), ledger_at(ledger_address, wall)
    await reserved(dead, share("a"), each=1_000)
    with pytest.raises(Shortage):
        await reserved(living, share("a"))
    wall.now += 62
    assert (await reserved(living, share("a"), each=1_000)).tries == 1
    await dead.aclose()
    await living.aclose()


async def test_old_reservations_are_forgotten_and_their_money_is_not(ledger_address: URL | Path):
    wall = Wall()
    ledger = ledger_at(ledger_address, wall)
    await ledger.settle(await reserved(ledger, share("a")), 40)
    wall.now += 3 * 86_400
    await ledger.settle(await reserved(ledger, share("a")), 2)
    assert await standing(ledger) == {"a": (42, 0)}
    await ledger.aclose()


async def test_a_reservation_whose_caller_is_cancelled_holds_nothing(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    for delay in range(12):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(lambda: reserved(ledger, share("a"), each=500, wait_s=30))
            for _ in range(delay):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        held = (await standing(ledger)).get("a", (0, 0))[1]
        # What was granted before the cancellation came belongs to a call that has ended without a word.
        assert held in (0, 500, 1_000)
        await ledger.aclose()
        wall = Wall()
        wall.now += 100
        fresh = ledger_at(ledger_address, wall)
        assert (await standing(fresh)).get("a", (0, 0)) == (0, 0)
        await fresh.aclose()


async def test_a_settlement_is_made_even_when_its_caller_is_cancelled(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    held = await reserved(ledger, share("a"))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ledger.settle(held, 60)
    assert await standing(ledger) == {"a": (60, 0)}
    await ledger.aclose()


async def test_a_cancellation_from_outside_loses_no_settlement_and_holds_nobody_up(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    costs = range(1, 13)
    held = [await reserved(ledger, share("a", 10_000)) for _ in costs]
    for delay in range(3):
        # Not anyio's cancellation, which its shields stop, but what asyncio.wait_for and a Ctrl-C send.
        tasks = [asyncio.ensure_future(ledger.settle(one, cost)) for one, cost in zip(held, costs, strict=True)]
        for _ in range(delay):
            await anyio.lowlevel.checkpoint()
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    with anyio.fail_after(10):
        await ledger.settle(await reserved(ledger, share("a", 10_000)), 5)
    assert await standing(ledger) == {"a": (sum(costs) + 5, 0)}
    await ledger.aclose()


async def test_a_cancellation_from_outside_fails_nobody_else_and_leaves_nothing_held(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    for delay in range(6):
        tasks = [asyncio.ensure_future(reserved(ledger, share("a", 10_000))) for _ in range(9)]
        for _ in range(delay):
            await anyio.lowlevel.checkpoint()
        for task in tasks[::3]:
            task.cancel()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in told if isinstance(one, Exception)] == []
        for one in told:
            if isinstance(one, Reservation):
                await ledger.settle(one, 1)
    await ledger.aclose()
    spent, held = (await standing(ledger))["a"]
    assert (spent >= 36, held) == (True, 0)
    await ledger.aclose()


def test_a_loop_that_was_left_in_the_middle_holds_up_no_other_loop(tmp_path: Path):
    ledger, other = ledger_at(tmp_path / "budgets.sqlite"), ledger_at(tmp_path / "budgets.sqlite")
    left = asyncio.new_event_loop()

    async def begin() -> None:
        await ledger.settle(await reserved(ledger, share("a")), 1)
        tasks = [left.create_task(reserved(ledger, share("a"))) for _ in range(5)]
        for _ in range(2):
            await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)

    left.run_until_complete(begin())

    async def again() -> None:
        with anyio.fail_after(10):
            await ledger.settle(await reserved(ledger, share("b")), 2)
            assert (await standing(other))["b"] == (2, 0)
            await ledger.aclose()
            await other.aclose()

    asyncio.run(again())
    for task in asyncio.all_tasks(left):
        task.cancel()
    left.run_until_complete(asyncio.sleep(0))
    left.close()


async def test_names_of_any_letters_have_accounts_of_their_own(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    names = ["a", "a/b", 'a"b', "a,b", "\ud800", "zero\x00", "李", "", "'; DROP TABLE budget_accounts; --", "x" * 300]
    accounts = [Account("tag", name, tenant) for name in names for tenant in ("", "a")]
    for place, account in enumerate(accounts):
        held = await ledger.reserve([Share(account, CAP)], 100, tries=1, lease_s=60, until=0)
        await ledger.settle(held, place)
    found = {Account.of_key(one.key): one.spent for one in await ledger.balances()}
    assert found == {account: place for place, account in enumerate(accounts)}
    await ledger.aclose()


async def test_names_of_any_length_have_accounts_of_their_own_and_refuse_nobody(ledger_address: URL | Path):
    chance = random.Random(5)
    ledger = ledger_at(ledger_address)
    # Letters that no database can press together.
    long = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(8_000))
    accounts = [Account("user", name, tenant) for name in (long, long + "a", "a") for tenant in ("", long)]

    async def call(account: Account) -> None:
        held = await ledger.reserve([Share(account, CAP)], 100, tries=1, lease_s=60, until=0)
        await ledger.settle(held, 7)

    async with anyio.create_task_group() as group:
        for account in accounts * 3:
            group.start_soon(call, account)
    found = await ledger.balances()
    assert [(one.spent, one.held) for one in found] == [(21, 0)] * 6
    told = [Account.of_key(one.key) for one in found]
    assert len(set(told)) == 6
    assert sum(one.name.startswith(long[:40]) for one in told) == 4
    await ledger.aclose()


async def test_what_the_database_takes_amiss_fails_alone(postgres_ledger: URL):
    ledger = ledger_at(postgres_ledger)
    told: list[LedgerError] = []
    async with anyio.create_task_group() as group:
        for number in range(7):  # of which all but the first share a transaction
            group.start_soon(too_much if number == 3 else fine, ledger, told)
    assert len(told) == 1
    assert (await standing(ledger))["a"] == (0, 600)
    await ledger.aclose()


async def fine(ledger: Ledger, told: list[LedgerError]) -> None:
    await reserved(ledger, share("a"))


async def too_much(ledger: Ledger, told: list[LedgerError]) -> None:
    try:
        await reserved(ledger, share("c", 2**70), each=2**65)
    except LedgerError as error:
        told.append(error)


async def test_many_at_once_spend_the_cap_and_no_more(ledger_address: URL | Path):
    chance = random.Random(7)
    ledgers = [ledger_at(ledger_address) for _ in range(2)]
    users, tags = [share(f"u{n}", 400) for n in range(3)], [share(f"t{n}", 700) for n in range(2)]
    spent: dict[str, int] = {}
    refused: list[tuple[Share, ...]] = []

    async def call(ledger: Ledger) -> None:
        shares = (chance.choice(users), chance.choice(tags))
        cost = chance.randint(0, 20)
        try:
            held = await reserved(ledger, *shares, each=20, tries=3, wait_s=60)
        except Shortage:
            refused.append(shares)
            return
        await anyio.sleep(chance.random() / 500)
        await ledger.settle(held, cost)
        for one in shares:
            spent[one.account.name] = spent.get(one.account.name, 0) + cost

    async with anyio.create_task_group() as group:
        for number in range(400):
            group.start_soon(call, ledgers[number % 2])
    for ledger in ledgers:  # which writes what did not come through in a moment
        await ledger.aclose()
    found = await standing(ledgers[0])
    assert refused
    assert {name: sums[0] for name, sums in found.items()} == spent
    assert all(held == 0 for _, held in found.values())
    for one in users + tags:
        assert spent[one.account.name] <= one.cap
    assert all(any(one.cap - spent[one.account.name] < 20 for one in shares) for shares in refused)
    await ledgers[0].aclose()


async def test_a_ledger_that_cannot_be_opened_refuses_in_words(tmp_path: Path):
    (tmp_path / "file").write_text("")
    ledger = ledger_at(tmp_path / "file" / "budgets.sqlite")
    with pytest.raises(LedgerError, match=r"cannot be used .* calls with a cap are refused"):
        await reserved(ledger, share("a"))
    (tmp_path / "other.sqlite").write_text("this is no database, " * 100)
    other = ledger_at(tmp_path / "other.sqlite")
    with pytest.raises(LedgerError, match=r"not a database.*move the file away"):
        await reserved(other, share("a"))
    await ledger.aclose()
    await other.aclose()


async def test_what_cannot_be_settled_now_is_settled_before_the_next_reservation(tmp_path: Path):
    path, aside = tmp_path / "data" / "budgets.sqlite", tmp_path / "aside"
    ledger = ledger_at(path)
    held = await reserved(ledger, share("a"))
    await ledger.aclose()
    path.parent.rename(aside)
    path.parent.write_text("in the way")
    await ledger.settle(held, 60)
    with pytest.raises(LedgerError):
        await reserved(ledger, share("a"))
    with pytest.warns(RuntimeWarning, match=r"1 calls .* 60 millionths .* not settled"):
        await ledger.aclose()
    path.parent.unlink()
    aside.rename(path.parent)
    await reserved(ledger, share("a"))
    assert await standing(ledger) == {"a": (60, 100)}
    await ledger.aclose()


async def test_a_locked_ledger_keeps_a_call_no_longer_than_its_deadline_and_an_answer_for_a_moment(tmp_path: Path):
    clock = ManualClock()
    path = tmp_path / "budgets.sqlite"
    ledger = Ledger(path, clock=clock, wall=Wall())
    held = await ledger.reserve([share("a")], 100, tries=1, lease_s=60, until=0)
    with closing(sqlite3.connect(path, isolation_level=None)) as locking:
        locking.execute("BEGIN IMMEDIATE")
        began = anyio.current_time()
        await ledger.settle(held, 60)
        assert anyio.current_time() - began < 5
        async with anyio.create_task_group() as group:
            group.start_soon(refused, ledger, clock.now() + 1)
            await anyio.wait_all_tasks_blocked()
            clock.advance(2)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await ledger.reserve([share("a")], 100, tries=1, lease_s=60, until=0)
        assert anyio.current_time() - began < 5
        locking.execute("ROLLBACK")
    await ledger.aclose()
    # What was settled counts all the same, and what nobody waited for any longer is held by nobody.
    assert await standing(ledger) == {"a": (60, 0)}
    await ledger.aclose()


async def test_a_call_waits_for_a_locked_ledger_until_its_deadline_only(tmp_path: Path):
    settings = Settings(
        budgets=BudgetSettings.model_validate({"users": {"alice": {"month_usd": 1}}, "wait_s": 0}),
        environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}),
    )
    prices = Prices(input=Decimal(1), output=Decimal(1))
    request = Request(model="scripted/a", messages=(Message.user("Hello"),), max_tokens=100)
    async with scripted_gateway({"scripted/a": "Hello"}, prices=prices, settings=settings) as gateway:
        await gateway.chat(request, Policy(caller=Caller(user="alice")))
        with closing(sqlite3.connect(tmp_path / "data" / "budgets.sqlite", isolation_level=None)) as locking:
            locking.execute("BEGIN IMMEDIATE")
            began = anyio.current_time()
            with pytest.raises(LedgerError, match="no answer in the time"):
                await gateway.chat(request, Policy(caller=Caller(user="alice"), deadline_s=0.2))
            assert anyio.current_time() - began < 5
            locking.execute("ROLLBACK")


async def refused(ledger: Ledger, deadline: float) -> None:
    with pytest.raises(LedgerError, match="no answer in the time"):
        await ledger.reserve([share("a")], 100, tries=1, lease_s=60, until=0, deadline=deadline)


@pytest.mark.skipif(sys.platform == "win32", reason="files that are open are not deleted there")
async def test_a_file_that_was_deleted_or_replaced_is_opened_anew_by_every_program(tmp_path: Path):
    path = tmp_path / "budgets.sqlite"
    ledgers = [ledger_at(path) for _ in range(2)]
    held = [await reserved(one, share("a"), each=400) for one in ledgers]
    for file in (path, path.with_name("budgets.sqlite-wal"), path.with_name("budgets.sqlite-shm")):
        file.unlink()
    await ledgers[0].settle(held[0], 350)
    await ledgers[1].settle(await reserved(ledgers[1], share("a"), each=400), 300)
    for one in ledgers:
        with pytest.raises(Shortage):
            await reserved(one, share("a"), each=400)
        assert await standing(one) == {"a": (650, 0)}
        await one.aclose()


async def test_tables_that_are_gone_are_made_again(ledger_address: URL | Path):
    ledger = ledger_at(ledger_address)
    engine = create_engine(url_of(ledger_address))
    for table in ("budget_reservations", "budget_accounts"):
        await ledger.settle(await reserved(ledger, share("a")), 7)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP TABLE {table}")
    engine.dispose()
    assert await standing(ledger) == {}
    await ledger.settle(await reserved(ledger, share("a")), 9)
    assert await standing(ledger) == {"a": (9, 0)}
    await ledger.aclose()


async def test_a_call_that_ends_after_the_ledger_was_closed_is_counted_and_leaves_it_closed(tmp_path: Path):
    ledger = ledger_at(tmp_path / "budgets.sqlite")
    held = await reserved(ledger, share("a"))
    await ledger.aclose()
    await ledger.settle(held, 60)
    # SQLite removes this file when the last connection is closed.
    assert not (tmp_path / "budgets.sqlite-wal").exists()
    assert await standing(ledger) == {"a": (60, 0)}
    await ledger.aclose()


async def test_looking_at_the_balances_changes_none(ledger_address: URL | Path):
    wall, ahead = Wall(), Wall()
    ahead.now += 1_000
    ledger, looking = ledger_at(ledger_address, wall), ledger_at(ledger_address, ahead)
    held = await reserved(ledger, share("a"), each=1_000)
    assert await standing(looking) == {"a": (0, 1_000)}
    await looking.aclose()
    with pytest.raises(Shortage):
        await reserved(ledger, share("a"))
    await ledger.settle(held, 0)
    await ledger.aclose()


async def test_waiting_goes_by_the_clock_that_is_given(tmp_path: Path):
    clock = ManualClock()
    ledger = Ledger(tmp_path / "budgets.sqlite", clock=clock, wall=Wall())
    await ledger.reserve([share("a")], CAP, tries=1, lease_s=60, until=0)
    ended = anyio.Event()

    async def wait() -> None:
        with pytest.raises(Shortage):
            await ledger.reserve([share("a")], 10, tries=1, lease_s=60, until=clock.now() + 30)
        ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        with anyio.fail_after(20):
            while not ended.is_set():
                await anyio.sleep(0.001)
                clock.advance(5)
    await ledger.aclose()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60), st.integers(1, 5), st.integers(0, 300))))
def test_no_order_of_reserving_and_settling_overspends(steps: list[tuple[int, int, int, int]]):
    caps = (100, 150, 300)
    shares = [share(str(cap), cap) for cap in caps]
    books = Books({one.account.key: Balance() for one in shares})
    balances = books._balances
    held: list[tuple[list[Share], int]] = []
    for first, each, tries, part in steps:
        chosen = shares[first:]
        if part > 150 and held:
            settled, amount = held.pop(part % len(held))
            for one in settled:
                books.add(one.account.key, spent=amount * (part - 150) // 150, held=-amount)
        else:
            before = {key: (one.spent, one.held) for key, one in balances.items()}
            got = books.reserve(chosen, each, tries=tries)
            if isinstance(got, Short):
                assert {key: (one.spent, one.held) for key, one in balances.items()} == before
                assert got.spent + (0 if got.final else got.held) + each > got.share.cap
            else:
                assert 1 <= got <= tries
                held.append((chosen, each * got))
        assert all(
            balances[one.account.key].spent + balances[one.account.key].held <= cap
            for one, cap in zip(shares, caps, strict=True)
        )


def test_money_is_rounded_up_and_months_are_those_of_utc():
    assert micros(Decimal("0.0000001")) == 1
    assert micros(Decimal("1.5")) == 1_500_000
    assert micros(Decimal(-3)) == 0
    assert micros(Decimal("NaN")) == micros(Decimal("1e40")) == 10**15
    assert [month_of(at) for at in (1_793_491_199.9, 1_793_491_200.0)] == ["2026-10", "2026-11"]
