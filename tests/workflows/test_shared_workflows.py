"""Workflows that others run again and again: looked at as exactly as one by one, and in a bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from random_workflows import made

from workflows.checks import check
from workflows.checks.labels import APART, Flow
from workflows.checks.units import Unit
from workflows.model import Workflow
from workflows.models import ModelProblem

SECRET = {"x": {"type": "string", "sensitivity": "restricted"}}
ECHO = {"id": "echo", "kind": "llm", "model": "p/m", "prompt": "{{ inputs.q }}"}


def workflow(name: str, *steps: dict[str, Any], **keys: Any) -> Workflow:
    return Workflow.model_validate({"workflow": "1", "name": name, "steps": steps, **keys})


def call(step_id: str, name: str, **keys: Any) -> dict[str, Any]:
    return {"id": step_id, "kind": "workflow", "workflow": name, "version": "1.0.0", **keys}


def doubled(depth: int, last: dict[str, Any], **keys: Any) -> dict[str, Workflow]:
    """Each runs the next one twice, and the last one its step."""
    given = {"inputs": {"q": "{{ inputs.q }}"}}
    inputs = {"inputs": {"q": {"type": "string"}}}
    names = [f"w{place}" for place in range(depth + 1)]
    found = {f"{names[-1]}@1.0.0": workflow(names[-1], last, **inputs, **keys)}
    for name, inner in pairwise(names):
        found[f"{name}@1.0.0"] = workflow(name, call("a", inner, **given), call("b", inner, **given), **inputs)
    return found


class Public:
    """Models that may be sent nothing secret; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def problem(self, choice, *, needs, sensitivity):
        self.asked += 1
        return None if sensitivity == "public" else ModelProblem(code="insufficient_clearance", message="no")


def labels(flow: Flow) -> Iterator[tuple[str, str, str, str]]:
    """Of every step at every place."""
    queue: list[tuple[Unit, str]] = [(flow.units[0], "")]
    for unit, prefix in queue:
        for site in unit.sites:
            path = prefix + site.path.removeprefix(unit.prefix)
            yield path, flow.call(site), flow.made(site), flow.output(site)
            if site.path in unit.inner:
                queue.append((unit.inner[site.path], f"{path}/"))


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_what_is_looked_at_once_has_the_labels_that_it_has_at_each_place(first: int):
    for seed in range(first, first + 100):
        random = made(seed, labels=True)
        flow = Workflow.model_validate(random.document)
        others = {name: Workflow.model_validate(one) for name, one in random.workflows.items()}
        assert list(labels(Flow(flow, others, apart=0))) == list(labels(Flow(flow, others))), seed


def test_a_workflow_that_is_given_other_labels_is_looked_at_again():
    root = workflow(
        "root", call("open", "w0", inputs={"q": "x"}), call("shut", "w0", inputs={"q": "{{ inputs.x }}"}), inputs=SECRET
    )
    flow = Flow(root, doubled(12, ECHO))
    assert not flow.apart
    assert len(flow.units) == 1 + 2 * 13
    found = dict[str, str]((path, label) for path, label, *_ in labels(flow))
    assert {label for path, label in found.items() if path.startswith("open/")} == {"public"}
    assert {label for path, label in found.items() if path.endswith("echo") and path[0] == "s"} == {"restricted"}
    told = [one for one in check(root, workflows=doubled(12, ECHO), models=Public()) if one.severity == "error"]
    assert [(one.code, one.pointer) for one in told] == [("insufficient_clearance", "/steps/1/workflow")]
    assert f"inputs.x -> inputs.q -> shut/{'a/' * 12}echo" in told[0].message


def test_what_is_around_it_tells_two_ways_to_run_a_workflow_apart():
    calls = [
        call("plain", "w0", inputs={"q": "x"}),
        call("again", "w0", inputs={"q": "x"}, retry={"attempts": 2}),
        call("dear", "w0", inputs={"q": "x"}, budget_usd=1),
        call("perhaps", "w0", inputs={"q": "x"}, when="{{ inputs.f }}"),
    ]
    root = workflow("root", *calls, inputs={"f": {"type": "boolean"}})
    assert len(Flow(root, doubled(12, ECHO)).units) == 1 + 4 * 13
    post = {"id": "post", "kind": "http", "method": "POST", "url": "https://example.com"}
    told = [one for one in check(root, workflows=doubled(12, post)) if one.code == "unsafe_retry"]
    assert [one.pointer for one in told] == ["/steps/1/retry/attempts"]


@pytest.mark.parametrize("depth", [16, 18])
def test_a_workflow_run_at_a_hundred_thousand_places_is_asked_about_once(depth: int):
    others, models = doubled(depth, ECHO), Public()
    root = others.pop("w0@1.0.0")
    assert len(Flow(root, others).units) == depth + 1
    assert [one for one in check(root, workflows=others, models=models) if one.severity == "error"] == []
    assert models.asked == 1


@pytest.mark.parametrize("depth", [19, 26, 300])
def test_more_than_a_million_steps_are_refused_at_the_step_that_runs_them(depth: int):
    others = doubled(depth, ECHO)
    few = {"id": "few", "kind": "workflow", "workflow": f"w{depth}", "version": "1.0.0", "inputs": {"q": "x"}}
    inside = {"id": "each", "kind": "map", "over": [1], "steps": [call("many", "w0", inputs={"q": "x"})]}
    [told] = [one for one in check(workflow("root", few, inside), workflows=others) if one.severity == "error"]
    assert (told.code, told.pointer) == ("fan_out_too_large", "/steps/1/steps/0/workflow")


def test_below_the_bound_every_place_is_told_of():
    others = doubled(3, ECHO)
    root = workflow("root", call("sub", "w0", inputs={"q": "{{ inputs.x }}"}), inputs=SECRET)
    told = [one for one in check(root, workflows=others, models=Public()) if one.severity == "error"]
    assert len(told) == 8 < APART
