from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import gold
import pytest
from corpus import needs_corpora, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from proving import Models, candidate, found, llm, workflow

from workflows import library
from workflows.checks import check
from workflows.model import Workflow
from workflows.models import Candidate, Rates

CENT = candidate(each="0.01")
TOTAL = "/policy/budget_usd"


def spending(*steps: dict[str, Any], budget: float = 0.05, one: Candidate = CENT) -> list[tuple[str, str, str]]:
    return found(workflow(*steps, policy={"budget_usd": budget}), one)


def many(count: int, **keys: Any) -> list[dict[str, Any]]:
    return [llm(f"s{place}", **keys) for place in range(count)]


def block(kind: str, count: int, **keys: Any) -> dict[str, Any]:
    return {"id": "outer", "kind": kind, "steps": many(count), **keys}


def test_what_fits_the_budget_to_the_cent_is_no_finding():
    assert spending(*many(5)) == []
    assert spending(*many(6)) == [("over_budget", "error", TOTAL)]


def test_the_message_tells_both_sums():
    flow = workflow(*many(6), policy={"budget_usd": 0.05})
    [told] = [one for one in check(flow, models=Models({"m": (CENT,)})) if one.code == "over_budget"]
    assert "$0.060" in told.message
    assert "$0.050" in told.message


def test_the_cheapest_candidate_counts():
    dear, cheap = candidate("p/dear", each="1"), candidate("q/cheap", each="0.01")
    flow = workflow(*many(5), policy={"budget_usd": 0.05})
    assert found(flow, dear, cheap) == []
    assert [one[0] for one in found(flow, dear)] == ["over_budget"]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (block("map", 2, over=[1, 2, 3]), [("over_budget", "error", TOTAL)]),
        (block("map", 2, over=[1, 2]), []),
        (block("map", 2, over=[]), []),
        (block("map", 6, over="{{ inputs.list }}"), [("over_budget", "warning", TOTAL)]),
        (block("map", 2, over="{{ inputs.list }}"), []),
        (block("map", 2, over=[1, 2, 3], on_item_error="keep"), [("over_budget", "warning", TOTAL)]),
        (block("loop", 6, until="{{ true }}", max_rounds=9), [("over_budget", "error", TOTAL)]),
        (block("loop", 5, until="{{ true }}", max_rounds=9), []),
        (block("map", 6, over=[1], when="{{ inputs.list | length > 0 }}"), []),
        (block("map", 6, over=[1], on_error="skip"), [("over_budget", "warning", TOTAL)]),
    ],
)
def test_blocks_are_counted_as_often_as_they_surely_run(step: dict[str, Any], expected: list[tuple[str, str, str]]):
    flow = workflow(step, inputs={"list": {"type": "array"}}, policy={"budget_usd": 0.05})
    assert found(flow, CENT) == expected


@pytest.mark.parametrize(("otherwise", "codes"), [(None, []), (2, []), (7, ["over_budget"])])
def test_a_branch_costs_what_its_cheapest_case_does(otherwise: int | None, codes: list[str]):
    step: dict[str, Any] = {"id": "b", "kind": "branch", "cases": [{"when": "{{ true }}", "steps": many(6)}]}
    if otherwise is not None:
        step["else"] = {"steps": [llm(f"e{place}") for place in range(otherwise)]}
    assert [code for code, _, _ in spending(step)] == codes


def test_another_workflow_is_counted_in_its_place():
    inner = workflow(*many(6), name="inner")
    call = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}
    flow = workflow(call, policy={"budget_usd": 0.05})
    assert found(flow, CENT, workflows={"inner@1.0.0": inner}) == [("over_budget", "error", TOTAL)]


def test_the_budget_of_another_workflow_is_told_where_it_is_run():
    inner = workflow(*many(2), name="inner", policy={"budget_usd": 0.01})
    call = {"id": "sub", "kind": "workflow", "workflow": "inner", "version": "1.0.0"}
    assert found(workflow(call), CENT, workflows={"inner@1.0.0": inner}) == [
        ("over_budget", "error", "/steps/0/workflow")
    ]


def test_a_steps_own_budget_holds_for_what_is_inside_of_it():
    inner = block("map", 2, over=[1], budget_usd=0.01)
    outer = {"id": "o", "kind": "loop", "steps": [inner], "until": "{{ true }}", "max_rounds": 2}
    assert found(workflow(outer), CENT) == [("over_budget", "error", "/steps/0/steps/0/budget_usd")]


