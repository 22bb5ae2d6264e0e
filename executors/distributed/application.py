"""The application of DBOS that all machines share: its queues, and the calls on it that are public."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions, error
from sqlalchemy.exc import ProgrammingError

if TYPE_CHECKING:
    from sqlalchemy import URL

    from unified_api.settings.distributed import DistributedSettings

__all__ = ["Application"]

_NAME = "meta-orchestrator"
_RUNS, _STEPS = "meta-orchestrator-runs", "meta-orchestrator-steps"
_LEAD, _EXECUTE = "lead_run", "execute_step"
_MOST_RUNS = 1_000
"""Runs that one worker leads at one time: they mostly wait."""
_POLL_S = 0.03
"""How often a worker looks for work."""
_IDLE_TRANSACTION_S = 3.0
"""A worker that was stopped in the middle of a transaction must not keep the others from taking over its work."""

_CONNECTIONS = 8
"""Of DBOS in a worker, besides those of the exchange, of the journal, and for posting."""

Work = Callable[[str], Awaitable[None]]


class Application:
    """Posts work by names alone; what belongs to it travels through the exchange.

    The two workflows have no numbered steps: what is done twice is found out by names that are the same each time,
    not by the order in which steps happened to end. Its methods wait for the database.
    """

    def __init__(self, address: URL, settings: DistributedSettings) -> None:
        self._url = address.render_as_string(hide_password=False)
        self._settings = settings
        self.version = settings.application_version or version(_NAME)
        self._opened: DBOSClient | None = None
        self._opening = Lock()

    @property
    def _client(self) -> DBOSClient:
        with self._opening:
            if self._opened is None:
                self._opened = DBOSClient(
                    system_database_url=self._url,
                    serializer=DBOSPortableJSONSerializer(),
                    application_name=_NAME,
                    sys_db_idle_transaction_timeout_sec=_IDLE_TRANSACTION_S,
                )
            return self._opened

    def launch(self, executor: str, *, lead: Work, execute: Work) -> None:
        """Begins to take work, as tasks of the event loop that this is called in."""
        config: DBOSConfig = {
            "name": _NAME,
            "system_database_url": self._url,
            "application_version": self.version,
            "executor_id": executor,
            "serializer": DBOSPortableJSONSerializer(),
            "sys_db_pool_size": _CONNECTIONS,
            "sys_db_idle_transaction_timeout_sec": _IDLE_TRANSACTION_S,
            "enable_otlp": False,
            "log_level": "CRITICAL",
        }
        DBOS(config=config)
        for name, work in ((_LEAD, lead), (_EXECUTE, execute)):
            _registered(name, work)
        DBOS.launch()

    def open_queues(self) -> None:
        """Makes the queues where they are missing; whoever does it last says what they allow."""
        most = self._settings.global_concurrency
        self._client.register_queue(_RUNS, worker_concurrency=_MOST_RUNS, polling_interval_sec=_POLL_S)
        self._client.register_queue(
            _STEPS,
            global_concurrency=most,
            worker_concurrency=min(self._settings.worker_concurrency, most or self._settings.worker_concurrency),
            polling_interval_sec=_POLL_S,
        )

    def stop(self, *, grace_s: float) -> None:
        """Takes no more work, and waits so long for what is under way here. What is not done then stays open."""
        # It looks once a second, so that it may wait a second longer.
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=ceil(grace_s))

    def enqueue_run(self, run_id: str, generation: int) -> None:
        self._enqueue(_RUNS, _LEAD, f"{run_id}:{generation}", run_id)

    def enqueue_step(self, step_id: str) -> None:
        self._enqueue(_STEPS, _EXECUTE, step_id, step_id)

    def _enqueue(self, queue: str, work: str, workflow_id: str, argument: str) -> None:
        options: EnqueueOptions = {
            "queue_name": queue,
            "workflow_name": work,
            "workflow_id": workflow_id,
            "app_version": self.version,
        }
        try:
            self._client.enqueue(options, argument)
        except ProgrammingError:  # no worker was ever started on this database, so that it lacks the tables
            DBOS.migrate(self._url)
            self._client.enqueue(options, argument)

    def cancel(self, ids: Sequence[str]) -> None:
        self._client.cancel_workflows(list(ids))

    def forget(self, ids: Sequence[str]) -> None:
        """Removes what is done with."""
        self._client.delete_workflows(list(ids))

    def take_over(self, executor: str) -> None:
        """Has others execute what an executor had under way."""
        self.again(self.under_way(executor))

    def under_way(self, executor: str) -> dict[str, str]:
        """What an executor has taken and not ended, and of which queue."""
        found = self._client.list_workflows(status="PENDING", executor_id=executor, load_input=False, load_output=False)
        return {one.workflow_id: one.queue_name for one in found if one.queue_name in (_RUNS, _STEPS)}

    def again(self, work: Mapping[str, str]) -> None:
        """Puts work back into the queues that it was taken from."""
        for queue in (_RUNS, _STEPS):
            if ids := [one for one, its in work.items() if its == queue]:
                self._again(ids, queue)

    def _again(self, ids: list[str], queue: str) -> None:
        try:
            self._client.resume_workflows(ids, queue_name=queue)
        except error.DBOSNonExistentWorkflowError:  # some have ended, and are forgotten
            for one in ids:
                with suppress(error.DBOSNonExistentWorkflowError):
                    self._client.resume_workflows([one], queue_name=queue)

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.destroy()


def _registered(name: str, work: Work) -> None:
    @DBOS.workflow(name=name, max_recovery_attempts=None)
    async def perform(argument: str) -> Any:
        await work(argument)
