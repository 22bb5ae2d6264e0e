"""The kinds of steps, each a pydantic model; some hold further steps."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, JsonValue

from workflows.base import (
    NAME_PATTERN,
    VERSION_PATTERN,
    JsonSchema,
    ModelChoice,
    ModelNeeds,
    OnError,
    Retry,
    Reuse,
    Sensitivity,
    StepId,
    Strict,
    Variable,
)

__all__ = [
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
    "SetStep",
    "Step",
    "StepBase",
    "ToolStep",
    "WorkflowStep",
]

Text = Annotated[str, Field(min_length=1)]


class StepBase(Strict):
    """What every kind of step has."""

    id: StepId
    """Name of the step, by which others refer to `steps.ID.output`. No two steps of a file share one, wherever they
    stand."""
    when: str | None = None
    """An expression, `{{ ... }}`; the step is skipped when it is false."""
    after: tuple[StepId, ...] = ()
    """Steps that must end first although nothing of theirs is used."""
    retry: Retry = Retry()
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """Seconds for one try of the step."""
    on_error: OnError = "fail"
    budget_usd: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    """The most that all calls of the step may cost together, those of the steps inside of it included."""
    deadline_s: Annotated[float, Field(gt=0, le=604_800)] | None = None
    """Seconds for the whole step, with every try and every wait between tries."""
    sensitivity: Sensitivity | None = None
    """A label that what the step sends and gives has at least, whatever it was made from."""
    declassify: Sensitivity | None = None
    """The label of the step's output, where it is to be lower than that of what it was made from. A person's word for
    it: nothing checks that the output holds no secret."""
    cache: Reuse | None = None
    """Whose recorded results the step may take instead of being executed; without it as the workflow's policy says."""
    idempotent: bool | None = None
    """Whether doing it twice does no more than doing it once. Without it as the policy, else as the kind says: models
    are asked again and requests that only read are sent again, functions and other requests are not."""


class LlmStep(StepBase):
    """Asks a chat model."""

    kind: Literal["llm"]
    prompt: Text
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
    prompt: Text
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
    """Calls a registered Python function, or a tool of an MCP server."""

    kind: Literal["tool"]
    tool: Annotated[str, Field(min_length=1, max_length=200)]
    """The registered name; a tool of an MCP server is `SERVER.TOOL`."""
    arguments: dict[str, JsonValue] = {}
    """Keyword arguments; each string in them is a template."""
    output: JsonSchema | None = None
    """A JSON Schema that the result must satisfy."""


class HttpStep(StepBase):
    """Sends an HTTP request to a host that the configuration allows; the output is `{status, headers, body}`."""

    kind: Literal["http"]
    url: Text
    """An http or https address; a template."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    query: dict[str, JsonValue] = {}
    """Parameters of the address; each string in them is a template."""
    headers: dict[str, str] = {}
    """Header fields; templates. Credentials belong into the configuration, never here."""
    body: JsonValue = None
    """Sent as JSON, a text as it is; each string in it is a template."""
    expect: Annotated[tuple[Annotated[int, Field(ge=200, le=599)], ...], Field(max_length=20)] = ()
    """Statuses that are no failure; empty: 200 to 299."""
    output: JsonSchema | None = None
    """A JSON Schema that the body of the answer must satisfy."""


class ApprovalStep(StepBase):
    """Shows something and waits for a person, however long; the output is `{approved, by, comment, expired}`."""

    kind: Literal["approval"]
    message: Text
    """What is to be decided; a template."""
    show: JsonValue = None
    """What the person must see to decide; each string in it is a template."""
    expires_s: Annotated[float, Field(gt=0, le=31_536_000)] | None = None
    """Seconds after which `default` is taken; without it the step waits for ever."""
    default: Literal["approve", "reject", "fail"] = "reject"
    """What becomes of a question that nobody answered in time."""


class MapStep(StepBase):
    """Runs its steps once for each item of a list; the output is the list of their results, in the list's order."""

    kind: Literal["map"]
    over: str | tuple[JsonValue, ...]
    """A template that gives a list, or a list in which each string is a template."""
    as_: Annotated[Variable, Field(alias="as")] = "item"
    """What the steps inside call the item; `NAME_index` is its place, from 0."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=1_000)]
    result: Any = None
    """What an item gives: any JSON, each string in it a template. Left out: the output of the last of its steps."""
    max_items: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """A longer list is an error, and nothing of it is run."""
    max_parallel: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Items at one time; without it as many as the run's own limit allows."""
    on_item_error: Literal["fail", "keep", "drop"] = "fail"
    """What becomes of an item one of whose steps fails: it fails the step, leaves `{"error": {"code", "message"}}` as
    its result, or leaves nothing in the list."""


class Block(Strict):
    """Steps that run together and the one result they give."""

    steps: Annotated[tuple[Step, ...], Field(max_length=1_000)] = ()
    result: Any = None
    """Any JSON, each string in it a template. Left out: the output of the last of its steps."""


class Case(Block):
    """Steps that run when their condition holds."""

    when: str
    """An expression, `{{ ... }}`."""


class BranchStep(StepBase):
    """Runs the first case whose condition holds; the output is that case's result."""

    kind: Literal["branch"]
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=100)]
    """Tried in order."""
    else_: Annotated[Block | None, Field(alias="else")] = None
    """Runs when no condition holds; without it the step is then skipped."""
    output: JsonSchema | None = None
    """A JSON Schema that every result must satisfy."""


class LoopStep(StepBase):
    """Runs its steps round after round; the output is the result of the last round."""

    kind: Literal["loop"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=1_000)]
    until: str
    """An expression over the steps inside, asked after each round; the loop ends when it is true."""
    max_rounds: Annotated[int, Field(ge=1, le=1_000)]
    """Rounds at most."""
    as_: Annotated[Variable, Field(alias="as")] = "round"
    """What the steps inside call `{number, previous}`: the number of the round, from 1, and the result of the one
    before it."""
    initial: JsonValue = None
    """What `previous` is in the first round; each string in it is a template."""
    result: Any = None
    """What a round gives: any JSON, each string in it a template. Left out: the output of the last of its steps."""
    on_limit: Literal["accept", "fail"] = "accept"
    """Whether the last result is taken when `until` did not come true in all the rounds."""


class WorkflowStep(StepBase):
    """Runs another workflow; the output is its outputs."""

    kind: Literal["workflow"]
    workflow: Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
    """The name of a workflow of the library, or of a file beside this one."""
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    """The version that this workflow was written for; no other is run."""
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    """The content that is meant, as `orchestrate workflow show NAME --digest` prints it; no other is run."""
    inputs: dict[str, JsonValue] = {}
    """Its inputs; each string in them is a template."""


Step: TypeAlias = Annotated[
    LlmStep
    | ImageStep
    | EmbedStep
    | SetStep
    | ToolStep
    | HttpStep
    | ApprovalStep
    | MapStep
    | BranchStep
    | LoopStep
    | WorkflowStep,
    Field(discriminator="kind"),
]

for _model in (MapStep, Block, Case, BranchStep, LoopStep):
    _model.model_rebuild()
