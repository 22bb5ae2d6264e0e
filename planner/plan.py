"""A task in words becomes a checked workflow: by a model where one may plan, else by the library or the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.rules import decompose
from planner.task import accepted
from planner.types import Plan, PlanError
from workflows.checks import check
from workflows.model import WorkflowPolicy
from workflows.models import ModelCatalog
from workflows.tools import ToolSpec

if TYPE_CHECKING:
    from unified_api.gateway import Gateway

__all__ = ["plan"]

RULES = "rules"
"""The name that stands for no model, in `[planner] model` too."""


async def plan(
    task: str,
    *,
    gateway: Gateway | None = None,
    model: str | None = None,
    tools: Mapping[str, ToolSpec] | None = None,
    models: ModelCatalog | None = None,
    policy: WorkflowPolicy | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Plan:
    """Plan `task`.

    Args:
        task: what is to be done, in any language.
        gateway: through which the planner model is asked; not needed for the rules.
        model: who plans: `provider/model`, `route/NAME` or `auto`; None or `rules` for the rules. An offline
            stand-in (quality `demo`) is not let plan: the rules do, and the plan's notes say so.
        tools: the registered tools; a plan can use no others.
        models: the catalogue as the checks ask it; None leaves models unchecked that are described by tier.
        policy: limits of the run. A plan may set lower ones, never higher ones.
        on_progress: told in words what is being done.

    Raises:
        TaskError: the task is empty, too long or no text.
        PlanError: the planner model gave no sound plan in three rounds, or declined.
        GatewayError: the planner model could not be asked.

    """
    task = accepted(task)
    tools = tools or {}
    if model is None or model == RULES or gateway is None:
        return by_rules(task, tools=tools, models=models, policy=policy)
    from planner.ask import ModelPlanner, UnfitModelError  # the rules need neither prompts nor the gateway

    progress = on_progress or (lambda _: None)
    asked = ModelPlanner(
        gateway=gateway,
        model=model,
        task=task,
        tools=tools,
        models=models,
        policy=policy or WorkflowPolicy(),
        progress=progress,
    )
    try:
        return await asked.plan()
    except UnfitModelError as reason:
        progress(f"{reason}: the rules plan")
        made = by_rules(task, tools=tools, models=models, policy=policy)
        return replace(
            made,
            notes=(f"{reason}, so the rules planned.", *made.notes),
            rounds=asked.spending.rounds,
            cost_usd=asked.spending.cost_usd,
            usage=asked.spending.usage,
        )


def by_rules(
    task: str, *, tools: Mapping[str, ToolSpec], models: ModelCatalog | None, policy: WorkflowPolicy | None
) -> Plan:
    """The plan of the rules, checked like any other. Raises TaskError and PlanError."""
    made = decompose(task)
    workflow = made.workflow if policy is None else made.workflow.model_copy(update={"policy": policy})
    errors = tuple(one for one in check(workflow, tools=tools, models=models) if one.severity == "error")
    if errors:
        raise PlanError("the plan of the rules cannot run here:", reasons=errors, notes=made.notes)
    return Plan(workflow=workflow, planner="rules", inputs=made.inputs, notes=made.notes)
