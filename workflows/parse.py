"""JSON into a `Workflow`, or into every finding that keeps it from being one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from workflows.findings import Finding, WorkflowError, pointer
from workflows.model import (
    EmbedStep,
    ImageStep,
    LlmStep,
    ModelNeeds,
    Recover,
    Retry,
    SetStep,
    ToolStep,
    Workflow,
    WorkflowPolicy,
)
from workflows.nearest import nearest
from workflows.reading import Places, examine, read_text

__all__ = ["KINDS", "Attempt", "attempt", "from_json", "parse", "place", "read"]

KINDS: Final[dict[str, type[BaseModel]]] = {
    "llm": LlmStep,
    "image": ImageStep,
    "embed": EmbedStep,
    "set": SetStep,
    "tool": ToolStep,
}
_PARTS: Final[dict[str, type[BaseModel]]] = {"model": ModelNeeds, "on_error": Recover, "retry": Retry}
# Fields that take one of several shapes: pydantic puts the shape's name into the path behind them.
_UNIONS = frozenset({"model", "on_error", "input"})
# What people write who know another system, and our word for it.
_SYNONYMS = {
    "depends_on": "after", "dependsOn": "after", "dependencies": "after", "needs": "after", "depends": "after",
    "type": "kind", "name": "id", "args": "arguments", "parameters": "arguments", "params": "arguments",
    "inputs": "arguments", "schema": "output", "output_schema": "output", "response_format": "output",
    "condition": "when", "if": "when", "timeout": "timeout_s", "retries": "retry", "text": "prompt",
    "messages": "prompt", "instruction": "prompt", "instructions": "prompt", "max_output_tokens": "max_tokens",
    "tasks": "steps", "nodes": "steps", "jobs": "steps", "do": "steps", "States": "steps", "title": "name", "function": "tool",
}  # fmt: skip
_FOREIGN: tuple[tuple[str, frozenset[str]], ...] = (
    ("AWS States Language", frozenset({"StartAt", "States"})),
    ("n8n", frozenset({"nodes", "connections"})),
    ("CNCF Serverless Workflow", frozenset({"document", "do"})),
    ("CNCF Serverless Workflow", frozenset({"specVersion", "states"})),
    ("Dify", frozenset({"app", "workflow"})),
)


def parse(text: str | bytes) -> Workflow:
    """The workflow that a JSON text holds.

    Raises `WorkflowError` with every problem of notation and shape; `checks.check` finds those of meaning.
    """
    return _or_raise(attempt(text))


def from_json(value: object) -> Workflow:
    """The workflow that a JSON value holds. Raises `WorkflowError` with every problem of shape."""
    return _or_raise(_from_value(value, text=None))


def read(path: str | Path) -> Workflow:
    """The workflow in a file. Raises `WorkflowError`, and `OSError` when the file cannot be read."""
    return parse(Path(path).read_bytes())


class Attempt:
    """What came of reading a workflow: the workflow or findings, and the text where there was one."""

    __slots__ = ("findings", "text", "workflow")

    def __init__(self, workflow: Workflow | None, findings: tuple[Finding, ...], text: str | None) -> None:
        self.workflow = workflow
        self.findings = findings
        self.text = text


def attempt(source: object) -> Attempt:
    """Reads JSON text or a JSON value. Never raises."""
    if not isinstance(source, str | bytes):
        return _from_value(source, text=None)
    found = read_text(source)
    if any(finding.code in {"invalid_json", "too_large", "too_deep"} for finding in found.findings):
        return Attempt(None, found.findings, None)
    return _from_value(found.value, text=found.text, notation=found.findings)


def place(findings: Iterable[Finding], text: str | None) -> tuple[Finding, ...]:
    """The findings with the line and column of each, where the workflow was read from text."""
    findings = tuple(findings)
    if text is None or not any(finding.line is None for finding in findings):
        return findings
    places = Places(text)
    placed = []
    for finding in findings:
        found = places.line_column(finding.pointer) if finding.line is None else None
        placed.append(replace(finding, line=found[0], column=found[1]) if found else finding)
    return tuple(placed)


def _or_raise(made: Attempt) -> Workflow:
    if made.workflow is None:
        raise WorkflowError(place(made.findings, made.text))
    return made.workflow


def _from_value(value: object, *, text: str | None, notation: tuple[Finding, ...] | None = None) -> Attempt:
    findings = tuple(examine(value)) if notation is None else notation
    if any(finding.code in {"too_deep", "wrong_type"} for finding in findings):
        return Attempt(None, findings, text)
    if not isinstance(value, dict):
        shape = Finding(
            code="wrong_type",
            pointer="",
            message=f"a workflow is a JSON object, not {_noun(value)}",
            fix='Write `{"workflow": "1", ...}`.',
        )
        return Attempt(None, (shape, *findings), text)
    workflow, shape_findings = _validated(value, text if not findings else None)
    findings = (*shape_findings, *findings)
    return Attempt(None if findings else workflow, findings, text)


def _validated(value: dict[str, Any], text: str | None) -> tuple[Workflow | None, tuple[Finding, ...]]:
    # Strict only from JSON text: there a list may become a tuple, but "3" never a number.
    source = text if text is not None else json.dumps(value, ensure_ascii=True)
    try:
        return Workflow.model_validate_json(source, strict=True), ()
    except ValidationError as error:
        found = list(_findings(error.errors(include_url=False, include_context=True), value))
    return None, tuple(sorted(found, key=lambda one: not (one.code == "missing_key" and one.pointer == "/workflow")))


def _findings(errors: list[ErrorDetails], value: dict[str, Any]) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for error in errors:
        finding = _finding(error, value)
        if finding is not None and (finding.code, finding.pointer) not in seen:
            seen.add((finding.code, finding.pointer))
            yield finding


def _finding(error: ErrorDetails, document: dict[str, Any]) -> Finding | None:
    path, shape = _value_path(error["loc"])
    kind = error["type"]
    if shape is not None and (other := _other_shape(path, shape, document)):
        return None if other == "ignore" else _union_finding(path, document)
    where = pointer(*path)
    if kind == "missing":
        return _missing(path, document)
    if kind == "extra_forbidden":
        return _unknown_key(path, document)
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _kind_finding(path, document)
    if kind == "literal_error":
        return _not_among(where, error)
    if kind == "string_pattern_mismatch":
        return _pattern_finding(path, error)
    if kind.endswith("_type") or kind in {"int_from_float", "is_instance_of"}:
        wanted = error["msg"].removeprefix("Input should be ")
        return Finding(
            code="wrong_type", pointer=where, message=f"{_noun(error['input'])} stands where {wanted} is needed"
        )
    message = error["msg"].removeprefix("Input should ")
    return Finding(
        code="invalid_value", pointer=where, message=f"{_shown(error['input'])} is not allowed: it should {message}"
    )


def _value_path(location: tuple[int | str, ...]) -> tuple[tuple[int | str, ...], str | None]:
    """The path of the value that an error is about, and the shape of a union that pydantic tried there."""
    if location[:1] != ("steps",) or len(location) < 3:
        return tuple(part for part in location if part != "[key]"), None
    path: list[int | str] = [*location[:2], *location[3:]]  # location[2] is the kind
    shape = None
    if len(path) > 3 and path[2] in _UNIONS:
        shape = str(path.pop(3))
    return tuple(path), shape


def _other_shape(path: tuple[int | str, ...], shape: str, document: dict[str, Any]) -> str | None:
    """`ignore` for an error of a shape the value is not in, `union` when it is in none of them."""
    value = _at(path[:3], document)
    is_object_shape = shape in {"ModelNeeds", "Recover"}
    is_list_shape = shape.startswith("tuple")
    if isinstance(value, dict):
        object_shapes = path[2] in {"model", "on_error"}
        return None if is_object_shape else ("ignore" if object_shapes else "union")
    if isinstance(value, list):
        return None if is_list_shape else ("ignore" if path[2] == "input" else "union")
    if isinstance(value, str):
        return "ignore" if is_object_shape or is_list_shape else None
    return "union"


def _union_finding(path: tuple[int | str, ...], document: dict[str, Any]) -> Finding:
    wanted = {
        "model": 'a model\'s name or {"tier": ..., "needs": [...]}',
        "on_error": '"fail", "skip" or {"output": ...}',
        "input": "a text or a list of texts",
    }[str(path[2])]
    value = _at(path[:3], document)
    return Finding(
        code="wrong_type", pointer=pointer(*path[:3]), message=f"{_noun(value)} stands where {wanted} is needed"
    )


def _missing(path: tuple[int | str, ...], document: dict[str, Any]) -> Finding:
    key = str(path[-1])
    message, fix = f"the key {key!r} is missing", None
    if path == ("workflow",):
        fix = 'Add "workflow": "1", the version of the language.'
        if system := _foreign(document):
            fix = f"This is a file of {system}; write its steps in this language (docs/workflow-language.md)."
            message += ", so this is no workflow of this language"
    return Finding(code="missing_key", pointer=pointer(*path), message=message, fix=fix)


def _foreign(document: dict[str, Any]) -> str | None:
    return next((system for system, keys in _FOREIGN if keys <= document.keys()), None)


def _unknown_key(path: tuple[int | str, ...], document: dict[str, Any]) -> Finding:
    key = str(path[-1])
    owner = _owner(path[:-1], document)
    fields = tuple(owner.model_fields) if owner else ()
    present = _at(path[:-1], document)
    free = [name for name in fields if not isinstance(present, dict) or name not in present]
    synonym = _SYNONYMS.get(key)
    near = (synonym,) if synonym in free else nearest(key, free)
    fix = f"Did you mean {near[0]!r}?" if near and near[0] else "Leave it out."
    allowed = tuple(dict.fromkeys([*(name for name in near if name), *fields]))
    return Finding(
        code="unknown_key",
        pointer=pointer(*path),
        message=f"the key {key!r} is not known here",
        allowed=allowed,
        fix=fix,
    )


def _owner(path: tuple[int | str, ...], document: dict[str, Any]) -> type[BaseModel] | None:
    """The model of the object at a path."""
    if not path:
        return Workflow
    if path == ("policy",):
        return WorkflowPolicy
    if path[0] == "steps" and len(path) == 2:
        step = _at(path, document)
        return KINDS.get(str(step.get("kind"))) if isinstance(step, dict) else None
    return _PARTS.get(str(path[2])) if path[0] == "steps" and len(path) == 3 else None


def _kind_finding(path: tuple[int | str, ...], document: dict[str, Any]) -> Finding:
    step = _at(path, document)
    where = pointer(*path, "kind")
    if not isinstance(step, dict) or "kind" not in step:
        synonym = next((key for key in ("type", "action") if isinstance(step, dict) and key in step), None)
        fix = (
            f"Write `kind` instead of {synonym!r}." if synonym else f"Say which kind of step it is: {', '.join(KINDS)}."
        )
        return Finding(
            code="missing_key", pointer=where, message="the key 'kind' is missing", allowed=tuple(KINDS), fix=fix
        )
    kind = step["kind"]
    near = nearest(kind, KINDS) if isinstance(kind, str) else ()
    return Finding(
        code="unknown_kind",
        pointer=where,
        message=f"there is no kind of step {_shown(kind)}",
        allowed=tuple(dict.fromkeys([*near, *KINDS])),
        fix=f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(KINDS)}.",
    )


def _not_among(where: str, error: ErrorDetails) -> Finding:
    allowed = _quoted(str(error.get("ctx", {}).get("expected", "")))
    value = error["input"]
    near = nearest(value, allowed) if isinstance(value, str) else ()
    ordered = tuple(dict.fromkeys([*near, *allowed]))
    fix = f"Did you mean {near[0]!r}?" if near else f"Use {' or '.join(repr(one) for one in ordered)}."
    return Finding(
        code="invalid_value", pointer=where, message=f"{_shown(value)} is not allowed here", allowed=ordered, fix=fix
    )


def _quoted(expected: str) -> tuple[str, ...]:
    """The words that pydantic lists as `'a', 'b' or 'c'`."""
    return tuple(expected.split("'")[1::2])


def _pattern_finding(path: tuple[int | str, ...], error: ErrorDetails) -> Finding:
    value = str(error["input"])
    last = path[-1] if path else ""
    where = pointer(*path)
    if path == ("name",):
        better = "-".join(_words(value)).lower()[:100].strip("-") or "my-workflow"
        message = f"{_shown(value)} is no name: a workflow's name is lower-case words joined by hyphens"
    elif path == ("version",):
        better, message = "1.0.0", f"{_shown(value)} is no version: it is three numbers joined by dots"
    elif last == "size":
        better, message = "1024x1024", f"{_shown(value)} is no size: it is WIDTHxHEIGHT in pixels"
    else:
        better = "_".join(_words(value))[:64]
        better = better if better[:1].isalpha() else f"s_{better}"[:64].rstrip("_")
        message = f"{_shown(value)} is no name: it must be an ASCII letter, then letters, digits or `_`, at most 64"
    return Finding(code="invalid_value", pointer=where, message=message, fix=f"Write {better!r}, say.")


def _words(text: str) -> list[str]:
    import re

    return re.findall(r"[A-Za-z0-9]+", text)


def _at(path: tuple[int | str, ...], document: Any) -> Any:
    for part in path:
        if isinstance(document, dict) or (isinstance(document, list) and isinstance(part, int)):
            try:
                document = document[part]  # type: ignore[index] # a list is indexed by int only
            except (KeyError, IndexError):
                return None
        else:
            return None
    return document


def _noun(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    if value is None:
        return "null"
    return names.get(type(value), f"a {type(value).__name__}") + (
        "" if isinstance(value, dict | list) else f" ({_shown(value)})"
    )


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, dict | list) else _noun(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
