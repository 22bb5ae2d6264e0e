"""The workflow language as pydantic models: one JSON file is one `Workflow`.

The published `schema.json` is generated from these models. Unknown keys are errors everywhere. Templates are
kept as written; `workflows.expressions` gives them meaning and `workflows.references` their edges.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

__all__ = [
    "STEP_ID_PATTERN",
    "EmbedStep",
    "ImageStep",
    "LlmStep",
    "ModelChoice",
    "ModelNeeds",
    "OnError",
    "Recover",
    "Retry",
    "SetStep",
    "Step",
    "StepBase",
    "ToolStep",
    "Workflow",
    "WorkflowPolicy",
]

STEP_ID_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
"""Ids are identifiers, so that `steps.ID.output` is one dotted path in an expression."""

StepId = Annotated[str, Field(pattern=STEP_ID_PATTERN)]
InputName = Annotated[str, Field(pattern=STEP_ID_PATTERN)]
JsonSchema: TypeAlias = dict[str, JsonValue]
Capability = Literal["tools", "structured_output", "vision", "reasoning", "embeddings", "image_output", "streaming"]


class Strict(BaseModel):
    """Base of every model of the language: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ModelNeeds(Strict):
    """A model described by what it must do instead of by its name; the router picks it."""

    tier: Literal["economy", "standard", "premium"] = "standard"
    """How strong a model: `economy`, `standard` or `premium`."""
    needs: tuple[Capability, ...] = ()
    """Capabilities the model must have beyond those that the step's kind implies."""


ModelChoice: TypeAlias = str | ModelNeeds
"""`provider/model`, `route/NAME`, `auto`, or needs."""


class Retry(Strict):
    """How often a failed step is tried again as a whole, after the gateway's own attempts."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 1
    """Tries in all; 1 means no second try."""
    backoff_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """Seconds before the second try; doubles for each further one, with full jitter."""


class Recover(Strict):
    """The output a step is given when it fails."""

    output: JsonValue
    """Stands in for the failed step's output; never rendered as a template."""


OnError: TypeAlias = Literal["fail", "skip"] | Recover
"""`fail` ends the run, `skip` leaves the step without an output, an object gives it a stand-in output."""


class StepBase(Strict):
    """What every kind of step has."""

    id: StepId
    """Name of the step; other steps refer to `steps.ID.output`."""
    when: str | None = None
    """An expression, `{{ ... }}`; the step is skipped when it is false."""
    after: tuple[StepId, ...] = ()
    """Steps that must end first although nothing of theirs is used."""
    retry: Retry = Retry()
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """Seconds for one try of the step."""
    on_error: OnError = "fail"


class LlmStep(StepBase):
    """Asks a chat model."""

    kind: Literal["llm"]
    prompt: Annotated[str, Field(min_length=1)]
    """The user message; a template."""
    system: str | None = None
    """The system message; a template."""
    model: ModelChoice = ModelNeeds()
    images: tuple[str, ...] = ()
    """Templates, each giving an image to show the model: an https or data URL, or an image step's output."""
    output: JsonSchema | None = None
    """A JSON Schema: the answer is asked for as JSON, checked, and asked again with the findings. Without it: text."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    reasoning_effort: Literal["minimal", "low", "medium", "high"] | None = None


class ImageStep(StepBase):
    """Has an image model draw; the output is `{type, media_type, url, placeholder}`."""

    kind: Literal["image"]
    prompt: Annotated[str, Field(min_length=1)]
    """What to draw; a template."""
    model: ModelChoice = ModelNeeds()
    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")] | None = None
    """`WIDTHxHEIGHT` in pixels."""


class EmbedStep(StepBase):
    """Turns text into vectors: a text gives one vector, a list of texts a list of vectors."""

    kind: Literal["embed"]
    input: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """A template, or a list of templates. A template that is exactly one expression may give a list of texts."""
    model: ModelChoice = ModelNeeds(tier="economy")
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None


class SetStep(StepBase):
    """Computes a value from others, without a model."""

    kind: Literal["set"]
    value: JsonValue
    """Any JSON; each string in it is a template."""
    output: JsonSchema | None = None
    """A JSON Schema that the value must satisfy."""


class ToolStep(StepBase):
    """Calls a Python function registered with the orchestrator."""

    kind: Literal["tool"]
    tool: Annotated[str, Field(min_length=1, max_length=200)]
    """The registered name."""
    arguments: dict[str, JsonValue] = {}
    """Keyword arguments; each string in them is a template."""
    output: JsonSchema | None = None
    """A JSON Schema that the result must satisfy."""


Step: TypeAlias = Annotated[LlmStep | ImageStep | EmbedStep | SetStep | ToolStep, Field(discriminator="kind")]


class WorkflowPolicy(Strict):
    """Limits of a whole run."""

    budget_usd: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    """No call is started whose worst cost would take the run over this many US dollars."""
    deadline_s: Annotated[float, Field(gt=0, le=604_800)] | None = None
    """Seconds for the whole run; what is unfinished then is cancelled."""
    sensitivity: Literal["public", "internal", "confidential", "restricted"] = "public"
    """The label of everything in the run; providers with a lower clearance are never asked."""
    max_parallel: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Steps that may run at one time."""


class Workflow(Strict):
    """A DAG of steps. Edges follow from references and `after`; the order in the file means nothing."""

    workflow: Literal["1"]
    """Version of the language."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=100)]
    """Lower-case words joined by hyphens."""
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "1.0.0"
    description: Annotated[str, Field(max_length=10_000)] = ""
    inputs: dict[InputName, JsonSchema] = {}
    """A JSON Schema for each input. One with `default` may be left out by the caller."""
    policy: WorkflowPolicy = WorkflowPolicy()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100_000)]
    outputs: dict[str, Any] = {}
    """Any JSON for each output; each string in it is a template. Empty: the outputs of the last steps, by id."""
