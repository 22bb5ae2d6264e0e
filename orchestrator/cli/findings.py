"""Shows findings to a person: what is wrong in many places alike is said once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.cli import console

if TYPE_CHECKING:
    from workflows.findings import Finding

__all__ = ["finding_lines", "show_findings"]

PLACES = 10
"""Places named of a problem that is found in several; the rest are counted."""


def show_findings(findings: Iterable[Finding]) -> None:
    for severity, line in finding_lines(findings):
        console.say(line, style="red" if severity == "error" else "yellow")


def finding_lines(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Severity and text of each line, in the order of the findings."""
    alike: dict[tuple[str, str, str, str | None], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.severity, finding.code, finding.message, finding.fix), []).append(finding)
    return [(group[0].severity, _line(group)) for group in alike.values()]


def _line(group: list[Finding]) -> str:
    first = group[0]
    if len(group) == 1:
        return str(first)
    named = [finding.pointer + ("" if finding.line is None else f" (line {finding.line})") for finding in group]
    places = ", ".join(named[:PLACES]) + (f" and {len(named) - PLACES:,} more places" if len(named) > PLACES else "")
    return str(replace(first, pointer=places, line=None, column=None))
