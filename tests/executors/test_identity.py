from __future__ import annotations

import json
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import NO_GATEWAY, workflow_of

from executors.context import Frame, RunContext, StepRun
from executors.failures import StepFailure
from executors.identity import MEANING, UNMEANT, key_of
from executors.kinds import KINDS
from executors.labels import Labels
from executors.slots import Slots
from executors.steps import tries
from executors.tools import ToolRegistry
from unified_api.testing import ManualClock
from unified_api.types import Caller
from workflows.expressions import Scope
from workflows.model import Step, Workflow
from workflows.parse import parse

INPUTS = {"topic": "tides", "count": 3, "picture": "https://pictures.example/1.png"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "number", "minimum": 1}}, "required": ["n"]}
BASE: dict[str, dict[str, Any]] = {
    "llm": {"prompt": "Write of {{ inputs.topic }}.", "model": "scripted/model"},
    "image": {"prompt": "Draw {{ inputs.topic }}."},
    "embed": {"input": "{{ inputs.topic }}"},
    "tool": {"tool": "look", "arguments": {"at": "{{ inputs.topic }}", "times": 2}},
    "http": {"url": "https://api.example/{{ inputs.topic }}"},
    "approval": {"message": "Send {{ inputs.topic }}?"},
}
"""A step of each kind that has a key, but for its id."""
OTHER: dict[str, dict[str, list[Any]]] = {
    "llm": {
        "prompt": ["Write of {{ inputs.count }}.", "Write of {{ inputs.topic }}"],
        "system": ["Be brief."],
        "model": ["scripted/other", "auto", {"tier": "premium"}, {"needs": ["vision"]}, {"needs": ["tools", "vision"]}],
        "images": [["{{ inputs.picture }}"], ["{{ inputs.picture }}", "{{ inputs.picture }}"]],
        "output": [{"type": "string"}, SCHEMA, {**SCHEMA, "description": "A number."}],
        "temperature": [0, 1, 0.5],
        "max_tokens": [1, 100],
        "reasoning_effort": ["minimal", "low", "medium", "high"],
    },
    "image": {"prompt": ["Draw {{ inputs.count }}."], "model": ["scripted/other"], "size": ["64x64", "64x32"]},
    "embed": {
        "input": ["{{ inputs.topic }}!", ["{{ inputs.topic }}"], ["{{ inputs.topic }}", "more"]],
        "model": ["scripted/other", {"tier": "premium"}],
        "dimensions": [64, 128],
    },
    "tool": {
        "tool": ["touch"],
        "arguments": [
            {},
            {"at": "{{ inputs.topic }}", "times": 3},
            {"at": "{{ inputs.topic }}", "times": "2"},
            {"at": "{{ inputs.topic }}", "times": 2.0},
            {"at": "{{ inputs.topic }}", "times": None},
            {"at": "{{ inputs.topic }}", "times": True},
            {"at": ["{{ inputs.topic }}"], "times": 2},
            {"to": "{{ inputs.topic }}", "times": 2},
        ],
        "output": [{"type": "string"}, SCHEMA],
    },
    "http": {
        "url": ["https://api.example/{{ inputs.count }}", "http://api.example/{{ inputs.topic }}"],
        "method": ["HEAD", "POST", "PUT", "PATCH", "DELETE"],
        "query": [{"q": "{{ inputs.topic }}"}, {"q": "{{ inputs.count }}"}, {"p": "{{ inputs.topic }}"}],
        "headers": [{"Accept": "text/plain"}, {"Accept": "text/html"}, {"Accept-Language": "text/plain"}],
        "body": [{"a": 1}, {"a": "1"}, "a", ["a"], 0, False, ""],
        "expect": [[200], [200, 404]],
        "output": [{"type": "string"}, SCHEMA],
    },
    "approval": {"message": ["Send {{ inputs.count }}?"], "show": [1, "1", {"a": "{{ inputs.topic }}"}]},
}
"""Values of every field with a meaning, each another one than all the others and than that of `BASE`."""
UNMEANT_OTHER: dict[str, list[Any]] = {
    "id": ["renamed"],
    "when": ["{{ inputs.count > 1 }}"],
    "after": [["first"]],
    "retry": [{"attempts": 3, "backoff_s": 0}],
    "timeout_s": [5],
    "on_error": ["skip", {"output": 1}],
    "budget_usd": [0.5],
    "deadline_s": [60],
    "declassify": ["public"],
    "cache": ["always", "deterministic", "run"],
    "idempotent": [True, False],
    "expires_s": [60],
    "default": ["approve", "fail"],
}
KEYED = sorted(MEANING)


def look(at: str = "", times: int = 1) -> str:
    """Looks."""
    return at * times


def touch(at: str = "", times: int = 1) -> str:
    """Looks."""
    return at * times


def key(
    kind: str, *, tenant: str = "", inputs: Any = INPUTS, policy: Any = None, tools: Any = None, **fields: Any
) -> str:
    step = {"id": "a", "kind": kind, **BASE[kind], **fields}
    first = {"id": "first", "kind": "set", "value": 1}
    return key_in(workflow_of(first, step, policy=policy or {}), tenant=tenant, inputs=inputs, tools=tools)


def key_in(workflow: Workflow, *, tenant: str = "", inputs: Any = INPUTS, tools: Any = None) -> str:
    context = RunContext(
        run_id="r",
        gateway=NO_GATEWAY,
        tools=tools or ToolRegistry([look, touch]),
        emit=lambda _: None,
        clock=ManualClock(),
        random=Random(1),
        slots=Slots(1),
        tokens=False,
        caller=Caller(tenant=tenant),
        kinds=KINDS,
        perform=tries,
    )
    scope = Scope(dict(inputs))
    scope.finish("first", 1)
    frame = Frame(context=context, workflow=workflow, scope=scope, labels=Labels(workflow.policy.sensitivity))
    return key_of(StepRun.of(workflow.steps[-1], frame))


