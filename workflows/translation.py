"""Pydantic's errors in the language's own words: one finding for one mistake, with the mend.

A union is told by its discriminator or by the value's own type, so only the branch that was meant speaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from workflows.findings import Finding, pointer
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
from workflows.wording import described, retyped, shown

__all__ = ["translated", "value_at"]

_Path: TypeAlias = "tuple[int | str, ...]"

_KINDS: Final[dict[str, type[BaseModel]]] = {
    "llm": LlmStep,
    "image": ImageStep,
    "embed": EmbedStep,
    "set": SetStep,
    "tool": ToolStep,
}
_PARTS: Final[dict[str, type[BaseModel]]] = {"model": ModelNeeds, "on_error": Recover, "retry": Retry}
# Fields that take one of several shapes; pydantic puts the shape's name into the path behind them.
_UNIONS: Final = {
    "model": "a model's name, or an object with `tier` and `needs`",
    "on_error": '"fail", "skip", or an object with `output`',
    "input": "a text, or a list of texts",
}
# What people write who know another system, and our word for it.
_SYNONYMS: Final = {
    "depends_on": "after", "dependsOn": "after", "dependencies": "after", "needs": "after", "depends": "after",
    "type": "kind", "name": "id", "args": "arguments", "parameters": "arguments", "params": "arguments",
    "inputs": "arguments", "schema": "output", "output_schema": "output", "response_format": "output",
    "condition": "when", "if": "when", "timeout": "timeout_s", "retries": "retry", "text": "prompt",
    "messages": "prompt", "instruction": "prompt", "instructions": "prompt", "max_output_tokens": "max_tokens",
    "tasks": "steps", "nodes": "steps", "jobs": "steps", "title": "name", "function": "tool",
}  # fmt: skip
_NOUNS: Final = {
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}
_FOREIGN: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("AWS States Language", frozenset({"StartAt", "States"})),
    ("n8n", frozenset({"nodes", "connections"})),
    ("CNCF Serverless Workflow", frozenset({"document", "do"})),
    ("CNCF Serverless Workflow", frozenset({"specVersion", "states"})),
    ("Dify", frozenset({"app", "workflow"})),
)


def translated(errors: list[ErrorDetails], document: dict[str, Any]) -> tuple[Finding, ...]:
    """The findings that a document's errors amount to, a missing `workflow` first."""
    found: dict[tuple[str, str], Finding] = {}
    for error in errors:
        finding = _finding(error, document)
        if finding is not None:
            found.setdefault((finding.code, finding.pointer), finding)
    return tuple(sorted(found.values(), key=lambda one: (one.code, one.pointer) != ("missing_key", "/workflow")))


def _finding(error: ErrorDetails, document: dict[str, Any]) -> Finding | None:
    path, shape = _value_path(error["loc"])
    if shape is not None and (verdict := _of_other_shape(path, shape, document)):
        return None if verdict == "ignore" else _shapeless(path, document)
    kind = error["type"]
    if about_keys := _ABOUT_KEYS.get(kind):
        return about_keys(path, document)
    if kind in _NOUNS or kind.endswith("_type"):
        return _wrong_type(path, error, document)
    return _ABOUT_VALUES.get(kind, _out_of_bounds)(path, error)


def _value_path(location: _Path) -> tuple[_Path, str | None]:
    """The path of the value that an error is about, and the shape of a union that pydantic tried there."""
    if location[:1] == ("inputs",) and len(location) == 3 and location[2] == "[key]":
        return location[:2], None  # the name itself is wrong
    if location[:1] != ("steps",) or len(location) < 3:
        return location, None
    path: list[int | str] = [*location[:2], *location[3:]]  # location[2] is the kind
    shape = None
    if len(path) > 3 and path[2] in _UNIONS:
        shape = str(path.pop(3))
    return tuple(path), shape


def _of_other_shape(path: _Path, shape: str, document: dict[str, Any]) -> str | None:
    """`ignore` for an error of a shape that was not meant, `shapeless` when the value is of none, None otherwise."""
    value = value_at(path[:3], document)
    meant = "text" if isinstance(value, str) else "object" if isinstance(value, dict) else None
    meant = "list" if isinstance(value, list) else meant
    tried = "object" if shape in {"ModelNeeds", "Recover"} else "list" if shape.startswith("tuple") else "text"
    possible = {"text", "list"} if path[2] == "input" else {"text", "object"}
    if meant not in possible:
        return "shapeless"
    return None if tried == meant else "ignore"


def _shapeless(path: _Path, document: dict[str, Any]) -> Finding:
    wanted = _UNIONS[str(path[2])]
    message = f"{described(value_at(path[:3], document))} stands where {wanted} is needed"
    return Finding(code="wrong_type", pointer=pointer(*path[:3]), message=message, fix=f"Write {wanted}.")


def _missing(path: _Path, document: dict[str, Any]) -> Finding:
    key = str(path[-1])
    message, fix = f"the key {key!r} is missing", f"Add {key!r}."
    if path == ("workflow",):
        fix = 'Add "workflow": "1", the version of the language.'
        if system := next((system for system, keys in _FOREIGN if keys <= document.keys()), None):
            message += ", so this is no workflow of this language"
            fix = f"This is a file of {system}; write its steps in this language (docs/workflow-language.md)."
    return Finding(code="missing_key", pointer=pointer(*path), message=message, fix=fix)


