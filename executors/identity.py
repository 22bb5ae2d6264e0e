"""The identity of what a step does, by content: two executions with one key would ask for the very same thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any, TypeAlias

from executors.context import StepRun
from workflows.model import ModelNeeds
from workflows.tools import ToolSpec

__all__ = ["MEANING", "UNMEANT", "identity", "key_of"]

_Form: TypeAlias = Callable[[Any, StepRun, str], Any]
"""What a field of a step comes to in the key: its value, the run of the step, and the field's name."""


def _as_it_is(value: Any, _run: StepRun, _name: str) -> Any:
    return value


def _text(value: str, run: StepRun, name: str) -> str:
    return run.text(value, what=name)


def _text_if_any(value: str | None, run: StepRun, name: str) -> str | None:
    """A system message of nothing but white space is not sent."""
    text = None if value is None else run.text(value, what=name)
    return text if text is not None and text.strip() else None


def _rendered(value: Any, run: StepRun, _name: str) -> Any:
    return run.render(list(value) if isinstance(value, tuple) else value)


def _headers(value: Mapping[str, str], run: StepRun, name: str) -> list[list[str]]:
    """Names of header fields are the same in any case."""
    return sorted([field.lower(), run.text(text, what=f"{name}/{field}")] for field, text in value.items())


def _model(value: str | ModelNeeds, _run: StepRun, _name: str) -> Any:
    return value if isinstance(value, str) else {"tier": value.tier, "needs": sorted(set(value.needs))}


def _statuses(value: tuple[int, ...], _run: StepRun, _name: str) -> list[int] | None:
    return sorted(set(value)) or None


def _schema(value: Any, run: StepRun, name: str) -> Any:
    """JSON Schema knows one kind of number: 1.0 in it is 1."""
    if isinstance(value, dict):
        return {key: _schema(one, run, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_schema(one, run, name) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


MEANING: Mapping[str, Mapping[str, _Form]] = {
    "llm": {
        "prompt": _text,
        "system": _text_if_any,
        "model": _model,
        "images": _rendered,
        "output": _schema,
        "temperature": _as_it_is,
        "max_tokens": _as_it_is,
        "reasoning_effort": _as_it_is,
    },
    "image": {"prompt": _text, "model": _model, "size": _as_it_is},
    "embed": {"input": _rendered, "model": _model, "dimensions": _as_it_is},
    "tool": {"tool": _as_it_is, "arguments": _rendered, "output": _schema},
    "http": {
        "url": _text,
        "method": _as_it_is,
        "query": _rendered,
        "headers": _headers,
        "body": _rendered,
        "expect": _statuses,
        "output": _schema,
    },
    "approval": {"message": _text, "show": _rendered},
}
"""The fields that say what is done, by the kind of the step; a step of another kind is computed again."""

UNMEANT: Mapping[str, frozenset[str]] = {
    "": frozenset(
        {
            "id",
            "kind",
            "when",
            "after",
            "retry",
            "timeout_s",
            "on_error",
            "budget_usd",
            "deadline_s",
            "sensitivity",
            "declassify",
            "cache",
            "idempotent",
        }
    ),
    "approval": frozenset({"expires_s", "default"}),
}
"""The fields that do not, by the kind, and of every kind; `kind` and `sensitivity` are in the key by other ways."""

_UNTOLD = frozenset({"clearance", "repeatable"})
"""What a tool's description says of who may see it and when it is tried again, not of what it does."""


def identity(run: StepRun) -> Mapping[str, Any]:
    """All that a key is made of, with the values so far filled in. Raises StepFailure when that fails."""
    step = run.step
    fields = {name: form(getattr(step, name), run, name) for name, form in MEANING[step.kind].items()}
    content: dict[str, Any] = {
        "kind": step.kind,
        "tenant": run.context.caller.tenant,
        "label": run.label,
        # What is not said stands nowhere, so that a field the language gets later leaves old keys alone.
        "fields": {name: value for name, value in fields.items() if value is not None},
    }
    if step.kind == "tool":
        content["version"] = _version(run, step.tool)
    return content


def key_of(run: StepRun) -> str:
    """The key: the same for any layout of the file, another for any other meaning, and for any other tenant.

    JSON tells 1, 1.0, true, null and "1" apart, and so do functions and prompts; only within a JSON Schema the first
    two are one. Raises StepFailure when a template cannot be filled in.
    """
    return sha256(_canonical(identity(run))).hexdigest()


def _version(run: StepRun, name: str) -> str | None:
    """The tool as it is now: a tool that takes or gives something else, or says so, is another one."""
    versions = run.context.versions
    if name not in versions:
        spec = run.context.tools.specs.get(name)
        versions[name] = None if spec is None else _digest(spec)
    return versions[name]


def _digest(spec: ToolSpec) -> str:
    told = {field: value for field, value in asdict(spec).items() if field not in _UNTOLD}
    return sha256(_canonical(told)).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain).encode()


def _plain(value: Any) -> Any:
    """What a tool's description may hold besides JSON."""
    return dict(value) if isinstance(value, Mapping) else str(value)
