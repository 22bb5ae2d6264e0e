"""Steps that run other workflows: these exist as pinned, are sound themselves, and are given what they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workflows.checks.fit import misfits
from workflows.checks.subject import Located, Subject
from workflows.findings import Finding
from workflows.linking import called, pin_findings
from workflows.model import Workflow, WorkflowStep
from workflows.nearest import nearest
from workflows.shapes import Shape

__all__ = ["called_workflows"]

_MOST_FAULTS = 20
"""Findings of another workflow that are told of one step; the others are told of its own file."""


def called_workflows(subject: Subject) -> Iterator[Finding]:
    """With no source given nothing is known of other workflows, and nothing is said."""
    if subject.links is None:
        return
    for located in subject.steps:
        step = located.step
        if not isinstance(step, WorkflowStep):
            continue
        yield from pin_findings(located, subject.links)
        other = subject.links.workflows.get(called(step))
        if other is not None:
            yield from _faults(subject, located, step)
            yield from _inputs(subject, located, step, other)


def _faults(subject: Subject, located: Located, step: WorkflowStep) -> Iterator[Finding]:
    """What is wrong with the other workflow itself."""
    for finding in subject.faults.get(called(step), ())[:_MOST_FAULTS]:
        where = f" at {finding.pointer}" if finding.pointer else ""
        message = f"in the workflow {step.workflow!r}{where}: {finding.message}"
        yield replace(finding, pointer=located.at("workflow"), message=message, line=None, column=None)


def _inputs(subject: Subject, located: Located, step: WorkflowStep, other: Workflow) -> Iterator[Finding]:
    declared = other.inputs
    missing = [name for name, schema in declared.items() if name not in step.inputs and "default" not in schema]
    extra = [name for name in step.inputs if name not in declared]
    for name in extra:
        free = [one for one in declared if one not in step.inputs]
        near = nearest(name, free) or (tuple(missing) if len(missing) == len(extra) == 1 else ())
        yield Finding(
            code="unknown_input",
            pointer=located.at("inputs", name),
            message=f"the workflow {step.workflow!r} has no input {name!r}",
            allowed=tuple(dict.fromkeys([*near, *declared])),
            fix=f"Did you mean {near[0]!r}?" if near else "Leave it out.",
        )
    for name in missing:
        yield Finding(
            code="missing_input",
            pointer=located.at("inputs", name),
            message=f"the workflow {step.workflow!r} needs the input {name!r}",
            allowed=tuple(declared),
            fix=f"Add {name!r} to `inputs`.",
        )
    for name, value in step.inputs.items():
        if name in declared:
            slot, where = Shape.of(declared[name]), located.at("inputs", name)
            yield from misfits(subject, value, slot, where, code="invalid_input", frame=located.frame)
