"""Which of the questions that a run has asked at one path an answer is for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from executors.journal.entries import JournalError

__all__ = ["meant"]

_SHOWN = 8
"""Characters of a key that are shown, as in `Approval.question`."""


def meant(run_id: str, path: str, key: str | None, *, asked: Sequence[str], unanswered: Collection[str]) -> str:
    """The key of the question; `asked` are those at the path, the latest first. Raises JournalError."""
    latest = asked[0]
    if key is None:
        if any(one in unanswered for one in asked[1:]):
            raise JournalError(
                f"run {run_id} has asked {path!r} several things; say which one is answered: what it asks now is"
                f" question {latest[:_SHOWN]}, which `orchestrate approvals {run_id}` shows"
            )
        return latest
    found = [one for one in asked if key and one.startswith(key)]
    if len(found) != 1:
        known = ", ".join(one[:_SHOWN] for one in asked[:10])
        raise JournalError(f"run {run_id} has asked no question {key!r} at {path!r}, but {known}")
    if found[0] != latest and found[0] in unanswered:
        raise JournalError(
            f"question {key} of {path!r} of run {run_id} is not asked any more: it asks something else now, question"
            f" {latest[:_SHOWN]}, which `orchestrate approvals {run_id}` shows"
        )
    return found[0]
