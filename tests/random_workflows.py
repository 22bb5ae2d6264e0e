"""Random workflows of tools and values, nested at will, whose every step is known to succeed, fail or be left out.

Where a failure is absorbed (a map that keeps what failed, a step that is skipped or recovers, or is tried again with
the steps inside of it), one step alone can fail, so that it does not depend on who comes first which one did.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from zlib import crc32

__all__ = ["Made", "answer", "made"]

_LABELS = ("internal", "confidential", "restricted")
_ANY = 1_000_000


@dataclass
class Made:
    """A workflow with what it takes."""

    document: dict[str, Any]
    workflows: dict[str, dict[str, Any]]
    inputs: dict[str, Any]
    limit: int


@dataclass
class _Place:
    """What can be referred to where steps are made, and how many of them may fail."""

    depth: int
    fails: list[int]
    steps: tuple[tuple[str, str], ...] = ()
    """Ids of the steps that can be referred to, with the type of their outputs: `int` or `any`."""
    variables: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ("{{ true }}", "{{ false }}", "{{ inputs.number % 2 == 0 }}")
    flaky: list[int] = field(default_factory=list)
    """One entry for each step that is to fail at first, and to be tried again with what is around it."""
    again: bool = False
    """Whether a step around is tried again: how often a step in it was executed is then nobody's to say."""


def answer(name: str, value: Any) -> int:
    """What the tool gives: a number that follows from what it is given."""
    return crc32(json.dumps([name, value], sort_keys=True).encode()) % 1_000


def made(seed: int, *, labels: bool = False, failures: bool = True) -> Made:
    """One workflow for each seed."""
    return _Maker(Random(seed), labels=labels, failures=failures).made()


