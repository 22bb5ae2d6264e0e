"""Workers that share a database: who executes what, and what the death of one of them means."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from conformance import worker
from machines import STEPS, Workers, killed, started
from postgres import Unavailable

from executors.distributed.address import database_of
from executors.distributed.errors import DistributedError
from executors.journal.entries import Decision
from executors.result import RunResult
from unified_api.errors import ConfigurationError
from unified_api.settings import Settings
from workflows.model import Workflow

_ENDED = "SELECT ended FROM machine_runs WHERE id = %s"
pytestmark = pytest.mark.skipif(find_spec("dbos") is None, reason="dbos is not installed")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    try:
        with started(tmp_path_factory.mktemp("workers")) as found:
            yield found
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
async def executor(workers: Workers) -> Any:
    from executors.distributed.executor import DistributedExecutor

    async with DistributedExecutor(workers.where.settings) as shared:
        with anyio.fail_after(20):
            while len(await shared.workers()) < len(workers.programs):  # noqa: ASYNC110  # other programs do it
                await anyio.sleep(0.05)
        workers.model.forget()
        yield shared


def flow(*steps: dict[str, Any], **fields: Any) -> Workflow:
    return Workflow.model_validate({"workflow": "1", "name": "spread", "steps": steps, **fields})


def each(count: int, **fields: Any) -> Workflow:
    ask = {"id": "ask", "kind": "llm", "model": "box/scripted", "prompt": "{{ item }} {{ item }}"}
    steps = {"id": "each", "kind": "map", "over": list(range(count)), "steps": [ask]}
    return flow(steps, policy={"max_parallel": 40}, **fields)


def slow(step_id: str, folder: Path, seconds: float, **fields: Any) -> dict[str, Any]:
    arguments = {"folder": str(folder), "word": step_id, "seconds": seconds}
    return {"id": step_id, "kind": "tool", "tool": "slow", "arguments": arguments, **fields}


async def begun(workers: Workers, folder: Path, times: int = 1) -> None:
    with anyio.fail_after(20):
        while len(workers.where.calls(folder)) < times:  # noqa: ASYNC110  # other programs do it
            await anyio.sleep(0.02)


def executing(workers: Workers, run_id: str, step_id: str) -> int:
    """The place of the worker that executes a step of the run."""
    query = "SELECT worker FROM machine_steps WHERE run_id = %s AND id LIKE %s"
    [(name,)] = workers.ask(query, run_id, f"%:{step_id}:%")
    return next(at for at, program in enumerate(workers.programs) if f"-{program.pid}-" in name)


async def test_steps_of_one_run_execute_on_both_workers_and_never_more_than_the_limit_at_once(
    executor: Any, workers: Workers
) -> None:
    run_id, names = await executor.start(each(60), {}), set()
    with anyio.fail_after(30):
        while len(workers.model.asked) < 60:
            found = await anyio.to_thread.run_sync(workers.ask, "SELECT worker FROM machine_steps WHERE claims > 0")
            names |= {row[0] for row in found}
            await anyio.sleep(0.02)
        assert (await executor.result(run_id, each(60))).status == "succeeded"
    assert len(names) == 2
    assert 2 <= workers.model.most <= 10


async def test_a_run_outlives_its_connections_to_the_database(executor: Any, workers: Workers) -> None:
    run_id = await executor.start(each(60), {})
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = %s"
    with anyio.fail_after(40):
        for share in (10, 30):
            while len(workers.model.asked) < share:  # noqa: ASYNC110  # other programs do it
                await anyio.sleep(0.02)
            await anyio.to_thread.run_sync(workers.ask, cut, "client backend")
        while not (await anyio.to_thread.run_sync(workers.ask, _ENDED, run_id))[0][0]:  # noqa: ASYNC110  # likewise
            await anyio.sleep(0.1)
        assert (await executor.result(run_id, each(60))).status == "succeeded"
    assert {text for _, text in workers.model.asked} == {f"{number} {number}" for number in range(60)}
    assert len(workers.model.asked) == 60


async def test_another_worker_takes_over_what_a_killed_one_was_doing(executor: Any, workers: Workers) -> None:
    found = await killed(executor, workers, after=20, victim=0)
    assert (found.status, found.again) == ("succeeded", 0)
    assert found.twice <= found.open
    assert found.next_s < 5
    assert len({text for _, text in workers.model.asked}) == STEPS


async def test_another_worker_takes_over_what_a_frozen_one_was_doing(executor: Any, workers: Workers) -> None:
    found = await killed(executor, workers, after=12, victim=1, how=signal.SIGSTOP)
    assert (found.status, found.again) == ("succeeded", 0)
    assert found.twice <= found.open
    assert found.next_s < 5


@pytest.mark.parametrize("harmless", [False, True])
async def test_a_step_is_done_again_when_its_worker_dies_only_where_that_does_no_harm(
    executor: Any, workers: Workers, tmp_path: Path, harmless: bool
) -> None:
    workflow = flow(slow("send", tmp_path, 3, idempotent=harmless))
    run_id = await executor.start(workflow, {})
    await begun(workers, tmp_path)
    victim = await anyio.to_thread.run_sync(executing, workers, run_id, "send")
    await anyio.to_thread.run_sync(workers.rid, victim)
    with anyio.fail_after(20):
        result: RunResult = await executor.result(run_id, workflow)
    assert result.status == ("succeeded" if harmless else "failed")
    assert harmless or (result.error is not None and result.error.code == "unknown_outcome")
    assert workers.where.calls(tmp_path) == ["send"] * (2 if harmless else 1)


async def test_a_worker_that_is_told_to_stop_ends_its_steps_and_hands_on_its_runs(
    executor: Any, workers: Workers, tmp_path: Path
) -> None:
    workflow = flow(
        {"id": "ask", "kind": "approval", "message": "Now?"},
        slow("send", tmp_path, 1),
        outputs={"by": "{{ steps.ask.output.by }}", "sent": "{{ steps.send.output }}"},
    )
    run_id = await executor.start(workflow, {})
    await begun(workers, tmp_path)
    leader = await anyio.to_thread.run_sync(workers.leader, run_id)
    assert leader is not None
    stopped = {leader, await anyio.to_thread.run_sync(executing, workers, run_id, "send")}
    for place in stopped:
        workers.programs[place].send_signal(signal.SIGTERM)
    with anyio.fail_after(20):
        ends = [await anyio.to_thread.run_sync(workers.programs[place].wait) for place in stopped]
        for place in sorted(stopped, reverse=True):
            await anyio.to_thread.run_sync(workers.rid, place)
        await executor.journal.decide(run_id, "ask", Decision(approved=True, by="ada"))
        result: RunResult = await executor.result(run_id, workflow)
    assert set(ends) == {0}
    assert result.outputs == {"by": "ada", "sent": "send"}
    assert workers.where.calls(tmp_path) == ["send"]


async def test_a_tool_that_a_worker_lacks_is_told_before_anything_starts(executor: Any) -> None:
    workflow = flow({"id": "a", "kind": "tool", "tool": "nowhere"})
    with pytest.raises(DistributedError, match=r"lacks 'nowhere'.*--tools"):
        await executor.start(workflow, {})


async def test_workers_of_another_version_leave_a_run_alone(executor: Any, workers: Workers) -> None:
    from executors.distributed.executor import DistributedExecutor

    settings = workers.where.settings
    other = settings.distributed.model_copy(update={"application_version": "another"})
    async with DistributedExecutor(replace(settings, distributed=other)) as newer:
        run_id = await newer.start(each(1), {})
        with anyio.move_on_after(1.5):
            await newer.result(run_id, each(1))
            pytest.fail("a worker of another version has executed it")
        assert workers.model.asked == []


def test_a_database_that_is_not_named_or_no_postgresql_is_told_by_its_place(tmp_path: Path) -> None:
    config = tmp_path / "orchestrator.toml"
    for text, environ, told in [
        ("", {}, "database_env"),
        ('[distributed]\ndatabase_env = "DB"', {}, "DB, named by .distributed., is not set"),
        ('[distributed]\ndatabase_env = "DB"', {"DB": "nonsense"}, "holds no address"),
        ('[distributed]\ndatabase_env = "DB"', {"DB": "mysql://u:secret@h/d"}, "no address of PostgreSQL"),
    ]:
        config.write_text(text)
        with pytest.raises(ConfigurationError, match=told) as raised:
            database_of(Settings.load(config, environ=environ))
        assert "secret" not in str(raised.value)


def test_a_worker_without_a_database_says_so_and_ends(workers: Workers) -> None:
    where = workers.where
    kept = dict(where.environment)
    where.environment["MACHINES"] = "postgresql://nobody@127.0.0.1:1/none"
    try:
        with worker(where) as program:
            assert program.wait(timeout=20) == 1
    finally:
        where.environment = kept
    log = max(where.folder.glob("worker-*.log"), key=os.path.getmtime).read_text()
    assert "the database of [distributed] cannot be used" in log
    assert "Traceback" not in log


def test_a_step_belongs_to_one_living_worker_and_may_be_wanted_again(workers: Workers) -> None:
    from executors.distributed.exchange import Exchange

    exchange = Exchange(database_of(workers.where.settings), lease_s=30)
    try:
        for name in ("first", "second"):
            exchange.join(name, ["sum"])
        assert not exchange.post_step("own:1", "own", "{}", {})
        claimed = exchange.claim_step("own:1", "first")
        assert claimed is not None
        assert claimed.claims == 1
        assert exchange.claim_step("own:1", "second") is None
        exchange.leave("first")
        again = exchange.claim_step("own:1", "second")
        assert again is not None
        assert again.claims == 2
        exchange.cancel_steps(["own:1"])
        assert sorted(exchange.cancelled(["own:1", "unknown"])) == ["own:1", "unknown"]
        assert not exchange.step_is_open("own:1")
        assert exchange.post_step("own:1", "own", "{}", {})
        assert exchange.step_is_open("own:1")
        exchange.end_step("own:1", '"paid"')
        exchange.end_step("own:1", '"late"')
        assert exchange.outcomes(["own:1"]) == {"own:1": ('"paid"', 2)}
        assert exchange.claim_step("own:1", "second") is None
    finally:
        exchange.leave("second")
        exchange.close()


@pytest.fixture
def exchange(workers: Workers) -> Iterator[Any]:
    from executors.distributed.exchange import Exchange

    shared = Exchange(database_of(workers.where.settings), lease_s=600)  # those that work are not silent for so long
    try:
        yield shared
    finally:
        for name in ("silent", "second", "third"):
            shared.leave(name)
        shared.close()


def silenced(workers: Workers, name: str) -> None:
    late = "UPDATE machine_workers SET beat = beat - interval '1 day' WHERE id = %s RETURNING id"
    assert workers.ask(late, name) == [(name,)]


def test_a_worker_that_nobody_could_hear_goes_on_unless_others_took_over(workers: Workers, exchange: Any) -> None:
    for name in ("silent", "second"):
        exchange.join(name, [])
    exchange.post_step("heard:1", "heard", "{}", {})
    assert exchange.claim_step("heard:1", "silent") is not None
    silenced(workers, "silent")
    assert exchange.claim_step("heard:1", "second") is None
    assert exchange.beat("silent")
    silenced(workers, "silent")
    assert list(exchange.bury("second", lambda _: None)) == ["silent"]
    assert not exchange.beat("silent")
    assert exchange.claim_step("heard:1", "silent", own=True) is None
    assert exchange.claim_step("heard:1", "second") is not None


def test_taking_over_is_one_workers_alone_never_its_own_and_holds_nobody_up(workers: Workers, exchange: Any) -> None:
    for name in ("silent", "second", "third"):
        exchange.join(name, [])
    exchange.post_step("over:1", "over", "{}", {})
    assert exchange.claim_step("over:1", "silent") is not None
    silenced(workers, "silent")
    silenced(workers, "second")
    met: list[str] = []

    def take_over(one: str) -> None:
        met.append(one)
        assert list(exchange.bury("second", met.append)) == []
        assert exchange.beat("second")
        assert not exchange.beat(one)
        assert exchange.claim_step("over:1", "third") is not None

    assert list(exchange.bury("second", take_over)) == ["silent"]
    assert met == ["silent"]


def test_a_claim_whose_answer_got_lost_is_the_claimants_own(exchange: Any) -> None:
    exchange.join("second", [])
    exchange.post_step("lost:1", "lost", "{}", {})
    assert exchange.claim_step("lost:1", "second") is not None
    assert exchange.claim_step("lost:1", "second") is None
    again = exchange.claim_step("lost:1", "second", own=True)
    assert again is not None
    assert again.claims == 1


async def test_only_workers_that_died_count_as_crashes_and_all_that_began_it_as_possibly_paid(exchange: Any) -> None:
    from executors.distributed.execution import Execution
    from executors.distributed.parcel import Parcel

    for name in ("silent", "second"):
        exchange.join(name, [])
    exchange.post_step("back:1", "back", "{}", {})
    assert exchange.claim_step("back:1", "silent") is not None
    exchange.hand_back(["back:1"])
    exchange.leave("silent")
    claimed = exchange.claim_step("back:1", "second")
    assert (claimed.claims, claimed.handed) == (2, 1)

    workflow = flow({"id": "a", "kind": "set", "value": "x"})
    parcel = Parcel(run_id="back", path="a", step=workflow.steps[0], policy=workflow.policy, idempotent=True)
    works = Execution(worker="second", gateway=None, tools=None)  # type: ignore[arg-type]  # the step asks neither
    given = await works.outcome(parcel, lost=3, handed=1, age_s=0)
    assert (given.error, given.lost) == (None, 3)
    refused = await works.outcome(parcel, lost=3, age_s=0)
    assert refused.error is not None
    assert (refused.error.code, refused.lost) == ("crashes_every_time", 3)


async def test_an_answer_of_a_worker_that_was_thought_dead_tells_of_the_second_call(
    executor: Any, workers: Workers
) -> None:
    workers.model.seconds = 4
    try:
        workflow = flow({"id": "a", "kind": "llm", "model": "open/scripted", "prompt": "twice"})
        run_id = await executor.start(workflow, {})
        with anyio.fail_after(30):
            while not workers.model.asked:  # noqa: ASYNC110  # other programs do it
                await anyio.sleep(0.02)
            victim = await anyio.to_thread.run_sync(executing, workers, run_id, "a")
            workers.programs[victim].send_signal(signal.SIGSTOP)
            while len(workers.model.asked) < 2:  # noqa: ASYNC110  # likewise
                await anyio.sleep(0.02)
            workers.programs[victim].send_signal(signal.SIGCONT)
            result: RunResult = await executor.result(run_id, workflow)
        assert result.status == "succeeded"
        [step] = [one for one in result.steps if one.step_id == "a"]
        assert any("possibly paid" in (one.message or "") for one in step.attempts)
    finally:
        workers.model.seconds = 0.05