def test_every_field_of_every_kind_either_has_a_meaning_or_has_none() -> None:
    classes = {model.model_fields["kind"].annotation.__args__[0]: model for model in get_args(get_args(Step)[0])}
    assert set(MEANING) <= set(classes)
    for kind in KEYED:
        meant, unmeant = set(MEANING[kind]), UNMEANT[""] | UNMEANT.get(kind, frozenset())
        assert not meant & unmeant
        assert meant | unmeant == set(classes[kind].model_fields), kind
        assert meant == set(OTHER[kind]), "each of them is to be changed below"
        assert unmeant - {"kind", "sensitivity"} <= set(UNMEANT_OTHER)
    assert set(classes) - set(MEANING) == {"set", "map", "branch", "loop", "workflow"}, "these are computed again"


@pytest.mark.parametrize("kind", KEYED)
def test_every_change_of_meaning_gives_another_key(kind: str) -> None:
    keys = [key(kind)] + [key(kind, **{name: one}) for name, others in OTHER[kind].items() for one in others]
    keys += [key(kind, sensitivity=label) for label in ("internal", "confidential", "restricted")]
    keys += [key(kind, tenant=tenant) for tenant in ("acme", "ACME")]
    keys += [key(kind, inputs={**INPUTS, "topic": "tide"})]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("kind", KEYED)
def test_what_has_no_meaning_leaves_the_key_alone(kind: str) -> None:
    own = UNMEANT[""] | UNMEANT.get(kind, frozenset())
    for name in own & set(UNMEANT_OTHER):
        for one in UNMEANT_OTHER[name]:
            assert key(kind, **{name: one}) == key(kind), name
    assert key(kind, policy={"budget_usd": 1, "deadline_s": 9, "max_parallel": 2, "cache": "always"}) == key(kind)


@pytest.mark.parametrize("kind", KEYED)
def test_kinds_never_share_a_key(kind: str) -> None:
    assert all(key(kind) != key(other) for other in KEYED if other != kind)


def test_the_layout_of_templates_and_of_the_file_leaves_the_key_alone() -> None:
    assert key("llm", prompt="Write of {{inputs.topic}}.") == key("llm")
    assert key("llm", prompt="Write of {{   inputs . topic }}.") == key("llm")
    assert key("llm", prompt="Write of tides.") == key("llm"), "what is asked is the same"
    assert key("llm", system="  ") == key("llm"), "which is not sent"
    assert key("tool", arguments={"times": 2, "at": "{{ inputs.topic }}"}) == key("tool")
    assert key("llm", model={"needs": ["tools", "vision"]}) == key("llm", model={"needs": ["vision", "tools", "tools"]})
    assert key("http", headers={"ACCEPT": "text/plain"}) == key("http", headers={"accept": "text/plain"})
    assert key("http", expect=[404, 200]) == key("http", expect=[200, 404, 404])
    swapped = {"required": ["n"], "properties": {"n": {"minimum": 1.0, "type": "number"}}, "type": "object"}
    assert key("llm", output=swapped) == key("llm", output=SCHEMA), "JSON Schema knows one kind of number"


def test_any_layout_of_the_json_gives_the_same_key() -> None:
    step = {"id": "a", "kind": "llm", **BASE["llm"], "output": SCHEMA, "temperature": 1}
    value = {"workflow": "1", "name": "test", "steps": [step]}
    turned = {"steps": [dict(reversed(step.items()))], "name": "test", "workflow": "1"}
    texts = [
        json.dumps(value),
        json.dumps(turned, indent=8),
        json.dumps(value, separators=(",", ":")).replace("1}", "1.0}"),
    ]
    assert len({key_in(parse(text)) for text in texts}) == 1


def test_a_tool_that_takes_something_else_is_another_one() -> None:
    def other(at: str = "", times: float = 1) -> str:
        """Looks."""
        return at * int(times)

    changed = ToolRegistry()
    changed.add(other, name="look")
    same = ToolRegistry([look])
    assert key("tool", tools=changed) != key("tool") == key("tool", tools=same)


def test_the_label_of_what_a_step_refers_to_is_in_its_key() -> None:
    labelled = key("llm", policy={"sensitivity": "internal"})
    assert labelled != key("llm")
    assert labelled == key("llm", sensitivity="internal"), "it is the label of the call that counts"


def test_a_template_that_cannot_be_filled_in_has_no_key() -> None:
    with pytest.raises(StepFailure, match="missing"):
        key("llm", prompt="{{ inputs.missing }}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(one=JSON, other=JSON, tenants=st.tuples(st.text(max_size=3), st.text(max_size=3)))
def test_two_arguments_share_a_key_only_if_they_are_the_same_json(
    one: Any, other: Any, tenants: tuple[str, str]
) -> None:
    keys = [
        key("tool", arguments={"value": "{{ inputs.value }}"}, inputs={"value": value}, tenant=tenant)
        for value, tenant in zip((one, other), tenants, strict=True)
    ]
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) and tenants[0] == tenants[1]
    assert (keys[0] == keys[1]) == same


@given(
    values=st.lists(
        st.sampled_from([0, 0.0, False, None, "", "0", "None", "null", [], {}, "false", -1, 1, 1.0, True]),
        min_size=2,
        max_size=2,
    )
)
def test_values_of_different_types_never_share_a_key(values: list[Any]) -> None:
    one, other = (key("tool", arguments={"value": value}) for value in values)
    assert (one == other) == (json.dumps(values[0]) == json.dumps(values[1]))