class _Maker:
    def __init__(self, source: Random, *, labels: bool, failures: bool) -> None:
        self.source = source
        self.labels = labels
        self.failures = failures
        self.numbers = 0
        self.workflows: dict[str, dict[str, Any]] = {}

    def made(self) -> Made:
        document = self.workflow("random", depth=self.source.choice([1, 2, 2, 3]), steps=8, fails=self.fails())
        inputs = {"number": self.source.randrange(10), "text": "t", "list": [3, 1, 2][: self.source.randrange(4)]}
        inputs["at"] = ""
        return Made(document, self.workflows, inputs, self.source.randint(1, 5))

    def fails(self) -> list[int]:
        return [_ANY if self.failures and self.source.random() < 0.25 else 0]

    def workflow(self, name: str, *, depth: int, steps: int, fails: list[int]) -> dict[str, Any]:
        place = _Place(depth, fails)
        made, place = self.block(place, self.source.randint(1, steps))
        inputs: dict[str, Any] = {"number": {"type": "integer"}, "text": {}, "list": {"type": "array"}, "at": {}}
        document: dict[str, Any] = {"workflow": "1", "name": name, "inputs": inputs, "steps": made}
        if self.labels:
            for schema in inputs.values():
                if self.chance(0.4):
                    schema["sensitivity"] = self.label()
            document["policy"] = {"sensitivity": self.label()} if self.chance(0.15) else {}
            if self.chance(0.1):
                document["policy"]["declassify"] = self.label()
        if self.chance(0.5):
            document["outputs"] = {"all": [self.value(place) for _ in range(3)], "text": f"so {self.value(place)}"}
        return document

    def chance(self, share: float) -> bool:
        return self.source.random() < share

    def label(self) -> str:
        return self.source.choice(_LABELS)

    def name(self, letter: str) -> str:
        self.numbers += 1
        return f"{letter}{self.numbers}"

    def block(self, place: _Place, count: int) -> tuple[list[dict[str, Any]], _Place]:
        """Steps in any order, and the place where all of them can be referred to."""
        made: list[dict[str, Any]] = []
        own: tuple[str, ...] = ()
        for _ in range(count):
            step = self.step(place, own)
            made.append(step)
            kind = "int" if step["kind"] == "tool" else "any"
            own = (*own, step["id"])
            place = replace(place, steps=(*place.steps, (step["id"], kind)))
        self.source.shuffle(made)
        return made, place

    def value(self, place: _Place) -> Any:
        """A template of something that can be referred to."""
        names = [f"steps.{name}.output | default('-')" for name, _ in place.steps[-8:]]
        names += ["inputs.text", "inputs.number", *place.variables]
        chosen = self.source.choice(names)
        if place.fails[0] > 1 and place.steps and self.chance(0.04):
            chosen = f"steps.{self.source.choice(place.steps)[0]}.output"  # which may not be there
        return self.source.choice([f"{{{{ {chosen} }}}}", f"{{{{ {chosen} }}}}", f"of {{{{ {chosen} }}}}"])

    def key(self, place: _Place) -> str:
        """What tells the executions of one step apart."""
        numbers = [one for one in place.variables if one.endswith(("_index", ".number"))]
        return "{{ inputs.at }}" + "".join(f"{{{{ {one} }}}}/" for one in numbers)

    def condition(self, place: _Place) -> str:
        numbers = [name for name, kind in place.steps if kind == "int"]
        if numbers and self.chance(0.6):
            return f"{{{{ (steps.{self.source.choice(numbers)}.output | default(1)) % 3 > 0 }}}}"
        return self.source.choice(place.conditions)

    def step(self, place: _Place, own: tuple[str, ...]) -> dict[str, Any]:
        kinds = ["tool"] * 5 + ["set"] * 2 + (["map", "map", "branch", "loop", "workflow"] if place.depth else [])
        kind = self.source.choice(kinds)
        step: dict[str, Any] = {"id": self.name("s"), "kind": kind}
        if kind in {"tool", "set"}:
            getattr(self, f"_{kind}")(step, place)
        else:
            self._container(step, place)
        if self.chance(0.2):
            step["when"] = self.condition(place)
        if place.steps and self.chance(0.25):
            step["after"] = [self.source.choice(place.steps)[0]]
        if self.labels and self.chance(0.15):
            step["sensitivity"] = self.label()
        if self.labels and self.chance(0.07):
            step["declassify"] = self.source.choice(("public", *_LABELS))
        return step

    def _set(self, step: dict[str, Any], place: _Place) -> None:
        step["value"] = {"a": self.value(place), "b": [self.value(place)]}

    def _tool(self, step: dict[str, Any], place: _Place) -> None:
        given = [self.value(place) for _ in range(self.source.randint(0, 2))]
        arguments = {"name": step["id"], "value": given, "key": self.key(place)}
        step |= {"tool": "act", "arguments": arguments}
        fails = "never"
        if place.flaky:
            place.flaky.pop()
            step["arguments"]["fails"] = "first"
            return
        if self.failures and self.chance(0.3):
            attempts = self.source.choice([1, 1, 2, 3])
            fails = self.source.choice(["always", "odd"] if place.again else ["always", "first", "odd"])
            if attempts > 1:
                step["retry"] = {"attempts": attempts, "backoff_s": 0}
            if fails != "first" or attempts == 1:
                absorbed = self.source.choice(["skip", {"output": 7}])
                if place.fails[0] <= 0 or self.chance(0.5):
                    step["on_error"] = absorbed
                else:
                    place.fails[0] -= 1
        step["arguments"]["fails"] = fails

    def _container(self, step: dict[str, Any], place: _Place) -> None:
        """A step with others inside; where it absorbs their failures, one of them may fail."""
        inner = replace(place, depth=place.depth - 1, flaky=[])
        again = False
        if self.failures and self.chance(0.3):
            again = self.chance(0.3) and not place.again
            inner.fails = [0] if again else [1]
            if again:
                step["retry"] = {"attempts": 2, "backoff_s": 0}
                inner.again = True
                inner.flaky = [1] if step["kind"] in {"branch", "loop"} else []
            elif step["kind"] == "map" and self.chance(0.7):
                step["on_item_error"] = self.source.choice(["keep", "drop"])
            else:
                step["on_error"] = self.source.choice(["skip", {"output": [7]}])
        if step["kind"] == "map" and "on_item_error" not in step:
            inner.fails = inner.fails if inner.fails[0] > 1 else [0]  # several items would fail at one time
        if step["kind"] == "workflow":
            inner.fails = inner.fails if inner.fails[0] <= 1 else place.fails
        getattr(self, f"_{step['kind']}")(step, inner)

    def _results(self, made: list[dict[str, Any]], place: _Place) -> dict[str, Any]:
        return {"steps": made} if self.chance(0.6) else {"steps": made, "result": {"r": self.value(place), "c": 1}}

    def _map(self, step: dict[str, Any], place: _Place) -> None:
        variable = self.name("v")
        over = self.source.choice(
            [[5, 6, 7], [], [1], "{{ inputs.list }}", [self.value(place), 2], "{{ inputs.text }}"]
        )
        if over == "{{ inputs.text }}" and place.fails[0] < _ANY:
            over = [4, 9]
        place = replace(
            place,
            variables=(*place.variables, variable, f"{variable}_index"),
            conditions=(*place.conditions, f"{{{{ {variable}_index == 1 }}}}"),
        )
        made, inside = self.block(place, self.source.randint(1, 3))
        step |= {"over": over, "as": variable, **self._results(made, inside)}
        if self.chance(0.3):
            step["max_parallel"] = self.source.randint(1, 3)

    def _branch(self, step: dict[str, Any], place: _Place) -> None:
        cases = []
        for _ in range(self.source.randint(1, 2)):
            made, inside = self.block(replace(place), self.source.randint(0, 2))
            cases.append({"when": self.condition(place), **self._results(made, inside)})
        step["cases"] = cases
        if self.chance(0.5):
            made, inside = self.block(replace(place), self.source.randint(0, 2))
            step["else"] = self._results(made, inside)

    def _loop(self, step: dict[str, Any], place: _Place) -> None:
        variable = self.name("v")
        place = replace(
            place,
            variables=(*place.variables, f"{variable}.number", f"{variable}.previous"),
            conditions=(*place.conditions, f"{{{{ {variable}.number == 2 }}}}"),
        )
        initial = self.value(replace(place, variables=place.variables[:-2]))
        made, inside = self.block(place, self.source.randint(1, 3))
        step |= {"as": variable, "max_rounds": self.source.randint(1, 3), **self._results(made, inside)}
        step |= {"until": self.condition(inside), "initial": initial}
        if place.fails[0] > 0 and self.chance(0.2):
            place.fails[0] -= 1
            step["on_limit"] = "fail"

    def _workflow(self, step: dict[str, Any], place: _Place) -> None:
        name = self.name("w").lower()
        given = {"number": "{{ inputs.number }}", "text": self.value(place), "list": [1, self.value(place)]}
        given["at"] = f"{self.key(place)}{step['id']}/"
        self.workflows[f"{name}@1.0.0"] = self.workflow(name, depth=place.depth, steps=3, fails=place.fails)
        step |= {"workflow": name, "version": "1.0.0", "inputs": given}
        if self.chance(0.3):
            policy = self.workflows[f"{name}@1.0.0"].setdefault("policy", {})
            policy["max_parallel"] = self.source.randint(1, 2)
