"""Pydantic's errors in the language's own words: one finding for one mistake, with the mend.

A union is told by its discriminator or by the value's own type, so only the branch that was meant speaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from workflows.findings import Finding, pointer
from workflows.locations import UNIONS, Location, is_step, of_other_shape, value_at, value_path
from workflows.model import (
    ApprovalStep,
    Block,
    BranchStep,
    Case,
    EmbedStep,
    HttpStep,
    ImageStep,
    LlmStep,
    LoopStep,
    MapStep,
    ModelNeeds,
    Recover,
    Retry,
    SetStep,
    ToolStep,
    Workflow,
    WorkflowPolicy,
    WorkflowStep,
)
from workflows.nearest import nearest
from workflows.synonyms import FOREIGN, kind_by_keys, kind_meant, meant
from workflows.wording import described, retyped, shown

__all__ = ["translated"]

_KINDS: Final[dict[str, type[BaseModel]]] = {
    "llm": LlmStep,
    "image": ImageStep,
    "embed": EmbedStep,
    "set": SetStep,
    "tool": ToolStep,
    "http": HttpStep,
    "map": MapStep,
    "branch": BranchStep,
    "loop": LoopStep,
    "workflow": WorkflowStep,
    "approval": ApprovalStep,
}
_PARTS: Final[dict[str, type[BaseModel]]] = {
    "model": ModelNeeds,
    "on_error": Recover,
    "retry": Retry,
    "else": Block,
    "policy": WorkflowPolicy,
}
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
_BOUNDS: Final = {
    "ge": "a number of at least",
    "gt": "a number above",
    "le": "a number of at most",
    "lt": "a number below",
    "max_length": "a text of at most so many characters:",
}
_EXAMPLES: Final = {
    "steps": 'Write a step: `{"id": "...", "kind": "llm", "prompt": "..."}`.',
    "cases": 'Write a case: `{"when": "{{ ... }}", "steps": [...]}`.',
}
_OTHERWISE: Final = {
    ("while", "until"): "Write `until` instead, with the condition turned round: it says when the loop ends.",
    ("else_", "else"): "Write `else`, without the underscore.",
    ("as_", "as"): "Write `as`, without the underscore.",
}
"""Mends for another system's word that say more than our word."""


def translated(errors: list[ErrorDetails], document: dict[str, Any]) -> tuple[Finding, ...]:
    """The findings that a document's errors amount to, a missing `workflow` first."""
    found: dict[tuple[str, str], Finding] = {}
    for error in errors:
        finding = _finding(error, document)
        if finding is not None:
            found.setdefault((finding.code, finding.pointer), finding)
    return tuple(sorted(found.values(), key=lambda one: (one.code, one.pointer) != ("missing_key", "/workflow")))


def _finding(error: ErrorDetails, document: dict[str, Any]) -> Finding | None:
    path, union, shape = value_path(error["loc"])
    if shape is not None and (verdict := of_other_shape(union, shape, document)):
        return None if verdict == "ignore" else _shapeless(union, document)
    kind = error["type"]
    if about_keys := _ABOUT_KEYS.get(kind):
        return about_keys(path, document)
    if kind in _NOUNS or kind.endswith("_type"):
        return _wrong_type(path, error, document)
    return _ABOUT_VALUES.get(kind, _out_of_bounds)(path, error)


def _shapeless(union: Location, document: dict[str, Any]) -> Finding:
    wanted = UNIONS[str(union[-1])]
    message = f"{described(value_at(union, document))} stands where {wanted} is needed"
    return Finding(code="wrong_type", pointer=pointer(*union), message=message, fix=f"Write {wanted}.")


def _missing(path: Location, document: dict[str, Any]) -> Finding:
    key = str(path[-1])
    message, fix = f"the key {key!r} is missing", f"Add {key!r}."
    if path == ("workflow",):
        fix = 'Add "workflow": "1", the version of the language.'
        if system := next((system for system, keys in FOREIGN if keys <= document.keys()), None):
            message += ", so this is no workflow of this language"
            fix = f"This is a file of {system}; write its steps in this language (docs/workflow-language.md)."
    return Finding(code="missing_key", pointer=pointer(*path), message=message, fix=fix)


def _unknown_key(path: Location, document: dict[str, Any]) -> Finding:
    key = str(path[-1])
    fields = _fields(path[:-1], document)
    present = value_at(path[:-1], document)
    free = [name for name in fields if name not in present]
    synonym = meant(key, free, wanted=[name for name in free if fields[name].is_required()])
    near = (synonym,) if synonym else nearest(key, free)
    fix = f"Did you mean {near[0]!r}?" if near else "Leave it out."
    return Finding(
        code="unknown_key",
        pointer=pointer(*path),
        message=f"the key {shown(key)} is not known here",
        allowed=tuple(dict.fromkeys([*near, *fields])),
        fix=_OTHERWISE.get((key, synonym or ""), fix),
    )


def _fields(path: Location, document: dict[str, Any]) -> dict[str, FieldInfo]:
    """The keys that the object at a path may have, as they are written."""
    owner = _owner(path, document)
    return {field.alias or name: field for name, field in owner.model_fields.items()} if owner else {}


