from __future__ import annotations

from typing import Any

import pytest
from proving import found, llm, workflow

from workflows.tools import ToolSpec

TOOLS = {"pay": ToolSpec("pay", repeatable=False), "look": ToolSpec("look")}
TWICE = {"attempts": 2}
PAY: dict[str, Any] = {"id": "pay", "kind": "tool", "tool": "pay"}
LOOK: dict[str, Any] = {"id": "look", "kind": "tool", "tool": "look"}


def request(method: str, **keys: Any) -> dict[str, Any]:
    return {"id": "ask", "kind": "http", "method": method, "url": "https://example.com", **keys}


def told(*steps: dict[str, Any], **keys: Any) -> list[tuple[str, str, str]]:
    return found(workflow(*steps, **keys), tools=TOOLS)


@pytest.mark.parametrize("step", [PAY, request("POST"), request("PATCH")])
def test_what_may_not_be_done_twice_is_not_tried_again(step: dict[str, Any]):
    assert told({**step, "retry": TWICE}) == [("unsafe_retry", "error", "/steps/0/retry/attempts")]
    assert told(step) == []


@pytest.mark.parametrize("step", [LOOK, llm("a"), *map(request, ["GET", "HEAD", "PUT", "DELETE"])])
def test_what_may_be_done_twice_may_be_tried_again(step: dict[str, Any]):
    assert told({**step, "retry": TWICE}) == []


@pytest.mark.parametrize("step", [PAY, request("POST")])
def test_a_persons_word_forgives(step: dict[str, Any]):
    assert told({**step, "retry": TWICE, "idempotent": True}) == []
    assert told({**step, "retry": TWICE}, policy={"idempotent": True}) == []
    assert told({**step, "retry": TWICE, "idempotent": False}, policy={"idempotent": True}) != []


@pytest.mark.parametrize("step", [LOOK, llm("a"), request("GET"), request("PUT")])
def test_a_person_may_say_that_once_is_all(step: dict[str, Any]):
    unsafe = [("unsafe_retry", "error", "/steps/0/retry/attempts")]
    assert told({**step, "retry": TWICE, "idempotent": False}) == unsafe
    assert told({**step, "retry": TWICE}, policy={"idempotent": False}) == unsafe


@pytest.mark.parametrize("step", [PAY, request("POST")])
def test_what_is_around_is_not_tried_again_either(step: dict[str, Any]):
    inner = {"id": "i", "kind": "branch", "cases": [{"when": "{{ true }}", "steps": [step]}], "retry": TWICE}
    outer = {"id": "o", "kind": "map", "over": [1], "steps": [inner], "retry": TWICE}
    assert sorted(told(outer)) == [
        ("unsafe_retry", "error", "/steps/0/retry/attempts"),
        ("unsafe_retry", "error", "/steps/0/steps/0/retry/attempts"),
    ]


def test_the_rounds_of_a_loop_are_no_second_tries():
    assert told({"id": "l", "kind": "loop", "until": "{{ true }}", "max_rounds": 5, "steps": [PAY]}) == []


def test_another_workflow_that_is_run_again_acts_again():
    inner = workflow(PAY, name="inner")
    call = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0", "retry": TWICE}
    findings = found(workflow(call), tools=TOOLS, workflows={"inner@1.0.0": inner})
    assert findings == [("unsafe_retry", "error", "/steps/0/retry/attempts")]


@pytest.mark.parametrize("step", [PAY, request("POST"), request("DELETE")])
def test_an_effect_that_another_run_may_have_had_instead_is_a_warning(step: dict[str, Any]):
    assert told({**step, "cache": "always"}) == [("cached_effect", "warning", "/steps/0/cache")]
    assert told(step, policy={"cache": "always"}) == [("cached_effect", "warning", "/policy/cache")]
    assert told({**step, "cache": "run"}, policy={"cache": "always"}) == []
    assert told({**step, "cache": "always", "idempotent": True}) == []


@pytest.mark.parametrize("step", [LOOK, llm("a"), request("GET")])
def test_what_has_no_effect_may_come_from_another_run(step: dict[str, Any]):
    assert told({**step, "cache": "always"}) == []


def test_of_unknown_tools_nothing_is_said():
    assert found(workflow({**PAY, "retry": TWICE})) == []
