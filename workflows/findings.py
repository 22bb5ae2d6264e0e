"""What a check returns: a finding names the place, the rule, and the mend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["Finding", "Path", "Severity", "WorkflowError", "has_errors", "pointer"]

Path: TypeAlias = "tuple[str | int, ...]"
"""Keys and places that lead to a value inside of a JSON document."""
Severity = Literal["error", "warning"]


def pointer(*path: str | int) -> str:
    """The JSON Pointer (RFC 6901) of a path: `pointer("steps", 0, "prompt")` is `/steps/0/prompt`."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem of one workflow. An `error` forbids the run; a `warning` does not."""

    code: str
    """A stable word from `docs/findings.md`."""
    severity: Severity = "error"
    pointer: str
    """JSON Pointer to the place in the file; the empty string is the whole document."""
    message: str
    """What is wrong, naming the offending value."""
    allowed: tuple[str, ...] = ()
    """What could stand there instead, nearest first, where that is a finite set."""
    fix: str | None = None
    """What to do, in one imperative sentence."""
    line: int | None = None
    """Line of the place, from 1, where the workflow was read from text."""
    column: int | None = None
    """Column of the place, from 1, in characters."""

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "pointer": self.pointer,
            "message": self.message,
            "allowed": list(self.allowed),
            "fix": self.fix,
            "line": self.line,
            "column": self.column,
        }

    def __str__(self) -> str:
        where = "" if self.line is None else f"line {self.line}, column {self.column}"
        place = f"{self.pointer} ({where})" if self.pointer and where else self.pointer or where
        at = f" at {place}" if place else ""
        stop = "" if self.message.endswith((".", "!", "?")) else "."
        mend = f"{stop} {self.fix}" if self.fix else ""
        return f"{self.severity} {self.code}{at}: {self.message}{mend}"


def has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


@dataclass(eq=False)
class WorkflowError(Exception):
    """A workflow that cannot be used; `findings` holds every problem, errors first."""

    findings: tuple[Finding, ...] = field(default=())

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)
