"""Steps inside of steps, made at random: sound ones pass, broken ones never crash, and every finding has its place."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflows.checks import inspect
from workflows.digest import digest
from workflows.findings import has_errors, pointer
from workflows.frames import frames
from workflows.parse import from_json, parse
from workflows.sources import Library

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


class Ids:
    """Gives each step another id."""

    def __init__(self) -> None:
        self.count = 0

    def new(self) -> str:
        self.count += 1
        return f"s{self.count}"


@st.composite
def blocks(
    draw: st.DrawFn, ids: Ids, seen: list[str], variables: list[str], depth: int
) -> tuple[list[dict], list[str]]:
    """Steps, each of which uses some of what it sees, and their ids."""
    steps: list[dict] = []
    own: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        used = draw(st.lists(st.sampled_from([*seen, *own]), max_size=2, unique=True)) if seen or own else []
        names = draw(st.lists(st.sampled_from(variables), max_size=2, unique=True)) if variables else []
        text = "x" + "".join(f" {{{{ steps.{one}.output | default(1) }}}}" for one in used)
        text += "".join(f" {{{{ {one} }}}}" for one in names)
        step: dict[str, Any] = {"id": ids.new()}
        kinds = ["llm", "set", "http", "approval"] + (["map", "loop", "branch"] if depth else [])
        step["kind"] = draw(st.sampled_from(kinds))
        around = ids, [*seen, *own]
        step |= draw(_body(step["kind"], text, *around, variables, depth))
        if draw(st.booleans()):
            step["when"] = "{{ inputs.q == 'x' }}"
        steps.append(step)
        own.append(step["id"])
    return steps, own


@st.composite
def _body(draw: st.DrawFn, kind: str, text: str, ids: Ids, seen: list[str], variables: list[str], depth: int) -> dict:
    if kind == "map":
        name = f"item{ids.count}"
        steps, own = draw(blocks(ids, seen, [*variables, name, f"{name}_index"], depth - 1))
        result = {"t": f"{{{{ steps.{own[-1]}.output | default(none) }}}}", "i": f"{{{{ {name}_index }}}}"}
        body = {"over": draw(st.sampled_from([[1, 2], ["a"], "{{ inputs.list }}"])), "as": name, "max_items": 50}
        return {**body, "steps": steps, **({"result": result} if draw(st.booleans()) else {})}
    if kind == "loop":
        name = f"round{ids.count}"
        steps, own = draw(blocks(ids, seen, [*variables, f"{name}.number", f"{name}.previous"], depth - 1))
        until = f"{{{{ steps.{own[-1]}.output | default(1) == 3 }}}}"
        return {"as": name, "max_rounds": draw(st.integers(1, 5)), "until": until, "steps": steps}
    if kind == "branch":
        cases = [draw(blocks(ids, seen, variables, depth - 1))[0] for _ in range(draw(st.integers(1, 2)))]
        made = {"cases": [{"when": "{{ inputs.q == 'y' }}", "steps": steps, "result": "text"} for steps in cases]}
        return {**made, "else": {"result": text}} if draw(st.booleans()) else made
    return {
        "llm": {"prompt": text},
        "set": {"value": [text]},
        "http": {"url": "https://example.com/", "body": {"t": text}, "method": "POST"},
        "approval": {"message": text},
    }[kind]


@st.composite
def workflows(draw: st.DrawFn) -> dict:
    steps, _ = draw(blocks(Ids(), [], [], 3))
    inputs = {"q": {"type": "string", "default": "x"}, "list": {"type": "array", "items": {"type": "integer"}}}
    return {"workflow": "1", "name": "made", "inputs": inputs, "steps": steps}


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(workflows())
def test_sound_steps_inside_of_steps_have_no_errors_and_come_back_as_they_were(document: dict):
    inspection = inspect(document, workflows=Library())
    assert [str(one) for one in inspection.findings if one.severity == "error"] == []
    workflow = inspection.workflow
    assert workflow is not None
    again = parse(json.dumps(document, indent=3, sort_keys=True))
    assert digest(again) == digest(workflow)
    assert from_json(workflow.model_dump(mode="json", exclude_unset=True)) == workflow


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(workflows())
def test_every_step_is_found_where_its_pointer_says(document: dict):
    workflow = from_json(document)
    found = [located for frame in frames(workflow) for located in frame.located]
    for located in found:
        part: Any = document
        for key in located.path:
            part = part[key]
        assert part["id"] == located.step.id
        assert located.frame.sees(located.step.id) is located
    written = json.dumps(document)
    assert len(found) == written.count('"id": ')


def places(value: Any, path: tuple = ()) -> Any:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


TEMPLATES = [
    "{{ steps.s1.output.x }}", "{{ steps.s3.output }}", "{{ item1.x.y }}", "{{ round2.previous.a }}",
    "{{ steps['s1'] }}",
    "{{ q", "{{ inputs.z | foo }}", "{{ item0 }}",
]  # fmt: skip
WORDS = [
    "steps",
    "cases",
    "else",
    "as",
    "over",
    "until",
    "result",
    "kind",
    "map",
    "loop",
    "branch",
    "workflow",
    "on_error",
]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(workflows(), st.data())
def test_a_mutated_workflow_never_crashes_and_every_finding_points_into_it(document: dict, data: st.DataObject):
    mutated = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(mutated))[1:] or [()]))
        if not path:
            break
        owner: Any = mutated
        for part in path[:-1]:
            owner = owner[part]
        action = data.draw(st.sampled_from(["delete", "replace", "template", "rename", "copy"]))
        if action == "delete" or (action == "rename" and isinstance(owner, list)):
            del owner[path[-1]]
        elif action == "rename":
            owner[data.draw(st.sampled_from(WORDS) | st.text(max_size=5))] = owner.pop(path[-1])
        elif action == "copy":
            taken: Any = mutated
            for part in data.draw(st.sampled_from(list(places(mutated)))):
                taken = taken[part]
            owner[path[-1]] = copy.deepcopy(taken)
        else:
            owner[path[-1]] = data.draw(st.sampled_from([*TEMPLATES, *WORDS]) if action == "template" else JSON)
    inspection = inspect(mutated, tools={}, workflows=Library())
    assert inspection.workflow is not None or has_errors(inspection.findings)
    known = {pointer(*path) for path in places(mutated)}
    for finding in inspection.findings:
        parent = finding.pointer.rpartition("/")[0]
        assert finding.pointer in known or parent in known or "\\" in finding.pointer, str(finding)
