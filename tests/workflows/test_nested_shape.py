"""What is wrong with the shape of steps inside of steps is told in our words, where it is, and hides nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.checks import inspect
from workflows.findings import Finding

STEPS = [{"id": "in", "kind": "llm", "prompt": "x"}]
NO_PROMPT = {"id": "b", "kind": "llm"}
NO_INPUT = {"id": "b", "kind": "embed", "input": 3}
NO_TIER = {"id": "b", "kind": "llm", "prompt": "x", "model": {"tier": "top"}}
WHOLE: dict[str, dict] = {
    "map": {"over": ["{{ 1 }}"], "steps": [{"id": "in", "kind": "llm", "prompt": "{{ item }}"}]},
    "loop": {"until": "{{ true }}", "max_rounds": 2, "steps": STEPS},
    "branch": {"cases": [{"when": "{{ true }}", "steps": STEPS}]},
    "workflow": {"workflow": "w", "version": "1.0.0"},
    "approval": {"message": "Go on?"},
    "http": {"url": "https://example.com"},
}


def findings(*steps: Any, **keys: Any) -> tuple[Finding, ...]:
    return inspect({"workflow": "1", "name": "x", "steps": list(steps), **keys}).findings


def found(*steps: Any) -> list[tuple[str, str]]:
    return sorted((one.code, one.pointer) for one in findings(*steps))


def step(kind: str, **keys: Any) -> dict:
    return {"id": "a", "kind": kind, **WHOLE[kind], **keys}


@pytest.mark.parametrize(
    ("kind", "key", "value", "meant"),
    [
        ("map", "max_concurrency", 3, "max_parallel"),
        ("map", "item_name", "x", "as"),
        ("map", "output", {}, "result"),
        ("loop", "state", {}, "initial"),
        ("loop", "output", {}, "result"),
        ("branch", "default", {}, "else"),
        ("branch", "otherwise", {}, "else"),
        ("workflow", "arguments", {}, "inputs"),
        ("workflow", "with", {}, "inputs"),
        ("approval", "expires_in", 3, "expires_s"),
        ("approval", "context", {}, "show"),
        ("http", "verb", "GET", "method"),
        ("http", "payload", {}, "body"),
        ("http", "params", {}, "query"),
        ("map", "max_cost", 3, "budget_usd"),
        ("http", "classification", "internal", "sensitivity"),
        ("loop", "depends_on", [], "after"),
        ("loop", "timout_s", 3, "timeout_s"),
    ],
)
def test_another_systems_key_is_told_with_ours(kind: str, key: str, value: Any, meant: str):
    (finding,) = findings(step(kind, **{key: value}))
    assert (finding.code, finding.pointer) == ("unknown_key", f"/steps/0/{key}")
    assert finding.fix == f"Did you mean {meant!r}?"
    assert finding.allowed[0] == meant


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("map", "over", "for_each"),
        ("map", "over", "items"),
        ("map", "over", "foreach"),
        ("map", "steps", "body"),
        ("loop", "max_rounds", "max_iterations"),
        ("loop", "until", "condition"),
        ("loop", "steps", "do"),
        ("branch", "cases", "switch"),
        ("branch", "cases", "choices"),
        ("workflow", "workflow", "subworkflow"),
        ("approval", "message", "question"),
        ("http", "url", "endpoint"),
    ],
)
def test_another_systems_word_for_a_key_that_must_be_there_is_told_with_ours(kind: str, ours: str, theirs: str):
    made = step(kind)
    made[theirs] = made.pop(ours)
    told = {one.pointer: one for one in findings(made)}
    assert told[f"/steps/0/{ours}"].code == "missing_key"
    assert told[f"/steps/0/{theirs}"].fix == f"Did you mean {ours!r}?"


def test_a_while_is_an_until_turned_round_and_python_names_lose_their_underscore():
    made = step("loop")
    made["while"] = made.pop("until")
    fixes = [one.fix for one in findings(made) if one.code == "unknown_key"]
    assert fixes == ["Write `until` instead, with the condition turned round: it says when the loop ends."]
    assert [one.fix for one in findings(step("map", as_="x"))] == ["Write `as`, without the underscore."]
    assert [one.fix for one in findings(step("branch", else_={}))] == ["Write `else`, without the underscore."]


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("for_each", "map"), ("forEach", "map"), ("switch", "branch"), ("choice", "branch"), ("if", "branch"),
        ("while", "loop"), ("subworkflow", "workflow"), ("wait_for_approval", "approval"), ("human", "approval"),
        ("http_request", "http"), ("function", "tool"), ("agent", "llm"), ("Loops", "loop"), ("brnch", "branch"),
    ],
)  # fmt: skip
def test_another_systems_kind_is_told_with_ours(kind: str, meant: str):
    (finding,) = findings(step("map", steps=[{"id": "in", "kind": kind}], over=["x"]))
    assert (finding.code, finding.pointer) == ("unknown_kind", "/steps/0/steps/0/kind")
    assert finding.fix == f"Did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"over": []}, "map"),
        ({"until": ""}, "loop"),
        ({"cases": []}, "branch"),
        ({"prompt": ""}, "llm"),
        ({"url": ""}, "http"),
    ],
)
def test_a_missing_kind_is_guessed_from_the_keys(keys: dict, kind: str):
    (finding,) = findings({"id": "a", **keys})
    assert (finding.code, finding.pointer, finding.fix) == (
        "missing_key",
        "/steps/0/kind",
        f'Write `"kind": "{kind}"`.',
    )


@pytest.mark.parametrize(
    ("made", "code", "pointer"),
    [
        (step("branch", cases=[{"when": "", "steps": [NO_PROMPT]}]), "missing_key", "/cases/0/steps/0/prompt"),
        (step("branch", cases=[{"when": 1}]), "wrong_type", "/cases/0/when"),
        (step("branch", cases=[3]), "wrong_type", "/cases/0"),
        (step("branch", cases=[]), "invalid_value", "/cases"),
        (step("branch", **{"else": 3}), "wrong_type", "/else"),
        (step("branch", **{"else": {"steps": [NO_INPUT]}}), "wrong_type", "/else/steps/0/input"),
        (step("branch", **{"else": {"steps": [NO_TIER]}}), "invalid_value", "/else/steps/0/model/tier"),
        (step("map", over=3), "wrong_type", "/over"),
        (step("map", over=None), "wrong_type", "/over"),
        (step("map", steps=[]), "invalid_value", "/steps"),
        (step("map", steps=[step("loop", max_rounds=0)]), "invalid_value", "/steps/0/max_rounds"),
        (step("map", **{"as": "my item"}), "invalid_value", "/as"),
        (step("map", on_item_error="skip"), "invalid_value", "/on_item_error"),
        (step("loop", max_rounds="3"), "wrong_type", "/max_rounds"),
        (step("loop", on_error={"result": 1}), "missing_key", "/on_error/output"),
        (step("workflow", workflow="My Flow"), "invalid_value", "/workflow"),
        (step("workflow", digest="abc"), "invalid_value", "/digest"),
        (step("http", method="get"), "invalid_value", "/method"),
        (step("http", headers={"a": 1}), "wrong_type", "/headers/a"),
        (step("approval", default="yes"), "invalid_value", "/default"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_told_where_it_is(made: dict, code: str, pointer: str):
    assert (code, f"/steps/0{pointer}") in found(made)
    deeper = {
        "id": "outer",
        "kind": "map",
        "over": [1],
        "steps": [made, {"id": "z", "kind": "set", "value": "{{ item }}"}],
    }
    assert (code, f"/steps/0/steps/0{pointer}") in found(deeper)


LOST = {"id": "lost", "kind": "llm", "prompt": "{{ steps.none.output }}"}


@pytest.mark.parametrize(
    ("holder", "lost"),
    [
        (step("map", steps=[{"id": "b", "kind": "llm"}, LOST]), "/steps/1/prompt"),
        (step("map", over=3, steps=[LOST]), "/steps/0/prompt"),
        (step("map", timeout_s="3", steps=[LOST]), "/steps/0/prompt"),
        ({"id": "a", "kind": "loop", "steps": [LOST]}, "/steps/0/prompt"),
        (step("branch", cases=[{"steps": [LOST]}]), "/cases/0/steps/0/prompt"),
        (step("branch", cases=[{"when": 1, "steps": [{"id": "b", "kind": "llm"}, LOST]}]), "/cases/0/steps/1/prompt"),
        (step("branch", **{"else": {"steps": [{"id": "b"}, LOST]}}), "/else/steps/1/prompt"),
    ],
)
def test_what_is_broken_does_not_silence_what_stands_beside_or_inside_of_it(holder: dict, lost: str):
    told = found(holder, {**LOST, "id": "outside"})
    assert ("unknown_step", f"/steps/0{lost}") in told
    assert ("unknown_step", "/steps/1/prompt") in told
    assert len(told) > 2


def test_what_refers_to_a_broken_step_inside_is_no_fault_of_its_own():
    steps = [{"id": "b", "kind": "llm"}, {"id": "c", "kind": "llm", "prompt": "{{ item }} {{ steps.b.output.title }}"}]
    assert found(step("map", steps=steps)) == [("missing_key", "/steps/0/steps/0/prompt")]
    missing = {"id": "a", "kind": "map", "steps": [{"id": "b", "kind": "llm", "prompt": "{{ item.title }}"}]}
    after = {"id": "c", "kind": "llm", "prompt": "{{ steps.a.output[0] }}"}
    assert found(missing, after) == [("missing_key", "/steps/0/over")]
