"""JSON into a `Workflow`, or into every finding that keeps it from being one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workflows.findings import Finding, WorkflowError
from workflows.model import Workflow
from workflows.reading import Places, examine, read_text
from workflows.translation import translated
from workflows.wording import described

__all__ = ["Attempt", "attempt", "from_json", "parse", "place", "read", "validated"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of reading a workflow."""

    workflow: Workflow | None
    """None when a finding is an error of notation or shape."""
    findings: tuple[Finding, ...]
    text: str | None
    """The text that was read, where there was one and it is JSON."""
    value: Any = None
    """The JSON value, where it could be read."""


def parse(text: str | bytes) -> Workflow:
    """The workflow that a JSON text holds.

    Raises `WorkflowError` with every problem of notation and shape; `checks.check` finds those of meaning.
    """
    return _or_raise(attempt(text))


def from_json(value: object) -> Workflow:
    """The workflow that a JSON value holds. Raises `WorkflowError` with every problem of shape."""
    return _or_raise(_from_value(value, tuple(examine(value)), text=None))


def read(path: str | Path) -> Workflow:
    """The workflow in a file. Raises `WorkflowError`, and `OSError` when the file cannot be read."""
    return parse(Path(path).read_bytes())


def attempt(source: object) -> Attempt:
    """Reads JSON text or a JSON value. Never raises."""
    if not isinstance(source, str | bytes):
        return _from_value(source, tuple(examine(source)), text=None)
    found = read_text(source)
    if found.unreadable:
        return Attempt(None, found.findings, None)
    return _from_value(found.value, found.findings, text=found.text)


def place(findings: Iterable[Finding], text: str | None) -> tuple[Finding, ...]:
    """The findings with the line and column of each, where the workflow was read from text."""
    findings = tuple(findings)
    if text is None or all(finding.line is not None for finding in findings):
        return findings
    places = Places(text)
    placed = []
    for finding in findings:
        found = places.line_column(finding.pointer) if finding.line is None else None
        placed.append(replace(finding, line=found[0], column=found[1]) if found else finding)
    return tuple(placed)


def validated(value: dict[str, Any], *, text: str | None = None) -> tuple[Workflow | None, tuple[Finding, ...]]:
    """The workflow that an object holds, or the findings about its shape; `text` is its notation, where at hand."""
    # Strict only from JSON text: there a list may become a tuple, but "3" never a number.
    source = text if text is not None else json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    try:
        return Workflow.model_validate_json(source, strict=True), ()
    except ValidationError as error:
        return None, translated(error.errors(include_url=False), value)


def _or_raise(made: Attempt) -> Workflow:
    if made.workflow is None:
        raise WorkflowError(place(made.findings, made.text))
    return made.workflow


def _from_value(value: object, notation: tuple[Finding, ...], *, text: str | None) -> Attempt:
    if any(finding.code in {"too_deep", "wrong_type"} for finding in notation):
        return Attempt(None, notation, text)
    if not isinstance(value, dict):
        message = f"a workflow is a JSON object, not {described(value)}"
        shape = Finding(code="wrong_type", pointer="", message=message, fix='Write `{"workflow": "1", ...}`.')
        return Attempt(None, (shape, *notation), text)
    workflow, findings = validated(value, text=None if notation else text)
    findings = (*findings, *notation)
    return Attempt(None if findings else workflow, findings, text, value)
