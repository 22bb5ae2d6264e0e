"""A worker: executes steps and leads runs until it is told to stop."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from executors.distributed.address import database_of
from executors.distributed.application import Application
from executors.distributed.exchange import Exchange
from executors.distributed.execution import Execution
from executors.distributed.lead import Leader
from executors.distributed.patience import said
from executors.distributed.remote import Arrivals
from executors.distributed.session import Session
from executors.journal.entries import JournalError
from executors.journal.store import SqlJournal

if TYPE_CHECKING:
    from executors.tools import ToolRegistry
    from unified_api.gateway import Gateway
    from unified_api.settings import Settings

__all__ = ["Worker"]

_AGAIN_S = 1.0
"""Seconds before a database that worked once is tried again."""


Answer = TypeVar("Answer")


class _Patient(SqlJournal):
    """A journal that waits for its database: a server that is started anew ends no run."""

    async def _done(self, item: Any, *, alone: bool = False) -> Any:
        return await _patiently(lambda: super(_Patient, self)._done(item, alone=alone))

    async def _asked(self, query: Callable[[Any], Answer]) -> Answer | None:
        return await _patiently(lambda: super(_Patient, self)._asked(query))


async def _patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    while True:
        try:
            return await ask()
        except JournalError as error:
            if not isinstance(error.__cause__, OperationalError | InterfaceError):
                raise
        await anyio.sleep(_AGAIN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Works for whoever posts runs to the database of the settings. There is one in a program at a time."""

    settings: Settings
    gateway: Gateway
    tools: ToolRegistry
    tell: Callable[[str], None]
    """Told in words what a person may want to know."""

    async def run(self, stop: anyio.Event) -> None:
        """Works until `stop` is set; what it was doing then others go on with.

        Raises ConfigurationError, and SQLAlchemyError when the database cannot be opened.
        """
        await self._session(stop)
        while not stop.is_set():
            try:
                await self._session(stop)
            except SQLAlchemyError as error:
                self.tell(f"The database cannot be asked just now: {said(error)}")
                with anyio.move_on_after(_AGAIN_S):
                    await stop.wait()

    async def _session(self, stop: anyio.Event) -> None:
        address, settings = database_of(self.settings), self.settings.distributed
        exchange = Exchange(address, lease_s=settings.lease_s)
        application = Application(address, settings)
        journal = _Patient(address.render_as_string(hide_password=False))
        arrivals = Arrivals(exchange)
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        session = Session(
            worker=name,
            exchange=exchange,
            application=application,
            execution=Execution(worker=name, gateway=self.gateway, tools=self.tools),
            leader=Leader(
                exchange=exchange,
                application=application,
                arrivals=arrivals,
                journal=journal,
                gateway=self.gateway,
                tools=self.tools,
            ),
            arrivals=arrivals,
            lease_s=settings.lease_s,
            tell=self.tell,
        )
        try:
            await session.run(stop, grace_s=settings.grace_s)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._close, journal, application, exchange)

    def _close(self, journal: SqlJournal, application: Application, exchange: Exchange) -> None:
        try:
            journal.close()
        except JournalError as error:
            self.tell(str(error))
        application.close()
        exchange.close()
