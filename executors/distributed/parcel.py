"""What travels between machines as JSON: a step with all that it needs, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter

from executors.context import Receipt, StepRun
from executors.events import StepError, StepRetrying
from unified_api.types import Caller, Sensitivity
from workflows.expressions import Scope, template
from workflows.model import Step, Workflow, WorkflowPolicy
from workflows.references import usage
from workflows.templates import templates

__all__ = ["Outcome", "Parcel", "RunRequest", "packed", "seen_by", "unpacked"]

_LARGE = 65_536
"""Characters of JSON from which on a value travels apart, once for all steps of the run that see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A step that another machine is to execute."""

    run_id: str
    path: str
    step: Step
    policy: WorkflowPolicy
    """Of the workflow that it belongs to."""
    inputs: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    label: Sensitivity = "public"
    caller: Caller = Caller()
    budget_usd: Decimal | None = None
    """What it may spend; that much is held for it in the budget of the run."""
    seconds: float | None = None
    """What was left until its deadline when it was posted."""
    idempotent: bool = False
    again: bool = False

    @property
    def scope(self) -> Scope:
        return Scope(self.inputs, self.steps, self.variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a step ended on another machine."""

    worker: str
    output: Any = None
    error: StepError | None = None
    retryable: bool = False
    label: Sensitivity = "public"
    receipt: Receipt = field(default_factory=Receipt)
    counted_usd: Decimal = Decimal(0)
    """What its budget has to be charged with: what nobody knows the cost of is counted at the worst."""
    lost: int = 0
    """How many workers began it before and did not end it: what they did may have been paid for."""
    retries: tuple[StepRetrying, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run that some machine is to lead."""

    run_id: str
    workflow: Workflow
    inputs: dict[str, Any]
    workflows: dict[str, Workflow] = field(default_factory=dict)
    caller: Caller = Caller()
    max_parallel: int | None = None
    resumes: bool = False
    """Whether somebody asked for it to go on after its end."""


_ADAPTERS: Mapping[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (Parcel, Outcome, RunRequest)}


def seen_by(run: StepRun) -> Scope:
    """The part of the scope that the step's templates refer to."""
    scope, sources = run.frame.scope, [source for _, source in templates(run.step)]
    used = [usage(source) for source in sources]
    if any(one.misspellings for one in used):
        return scope  # what it means is told when it is rendered
    inputs = {one.name for use in used for one in use.references if one.root == "inputs"}
    steps = {one.name for use in used for one in use.references if one.root == "steps"}
    free = frozenset[str]().union(*(template(source).free for source in sources))
    return Scope(
        {name: value for name, value in scope.inputs.items() if name in inputs},
        {name: value for name, value in scope.steps.items() if name in steps},
        {name: value for name, value in scope.variables.items() if name in free},
    )


def packed(what: Parcel | Outcome | RunRequest, apart: dict[str, str] | None = None) -> str:
    """The JSON of it. Large values of a parcel's scope are put into `apart` by their digest, and only named in it."""
    value = _ADAPTERS[type(what)].dump_python(what, mode="json", by_alias=True, exclude_unset=True)
    if isinstance(what, Parcel) and apart is not None:
        value[_APART] = [[*place, digest] for place in _places(value) if (digest := _put_apart(value, place, apart))]
    # ASCII, since PostgreSQL keeps neither a zero character nor half a surrogate pair.
    return json.dumps(value, allow_nan=False)


def unpacked(kind: type[Any], text: str, apart: Mapping[str, str] | None = None) -> Any:
    """What was packed, of the same kind. `apart` holds the values that travelled apart."""
    value = json.loads(text)
    for *place, name, digest in value.pop(_APART, ()):
        _holder(value, place)[name] = json.loads((apart or {})[digest])
    return _ADAPTERS[kind].validate_python(value)


_APART = "apart"


def _places(value: dict[str, Any]) -> list[tuple[str, ...]]:
    """Where the values of a parcel's scope stand in its JSON."""
    given = [(part, name) for part in ("inputs", "variables") for name in value[part]]
    return [*given, *(("steps", name, "output") for name, step in value["steps"].items() if "output" in step)]


def _put_apart(value: dict[str, Any], place: tuple[str, ...], apart: dict[str, str]) -> str | None:
    holder = _holder(value, place[:-1])
    text = json.dumps(holder[place[-1]], allow_nan=False)
    if len(text) <= _LARGE:
        return None
    digest = sha256(text.encode()).hexdigest()
    apart[digest], holder[place[-1]] = text, None
    return digest


def _holder(value: dict[str, Any], place: Sequence[str]) -> dict[str, Any]:
    for name in place:
        value = value[name]
    return value
