from __future__ import annotations

from random import Random

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.slots import Slots


def test_who_waits_is_called_in_the_order_of_asking_when_a_place_is_given_back():
    slots, called = Slots(1), list[str]()
    assert slots.take()
    assert not slots.take()
    for name in "ab":
        slots.wait(lambda name=name: called.append(name) if slots.take() else None)
    slots.give()
    assert called == ["a"]
    slots.give()
    assert called == ["a", "b"]


def test_who_leaves_is_not_called():
    slots, called = Slots(1), list[int]()
    slots.take()

    def call() -> None:
        called.append(1)

    slots.wait(call)
    assert slots.crowded(lambda: None)
    assert not slots.crowded(call)
    slots.leave(call)
    slots.give()
    assert called == []
    assert slots.take()


@given(st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers())
async def test_places_inside_of_places_are_never_more_than_any_of_them_allows(outer: int, inner: list[int], seed: int):
    source = Random(seed)
    run = Slots(outer)
    groups = [Slots(limit, around=run) for limit in inner]
    running, most, most_of = 0, 0, [0] * len(groups)
    now_of = [0] * len(groups)

    async def work(which: int) -> None:
        nonlocal running, most
        await groups[which].acquire()
        running, now_of[which] = running + 1, now_of[which] + 1
        most, most_of[which] = max(most, running), max(most_of[which], now_of[which])
        try:
            for _ in range(source.randrange(3)):
                await anyio.lowlevel.checkpoint()
        finally:
            running, now_of[which] = running - 1, now_of[which] - 1
            groups[which].give()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(work, number % len(groups))
    assert most <= outer
    assert all(seen <= limit for seen, limit in zip(most_of, inner, strict=True))
    for _ in range(outer):
        assert run.take()
    assert not run.take()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_wait_loses_no_place(turns: int):
    slots = Slots(1)
    slots.take()

    async def work() -> None:
        await slots.acquire()
        slots.give()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        for turn in range(turns):
            await anyio.lowlevel.checkpoint()
            if turn == 2:
                slots.give()
        tasks.cancel_scope.cancel()
    if turns <= 2:
        slots.give()
    assert slots.take()
    assert not slots.take()
