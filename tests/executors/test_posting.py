"""Runs that are given to workers of which there are none yet."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from postgres import Unavailable, postgres
from running import value, workflow_of

from executors.distributed.errors import DistributedError
from orchestrator import Orchestrator
from orchestrator.resuming import ResumeError
from unified_api.settings import DistributedSettings, Environment, JournalSettings, Settings
from unified_api.types import Caller

pytestmark = pytest.mark.skipif(find_spec("dbos") is None, reason="dbos is not installed")
FLOW = workflow_of(value("a"))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    try:
        with postgres() as found:
            yield found
    except Unavailable as error:
        pytest.skip(str(error))


def executor_at(address: str) -> Any:
    from executors.distributed.executor import DistributedExecutor

    shared = DistributedSettings(database_env="DATABASE")
    return DistributedExecutor(Settings(distributed=shared, environment=Environment({"DATABASE": address})))


async def test_the_name_of_a_run_is_given_once(address: str) -> None:
    async with executor_at(address) as executor:
        assert await executor.start(FLOW, {}, caller=Caller(run="nightly")) == "nightly"
        with pytest.raises(DistributedError, match="there is a run 'nightly' already"):
            await executor.start(FLOW, {}, caller=Caller(run="nightly"))


async def test_only_what_has_ended_is_asked_for_again(address: str) -> None:
    async with executor_at(address) as executor:
        exchange = executor._exchange
        assert exchange.post_again("once", "{}") == 1
        assert exchange.post_again("once", "{}") is None
        assert exchange.call_off("once")
        assert exchange.post_again("once", "{}") == 2


async def test_a_run_that_no_worker_has_begun_is_called_off(address: str) -> None:
    async with executor_at(address) as executor:
        run_id = await executor.start(FLOW, {})
        assert await executor.cancel(run_id)
        with pytest.raises(DistributedError, match="cancelled before a worker began it"):
            await executor.result(run_id, FLOW)


async def test_a_database_that_does_not_let_us_in_is_told_in_one_line(address: str) -> None:
    async with executor_at(f"{address}_nowhere") as executor:
        with pytest.raises(DistributedError, match=r"cannot be used: .*nowhere.* does not exist") as raised:
            await executor.start(FLOW, {})
    assert "\n" not in str(raised.value)


async def test_a_run_that_workers_lead_is_not_gone_on_with_here(address: str) -> None:
    settings = Settings(journal=JournalSettings(address_env="DATABASE"), environment=Environment({"DATABASE": address}))
    async with executor_at(address) as executor, Orchestrator(settings=settings) as orchestrator:
        await orchestrator.run(FLOW, caller=Caller(run="shared"))
        assert await executor.resume("shared") == "shared"
        with pytest.raises(ResumeError, match="with the workers"):
            await orchestrator.resume("shared", workflow_of(value("a", 2)))
        assert await executor.cancel("shared")
        assert (await orchestrator.resume("shared", workflow_of(value("a", 2)))).status == "succeeded"
