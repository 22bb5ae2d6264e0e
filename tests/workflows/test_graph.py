from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.graph import Graph, implied_outputs
from workflows.parse import from_json

IDS = [f"s{number}" for number in range(8)]
ANY_GRAPH = st.fixed_dictionaries(
    {one: st.lists(st.sampled_from(IDS), max_size=3, unique=True).map(tuple) for one in IDS}
)


def workflow(*steps: dict, **keys):
    return from_json({"workflow": "1", "name": "x", "steps": list(steps), **keys})


def test_edges_follow_from_references_and_after():
    graph = Graph.of(
        workflow(
            {
                "id": "c",
                "kind": "set",
                "value": ["{{ steps.a.output }}", "{{ steps.a.output.x }}{{ steps.nowhere.output }}"],
                "after": ["b"],
            },
            {"id": "a", "kind": "set", "value": 1},
            {"id": "b", "kind": "set", "value": 1},
        )
    )  # fmt: skip
    assert graph.parents("c") == ("a", "b")
    assert graph.children("a") == ("c",)
    assert graph.order() == ("a", "b", "c")
    assert graph.sinks() == ("c",)


@given(ANY_GRAPH)
def test_order_cycles_and_paths_agree_with_networkx(named: dict[str, tuple[str, ...]]):
    graph = Graph.from_parents(named)
    theirs = graph.to_networkx()
    assert set(theirs.edges) == {(parent, one) for one, waits in named.items() for parent in waits}
    cycle = graph.cycle()
    if nx.is_directed_acyclic_graph(theirs):
        assert cycle is None
        order = graph.order()
        assert all(order.index(parent) < order.index(one) for one in IDS for parent in graph.parents(one))
        assert max(graph.longest_paths({}).values()) == nx.dag_longest_path_length(theirs) + 1
    else:
        assert cycle is not None
        assert cycle[0] == cycle[-1]
        assert all(theirs.has_edge(one, following) for one, following in pairwise(cycle))
        with pytest.raises(ValueError, match=" -> "):
            graph.order()
        tangles = [
            found
            for found in nx.strongly_connected_components(theirs)
            if len(found) > 1 or theirs.has_edge(*(list(found) * 2))
        ]
        assert len(list(graph.cycles())) == len(tangles)


def test_the_weights_of_a_path_are_added_and_its_own_counts():
    graph = Graph.from_parents({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")})
    assert graph.longest_paths({"a": 1, "b": 5, "c": 2, "d": 3}) == {"a": 9, "b": 8, "c": 5, "d": 3}


def test_a_chain_of_ten_thousand_steps_overruns_no_stack():
    named = {f"s{number}": (f"s{number - 1}",) if number else () for number in range(10_000)}
    graph = Graph.from_parents(named)
    assert graph.order()[-1] == "s9999"
    assert graph.longest_paths({})["s0"] == 10_000
    ring = Graph.from_parents({**named, "s0": ("s9999",)})
    assert len(ring.cycle() or []) == 10_001


def test_a_workflow_without_outputs_gives_its_last_steps_by_their_ids():
    written = workflow({"id": "a", "kind": "set", "value": 1}, outputs={"x": "{{ steps.a.output }}"})
    assert implied_outputs(written) == {"x": "{{ steps.a.output }}"}
    bare = workflow(
        {"id": "a", "kind": "set", "value": 1},
        {"id": "b", "kind": "set", "value": "{{ steps.a.output }}"},
        {"id": "c", "kind": "set", "value": 2, "when": "{{ false }}"},
    )
    assert implied_outputs(bare) == {
        "b": "{{ steps.b.output | default(none) }}",
        "c": "{{ steps.c.output | default(none) }}",
    }
