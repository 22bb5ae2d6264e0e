"""What may be done twice: by a person's word, else by what a request does."""

from __future__ import annotations

from typing import Final

from workflows.model import StepBase, WorkflowPolicy

__all__ = ["READING", "REPEATABLE", "stated"]

READING: Final = frozenset({"GET", "HEAD"})
"""Methods that only read."""
REPEATABLE: Final = READING | {"PUT", "DELETE"}
"""Methods that may be sent twice (RFC 9110, 9.2.2)."""


def stated(step: StepBase, policy: WorkflowPolicy) -> bool | None:
    """What the step, or else the policy, says; None where neither does."""
    return policy.idempotent if step.idempotent is None else step.idempotent
