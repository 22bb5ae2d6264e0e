"""Answers a step that waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executors.journal.entries import Decision
    from executors.journal.store import SqlJournal

__all__ = ["decide"]


async def decide(
    journal: SqlJournal,
    run_id: str,
    step: str,
    *,
    question: str | None,
    approved: bool,
    by: str | None,
    comment: str | None,
) -> Decision:
    """The answer that stands.

    Raises JournalError for a question that is none, is not asked any more, has another answer, or has expired.
    """
    from executors.context import now
    from executors.journal.entries import Decision, JournalError

    moment = now()
    for asked in await journal.waiting_approvals(run_id):
        is_meant = asked.path == step and asked.key.startswith(question or "")
        if is_meant and asked.expires is not None and asked.expires <= moment:
            raise JournalError(
                f"{step!r} of run {run_id} expired at {asked.expires:%Y-%m-%d %H:%M:%S %Z}: what it does without an"
                f" answer ({asked.default!r}) stands. Run the workflow again to be asked again"
            )
    decision = Decision(approved=approved, by=by, comment=comment, at=moment)
    return await journal.decide(run_id, step, decision, key=question)
