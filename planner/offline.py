"""Plans without a model: a ready workflow of the library where it does just what is asked, else the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from planner.faults import tightened
from planner.rules import decompose
from planner.suggest import Embed, Suggestion, suggest
from planner.types import Plan, PlanError
from unified_api.errors import GatewayError
from unified_api.types import EmbedRequest, Json
from workflows import library
from workflows.checks import check
from workflows.findings import Finding
from workflows.model import Workflow, WorkflowPolicy
from workflows.models import ModelCatalog
from workflows.tools import ToolSpec

if TYPE_CHECKING:
    from unified_api.gateway import Gateway

__all__ = ["plan_offline"]


async def plan_offline(
    task: str,
    *,
    tools: Mapping[str, ToolSpec],
    models: ModelCatalog | None,
    policy: WorkflowPolicy,
    embed: Embed | None = None,
    gateway: Gateway | None = None,
) -> Plan:
    """The plan of the library or the rules, checked like any other.

    `embed` confirms a match with the library by meaning; without it the gateway's free in-process embeddings do,
    where there are any, and else the words alone decide. Raises TaskError and PlanError.
    """
    notes: tuple[str, ...] = ()
    if (found := await suggested(task, embed=embed, gateway=gateway)) is not None:
        if found.missing:
            notes = (
                f"The library's workflow {found.name!r} does this, given {' and '.join(map(repr, found.missing))}.",
            )
        else:
            workflow = limited(library.load(found.name), policy)
            errors = errors_of(workflow, tools=tools, models=models)
            if not errors:
                note = f"The library's workflow {found.name!r} does just this; chosen without a model."
                return Plan(workflow=workflow, planner="library", inputs=found.inputs, notes=(note,))
            notes = (f"The library's workflow {found.name!r} does this, but cannot run here: {errors[0].message}.",)
    made = decompose(task, vision=gateway is not None and sees_pictures(gateway))
    workflow = limited(made.workflow, policy)
    notes = (*made.notes, *notes)
    if errors := errors_of(workflow, tools=tools, models=models):
        raise PlanError("the plan of the rules cannot run here:", reasons=errors, notes=notes)
    return Plan(workflow=workflow, planner="rules", inputs=made.inputs, notes=notes)


async def suggested(task: str, *, embed: Embed | None, gateway: Gateway | None) -> Suggestion | None:
    if embed is None and gateway is not None:
        embed = free_embeddings(gateway)
    try:
        return await suggest(task, embed=embed)
    except GatewayError:
        return await suggest(task)


def sees_pictures(gateway: Gateway) -> bool:
    """Whether a picture that a step makes is a real one, and some model can look at it."""
    ready = [one for one in gateway.catalog.served if one.ready and one.quality is None]
    return all(any(able in one.capabilities for one in ready) for able in ("vision", "image_output"))


def free_embeddings(gateway: Gateway) -> Embed | None:
    """Embeddings that run in this process: a match with the library is not worth a paid call, nor the task's text."""
    able = (one for one in gateway.catalog.ready if one.wire == "local")
    model = next((one.id for one in able if "embeddings" in one.capabilities), None)
    if model is None:
        return None

    async def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        response = await gateway.embed(EmbedRequest(model=model, inputs=tuple(texts)))
        return response.vectors

    return embed


def limited(workflow: Workflow, policy: WorkflowPolicy) -> Workflow:
    """The workflow under the caller's limits; its own hold where they are narrower."""
    own = cast("Json", workflow.policy.model_dump(mode="json", exclude_unset=True))
    return workflow.model_copy(update={"policy": WorkflowPolicy.model_validate(tightened(own, policy))})


def errors_of(workflow: Workflow, *, tools: Mapping[str, ToolSpec], models: ModelCatalog | None) -> tuple[Finding, ...]:
    return tuple(one for one in check(workflow, tools=tools, models=models) if one.severity == "error")