def _unknown_key(path: _Path, document: dict[str, Any]) -> Finding:
    key = str(path[-1])
    owner = _owner(path[:-1], document)
    fields = tuple(owner.model_fields) if owner else ()
    present = value_at(path[:-1], document)
    free = [name for name in fields if name not in present]
    synonym = _SYNONYMS.get(key)
    near = (synonym,) if synonym in free and synonym else nearest(key, free)
    return Finding(
        code="unknown_key",
        pointer=pointer(*path),
        message=f"the key {shown(key)} is not known here",
        allowed=tuple(dict.fromkeys([*near, *fields])),
        fix=f"Did you mean {near[0]!r}?" if near else "Leave it out.",
    )


def _owner(path: _Path, document: dict[str, Any]) -> type[BaseModel] | None:
    """The model of the object at a path."""
    if path in {(), ("policy",)}:
        return WorkflowPolicy if path else Workflow
    if len(path) == 2:
        return _KINDS.get(str(value_at((*path, "kind"), document)))
    return _PARTS.get(str(path[2]))


def _kind_finding(path: _Path, document: dict[str, Any]) -> Finding:
    step = value_at(path, document)
    where = pointer(*path, "kind")
    if "kind" not in step:
        fix = "Write `kind` instead of `type`." if "type" in step else f"Say which: {', '.join(_KINDS)}."
        return Finding(
            code="missing_key", pointer=where, message="the key 'kind' is missing", allowed=tuple(_KINDS), fix=fix
        )
    kind = step["kind"]
    near = nearest(kind, _KINDS) if isinstance(kind, str) else ()
    return Finding(
        code="unknown_kind",
        pointer=where,
        message=f"there is no kind of step {shown(kind)}",
        allowed=tuple(dict.fromkeys([*near, *_KINDS])),
        fix=f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(_KINDS)}.",
    )


def _not_among(path: _Path, error: ErrorDetails) -> Finding:
    # Pydantic lists the words as `'a', 'b' or 'c'`.
    words = tuple(str(error.get("ctx", {}).get("expected", "")).split("'")[1::2])
    value = error["input"]
    near = nearest(value, words) if isinstance(value, str) else ()
    ordered = tuple(dict.fromkeys([*near, *words]))
    return Finding(
        code="invalid_value",
        pointer=pointer(*path),
        message=f"{shown(value)} is not allowed here",
        allowed=ordered,
        fix=f"Did you mean {near[0]!r}?" if near else f"Use {' or '.join(map(repr, ordered))}.",
    )


def _misnamed(path: _Path, error: ErrorDetails) -> Finding:
    value = str(error["input"])
    words = re.findall(r"[A-Za-z0-9]+", value)
    if path == ("name",):
        better = "-".join(words).lower()[:100].strip("-") or "my-workflow"
        rule = "is no name: a workflow's name is lower-case words joined by hyphens"
    elif path == ("version",):
        better, rule = "1.0.0", "is no version: it is three numbers joined by dots"
    elif path[-1] == "size":
        better, rule = "1024x1024", "is no size: it is WIDTHxHEIGHT in pixels"
    else:
        joined = "_".join(words)
        better = (joined if joined[:1].isalpha() else f"s_{joined}")[:64].rstrip("_")
        rule = "is no name: it must be an ASCII letter, then letters, digits or `_`, at most 64 in all"
    return Finding(
        code="invalid_value",
        pointer=pointer(*path),
        message=f"{shown(value)} {rule}",
        allowed=(better,),
        fix=f"Write {better!r}, say.",
    )


def _wrong_type(path: _Path, error: ErrorDetails, document: dict[str, Any]) -> Finding:
    wanted = _NOUNS.get(error["type"]) or error["msg"].removeprefix("Input should be ")
    value = error["input"]
    message = f"{described(value)} stands where {wanted} is needed"
    fix = retyped(value, wanted)
    if len(path) == 2 and path[0] == "steps":
        fix = 'Write a step: `{"id": "...", "kind": "llm", "prompt": "..."}`.'
    elif value is None and _is_optional(path, document):
        fix = f"Leave the key out, or write {wanted}."
    return Finding(code="wrong_type", pointer=pointer(*path), message=message, fix=fix)


def _is_optional(path: _Path, document: dict[str, Any]) -> bool:
    owner = _owner(path[:-1], document) if len(path) != 2 or path[0] == "policy" else None
    field = owner.model_fields.get(str(path[-1])) if owner else None
    return field is not None and not field.is_required()


def _too_short(path: _Path, error: ErrorDetails) -> Finding | None:
    # Pydantic counts the items that are valid; where there are enough of them, each bad one has its own finding.
    if len(error["input"]) >= int(error.get("ctx", {}).get("min_length", 0)):
        return None
    return Finding(code="invalid_value", pointer=pointer(*path), message="the list is empty", fix="Add an item.")


def _out_of_bounds(path: _Path, error: ErrorDetails) -> Finding:
    if error["type"] == "string_too_short":
        message = "the text is empty"
    else:
        message = f"{shown(error['input'])} is not allowed: {error['msg'][0].lower()}{error['msg'][1:]}"
    return Finding(code="invalid_value", pointer=pointer(*path), message=message)


_ABOUT_KEYS: Final[dict[str, Callable[[_Path, dict[str, Any]], Finding]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _kind_finding,
    "union_tag_not_found": _kind_finding,
}
_ABOUT_VALUES: Final[dict[str, Callable[[_Path, ErrorDetails], Finding | None]]] = {
    "literal_error": _not_among,
    "string_pattern_mismatch": _misnamed,
    "too_short": _too_short,
}


def value_at(path: _Path, document: Any) -> Any:
    """The value at a path of a JSON document; None where the path leads nowhere."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document
