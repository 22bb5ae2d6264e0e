"""The one layout of a workflow file: keys in the order of the models, short values on one line, every text kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["COLUMNS", "formatted", "laid_out"]

COLUMNS: Final = 100
"""Of a line, with its indent and its comma, up to which a list or an object stands on one line."""
INDENT: Final = "  "
FIRST: Final = ("id", "kind")
"""What tells a step from the others leads; the rest of its keys follows in the order of its model."""
UNFOLDED: Final = frozenset({"steps", "cases"})
"""Lists that are never drawn together: a line of the file is one step at most."""


class _Numeral(str):
    """A number as it is written, which no conversion may change."""

    __slots__ = ()


def formatted(source: str | bytes) -> str:
    """The workflow's file in the one layout; it means what it meant.

    Raises:
        WorkflowError: it is no workflow; every finding is listed.

    """
    from workflows.findings import WorkflowError
    from workflows.parse import attempt, place

    made = attempt(source)
    if made.workflow is None or made.text is None:
        raise WorkflowError(place(made.findings, made.text))
    return laid_out(json.loads(made.text, parse_int=_Numeral, parse_float=_Numeral))


def laid_out(document: dict[str, Any]) -> str:
    """A workflow's JSON value as the text of its file."""
    return "\n".join(_lines(_workflow(document), depth=0, room=0)) + "\n"


def _workflow(document: dict[str, Any]) -> dict[str, Any]:
    from workflows.model import Workflow, WorkflowPolicy

    changes = {"policy": lambda value: _by_model(value, WorkflowPolicy), "steps": _steps}
    return {**_changed(_by_model(document, Workflow), changes)}


def _steps(steps: list[Any]) -> list[Any]:
    return [_step(step) for step in steps]


def _step(step: dict[str, Any]) -> Any:
    from workflows.model import ModelNeeds, Recover, Retry, Step

    kinds = _kinds(Step)
    ordered = _by_model(step, kinds[step["kind"]]) if step.get("kind") in kinds else step
    return _changed(
        {**{key: ordered[key] for key in FIRST if key in ordered}, **ordered},
        {
            "retry": lambda value: _by_model(value, Retry),
            "model": lambda value: _by_model(value, ModelNeeds),
            "on_error": lambda value: _by_model(value, Recover),
            "steps": _steps,
            "cases": lambda cases: [_block(case) for case in cases],
            "else": _block,
        },
    )


def _block(block: Any) -> Any:
    from workflows.model import Case

    return _changed({**({"when": block["when"]} if "when" in block else {}), **_by_model(block, Case)}, _STEPS_INSIDE)


_STEPS_INSIDE: Final[dict[str, Callable[[Any], Any]]] = {"steps": _steps}


@cache
def _kinds(step: Any) -> dict[str, type[BaseModel]]:
    """The model of each kind of step."""
    models = get_args(get_args(step)[0])
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}


def _by_model(value: Any, model: type[BaseModel]) -> Any:
    """An object's keys in the order of the model's fields; what is no object, such as a model's name, as it is."""
    if not isinstance(value, dict):
        return value
    names = [field.alias or name for name, field in model.model_fields.items()]
    return {**{name: value[name] for name in names if name in value}, **value}


def _changed(value: Any, changes: dict[str, Callable[[Any], Any]]) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: changes[key](one) if key in changes and one is not None else one for key, one in value.items()}


def _lines(value: Any, *, depth: int, room: int, unfolded: bool = False) -> Iterator[str]:
    """The lines of a value whose first one has `room` columns taken, by its indent, its key and its comma."""
    together = None if unfolded or depth == 0 else _together(value, COLUMNS - room)
    if together is not None:
        yield together
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield opening
    inner = INDENT * (depth + 1)
    parts = list(_parts(value))
    for number, (head, one) in enumerate(parts, start=1):
        comma = "," if number < len(parts) else ""
        taken = len(inner) + len(head) + len(comma)
        key = head[1:-3]
        lines = list(_lines(one, depth=depth + 1, room=taken, unfolded=_stays_unfolded(key, one)))
        lines[0] = f"{inner}{head}{lines[0]}"
        lines[-1] += comma
        yield from lines
    yield f"{INDENT * depth}{closing}"


def _stays_unfolded(key: str, value: Any) -> bool:
    return key in UNFOLDED and isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"{_text(key)}: ", one) for key, one in value.items())
    else:
        yield from (("", one) for one in value)


def _together(value: Any, room: int) -> str | None:
    """The value on one line of at most `room` columns; None where it is longer. A scalar is always on one line."""
    if not isinstance(value, dict | list | tuple):
        return _scalar(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    told = opening
    for number, (head, one) in enumerate(_parts(value)):
        told += f"{', ' if number else ''}{head}"
        inside = None if _stays_unfolded(head[1:-3], one) else _together(one, room - len(told))
        if inside is None:
            return None
        told += inside
        if len(told) + 1 > room:
            return None
    return told + closing


def _scalar(value: Any) -> str:
    return str(value) if isinstance(value, _Numeral) else _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
