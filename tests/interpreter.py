"""Runs a workflow's JSON one step after the other: what its steps must come to, and which labels they must carry.

Written from the language's description alone and without the engine; only templates are rendered by the language's
own code. After a failure it goes on with whatever does not need what failed, so that it knows everything that a run in
which steps race may come to before it stops.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.expressions import ExpressionError, Scope, render_value

__all__ = ["LABELS", "Ended", "FailureError", "Interpreter"]

LABELS = ("public", "internal", "confidential", "restricted")
_TEMPLATED = ("when", "prompt", "system", "value", "arguments", "over", "initial", "inputs")
_Doc = Mapping[str, Any]


class FailureError(Exception):
    """A step failed by itself."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}
        self.retryable = retryable


@dataclass
class Ended:
    """How a step ended; `unreached` when something that it needs failed."""

    status: str
    label: int = 0
    sent: int = 0
    """The label of what it was made from."""
    output: Any = None
    errors: dict[str, Any] = field(default_factory=dict)
    """The steps one of which made it fail, by path, with what each says."""


@dataclass
class _World:
    """What is seen in one block."""

    prefix: str
    floor: int
    inputs: dict[str, Any]
    variables: dict[str, Any]
    input_labels: dict[str, int]
    variable_labels: dict[str, int]
    ended: dict[str, Ended] = field(default_factory=dict)

    def render(self, value: Any) -> Any:
        steps = {name: {"output": one.output} if one.status == "succeeded" else {} for name, one in self.ended.items()}
        try:
            return render_value(value, Scope(self.inputs, steps, self.variables))
        except ExpressionError as error:
            raise FailureError(error.code, error.message) from None

    def label(self, *templates: Any) -> int:
        text = json.dumps(templates)
        found = [self.floor]
        found += [self.ended[name].label for name in re.findall(r"steps\.(\w+)\.output", text) if name in self.ended]
        found += [self.input_labels.get(name, 0) for name in re.findall(r"inputs\.(\w+)", text)]
        found += [self.variable_labels[name] for name in re.findall(r"\bv\w+", text) if name in self.variable_labels]
        return max(found)

    def inside(self, prefix: str, floor: int, variables: dict[str, Any]) -> _World:
        return replace(
            self,
            prefix=prefix,
            floor=max(floor, self.floor),
            variables={**self.variables, **variables},
            variable_labels={**self.variable_labels, **dict.fromkeys(variables, floor)},
            ended=dict(self.ended),
        )


@dataclass
class _Run:
    """What a container has come to so far."""

    label: int
    sent: int
    errors: dict[str, Any] = field(default_factory=dict)


def _level(label: str | None) -> int:
    return 0 if label is None else LABELS.index(label)


def _needs(step: _Doc) -> set[str]:
    after = re.findall(r'"after": \[([^\]]*)\]', json.dumps(step))
    return {*re.findall(r"steps\.(\w+)\.output", json.dumps(step)), *re.findall(r"\w+", " ".join(after))}


