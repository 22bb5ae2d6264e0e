"""Every problem of a workflow at once, before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from workflows.checks.branches import one_type
from workflows.checks.cost import affordable
from workflows.checks.effects import done_once, not_left_out
from workflows.checks.expressions import conditions, renderable
from workflows.checks.flow import cleared_recipients, declassified, labelled_inputs
from workflows.checks.guards import guarded
from workflows.checks.leftovers import unused
from workflows.checks.limits import deadlines
from workflows.checks.linked import called_workflows
from workflows.checks.models import served
from workflows.checks.multitude import not_too_many
from workflows.checks.names import cycles, duplicate_ids, order_only, resolved
from workflows.checks.repeats import bounded
from workflows.checks.requests import sendable
from workflows.checks.schemas import defaults_fit, stand_ins_are_plain, stand_ins_fit, valid_schemas, values_fit
from workflows.checks.single_points import alone
from workflows.checks.sizes import fitting
from workflows.checks.slots import fields, slots
from workflows.checks.subject import Subject
from workflows.checks.time import reachable
from workflows.checks.tools import arguments, known_tools
from workflows.checks.variables import named, used
from workflows.findings import Finding, has_errors
from workflows.linking import Links, link
from workflows.model import Workflow
from workflows.models import ModelCatalog
from workflows.parse import attempt, place
from workflows.recipients import Recipients
from workflows.salvage import salvage
from workflows.sources import Shelf, WorkflowSource
from workflows.tools import ToolSpec

__all__ = ["Inspection", "check", "inspect"]

_Check: TypeAlias = Callable[[Subject], Iterable[Finding]]

_OF_ONE: Final[tuple[_Check, ...]] = (
    duplicate_ids,
    renderable,
    conditions,
    resolved,
    order_only,
    cycles,
    named,
    valid_schemas,
    defaults_fit,
    stand_ins_fit,
    stand_ins_are_plain,
    values_fit,
    fields,
    slots,
    one_type,
    bounded,
    guarded,
    known_tools,
    arguments,
    sendable,
    called_workflows,
)
"""What is asked of a workflow by itself, and of each that its steps run."""
_OF_ALL: Final[tuple[_Check, ...]] = (
    not_too_many,
    done_once,
    not_left_out,
    labelled_inputs,
    served,
    cleared_recipients,
    declassified,
    fitting,
    affordable,
    reachable,
    deadlines,
    alone,
    unused,
    used,
)
"""What is asked once, and looks into other workflows where it must."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `inspect` found. `workflow` is None when the document has no workflow's shape."""

    workflow: Workflow | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the workflow may run: warnings do not forbid it."""
        return self.workflow is not None and not has_errors(self.findings)


def check(  # keyword-only: each tells what is known of one part of the world
    workflow: Workflow,
    *,
    tools: Mapping[str, ToolSpec] | None = None,
    models: ModelCatalog | None = None,
    workflows: WorkflowSource | Mapping[str, Workflow] | None = None,
    recipients: Recipients | None = None,
    ordered: bool = False,
    thorough: bool = False,
) -> tuple[Finding, ...]:
    """Every problem of a workflow's meaning, errors first; empty when it may run without a doubt.

    `tools` are those that may be called (None: tools are not checked), `models` answers which models there are
    (None: models are not checked). `workflows` gives those that its steps run, or holds them by `name@version` (None:
    they are not checked); `recipients` knows what hosts and tools may be sent. `ordered` holds a plan made by a model
    to earlier steps only. `thorough` names what is no fault too, such as a step that only one provider can serve.
    """
    source = Shelf(workflows) if isinstance(workflows, Mapping) else workflows
    links = None if source is None else link(workflow, source)
    subject = Subject(
        workflow,
        tools=tools,
        models=models,
        workflows=None if links is None else links.workflows,
        recipients=recipients,
        ordered=ordered,
        thorough=thorough,
        links=links,
    )
    if links is not None:
        subject = _with_others(subject, links)
    found = dict.fromkeys(finding for one in (*_OF_ONE, *_OF_ALL) for finding in one(subject))
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))


def _with_others(subject: Subject, links: Links) -> Subject:
    """The subject with what is known of the workflows that it runs, each looked at behind those that it runs itself."""
    others: dict[str, Subject] = {}
    faults: dict[str, tuple[Finding, ...]] = {}
    for name, workflow in links.workflows.items():
        other = Subject(workflow, tools=subject.tools, links=links, others=others, faults=faults)
        errors = (finding for one in _OF_ONE for finding in one(other) if finding.severity == "error")
        others[name], faults[name] = other, tuple(dict.fromkeys(errors))
    return replace(subject, others=others, faults=faults)


def inspect(  # as `check`
    source: object,
    *,
    tools: Mapping[str, ToolSpec] | None = None,
    models: ModelCatalog | None = None,
    workflows: WorkflowSource | Mapping[str, Workflow] | None = None,
    recipients: Recipients | None = None,
    ordered: bool = False,
    thorough: bool = False,
) -> Inspection:
    """Reads and checks JSON text (str or bytes) or a JSON value. Never raises; the arguments are those of `check`.

    Where the shape is wrong, what is left of the workflow is checked all the same.
    """
    checked = partial(
        check,
        tools=tools,
        models=models,
        workflows=workflows,
        recipients=recipients,
        ordered=ordered,
        thorough=thorough,
    )
    made = attempt(source)
    if made.workflow is not None:
        findings = checked(made.workflow)
    elif rest := salvage(made.value, made.findings):
        found = checked(rest.workflow)
        findings = (*made.findings, *(finding for finding in found if rest.keeps(finding)))
    else:
        findings = made.findings
    return Inspection(made.workflow, place(findings, made.text))
