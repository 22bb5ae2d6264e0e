"""What a task must be before anything plans it."""

from __future__ import annotations

from planner.types import TaskError

__all__ = ["LONGEST_TASK", "accepted", "fits"]

LONGEST_TASK = 100_000
"""Characters; a longer task is refused whoever plans it. Long material belongs into a workflow's input."""
ROOM = 8_000
"""Tokens kept for what the planner is told beside the task, and for its answer."""


def accepted(task: object) -> str:
    """The task, when it is text that can be planned. Raises TaskError."""
    if not isinstance(task, str):
        raise TaskError(f"the task must be text, not {type(task).__name__}; say in words what is to be done")
    if not task.strip():
        raise TaskError("the task is empty; say in words what is to be done")
    if len(task) > LONGEST_TASK:
        raise TaskError(
            f"the task has {len(task):,} characters; {LONGEST_TASK:,} are allowed: give long material to a workflow "
            "as an input"
        )
    if any("\ud800" <= character <= "\udfff" for character in task):
        raise TaskError("the task holds characters that are not valid Unicode (lone surrogates); remove them")
    return task


def fits(task: str, *, context: int | None, model: str) -> None:
    """Raises TaskError where the task has surely more tokens than the planner model can read.

    A token is counted as four bytes of UTF-8, which is about right for English and too few for other scripts, so
    that no task is refused that would have fitted; the provider counts exactly.
    """
    if context is None:
        return
    tokens = len(task.encode()) // 4
    if tokens > max(context - ROOM, context // 4):
        raise TaskError(
            f"the task has about {tokens:,} tokens, and the planner model {model!r} reads {context:,} in all: "
            "shorten it, give long material to a workflow as an input, or plan with a model of longer context"
        )
