"""The workflows that a workflow's steps run, and those that these run: found, pinned, and none running itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.base import Sensitivity
from workflows.blocks import nested_steps
from workflows.digest import digest
from workflows.findings import Finding, WorkflowError
from workflows.frames import Located, frames
from workflows.graph import Graph
from workflows.model import Workflow, WorkflowStep
from workflows.nearest import nearest
from workflows.sources import Missing, WorkflowSource

__all__ = ["Links", "called", "declassified", "link", "linked", "pin_findings"]


@dataclass(frozen=True, slots=True)
class Links:
    """What came of looking for the workflows that a workflow runs, directly or by way of others."""

    root: str
    """The workflow itself, as `name@version`."""
    workflows: Mapping[str, Workflow]
    """Those that were found, by `name@version`, each behind those that it runs. Not those that lead back to
    themselves."""
    missing: Mapping[str, Missing]
    circles: Mapping[str, tuple[str, ...]]
    """The way round, for each that leads back to itself."""


def called(step: WorkflowStep) -> str:
    """The workflow that a step runs, as `name@version`."""
    return f"{step.workflow}@{step.version}"


def declassified(step: WorkflowStep, other: Workflow) -> Sensitivity | None:
    """The label that another workflow's own policy gives to its outputs.

    It counts only for a step that pins this very content: otherwise whoever can change the file could lower labels.
    """
    stated = other.policy.declassify
    return stated if stated is not None and step.digest == digest(other) else None


def linked(workflow: Workflow, source: WorkflowSource) -> dict[str, Workflow]:
    """Every workflow that this one runs, directly or by way of others, by `name@version`.

    Raises `WorkflowError`, its findings at the steps that run the workflow, for one that is not found, that is another
    version or content than the step says, or that runs itself.
    """
    links = link(workflow, source)
    findings = list(_pins_of(workflow, links))
    for name, other in links.workflows.items():
        findings += [_inside(name, one) for one in _pins_of(other, links)]
    if findings:
        raise WorkflowError(tuple(dict.fromkeys(findings)))
    return dict(links.workflows)


def link(workflow: Workflow, source: WorkflowSource) -> Links:
    """Looks for all that a workflow runs. What is wrong is told by `pin_findings`, step by step."""
    root = f"{workflow.name}@{workflow.version}"
    found: dict[str, Workflow] = {root: workflow}
    missing: dict[str, Missing] = {}
    runs: dict[str, tuple[str, ...]] = {}
    queue = [root]
    for name in queue:  # grows while it is read
        steps = _runs(found[name])
        runs[name] = tuple(dict.fromkeys(called(step) for step in steps))
        for step in steps:
            if called(step) not in found and called(step) not in missing:
                other = source.find(step.workflow, step.version)
                if isinstance(other, Missing):
                    missing[called(step)] = other
                else:
                    found[called(step)] = other
                    queue.append(called(step))
    graph = Graph.from_parents(runs)
    sound = graph.sorted_part()
    circles = {name: _way(name, graph, set(sound)) for name in graph.ids if name not in sound}
    return Links(root, {name: found[name] for name in sound if name != root}, missing, circles)


def _runs(workflow: Workflow) -> list[WorkflowStep]:
    steps = [one for step in workflow.steps for one in (step, *(deep for _, deep in nested_steps(step)))]
    return [step for step in steps if isinstance(step, WorkflowStep)]


def _way(start: str, graph: Graph, sound: set[str]) -> tuple[str, ...]:
    """From a workflow that leads into a circle to the first that comes a second time."""
    way = [start]
    while way.count(way[-1]) < 2:
        # Of those that it runs one is no better than itself, or it would be sound.
        way.append(next(one for one in graph.parents(way[-1]) if one not in sound))
    return tuple(way)


def _pins_of(workflow: Workflow, links: Links) -> list[Finding]:
    found = [one for frame in frames(workflow) for one in frame.located]
    return [finding for located in found for finding in pin_findings(located, links)]


def pin_findings(located: Located, links: Links) -> list[Finding]:
    """What keeps a step from running the workflow that it names."""
    step = located.step
    if not isinstance(step, WorkflowStep):
        return []
    name = called(step)
    if name in links.missing:
        return [_not_found(located, step, links.missing[name])]
    if name in links.circles:
        # The file at hand may itself be part of the circle.
        way = links.circles[name]
        return [
            Finding(
                code="recursive_workflow",
                pointer=located.at("workflow"),
                message=f"the workflow {step.workflow!r} leads back to itself: {' -> '.join(way)}",
                fix="Take one of these steps out, or use a `loop`.",
            )
        ]
    return _digest_findings(located, step, links.workflows.get(name))


def _digest_findings(located: Located, step: WorkflowStep, other: Workflow | None) -> list[Finding]:
    if other is None or step.digest is None or step.digest == (actual := digest(other)):
        return []
    return [
        Finding(
            code="digest_mismatch",
            pointer=located.at("digest"),
            message=f"the workflow {step.workflow!r} {step.version} has another content than the step was written for",
            allowed=(actual,),
            fix=f"Look at what changed, then write {actual!r}, or go back to the content that was meant.",
        )
    ]


def _not_found(located: Located, step: WorkflowStep, missing: Missing) -> Finding:
    if missing.findings:
        first = missing.findings[0]
        return Finding(
            code="broken_workflow",
            pointer=located.at("workflow"),
            message=f"the workflow {step.workflow!r} cannot be read: {first.code}{_at(first)}: {first.message}",
            fix="Mend its file: `orchestrate check` tells all that is wrong with it.",
        )
    if missing.versions:
        told = " and ".join(missing.versions[:5])
        return Finding(
            code="unknown_version",
            pointer=located.at("version"),
            message=f"there is no version {step.version!r} of the workflow {step.workflow!r}, only {told}",
            allowed=missing.versions,
            fix=f"See what changed, then write {missing.versions[0]!r}.",
        )
    near = nearest(step.workflow, missing.names)
    return Finding(
        code="unknown_workflow",
        pointer=located.at("workflow"),
        message=f"there is no workflow {step.workflow!r}",
        allowed=tuple(dict.fromkeys([*near, *missing.names[:20]])),
        fix=f"Did you mean {near[0]!r}?" if near else "Name a workflow of the library, or a file beside this one.",
    )


def _at(finding: Finding) -> str:
    return f" at {finding.pointer}" if finding.pointer else ""


def _inside(name: str, finding: Finding) -> Finding:
    """A finding of another workflow, told of the file at hand."""
    changed: dict[str, Any] = {"message": f"in the workflow {name}{_at(finding)}: {finding.message}", "pointer": ""}
    return Finding(code=finding.code, severity=finding.severity, allowed=finding.allowed, fix=finding.fix, **changed)