class Interpreter:
    """One pass through a workflow; `act` is called for each tool and model step with its path and what it is given."""

    def __init__(self, workflows: Mapping[str, _Doc], act: Callable[[str, _Doc, Any], Any]) -> None:
        self._workflows = workflows
        self._act = act
        self._done: dict[tuple[str, str], Any] = {}
        self.paths: dict[str, Ended] = {}
        self.broken: set[str] = set()
        """What the paths begin with of the steps in blocks that failed, in which others may have been cancelled."""

    def run(self, document: _Doc, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The outputs, None where there can be none, and the paths one of which failed the run."""
        policy = document.get("policy", {})
        world = self._world("", document, inputs, _level(policy.get("sensitivity")), {})
        errors = self._block(document["steps"], world)
        try:
            return (None if errors else self._outputs(document, world)[0]), errors
        except FailureError as failure:
            return None, {"": failure.error}

    def _world(self, prefix: str, document: _Doc, inputs: dict[str, Any], floor: int, given: dict[str, int]) -> _World:
        labels = {
            name: max(given.get(name, 0), _level(schema.get("sensitivity")))
            for name, schema in document.get("inputs", {}).items()
        }
        return _World(prefix, floor, inputs, {}, labels, {})

    def _outputs(self, document: _Doc, world: _World) -> tuple[dict[str, Any], int]:
        templates = document.get("outputs") or {
            step["id"]: f"{{{{ steps.{step['id']}.output | default(none) }}}}"
            for step in document["steps"]
            if not any(step["id"] in _needs(other) for other in document["steps"])
        }
        return world.render(templates), world.label(templates)

    def _block(self, steps: list[_Doc], world: _World) -> dict[str, Any]:
        """Runs the steps; what may fail the block."""
        waiting, ids, errors = list(steps), {step["id"] for step in steps}, dict[str, Any]()
        while waiting:
            step = next(one for one in waiting if _needs(one) & ids <= world.ended.keys())
            waiting.remove(step)
            lost = any(world.ended[one].status in {"failed", "unreached"} for one in _needs(step) & ids)
            ended = Ended("unreached") if lost else self._step(step, world)
            world.ended[step["id"]] = ended
            self.paths[world.prefix + step["id"]] = ended
            errors |= ended.errors if ended.status == "failed" else {}
        if errors:
            self.broken.add(world.prefix)
        return errors

    def _step(self, step: _Doc, world: _World) -> Ended:
        path = world.prefix + step["id"]
        own = [step[name] for name in _TEMPLATED if name in step] + [case["when"] for case in step.get("cases", ())]
        sent = max(world.label(*own), _level(step.get("sensitivity")))
        run = _Run(sent, sent)

        def ended(status: str, output: Any = None) -> Ended:
            out = _level(step["declassify"]) if step.get("declassify") else run.label
            return Ended(status, out, run.label, output, run.errors)

        try:
            if "when" in step and not world.render(step["when"]):
                return ended("skipped")
        except FailureError as failure:
            return self._failed(step, path, run, ended, failure)
        for _ in range(step.get("retry", {}).get("attempts", 1)):
            run.errors = {}
            try:
                output = getattr(self, f"_{step['kind']}")(step, path, run, world)
                return ended("skipped") if output is Ended else ended("succeeded", output)
            except FailureError as error:
                failure = error
                if not failure.retryable:
                    break
        return self._failed(step, path, run, ended, failure)

    def _failed(self, step: _Doc, path: str, run: _Run, ended: Callable[..., Ended], failure: FailureError) -> Ended:
        run.label = max(run.label, *(self.paths[one].sent for one in run.errors), 0)
        told = f"step {path!r}: {failure.error['message']}"
        run.errors = run.errors or {path: {"code": failure.error["code"], "message": told}}
        on_error = step.get("on_error", "fail")
        if isinstance(on_error, dict):
            return ended("succeeded", on_error["output"])
        return ended("skipped" if on_error == "skip" else "failed")

    def _inner(self, block: _Doc, path: str, run: _Run, world: _World) -> Any:
        """Runs a block inside of a step in a world of its own and gives its result."""
        run.errors |= self._block(block.get("steps", []), world)
        if run.errors:
            raise FailureError("inside", "", retryable=True)
        result = block.get("result")
        if result is None and block.get("steps"):
            result = f"{{{{ steps.{block['steps'][-1]['id']}.output | default(none) }}}}"
        run.label = max(run.label, world.label(result))
        return world.render(result)

    def _set(self, step: _Doc, _path: str, _run: _Run, world: _World) -> Any:
        return world.render(step["value"])

    def _tool(self, step: _Doc, path: str, _run: _Run, world: _World) -> Any:
        given = world.render(step.get("arguments", step.get("prompt")))
        key = (path, json.dumps(given, sort_keys=True))
        if key not in self._done:  # a step that is run again takes what it gave
            self._done[key] = self._act(path, step, given)
        return self._done[key]

    _llm = _tool

    def _map(self, step: _Doc, path: str, run: _Run, world: _World) -> Any:
        items, floor, results = world.render(step["over"]), run.sent, []
        if not isinstance(items, list):
            raise FailureError("invalid_list", "")
        failed: dict[str, Any] = {}
        for place, item in enumerate(items):
            variables = {step["as"]: item, f"{step['as']}_index": place}
            one = _Run(floor, floor)
            try:
                results.append(self._inner(step, path, one, world.inside(f"{path}[{place}]/", floor, variables)))
            except FailureError as failure:
                failed |= one.errors or {path: failure.error}
                if step.get("on_item_error", "fail") != "fail":
                    one.label = max(one.label, *(self.paths[error].sent for error in one.errors), 0)
                if step.get("on_item_error") == "keep":
                    results.append({"error": next(iter(one.errors.values()), failure.error)})
            run.label = max(run.label, one.label)
        if failed and step.get("on_item_error", "fail") == "fail":
            run.errors = {one: error for one, error in failed.items() if one != path}
            raise FailureError("inside", "", retryable=bool(run.errors))
        return results

    def _branch(self, step: _Doc, path: str, run: _Run, world: _World) -> Any:
        for case in step["cases"]:
            if world.render(case["when"]):
                return self._inner(case, path, run, world.inside(f"{path}/", run.label, {}))
        if "else" in step:
            return self._inner(step["else"], path, run, world.inside(f"{path}/", run.label, {}))
        return Ended  # nothing to do

    def _loop(self, step: _Doc, path: str, run: _Run, world: _World) -> Any:
        previous = world.render(step.get("initial"))
        for number in range(1, step["max_rounds"] + 1):
            variables = {step["as"]: {"number": number, "previous": previous}}
            inner = world.inside(f"{path}[{number}]/", run.label, variables)
            previous = self._inner(step, path, run, inner)
            run.label = max(run.label, inner.label(step["until"]))
            if inner.render(step["until"]):
                return previous
        if step.get("on_limit") == "fail":
            raise FailureError("too_many_rounds", f"`until` did not hold in {step['max_rounds']} rounds")
        return previous

    def _workflow(self, step: _Doc, path: str, run: _Run, world: _World) -> Any:
        document = self._workflows[f"{step['workflow']}@{step['version']}"]
        policy, given = document.get("policy", {}), step.get("inputs", {})
        stated = _level(step.get("sensitivity"))
        floor = max(world.label(step.get("when")), stated, _level(policy.get("sensitivity")))
        labels = {name: world.label(value) for name, value in given.items()}
        inside = self._world(f"{path}/", document, world.render(given), floor, labels)
        run.errors |= self._block(document["steps"], inside)
        if run.errors:
            raise FailureError("inside", "", retryable=True)
        outputs, label = self._outputs(document, inside)
        is_lowered = policy.get("declassify") is not None and "digest" in step
        run.label = max(_level(policy["declassify"]) if is_lowered else label, stated)
        return outputs
