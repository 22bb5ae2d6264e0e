from __future__ import annotations

import random
from heapq import heappop, heappush

import gold
import pytest
from corpus import needs_corpora, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from executors.edges import sound_graph
from executors.scheduler import Ranking, Scheduler
from workflows.findings import WorkflowError
from workflows.graph import Graph
from workflows.model import Workflow


def graph_of(parents: list[list[int]]) -> Graph:
    return Graph.from_parents({f"s{i}": tuple(f"s{p}" for p in above) for i, above in enumerate(parents)})


@st.composite
def dags(draw: st.DrawFn, *, most: int = 30) -> list[list[int]]:
    count = draw(st.integers(1, most))
    return [sorted(draw(st.sets(st.integers(0, i - 1), max_size=4))) if i else [] for i in range(count)]


def simulate(graph: Graph, seconds: dict[str, float], *, limit: int = 10**9) -> tuple[float, dict[str, float], int]:
    """Plays a run against a clock of its own: (makespan, start times, most that ran at once)."""
    scheduler = Scheduler(Ranking.of(graph, weights=seconds))
    running: list[tuple[float, str]] = []
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    clock, most = 0.0, 0
    while True:
        while len(running) < limit and (step := scheduler.take()) is not None:
            assert step not in starts, "a step ran twice"
            assert all(ends[parent] <= clock for parent in graph.before[step]), "a step ran before its parents"
            starts[step] = clock
            heappush(running, (clock + seconds[step], step))
        most = max(most, len(running))
        if not running:
            break
        clock, step = heappop(running)
        ends[step] = clock
        scheduler.finish(step)
    assert len(ends) == len(graph.ids)
    assert scheduler.remaining == 0
    return clock, starts, most


def critical_path(graph: Graph, seconds: dict[str, float]) -> float:
    return max(graph.longest_paths(seconds).values(), default=0.0)


@given(dags(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_without_a_limit_a_run_takes_exactly_its_critical_path(parents: list[list[int]], rng: random.Random):
    graph = graph_of(parents)
    seconds = {step: rng.uniform(0.01, 10) for step in graph.ids}
    makespan, _, _ = simulate(graph, seconds)
    assert makespan == pytest.approx(critical_path(graph, seconds))


@given(dags(), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_with_a_limit_it_stays_within_graham_s_bound(parents: list[list[int]], limit: int, rng: random.Random):
    graph = graph_of(parents)
    seconds = {step: rng.uniform(0.01, 10) for step in graph.ids}
    makespan, _, most = simulate(graph, seconds, limit=limit)
    longest = critical_path(graph, seconds)
    # Graham 1969: no list schedule is worse than work / m + (1 - 1/m) * critical path.
    assert most <= limit
    assert makespan <= sum(seconds.values()) / limit + (1 - 1 / limit) * longest + 1e-9


@needs_corpora
def test_every_gold_plan_ends_within_its_critical_path_on_a_clock_of_its_own():
    rng = random.Random(1396)
    ran, refused = 0, []
    for row in rows("plans/gold_*.jsonl"):
        try:
            graph = sound_graph(Workflow.model_validate(gold.workflow(row)).steps)
        except (WorkflowError, ValueError):
            refused.append(row["id"])
            continue
        seconds = {step: rng.uniform(0.01, 0.1) for step in graph.ids}
        makespan, starts, _ = simulate(graph, seconds)
        assert starts.keys() == set(graph.ids)
        assert makespan <= critical_path(graph, seconds) * 1.000001, row["id"]
        ran += 1
    assert len(refused) <= ran / 50, refused


def test_of_several_ready_steps_the_one_before_the_longest_path_goes_first():
    graph = graph_of([[], [], [1], [2], []])
    scheduler = Scheduler(Ranking.of(graph))
    assert [scheduler.take() for _ in range(4)] == ["s1", "s0", "s4", None]


def test_weights_decide_what_is_long():
    graph = graph_of([[], [], [1]])
    scheduler = Scheduler(Ranking.of(graph, weights={"s0": 10.0}))
    assert scheduler.take() == "s0"


def test_a_step_becomes_ready_the_moment_its_last_parent_ends():
    scheduler = Scheduler(Ranking.of(graph_of([[], [], [0, 1]])))
    first, second = scheduler.take(), scheduler.take()
    assert first is not None
    assert second is not None
    scheduler.finish(first)
    assert scheduler.ready == 0
    scheduler.finish(second)
    assert scheduler.take() == "s2"


def test_a_step_that_does_not_run_cannot_end():
    scheduler = Scheduler(Ranking.of(graph_of([[]])))
    with pytest.raises(ValueError, match="'s0' is not running"):
        scheduler.finish("s0")


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        Ranking.of(Graph.from_parents({"a": ("b",), "b": ("a",)}))
