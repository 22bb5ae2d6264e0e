"""What can still be checked of a workflow whose shape is wrong, so that one pass tells every problem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workflows.findings import Finding
from workflows.model import STEP_ID_PATTERN, Workflow
from workflows.parse import validated

__all__ = ["Salvage", "salvage"]


@dataclass(frozen=True, slots=True)
class Salvage:
    """A workflow in which the broken parts are left out or replaced."""

    workflow: Workflow
    replaced: frozenset[int]
    """Numbers of the steps that stand in for broken ones: their output may be anything, and they wait for nothing."""
    nameless: bool
    """Whether a broken step has no usable id, so that nothing can refer to it."""
    whole: bool
    """Whether nothing was left out that could use a step or an input."""

    def keeps(self, finding: Finding) -> bool:
        """Whether a finding about the salvaged workflow is true of the one that was written."""
        parts = finding.pointer.split("/")
        if parts[1:2] == ["steps"] and len(parts) > 2 and int(parts[2]) in self.replaced:
            return False
        if finding.code.startswith("unused_"):
            return self.whole
        return not (finding.code == "unknown_step" and self.nameless)


def salvage(value: Any, findings: tuple[Finding, ...]) -> Salvage | None:
    """The workflow without what the findings are about; None when too little is left.

    `findings` are those of `parse.attempt` for `value`.
    """
    if not isinstance(value, dict) or not isinstance(value.get("steps"), list):
        return None
    extra = [finding.pointer for finding in findings if finding.code == "unknown_key"]
    wrong = [finding.pointer for finding in findings if finding.code not in {"unknown_key", "duplicate_key"}]
    broken = frozenset(int(parts[2]) for parts in _below("steps", wrong))
    document = _without(value, {tuple(pointer.split("/")[1:]) for pointer in extra})
    workflow, _ = validated(_replaced(document, broken, wrong))
    if workflow is None:
        return None
    return Salvage(
        workflow,
        replaced=broken,
        nameless=any(not _is_name(_id_of(value["steps"][number])) for number in broken),
        whole=not broken and not any(pointer.startswith("/outputs") for pointer in wrong),
    )


def _below(key: str, pointers: list[str]) -> Iterator[list[str]]:
    """The parts of the pointers to something inside a list or object of the document."""
    return (parts for pointer in pointers if len(parts := pointer.split("/")) > 2 and parts[1] == key)


def _without(value: Any, paths: set[tuple[str, ...]]) -> Any:
    """A copy of a JSON value without the keys at these paths."""
    if not paths:
        return value
    gone = {path[0] for path in paths if len(path) == 1}
    deeper: dict[str, set[tuple[str, ...]]] = {}
    for path in paths:
        if len(path) > 1:
            deeper.setdefault(path[0], set()).add(path[1:])
    if isinstance(value, list):
        return [_without(one, deeper.get(str(place), set())) for place, one in enumerate(value)]
    return {key: _without(one, deeper.get(_token(key), set())) for key, one in value.items() if _token(key) not in gone}


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _replaced(document: dict[str, Any], broken: frozenset[int], wrong: list[str]) -> dict[str, Any]:
    steps = [_stand_in(step, number) if number in broken else step for number, step in enumerate(document["steps"])]
    made: dict[str, Any] = {"workflow": "1", "name": "salvaged", "steps": steps}
    for key in ("policy", "outputs"):
        if key in document and not any(pointer.split("/")[1] == key for pointer in wrong if pointer):
            made[key] = document[key]
    inputs = document.get("inputs")
    if isinstance(inputs, dict):
        unsound = {parts[2] for parts in _below("inputs", wrong)}
        made["inputs"] = {name: {} if name in unsound else one for name, one in inputs.items() if _is_name(name)}
    return made


def _stand_in(step: Any, number: int) -> dict[str, Any]:
    """A step of the same id whose output may be anything: that of a tool nothing is known of."""
    name = _id_of(step)
    return {"id": name if _is_name(name) else f"broken_{number}", "kind": "tool", "tool": "broken"}


def _id_of(step: Any) -> Any:
    return step.get("id") if isinstance(step, dict) else None


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and re.match(STEP_ID_PATTERN, name) is not None
