"""Where steps of this program that wait for a person are woken as soon as there is an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio

if TYPE_CHECKING:
    from executors.journal.entries import Approval, Decision

__all__ = ["Approve", "Desk"]

Approve: TypeAlias = "Callable[[Approval], Awaitable[Decision | None]]"
"""Asks a person; None leaves the question to others."""


class Desk:
    """The questions that are open in this program, by run and path."""

    def __init__(self, person: Approve | None = None) -> None:
        self.person = person
        """Asks who sits here; the only one to ask where no journal is kept."""
        self._open: dict[tuple[str, str], _Question] = {}

    async def ask(self, asked: Approval) -> Decision | None:
        """What the person says who sits here; None once somebody has answered it elsewhere."""
        place = (asked.run_id, asked.path)
        question = self._open[place] = _Question()
        try:
            async with anyio.create_task_group() as tasks:
                if self.person is not None:
                    tasks.start_soon(self._ask_here, self.person, asked, question)
                await question.answered.wait()
                tasks.cancel_scope.cancel()
        finally:
            if self._open.get(place) is question:
                del self._open[place]
        if question.failure is not None:
            raise question.failure
        return question.decision

    def answer(self, run_id: str, path: str) -> None:
        """Has who waits here, if anybody does, look into the journal: there stands which question was answered."""
        question = self._open.get((run_id, path))
        if question is not None:
            question.answered.set()

    @staticmethod
    async def _ask_here(person: Approve, asked: Approval, question: _Question) -> None:
        try:
            decision = await person(asked)
        except Exception as error:  # noqa: BLE001  # a user's code; raised where no task group wraps it
            question.failure = error
            question.answered.set()
            return
        if decision is not None:
            question.decision = decision
            question.answered.set()


class _Question:
    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.decision: Decision | None = None
        self.failure: Exception | None = None
