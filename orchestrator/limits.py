"""What a caller may ask of a whole run, laid over the policy that its workflow states."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified_api.types import Sensitivity
    from workflows.model import Workflow, WorkflowPolicy

__all__ = ["Limits", "limited", "on_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None leaves what the workflow says."""

    budget_usd: float | None = None
    """US dollars for the whole run, and for making its plan."""
    deadline_s: float | None = None
    """Seconds for the whole run, and as many for making its plan."""
    sensitivity: Sensitivity | None = None
    """Label of everything in the run. It can raise the workflow's own label, never lower it."""
    max_parallel: int | None = None
    """Steps that may run at one time."""

    def after(self, spent: Decimal) -> Limits:
        """What is left for the run once its plan has cost so many US dollars."""
        if self.budget_usd is None or not spent:
            return self
        return replace(self, budget_usd=max(0.0, float(Decimal(str(self.budget_usd)) - spent)))

    def policy(self) -> WorkflowPolicy | None:
        """What is asked for, as the policy that a plan must keep to; None when nothing is."""
        from workflows.model import WorkflowPolicy

        asked = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: value for name, value in asked.items() if value is not None}
        return WorkflowPolicy.model_validate(given) if given else None


def limited(workflow: Workflow, limits: Limits, *, max_parallel: int | None = None) -> Workflow:
    """The workflow under these limits; `max_parallel` is for a workflow and a caller that say nothing of it.

    Raises pydantic's ValidationError for a limit out of range.
    """
    policy = workflow.policy
    changes: dict[str, object] = {
        name: value
        for name, value in (("budget_usd", limits.budget_usd), ("deadline_s", limits.deadline_s))
        if value is not None
    }
    if limits.sensitivity is not None:
        from unified_api.types.sensitivity import most_sensitive

        changes["sensitivity"] = most_sensitive(limits.sensitivity, policy.sensitivity)
    if limits.max_parallel is not None:
        changes["max_parallel"] = limits.max_parallel
    elif max_parallel is not None and "max_parallel" not in policy.model_fields_set:
        changes["max_parallel"] = max_parallel
    if not changes:
        return workflow
    fresh = type(policy).model_validate({**policy.model_dump(exclude_unset=True), **changes})
    return workflow.model_copy(update={"policy": fresh})


def on_model(workflow: Workflow, model: str) -> Workflow:
    """The workflow with every llm step on `model`, those inside of others too."""
    from workflows.rewriting import rewritten

    return rewritten(workflow, lambda step: step.model_copy(update={"model": model}) if step.kind == "llm" else step)
