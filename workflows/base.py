"""The small words of the language: names, labels, choices of a model, and what becomes of a step that fails."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

__all__ = [
    "NAME_PATTERN",
    "STEP_ID_PATTERN",
    "VERSION_PATTERN",
    "InputName",
    "JsonSchema",
    "ModelChoice",
    "ModelNeeds",
    "OnError",
    "Recover",
    "Retry",
    "Reuse",
    "Sensitivity",
    "StepId",
    "Strict",
    "Variable",
]

STEP_ID_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
"""Ids are identifiers, so that `steps.ID.output` is one dotted path in an expression."""
NAME_PATTERN = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
VERSION_PATTERN = r"^\d+\.\d+\.\d+$"

StepId = Annotated[str, Field(pattern=STEP_ID_PATTERN)]
InputName = Annotated[str, Field(pattern=STEP_ID_PATTERN)]
Variable = Annotated[str, Field(pattern=STEP_ID_PATTERN)]
"""A name that the steps inside of a `map` or `loop` see beside `inputs` and `steps`."""
JsonSchema: TypeAlias = dict[str, JsonValue]
Capability = Literal["tools", "structured_output", "vision", "reasoning", "embeddings", "image_output", "streaming"]
Sensitivity = Literal["public", "internal", "confidential", "restricted"]
Reuse = Literal["run", "deterministic", "always"]
"""Whose recorded results a step may take: only those of its own run; those of any run where the call is deterministic
(a temperature of 0, an embedding, a request that only reads); or those of any run."""


class Strict(BaseModel):
    """Base of every model of the language: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, serialize_by_alias=True)


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
