"""Every problem of a workflow at once, before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from workflows.checks.expressions import conditions, renderable
from workflows.checks.guards import guarded
from workflows.checks.leftovers import unused
from workflows.checks.limits import deadlines
from workflows.checks.models import served
from workflows.checks.names import cycles, duplicate_ids, order_only, resolved
from workflows.checks.schemas import defaults_fit, stand_ins_are_plain, stand_ins_fit, valid_schemas, values_fit
from workflows.checks.slots import fields, slots
from workflows.checks.subject import Subject
from workflows.checks.tools import arguments, known_tools
from workflows.findings import Finding, has_errors
from workflows.model import Workflow
from workflows.models import ModelCatalog
from workflows.parse import attempt, place
from workflows.salvage import salvage
from workflows.tools import ToolSpec

__all__ = ["Inspection", "check", "inspect"]

_CHECKS: Final[tuple[Callable[[Subject], Iterable[Finding]], ...]] = (
    duplicate_ids,
    renderable,
    conditions,
    resolved,
    order_only,
    cycles,
    valid_schemas,
    defaults_fit,
    stand_ins_fit,
    stand_ins_are_plain,
    values_fit,
    fields,
    slots,
    guarded,
    known_tools,
    arguments,
    served,
    deadlines,
    unused,
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `inspect` found. `workflow` is None when the document has no workflow's shape."""

    workflow: Workflow | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the workflow may run: warnings do not forbid it."""
        return self.workflow is not None and not has_errors(self.findings)


def check(
    workflow: Workflow,
    *,
    tools: Mapping[str, ToolSpec] | None = None,
    models: ModelCatalog | None = None,
    ordered: bool = False,
) -> tuple[Finding, ...]:
    """Every problem of a workflow's meaning, errors first; empty when it may run without a doubt.

    `tools` are those that may be called (None: tools are not checked), `models` answers which models there are
    (None: models are not checked). `ordered` holds a plan made by a model to earlier steps only.
    """
    subject = Subject(workflow, tools=tools, models=models, ordered=ordered)
    found = dict.fromkeys(finding for one in _CHECKS for finding in one(subject))
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))


def inspect(
    source: object,
    *,
    tools: Mapping[str, ToolSpec] | None = None,
    models: ModelCatalog | None = None,
    ordered: bool = False,
) -> Inspection:
    """Reads and checks JSON text (str or bytes) or a JSON value. Never raises; the arguments are those of `check`.

    Where the shape is wrong, what is left of the workflow is checked all the same.
    """
    made = attempt(source)
    if made.workflow is not None:
        findings = check(made.workflow, tools=tools, models=models, ordered=ordered)
    elif rest := salvage(made.value, made.findings):
        found = check(rest.workflow, tools=tools, models=models, ordered=ordered)
        findings = (*made.findings, *(finding for finding in found if rest.keeps(finding)))
    else:
        findings = made.findings
    return Inspection(made.workflow, place(findings, made.text))