@pytest.mark.parametrize("keys", [{}, {"when": "{{ true }}"}, {"on_error": "skip"}, {"cache": "always"}])
def test_a_call_that_cannot_be_started_is_told_at_its_model(keys: dict[str, Any]):
    one = candidate(each="0.01", most="0.20")
    told = found(workflow({**llm("a"), **keys}, policy={"budget_usd": 0.1}), one)
    assert told == [("over_budget", "warning", "/steps/0/model")]


def test_what_a_call_may_cost_goes_by_max_tokens():
    rates = Rates(given=Decimal(0), made=Decimal("0.001"))
    one = Candidate(model="p/m", provider="p", clearance="public", least=rates, most=rates)
    policy = {"budget_usd": 0.5}
    assert found(workflow(llm("a", max_tokens=500), policy=policy), one) == []
    assert found(workflow(llm("a", max_tokens=501), policy=policy), one) == [
        ("over_budget", "warning", "/steps/0/model")
    ]
    assert [code for code, _, _ in found(workflow(llm("a"), policy=policy), one)] == ["over_budget"]


def test_an_unknown_price_under_a_budget_is_told_and_without_one_is_not():
    unknown = candidate()
    assert spending(llm("a"), one=unknown) == [("unknown_price", "error", "/steps/0/model")]
    assert spending(llm("a", when="{{ true }}"), one=unknown) == [("unknown_price", "warning", "/steps/0/model")]
    assert found(workflow(llm("a")), unknown) == []
    assert found(workflow(llm("a"), policy={"budget_usd": 1}), unknown, CENT) == []


def test_what_may_come_from_another_run_is_not_counted_for_sure():
    assert spending(*many(6, cache="deterministic")) == [("over_budget", "warning", TOTAL)]


def test_a_catalogue_without_prices_proves_nothing():
    class Only:
        def problem(self, choice, *, needs, sensitivity):
            return None

    assert check(workflow(llm("a"), policy={"budget_usd": 0, "deadline_s": 1}), models=Only()) == ()


def nested(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """The kinds of steps in the order in which they are written, `)` where a block ends."""
    kinds = st.sampled_from(["map", "list", "loop", "branch"])
    return st.lists(st.tuples(kinds, inner), min_size=1, max_size=3).map(
        lambda blocks: [word for kind, words in blocks for word in (kind, *words, ")")]
    )


def steps_of(words: list[str]) -> list[dict[str, Any]]:
    """The steps that such words mean."""
    blocks: list[list[dict[str, Any]]] = [[]]
    kinds: list[str] = []
    for number, word in enumerate(words):
        if word == "llm":
            blocks[-1].append(llm(f"s{number}", "x" * (number + 1)))
        elif word != ")":
            kinds.append(word)
            blocks.append([])
        else:
            steps, kind = blocks.pop(), kinds.pop()
            blocks[-1].append({"id": f"b{number}", **HOLDING[kind](steps)})
    return blocks[0]


HOLDING: dict[str, Callable[[list[dict[str, Any]]], dict[str, Any]]] = {
    "map": lambda steps: {"kind": "map", "over": "{{ inputs.list }}", "steps": steps},
    "list": lambda steps: {"kind": "map", "over": [1, 2, 3], "steps": steps},
    "loop": lambda steps: {"kind": "loop", "steps": steps, "until": "{{ true }}", "max_rounds": 3},
    "branch": lambda steps: {"kind": "branch", "cases": [{"when": "{{ true }}", "steps": steps}], "else": {}},
}
WORDS = st.recursive(st.lists(st.just("llm"), min_size=1, max_size=3), nested, max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(WORDS, st.integers(0, 20), st.integers(0, 20), st.integers(0, 60))
def test_a_cheaper_catalogue_never_adds_a_finding(words: list[str], price: int, discount: int, budget: int):
    flow = workflow(*steps_of(words), inputs={"list": {"type": "array"}}, policy={"budget_usd": budget / 100})
    dear, cheap = (
        {severity for code, severity, _ in found(flow, candidate(each=f"{cents / 100}")) if code == "over_budget"}
        for cents in (price + discount, price)
    )
    assert not cheap or dear
    assert "error" not in cheap or "error" in dear


@pytest.mark.parametrize("name", library.names())
def test_nothing_is_proved_against_the_library(name: str):
    assert found(library.load(name), CENT) == []


@needs_corpora
def test_nothing_is_proved_against_the_gold_plans():
    for row in rows("plans/gold_*.jsonl"):
        if row["id"] not in BROKEN:
            flow = Workflow.model_validate(gold.workflow(row, kind="llm"))
            assert found(flow, CENT) == [], row["id"]


BROKEN = {"tmdb-78"}
"""Refused for an edge that leads from a step to itself."""
