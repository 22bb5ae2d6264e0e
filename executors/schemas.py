"""What a step is told when its value does not satisfy its schema."""

from __future__ import annotations

from typing import Any

from workflows.findings import Finding
from workflows.validation import schema_findings, value_findings

__all__ = ["InvalidSchemaError", "complaints"]

_SHOWN = 8


class InvalidSchemaError(Exception):
    """The schema itself is wrong, or refers to one that is not in it."""


def complaints(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with the value, at most 8 lines; empty when it satisfies the schema.

    References to other documents are never fetched.

    Raises:
        InvalidSchemaError: the schema cannot be used.
    """
    wrong = schema_findings(schema)
    if wrong:
        raise InvalidSchemaError(f"the schema is wrong at {_said(wrong[0])}")
    found = value_findings(value, schema, code="invalid_value")
    said = [_said(finding) for finding in found[:_SHOWN]]
    if len(found) > _SHOWN:
        said.append("... and more")
    return said


def _said(finding: Finding) -> str:
    return f"{finding.pointer or 'the top'}: {finding.message}"
