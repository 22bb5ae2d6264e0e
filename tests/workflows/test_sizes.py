from __future__ import annotations

from typing import Any

import pytest
from proving import candidate, found, llm, workflow

from workflows.models import Candidate

SMALL = candidate(context=1_000, max_output=200)


def told(step: dict[str, Any], *candidates: Candidate) -> list[tuple[str, str, str]]:
    return found(workflow(step, inputs={"q": {}}), *(candidates or (SMALL,)))


def test_a_prompt_that_no_model_holds_is_told_with_both_sizes():
    from proving import Models

    from workflows.checks import check

    [finding] = check(workflow(llm("a", "x" * 6_006)), models=Models({"m": (SMALL,)}))
    assert (finding.code, finding.pointer) == ("too_long_for_models", "/steps/0/prompt")
    assert "1,001 tokens" in finding.message
    assert "1,000" in finding.message


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (llm("a", "x" * 6_000), None),
        (llm("a", "x" * 3_006, system="y" * 3_000), "/steps/0/prompt"),
        (llm("a", "x" * 3_000 + "{{ inputs.q }}" + "y" * 3_006), "/steps/0/prompt"),
        (llm("a", "{# " + "x" * 9_000 + " #}hello"), None),
        (llm("a", "{% if inputs.q %}" + "x" * 9_000 + "{% endif %}"), None),
        (llm("a", "é" * 3_003), "/steps/0/prompt"),
        (llm("a", "x", output={"description": "y" * 6_006}), "/steps/0/prompt"),
        (llm("a", "x" * 6_000, max_tokens=1), "/steps/0/max_tokens"),
        (llm("a", "x" * 4_800, max_tokens=200), None),
        ({"id": "a", "kind": "image", "model": "m", "prompt": "x" * 6_006}, "/steps/0/prompt"),
        ({"id": "a", "kind": "embed", "model": "m", "input": ["x" * 3_006] * 4}, None),
        ({"id": "a", "kind": "embed", "model": "m", "input": ["x", "y" * 6_006]}, "/steps/0/input"),
    ],
)
def test_what_is_surely_sent_is_counted_and_nothing_else(step: dict[str, Any], where: str | None):
    expected = [] if where is None else [("too_long_for_models", "error", where)]
    assert told(step) == expected


def test_an_answer_longer_than_the_models_write_is_a_warning():
    assert told(llm("a", max_tokens=201)) == [("too_long_for_models", "warning", "/steps/0/max_tokens")]
    assert told(llm("a", max_tokens=200)) == []


def test_one_model_that_holds_it_or_may_is_enough():
    long = llm("a", "x" * 60_000, max_tokens=900)
    assert told(long, SMALL, candidate("q/large", context=100_000, max_output=1_000)) == []
    assert told(long, SMALL, candidate("q/unknown")) == []
    assert [code for code, _, _ in told(long, SMALL, candidate("q/small", context=2_000))] == ["too_long_for_models"]


def test_steps_inside_of_others_are_measured_too():
    inner = {"id": "l", "kind": "loop", "until": "{{ true }}", "max_rounds": 1, "steps": [llm("a", "x" * 6_006)]}
    branch = {"id": "b", "kind": "branch", "cases": [{"when": "{{ true }}", "steps": [inner]}]}
    assert told(branch) == [("too_long_for_models", "error", "/steps/0/cases/0/steps/0/steps/0/prompt")]


def test_a_step_of_another_workflow_is_told_where_it_is_run():
    inner = workflow(llm("a", "x" * 6_006), name="inner")
    call = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}
    assert found(workflow(call), SMALL, workflows={"inner@1.0.0": inner}) == [
        ("too_long_for_models", "error", "/steps/0/workflow")
    ]
