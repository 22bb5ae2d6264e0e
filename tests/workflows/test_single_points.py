from __future__ import annotations

from proving import Models, candidate, llm, workflow

from workflows.checks import check

MODELS = Models({
    "pinned": (candidate("p/one"),),
    "same": (candidate("p/one"), candidate("p/two")),
    "route/both": (candidate("p/one"), candidate("q/two")),
})  # fmt: skip


def test_steps_that_one_provider_alone_can_serve_are_told_once():
    inner = {"id": "l", "kind": "map", "over": [1], "steps": [llm("c", "{{ item }}", model="same")]}
    flow = workflow(llm("a", model="route/both"), llm("b", model="pinned"), inner, llm("d", model="pinned"))
    [told] = check(flow, models=MODELS, thorough=True)
    assert (told.code, told.severity, told.pointer) == ("single_point_of_failure", "warning", "/steps/1/model")
    assert "p/one alone can serve 'b', 'd'" in told.message
    assert "p alone can serve 'l/c'" in told.message


def test_it_is_not_told_unasked():
    assert check(workflow(llm("a", model="pinned")), models=MODELS) == ()


def test_a_route_over_two_providers_is_no_single_point():
    assert check(workflow(llm("a", model="route/both")), models=MODELS, thorough=True) == ()
