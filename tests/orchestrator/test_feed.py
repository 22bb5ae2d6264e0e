from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.events import Event, RunFinished, StepStarted, StepToken
from orchestrator.feed import EventFeed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def token(step: str, text: str) -> StepToken:
    return StepToken(run_id="r", step_id=step, text=text)


def started(step: str) -> StepStarted:
    return StepStarted(run_id="r", at=NOW, step_id=step, kind="llm")


async def drained(feed: EventFeed) -> list[Event]:
    feed.close()
    return [event async for event in feed]


async def test_events_come_in_order_and_whole_while_the_reader_keeps_up():
    feed = EventFeed()
    sent = [started("a"), token("a", "x"), token("a", "y"), started("b")]
    for event in sent:
        feed.send(event)
    assert await drained(feed) == sent


async def test_a_full_feed_joins_the_tokens_of_a_step_and_keeps_every_other_event():
    feed = EventFeed(limit=2)
    for event in [started("a"), started("b"), *(token("a", str(number)) for number in range(1000)), started("c")]:
        feed.send(event)
    assert len(feed) == 4
    assert await drained(feed) == [
        started("a"),
        started("b"),
        token("a", "".join(map(str, range(1000)))),
        started("c"),
    ]


async def test_a_token_after_an_event_of_its_step_does_not_join_one_from_before():
    feed = EventFeed(limit=1)
    sent = [token("a", "1"), started("a"), token("a", "2")]
    for event in sent:
        feed.send(event)
    assert await drained(feed) == sent


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.text(min_size=1, max_size=3)))),
    st.integers(1, 6),
)
def test_no_text_and_no_durable_event_is_ever_lost(script: list[tuple[str, str | None]], limit: int):
    async def scenario() -> list[Event]:
        feed = EventFeed(limit=limit)
        for step, text in script:
            feed.send(started(step) if text is None else token(step, text))
        durable = sum(text is None for _, text in script)
        assert len(feed) <= limit + durable * 2 + 3
        return await drained(feed)

    received = anyio.run(scenario)
    assert [event for event in received if isinstance(event, StepStarted)] == [
        started(step) for step, text in script if text is None
    ]
    for name in "abc":
        heard = "".join(e.text for e in received if isinstance(e, StepToken) and e.step_id == name)
        assert heard == "".join(text for step, text in script if step == name and text is not None)


async def test_a_reader_that_waits_is_woken():
    feed = EventFeed()
    async with anyio.create_task_group() as tasks:
        received: list[Event] = []

        async def read() -> None:
            received.extend([event async for event in feed])

        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        feed.send(token("a", "x"))
        await anyio.wait_all_tasks_blocked()
        assert received == [] or received == [token("a", "x")]
        feed.close()
    assert received == [token("a", "x")]


async def test_the_producers_error_reaches_the_reader_after_the_last_event():
    feed = EventFeed()
    finished = RunFinished(run_id="r", at=NOW, status="failed", outputs={}, cost_usd=None, seconds=1.0)
    feed.send(finished)
    feed.close(ValueError("no"))
    assert await anext(feed) == finished
    with pytest.raises(ValueError, match="no"):
        await anext(feed)
