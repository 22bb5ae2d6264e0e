"""What can still be checked of a workflow whose shape is wrong, so that one pass tells every problem."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from workflows.findings import Finding
from workflows.model import STEP_ID_PATTERN, Workflow
from workflows.parse import validated

__all__ = ["Salvage", "salvage"]

_Tokens: TypeAlias = "tuple[str, ...]"

_HOLDERS: Final = {"map": ("steps",), "loop": ("steps",), "branch": ("cases", "else")}
"""Where steps that hold steps have them."""
_NEEDED: Final[dict[str, dict[str, Any]]] = {
    "map": {"over": "{{ [] }}"},
    "loop": {"until": "{{ true }}", "max_rounds": 1},
    "branch": {},
}
"""What stands in for a part of such a step that is broken or missing: nothing is known of its value."""


@dataclass(frozen=True, slots=True)
class Salvage:
    """A workflow in which the broken parts are left out or replaced."""

    workflow: Workflow
    replaced: frozenset[_Tokens]
    """Pointers, in parts, of the steps that stand in for broken ones: their output may be anything, and they wait for
    nothing."""
    nameless: bool
    """Whether a broken step has no usable id, so that nothing can refer to it."""
    whole: bool
    """Whether nothing was left out that could use a step or an input."""

    def keeps(self, finding: Finding) -> bool:
        """Whether a finding about the salvaged workflow is true of the one that was written."""
        parts = _tokens(finding.pointer)
        if any(parts[: len(one)] == one for one in self.replaced):
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
    extra = {_tokens(finding.pointer) for finding in findings if finding.code == "unknown_key"}
    wrong = {_tokens(one.pointer) for one in findings if one.code not in {"unknown_key", "duplicate_key"}}
    document = _without(value, extra)
    for mend in (True, False):
        found = _Mended(wrong, mend=mend)
        workflow, _ = validated(_replaced(document, wrong, found))
        if workflow is not None:
            whole = not found.changed and not any(one[:1] == ("outputs",) for one in wrong)
            return Salvage(workflow, frozenset(found.replaced), found.nameless, whole)
    return None


def _tokens(pointer: str) -> _Tokens:
    return tuple(pointer.split("/")[1:])


class _Mended:
    """Puts stand-ins where steps are broken, and remembers which."""

    def __init__(self, wrong: Iterable[_Tokens], *, mend: bool) -> None:
        """`mend`: whether a step that holds others keeps them, though something of its own is broken."""
        self._mend = mend
        self._wrong: dict[_Tokens, list[_Tokens]] = {}
        for one in wrong:
            path = _step_path(one)
            if path:
                self._wrong.setdefault(path, []).append(one[len(path) :])
        self._conditions = {(*path, *one) for path, own in self._wrong.items() for one in own if _is_condition(one)}
        self._above = {path[:end] for path in self._wrong for end in range(len(path) + 1)}
        self.replaced: set[_Tokens] = set()
        self.nameless = False
        self.changed = False

    def steps(self, steps: list[Any], at: _Tokens) -> list[Any]:
        return [self._step(step, (*at, str(place)), place) for place, step in enumerate(steps)]

    def _step(self, step: Any, at: _Tokens, place: int) -> Any:
        if at not in self._above:
            return step
        own = self._wrong.get(at, [])
        inside = _HOLDERS.get(str(step.get("kind")), ()) if isinstance(step, dict) else ()
        if own or not inside:
            self.changed = True
        if not inside or (own and not (self._mend and self._mendable(step, own))):
            self.replaced.add(at)
            self.nameless |= not _is_name(_id_of(step))
            return _stand_in(step, place)
        return self._holding(step, at, {one[0] for one in own if not _is_condition(one)})

    def _mendable(self, step: dict[str, Any], own: list[_Tokens]) -> bool:
        """Whether what is wrong can be left out or stood in for without a change to what the steps inside see."""
        lost = {one[0] if one else "" for one in own if not _is_condition(one)}
        return not lost & {"", "id", "kind", "as", *_HOLDERS[step["kind"]]}

    def _holding(self, step: dict[str, Any], at: _Tokens, lost: set[str]) -> dict[str, Any]:
        made: dict[str, Any] = {**_NEEDED[step["kind"]], **{key: one for key, one in step.items() if key not in lost}}
        if isinstance(steps := made.get("steps"), list):
            made["steps"] = self.steps(steps, (*at, "steps"))
        if isinstance(cases := made.get("cases"), list):
            made["cases"] = [self._block(case, (*at, "cases", str(place))) for place, case in enumerate(cases)]
        if "else" in made:
            made["else"] = self._block(made["else"], (*at, "else"))
        return made

    def _block(self, block: Any, at: _Tokens) -> Any:
        if not isinstance(block, dict) or not isinstance(block.get("steps"), list):
            return block
        made = {**block, "steps": self.steps(block["steps"], (*at, "steps"))}
        return {**made, "when": "{{ true }}"} if (*at, "when") in self._conditions else made


def _is_condition(tokens: _Tokens) -> bool:
    """Whether a path inside of a step leads to the condition of a case."""
    return len(tokens) == 3 and tokens[0] == "cases" and tokens[2] == "when"


def _step_path(tokens: _Tokens) -> _Tokens:
    """The part of a pointer that leads to the innermost step it goes through; empty for one that goes to none."""
    end = 0
    while True:
        rest = tokens[end:]
        skipped = 2 if rest[:1] == ("cases",) else 1 if rest[:1] == ("else",) else 0
        if skipped and not end:
            return ()
        if rest[skipped : skipped + 1] != ("steps",) or len(rest) < skipped + 2:
            return tokens[:end]
        end += skipped + 2


def _without(value: Any, paths: set[_Tokens]) -> Any:
    """A copy of a JSON value without the keys at these paths."""
    if not paths:
        return value
    gone = {path[0] for path in paths if len(path) == 1}
    deeper: dict[str, set[_Tokens]] = {}
    for path in paths:
        if len(path) > 1:
            deeper.setdefault(path[0], set()).add(path[1:])
    if isinstance(value, list):
        return [_without(one, deeper.get(str(place), set())) for place, one in enumerate(value)]
    return {key: _without(one, deeper.get(_token(key), set())) for key, one in value.items() if _token(key) not in gone}


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _replaced(document: dict[str, Any], wrong: set[_Tokens], mended: _Mended) -> dict[str, Any]:
    made: dict[str, Any] = {"workflow": "1", "name": "salvaged", "steps": mended.steps(document["steps"], ("steps",))}
    for key in ("policy", "outputs"):
        if key in document and not any(one[:1] == (key,) for one in wrong):
            made[key] = document[key]
    inputs = document.get("inputs")
    if isinstance(inputs, dict):
        unsound = {one[1] for one in wrong if one[:1] == ("inputs",) and len(one) > 1}
        made["inputs"] = {name: {} if name in unsound else one for name, one in inputs.items() if _is_name(name)}
    return made


def _stand_in(step: Any, place: int) -> dict[str, Any]:
    """A step of the same id whose output may be anything: that of a tool nothing is known of."""
    name = _id_of(step)
    return {"id": name if _is_name(name) else f"broken_{place}", "kind": "tool", "tool": "broken"}


def _id_of(step: Any) -> Any:
    return step.get("id") if isinstance(step, dict) else None


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and re.match(STEP_ID_PATTERN, name) is not None