def _owner(path: Location, document: dict[str, Any]) -> type[BaseModel] | None:
    """The model of the object at a path."""
    if not path:
        return Workflow
    if is_step(path):
        return _KINDS.get(str(value_at((*path, "kind"), document)))
    if isinstance(path[-1], int):
        return Case if path[-2:-1] == ("cases",) else None
    return _PARTS.get(str(path[-1]))


def _kind_finding(path: Location, document: dict[str, Any]) -> Finding:
    step = value_at(path, document)
    where = pointer(*path, "kind")
    if "kind" not in step:
        told = kind_by_keys(step)
        fix = f'Write `"kind": "{told}"`.' if told else f"Say which: {', '.join(_KINDS)}."
        fix = "Write `kind` instead of `type`." if "type" in step else fix
        allowed = tuple(dict.fromkeys([*([told] if told else []), *_KINDS]))
        return Finding(code="missing_key", pointer=where, message="the key 'kind' is missing", allowed=allowed, fix=fix)
    kind = step["kind"]
    ours = kind_meant(kind) if isinstance(kind, str) else None
    near = (ours,) if ours else nearest(kind, _KINDS) if isinstance(kind, str) else ()
    return Finding(
        code="unknown_kind",
        pointer=where,
        message=f"there is no kind of step {shown(kind)}",
        allowed=tuple(dict.fromkeys([*near, *_KINDS])),
        fix=f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(_KINDS)}.",
    )


def _not_among(path: Location, error: ErrorDetails) -> Finding:
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


def _misnamed(path: Location, error: ErrorDetails) -> Finding:
    value = str(error["input"])
    words = re.findall(r"[A-Za-z0-9]+", value)
    if path == ("name",) or path[-1] == "workflow":
        if path[-1] == "workflow":  # a file is named without its folder and its ending
            words = re.findall(r"[A-Za-z0-9]+", re.split(r"[/\\]", value)[-1].removesuffix(".json")) or words
        better = "-".join(words).lower()[:100].strip("-") or "my-workflow"
        rule = "is no name: a workflow's name is lower-case words joined by hyphens"
    elif path[-1] == "digest":
        better, rule = "sha256:...", "is no digest: it is `sha256:` and 64 hexadecimal digits, lower case"
    elif path[-1] == "version":
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


def _wrong_type(path: Location, error: ErrorDetails, document: dict[str, Any]) -> Finding:
    wanted = _NOUNS.get(error["type"]) or error["msg"].removeprefix("Input should be ")
    value = error["input"]
    message = f"{described(value)} stands where {wanted} is needed"
    fix = retyped(value, wanted)
    if isinstance(path[-1], int) and path[-2] in _EXAMPLES:
        fix = _EXAMPLES[str(path[-2])]
    elif value is None and _is_optional(path, document):
        fix = f"Leave the key out, or write {wanted}."
    return Finding(code="wrong_type", pointer=pointer(*path), message=message, fix=fix)


def _is_optional(path: Location, document: dict[str, Any]) -> bool:
    field = _fields(path[:-1], document).get(str(path[-1]))
    return field is not None and not field.is_required()


def _too_short(path: Location, error: ErrorDetails) -> Finding | None:
    # Pydantic counts the items that are valid; where there are enough of them, each bad one has its own finding.
    if len(error["input"]) >= int(error.get("ctx", {}).get("min_length", 0)):
        return None
    return Finding(code="invalid_value", pointer=pointer(*path), message="the list is empty", fix="Add an item.")


def _too_long(path: Location, error: ErrorDetails) -> Finding:
    most = error.get("ctx", {}).get("max_length", 0)
    message = f"the list has more than {most:,} items"
    return Finding(code="invalid_value", pointer=pointer(*path), message=message, fix="Make it shorter, or split it.")


def _out_of_bounds(path: Location, error: ErrorDetails) -> Finding:
    if error["type"] == "string_too_short":
        message = "the text is empty"
        fix: str | None = "Write a text."
    else:
        message = f"{shown(error['input'])} is not allowed: {error['msg'][0].lower()}{error['msg'][1:]}"
        fix = _within(error)
    return Finding(code="invalid_value", pointer=pointer(*path), message=message, fix=fix)


def _within(error: ErrorDetails) -> str | None:
    """The bound that a number is beyond."""
    bounds = {key: one for key, one in error.get("ctx", {}).items() if key in _BOUNDS}
    return next((f"Write {_BOUNDS[key]} {int(one) if one == int(one) else one}." for key, one in bounds.items()), None)


_ABOUT_KEYS: Final[dict[str, Callable[[Location, dict[str, Any]], Finding]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _kind_finding,
    "union_tag_not_found": _kind_finding,
}
_ABOUT_VALUES: Final[dict[str, Callable[[Location, ErrorDetails], Finding | None]]] = {
    "literal_error": _not_among,
    "string_pattern_mismatch": _misnamed,
    "too_short": _too_short,
    "too_long": _too_long,
}
