"""Whatever is given: no crash, no hang, and what passes comes back as it was."""

from __future__ import annotations

import copy
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflows.checks import check, inspect
from workflows.findings import has_errors
from workflows.graph import Graph
from workflows.parse import from_json, parse
from workflows.tools import ToolSpec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
TOOLS = {
    "find": ToolSpec(
        "find", parameters={"type": "object", "properties": {"q": {"type": "string"}}}, returns={"type": "string"}
    )
}
WORDS = st.text(alphabet=st.characters(exclude_characters="{", exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def steps(draw: st.DrawFn, number: int) -> dict:
    """A valid step that refers to earlier ones."""
    earlier = draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else []
    text = draw(WORDS) + "".join(f" {{{{ steps.s{one}.output | default('x') }}}}" for one in earlier)
    kind = draw(st.sampled_from(["llm", "image", "embed", "set", "tool"]))
    body = {
        "llm": {"prompt": text},
        "image": {"prompt": draw(WORDS), "size": "64x64"},
        "embed": {"input": [draw(WORDS)]},
        "set": {"value": {"k": [text, draw(st.none() | st.integers() | WORDS)]}},
        "tool": {"tool": "find", "arguments": {"q": text}},
    }[kind]
    common = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "when": st.sampled_from(["{{ true }}", "{{ inputs.q == 'x' }}"]),
                "timeout_s": st.floats(0.5, 80),
                "retry": st.fixed_dictionaries({"attempts": st.integers(1, 10)}),
                "on_error": st.sampled_from(["fail", "skip"]),
                "after": st.just([f"s{one}" for one in earlier]),
            },
        )
    )
    return {"id": f"s{number}", "kind": kind, **body, **common}


@st.composite
def workflows(draw: st.DrawFn) -> dict:
    """A workflow without errors; images and vectors are referred to like texts, which is an error only for images."""
    made = [draw(steps(number)) for number in range(draw(st.integers(1, 6)))]
    pictures = {step["id"] for step in made if step["kind"] == "image"}
    for step in made:
        for picture in pictures:
            step.update(
                json.loads(json.dumps(step).replace(f"steps.{picture}.output |", f"steps.{picture}.output.url |"))
            )
    return {"workflow": "1", "name": "made", "inputs": {"q": {"type": "string", "default": "x"}}, "steps": made}


@given(JSON)
def test_arbitrary_json_never_crashes(value):
    inspection = inspect(value)
    assert inspection.workflow is None
    assert inspection.findings
    assert all(finding.message and finding.code for finding in inspection.findings)


@given(st.text() | st.binary())
def test_arbitrary_text_never_crashes(text):
    assert inspect(text).findings


@given(st.dictionaries(st.sampled_from(["workflow", "name", "steps", "inputs", "outputs", "policy", "x"]), JSON))
def test_objects_with_the_right_keys_never_crash(value):
    inspect({"workflow": "1", "name": "x", **value})
    inspect({"workflow": "1", "name": "x", "steps": [{"id": "a", "kind": "llm", "prompt": "x", **value}]})


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(workflows())
def test_a_workflow_comes_back_from_text_as_it_was(document: dict):
    workflow = parse(json.dumps(document))
    assert parse(workflow.model_dump_json()) == workflow
    assert from_json(workflow.model_dump(mode="json", exclude_unset=True)) == workflow
    assert Graph.of(workflow).cycle() is None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(workflows())
def test_a_sound_workflow_has_only_warnings_and_those_of_one_sort(document: dict):
    codes = {finding.code for finding in check(from_json(document), tools=TOOLS, ordered=True)}
    assert codes <= {"unused_input", "type_mismatch", "unguarded_reference"}


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(workflows(), st.data())
def test_a_mutated_workflow_never_crashes_and_every_finding_points_into_it(document: dict, data: st.DataObject):
    mutated = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(mutated))[1:] or [()]))
        if not path:
            break
        owner = mutated
        for part in path[:-1]:
            owner = owner[part]
        action = data.draw(st.sampled_from(["delete", "replace", "template", "rename"]))
        if action == "delete" or (action == "rename" and isinstance(owner, list)):
            del owner[path[-1]]
        elif action == "rename":
            owner[data.draw(st.text(max_size=5))] = owner.pop(path[-1])
        elif action == "template":
            owner[path[-1]] = data.draw(
                st.sampled_from(["{{ steps.s1.output.x }}", "{{ steps['s0'].output }}", "{{ q", "{{ inputs.z | foo }}"])
            )
        else:
            owner[path[-1]] = data.draw(JSON)
    for tools in (None, TOOLS):
        inspection = inspect(mutated, tools=tools, ordered=True)
        assert inspection.workflow is not None or has_errors(inspection.findings)
        known = {
            "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path) for path in places(mutated)
        }
        for finding in inspection.findings:
            parent = finding.pointer.rpartition("/")[0]
            assert finding.pointer in known or parent in known or "\\" in finding.pointer


KEYWORDS = [
    "type",
    "properties",
    "items",
    "required",
    "$ref",
    "$defs",
    "anyOf",
    "enum",
    "const",
    "pattern",
    "not",
    "if",
]
KEYWORDS += ["patternProperties", "$schema", "$id", "$anchor", "$dynamicRef", "additionalProperties", "minimum"]
KEYWORDS += ["multipleOf", "format", "prefixItems", "default"]
WORDS_OF_SCHEMAS = ["string", "object", "array", "#", "#/$defs/a", "#a", "http://x/y", "(", "a*", "urn:x", "%"]
PARTS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(WORDS_OF_SCHEMAS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYWORDS, "a", "b"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYWORDS), PARTS, max_size=5), PARTS)
def test_no_schema_crashes_the_checks(schema: dict, value):
    step = {"id": "a", "kind": "set", "value": value, "output": schema}
    reader = {"id": "b", "kind": "llm", "prompt": "{{ steps.a.output.a[0].b }} {{ inputs.q.b }}"}
    inputs = {"q": {**schema, "default": value}}
    document = {"workflow": "1", "name": "x", "inputs": inputs, "steps": [step, reader]}
    assert inspect(document).workflow is not None
