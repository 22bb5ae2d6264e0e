"""The workflow language as pydantic models: one JSON file is one `Workflow`.

The published `schema.json` is generated from these models. Unknown keys are errors everywhere. Templates are
kept as written; `workflows.expressions` gives them meaning and `workflows.references` their edges.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from workflows.base import (
    NAME_PATTERN,
    STEP_ID_PATTERN,
    VERSION_PATTERN,
    InputName,
    JsonSchema,
    ModelChoice,
    ModelNeeds,
    OnError,
    Recover,
    Retry,
    Reuse,
    Sensitivity,
    Strict,
)
from workflows.steps import (
    ApprovalStep,
    Block,
    BranchStep,
    Case,
    EmbedStep,
    HttpStep,
    ImageStep,
    LlmStep,
    LoopStep,
    MapStep,
    SetStep,
    Step,
    StepBase,
    ToolStep,
    WorkflowStep,
)

__all__ = [
    "STEP_ID_PATTERN",
    "ApprovalStep",
    "Block",
    "BranchStep",
    "Case",
    "EmbedStep",
    "HttpStep",
    "ImageStep",
    "LlmStep",
    "LoopStep",
    "MapStep",
    "ModelChoice",
    "ModelNeeds",
    "OnError",
    "Recover",
    "Retry",
    "Reuse",
    "Sensitivity",
    "SetStep",
    "Step",
    "StepBase",
    "ToolStep",
    "Workflow",
    "WorkflowPolicy",
    "WorkflowStep",
]


class WorkflowPolicy(Strict):
    """Limits of a whole run, and what its steps do unless they say otherwise."""

    budget_usd: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    """No call is started whose worst cost would take the run over this many US dollars."""
    deadline_s: Annotated[float, Field(gt=0, le=604_800)] | None = None
    """Seconds for the whole run; what is unfinished then is cancelled."""
    sensitivity: Sensitivity = "public"
    """The label of everything in the run; providers with a lower clearance are never asked."""
    declassify: Sensitivity | None = None
    """The label of the outputs for a workflow that runs this one as a step, where it is to be lower than theirs."""
    max_parallel: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Steps that may run at one time."""
    cache: Reuse = "run"
    """Whose recorded results steps may take instead of being executed."""
    idempotent: bool | None = None
    """Whether doing a step twice does no more than doing it once, for steps that do not say."""


class Workflow(Strict):
    """A DAG of steps. Edges follow from references and `after`; the order in the file means nothing."""

    workflow: Literal["1"]
    """Version of the language."""
    name: Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
    """Lower-case words joined by hyphens."""
    version: Annotated[str, Field(pattern=VERSION_PATTERN)] = "1.0.0"
    description: Annotated[str, Field(max_length=10_000)] = ""
    inputs: dict[InputName, JsonSchema] = {}
    """A JSON Schema for each input. One with `default` may be left out by the caller; `sensitivity` in it is the label
    that the input's value has at least."""
    policy: WorkflowPolicy = WorkflowPolicy()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100_000)]
    outputs: dict[str, Any] = {}
    """Any JSON for each output; each string in it is a template. Empty: the outputs of the last steps, by id."""
