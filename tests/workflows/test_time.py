from __future__ import annotations

from typing import Any

import pytest
from proving import candidate, found, llm, workflow

from workflows.checks import check
from workflows.model import Workflow

SECOND = candidate(least_s=1.0)


def late(flow: Workflow) -> list[tuple[str, str, str]]:
    return [one for one in found(flow, SECOND) if one[0] == "deadline_unreachable"]


def chain(count: int) -> list[dict[str, Any]]:
    return [llm(f"s{n}", f"{{{{ steps.s{n - 1}.output }}}}" if n else "x") for n in range(count)]


def beside(count: int, **keys: Any) -> list[dict[str, Any]]:
    return [llm(f"s{n}", **keys) for n in range(count)]


def test_the_critical_path_counts_and_not_the_sum():
    assert late(workflow(*beside(8), policy={"deadline_s": 1})) == []
    assert late(workflow(*chain(3), policy={"deadline_s": 3})) == []
    [told] = late(workflow(*chain(3), policy={"deadline_s": 2.5}))
    assert told == ("deadline_unreachable", "error", "/policy/deadline_s")


def test_the_way_is_named():
    from proving import Models

    flow = workflow(*chain(3), policy={"deadline_s": 2})
    [told] = check(flow, models=Models({"m": (SECOND,)}))
    assert "takes at least 3 s" in told.message
    assert "s0 -> s1 -> s2" in told.message


def test_few_places_make_many_steps_slow():
    assert late(workflow(*beside(8), policy={"deadline_s": 3, "max_parallel": 2})) != []
    assert late(workflow(*beside(8), policy={"deadline_s": 4, "max_parallel": 2})) == []


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        ({"kind": "map", "over": [1, 2, 3], "steps": chain(2)}, 2),
        ({"kind": "map", "over": [1, 2, 3], "max_parallel": 1, "steps": chain(2)}, 6),
        ({"kind": "map", "over": "{{ inputs.list }}", "steps": chain(2)}, 0),
        ({"kind": "map", "over": [1, 2], "on_item_error": "drop", "steps": chain(2)}, 0),
        ({"kind": "loop", "until": "{{ true }}", "max_rounds": 5, "steps": chain(2)}, 2),
        ({"kind": "branch", "cases": [{"when": "{{ true }}", "steps": chain(2)}]}, 0),
        ({"kind": "branch", "cases": [{"when": "{{ true }}", "steps": chain(3)}], "else": {"steps": [llm("e")]}}, 1),
        ({"kind": "loop", "until": "{{ true }}", "max_rounds": 1, "steps": chain(2), "when": "{{ true }}"}, 0),
        ({"kind": "loop", "until": "{{ true }}", "max_rounds": 1, "steps": chain(2), "on_error": "skip"}, 0),
        ({"kind": "approval", "message": "x"}, 0),
        ({"kind": "http", "url": "https://example.com"}, 0),
    ],
)
def test_blocks_take_as_long_as_their_fastest_way(step: dict[str, Any], seconds: float):
    def of(deadline: float) -> list[tuple[str, str, str]]:
        inputs = {"list": {"type": "array"}}
        return late(workflow({"id": "outer", **step}, inputs=inputs, policy={"deadline_s": deadline}))

    assert of(seconds + 0.01) == []
    assert not seconds or of(seconds - 0.01) != []


@pytest.mark.parametrize("field", ["deadline_s", "timeout_s"])
def test_the_limits_of_a_step_hold_for_what_is_inside_of_it(field: str):
    inner = {"id": "inner", "kind": "loop", "until": "{{ true }}", "max_rounds": 2, "steps": chain(2), field: 1.5}
    outer = {"id": "outer", "kind": "map", "over": [1], "steps": [inner]}
    assert late(workflow(outer)) == [("deadline_unreachable", "error", f"/steps/0/steps/0/{field}")]


def test_another_workflow_takes_its_time():
    inner = workflow(*chain(3), name="inner")
    call = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}
    flow = workflow(call, policy={"deadline_s": 2})
    told = found(flow, SECOND, workflows={"inner@1.0.0": inner})
    assert told == [("deadline_unreachable", "error", "/policy/deadline_s")]


def test_waits_before_second_tries_are_not_counted():
    step = llm("a", retry={"attempts": 5, "backoff_s": 100})
    assert late(workflow(step, policy={"deadline_s": 2})) == []


def test_the_fastest_candidate_counts():
    flow = workflow(*chain(3), policy={"deadline_s": 2})
    assert found(flow, SECOND, candidate("q/fast", least_s=0.1)) == []


@pytest.mark.parametrize(
    ("outer", "inner", "where"),
    [
        ({"timeout_s": 5}, {"timeout_s": 6}, "/steps/0/steps/0/timeout_s"),
        ({"deadline_s": 5}, {"deadline_s": 6}, "/steps/0/steps/0/deadline_s"),
        ({"timeout_s": 5}, {"deadline_s": 6}, "/steps/0/steps/0/deadline_s"),
        ({}, {"deadline_s": 5, "timeout_s": 6}, "/steps/0/steps/0/timeout_s"),
        ({}, {"timeout_s": 60}, "/steps/0/steps/0/timeout_s"),
        ({"deadline_s": 60}, {}, "/steps/0/deadline_s"),
    ],
)
def test_a_limit_that_a_tighter_one_around_it_cuts_short_is_told(outer: dict, inner: dict, where: str):
    step = {"id": "o", "kind": "map", "over": [1], "steps": [llm("i", **inner)], **outer}
    assert found(workflow(step, policy={"deadline_s": 50})) == [("deadline_too_short", "warning", where)]


def test_limits_that_fit_into_each_other_are_no_finding():
    inner = llm("i", timeout_s=1, deadline_s=2)
    step = {"id": "o", "kind": "map", "over": [1], "steps": [inner], "timeout_s": 3, "deadline_s": 4}
    assert found(workflow(step, policy={"deadline_s": 5})) == []
