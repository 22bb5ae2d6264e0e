"""Nothing labelled reaches a host or a tool that is not cleared for it; the models are asked about in `models`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from workflows.base import Sensitivity
from workflows.checks.labels import SENSITIVITIES, StepLabels, cleared, labels_of
from workflows.checks.subject import Subject
from workflows.checks.units import Site
from workflows.findings import Finding, pointer
from workflows.lexer import scan
from workflows.model import HttpStep, ToolStep
from workflows.nearest import nearest
from workflows.stated_labels import stated

__all__ = ["StepLabels", "cleared_recipients", "declassified", "labelled_inputs", "labels_of"]

_ENDS: Final = frozenset("/?#")
"""What ends the host of an address."""


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
                yield from _sent(subject, site, f"the tool {step.tool!r}", clearance, "tool")
            elif isinstance(step, HttpStep):
                yield from _requested(subject, site, step)


def _requested(subject: Subject, site: Site, step: HttpStep) -> Iterator[Finding]:
    host = _host(step.url)
    label = subject.flow.call(site)
    if host is not None and subject.recipients is not None:
        clearance = subject.recipients.clearance_of_host(host)
        if clearance is None:
            yield Finding(
                code="host_not_allowed",
                severity="warning",
                pointer=site.at("url"),
                message=f"the configuration does not allow requests to {host!r}",
                fix="Add the host to `hosts` in [http] of orchestrator.toml, or send the request elsewhere.",
            )
        yield from _sent(subject, site, f"the host {host!r}", clearance, "url")
    elif host is None and label != "public":
        yield Finding(
            code="unknown_recipient",
            severity="warning",
            pointer=site.at("url"),
            message=f"{site.path!r} sends {label} data ({subject.flow.way(site)}) to a host that is computed: whether "
            "it may be sent them shows only in the run",
            fix="Write the host into the address, or lower the label of what is sent.",
        )


def _sent(subject: Subject, site: Site, who: str, clearance: Sensitivity | None, field: str) -> Iterator[Finding]:
    """Of whom nothing is known another check speaks."""
    label = subject.flow.call(site)
    if clearance is not None and not cleared(clearance, label):
        yield Finding(
            code="insufficient_clearance",
            pointer=site.at(field),
            message=f"{who} is cleared for {clearance} data, and what {site.path!r} sends is {label}: "
            f"{subject.flow.way(site)}",
            allowed=SENSITIVITIES[: SENSITIVITIES.index(clearance) + 1],
            fix="Send it to who is cleared, `declassify` a step before it, or state its clearance in the settings.",
        )


def _host(url: str) -> str | None:
    """The host that a template's address surely leads to, with the port where one is written."""
    segments = scan(url)
    if not segments or segments[0].kind != "text":
        return None
    start = url[segments[0].start : segments[0].end].strip()
    scheme, slashes, rest = start.partition("://")
    if not slashes or scheme.lower() not in {"http", "https"}:
        return None
    if len(segments) > 1 and not any(character in _ENDS for character in rest):
        return None
    try:
        parts = urlsplit(start)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None  # no address; the run says so
    if not host:
        return None
    if port is None and scheme.lower() == "http":
        port = 80
    return host if port is None else f"{host}:{port}"
