"""A task in words becomes a checked workflow: by a model where one may plan, else by the library or the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.offline import plan_offline
from planner.suggest import Embed
from planner.task import accepted
from planner.types import Plan
from unified_api.types import Caller
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
    embed: Embed | None = None,
    caller: Caller = Caller(),
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
        embed: gives vectors by which the rules confirm a match with the library; by default the gateway's free
            in-process embeddings, if any.
        caller: on whose behalf the planner model is asked.

    Raises:
        TaskError: the task is empty, too long or no text.
        PlanError: the planner model gave no sound plan in three rounds, or declined.
        GatewayError: the planner model could not be asked.

    """
    task = accepted(task)
    policy = policy or WorkflowPolicy()
    progress = on_progress or (lambda _: None)
    tools = tools or {}

    async def offline() -> Plan:
        return await plan_offline(task, tools=tools, models=models, policy=policy, embed=embed, gateway=gateway)

    if model is None or model == RULES or gateway is None:
        return await offline()
    from planner.ask import ModelPlanner, UnfitModelError  # the rules need neither prompts nor a reader of answers

    asked = ModelPlanner(
        gateway=gateway,
        model=model,
        task=task,
        tools=tools,
        models=models,
        policy=policy,
        progress=progress,
        caller=caller,
    )
    try:
        return await asked.plan()
    except UnfitModelError as reason:
        made = await offline()
        return replace(
            made,
            notes=(f"No model planned: {reason}.", *made.notes),
            rounds=asked.spending.rounds,
            cost_usd=asked.spending.cost_usd,
            most_usd=asked.spending.most_usd,
            usage=asked.spending.usage,
        )
