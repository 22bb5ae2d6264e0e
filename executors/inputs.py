"""The inputs of a run, checked against what the workflow declares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executors.plain import unfit
from executors.schemas import InvalidSchemaError, complaints
from unified_api.types import Json
from workflows.findings import Finding, pointer
from workflows.model import Workflow
from workflows.nearest import nearest

__all__ = ["InputError", "resolve"]


@dataclass(eq=False)
class InputError(Exception):
    """The inputs do not fit the workflow; `findings` holds every problem, with pointers into the inputs."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)


def resolve(workflow: Workflow, inputs: Mapping[str, Json]) -> dict[str, Any]:
    """The value of every declared input, defaults filled in; an input without either is left out.

    Raises:
        InputError: one is unknown, missing, no JSON, or does not satisfy its schema.
    """
    findings = [_unknown(name, workflow) for name in inputs if name not in workflow.inputs]
    values: dict[str, Any] = {}
    for name, schema in workflow.inputs.items():
        if name in inputs:
            values[name] = inputs[name]
            findings += _misfit(name, inputs[name], schema)
        elif "default" in schema:
            values[name] = schema["default"]
        else:
            findings.append(_missing(name, schema))
    if findings:
        raise InputError(tuple(findings))
    return values


def _unknown(name: str, workflow: Workflow) -> Finding:
    near = nearest(name, workflow.inputs, most=1)
    return Finding(
        code="unknown_input",
        pointer=pointer(name),
        message=f"the workflow {workflow.name!r} has no input named {name!r}.",
        allowed=tuple(workflow.inputs),
        fix=f"Name it {near[0]!r}." if near else "Leave it out.",
    )


def _missing(name: str, schema: Mapping[str, Any]) -> Finding:
    kind = schema.get("type")
    described = f" ({kind})" if isinstance(kind, str) else ""
    return Finding(
        code="missing_input",
        pointer=pointer(name),
        message=f"the input {name!r}{described} is not given and has no default.",
        fix=f"Give a value for {name!r}.",
    )


def _misfit(name: str, value: Any, schema: dict[str, Any]) -> list[Finding]:
    try:
        json.dumps(value, allow_nan=False)
        wrong = unfit(value)
        said = complaints(value, schema) if wrong is None else [f"the top: it {wrong}"]
    except InvalidSchemaError as error:
        return [Finding(code="invalid_schema", pointer=pointer(name), message=f"input {name!r}: {error}.")]
    except (TypeError, ValueError, RecursionError) as error:
        return [Finding(code="invalid_input", pointer=pointer(name), message=f"input {name!r} is no JSON: {error}.")]
    return [
        Finding(
            code="invalid_input",
            pointer=pointer(name) + ("" if problem.startswith("the top") else problem.partition(":")[0]),
            message=f"input {name!r} does not fit: {problem.removeprefix('the top: ')}.",
            fix="Give a value that satisfies the input's schema.",
        )
        for problem in said
    ]
