"""Nothing labelled reaches a host or a tool that is not cleared for it; the models are asked about in `models`."""

from __future__ import annotations

from collections.abc import Iterator

from workflows.base import Sensitivity
from workflows.checks.labels import SENSITIVITIES, StepLabels, cleared, labels_of
from workflows.checks.requests import target_of
from workflows.checks.subject import Subject
from workflows.checks.units import Site
from workflows.findings import Finding, pointer
from workflows.model import HttpStep, LlmStep, ToolStep
from workflows.nearest import nearest
from workflows.pictures import tells_nothing
from workflows.stated_labels import stated
from workflows.web_target import RequestError

__all__ = ["StepLabels", "cleared_recipients", "declassified", "labelled_inputs", "labels_of"]


def labelled_inputs(subject: Subject) -> Iterator[Finding]:
    """Every `sensitivity` in the schema of an input is one of the labels."""
    for name, schema in subject.workflow.inputs.items():
        for where, label in stated(schema):
            if label in SENSITIVITIES:
                continue
            near = nearest(str(label), SENSITIVITIES)
            yield Finding(
                code="unknown_label",
                pointer=pointer("inputs", name) + where,
                message=f"{label!r} is no label",
                allowed=tuple(dict.fromkeys([*near, *SENSITIVITIES])),
                fix=f"Did you mean {near[0]!r}?" if near else "Use one of the labels.",
            )


def declassified(subject: Subject) -> Iterator[Finding]:
    """A `declassify` lowers something; otherwise somebody believes that the output is more secret than it is."""
    for site in subject.units[0].sites:
        step = site.located.step
        made = subject.flow.made(site)
        if step.declassify is not None and cleared(step.declassify, made):
            yield Finding(
                code="nothing_to_declassify",
                severity="warning",
                pointer=site.at("declassify"),
                message=f"the output of {site.path!r} is {made} anyway: {step.declassify!r} lowers nothing",
                fix="Take `declassify` out; to raise a label there is `sensitivity`.",
            )


def cleared_recipients(subject: Subject) -> Iterator[Finding]:
    """Hosts and tools may be sent what they are sent. With nothing known of them nothing is said."""
    for unit in subject.units if subject.recipients is not None else ():
        for site in unit.sites:
            step = site.located.step
            if isinstance(step, ToolStep):
                clearance = subject.recipients.clearance_of_tool(step.tool) if subject.recipients else None
                label = subject.flow.call(site)
                yield from _sent(subject, site, f"the tool {step.tool!r}", clearance, "tool", label=label)
            elif isinstance(step, HttpStep):
                yield from _requested(subject, site, step.url, "url", label=subject.flow.call(site))
            elif isinstance(step, LlmStep):
                yield from _shown(subject, site, step)


def _requested(subject: Subject, site: Site, url: str, *path: str | int, label: Sensitivity) -> Iterator[Finding]:
    try:
        target = target_of(url)
    except RequestError:
        return  # another check says so
    if target is None and label != "public":
        yield Finding(
            code="unknown_recipient",
            severity="warning",
            pointer=site.at(*path),
            message=f"{site.path!r} sends {label} data ({subject.flow.way(site)}) to a host that is computed: whether "
            "it may be sent them shows only in the run",
            fix="Write the host into the address, or lower the label of what is sent.",
        )
    elif target is not None and subject.recipients is not None:
        host = target.recipient
        clearance = subject.recipients.clearance_of_host(host)
        if clearance is None:
            yield Finding(
                code="host_not_allowed",
                severity="warning",
                pointer=site.at(*path),
                message=f"the configuration does not allow requests to {host!r}",
                fix="Add the host to `hosts` in [http] of orchestrator.toml, or send the request elsewhere.",
            )
        yield from _sent(subject, site, f"the host {host!r}", clearance, *path, label=label)


def _shown(subject: Subject, site: Site, step: LlmStep) -> Iterator[Finding]:
    """The host of an image is told its address by whoever fetches it."""
    for place, source in enumerate(step.images):
        label = subject.flow.of(site, source)
        is_data = source.lstrip().startswith("data:")
        if label != "public" and not is_data and not tells_nothing(source, site.unit.workflow):
            yield from _requested(subject, site, source, "images", place, label=label)


def _sent(
    subject: Subject,
    site: Site,
    who: str,
    clearance: Sensitivity | None,
    *path: str | int,
    label: Sensitivity,
) -> Iterator[Finding]:
    """Of whom nothing is known another check speaks."""
    if clearance is not None and not cleared(clearance, label):
        yield Finding(
            code="insufficient_clearance",
            pointer=site.at(*path),
            message=f"{who} is cleared for {clearance} data, and what {site.path!r} sends is {label}: "
            f"{subject.flow.way(site)}",
            allowed=SENSITIVITIES[: SENSITIVITIES.index(clearance) + 1],
            fix="Send it to who is cleared, `declassify` a step before it, or state its clearance in the settings.",
        )
