"""Real plans by people: every one, as a workflow, passes the checks, but for those that are broken themselves."""

from __future__ import annotations

import gold
import pytest
from corpus import needs_corpora, rows

from workflows.checks import inspect
from workflows.graph import Graph

BROKEN = {
    # Both of its nodes are called SearchMovie, so its one edge leads from a node to itself.
    "tmdb-78": {"self_reference"},
}


@needs_corpora
@pytest.mark.parametrize("kind", ["set", "llm"])
def test_every_gold_plan_passes_but_for_those_that_are_broken_themselves(kind: str):
    refused = {}
    count = 0
    for row in rows("plans/gold_*.jsonl"):
        count += 1
        inspection = inspect(gold.workflow(row, kind=kind))
        if inspection.findings:
            refused[row["id"]] = {finding.code for finding in inspection.findings}
            continue
        assert inspection.workflow is not None
        graph = Graph.of(inspection.workflow)
        edges = {(f"s{source}", f"s{target}") for source, target in gold.edges(row)}
        assert {(parent, one) for one in graph.ids for parent in graph.parents(one)} == edges
        assert len(graph.ids) == len(gold.labels(row))
    assert count >= 1_396
    assert refused == BROKEN


@needs_corpora
def test_most_gold_plans_of_several_steps_have_edges():
    several = [row for row in rows("plans/gold_*.jsonl") if len(gold.labels(row)) > 1]
    assert sum(bool(gold.edges(row)) for row in several) / len(several) > 0.85


@needs_corpora
def test_a_gold_plan_turned_round_into_a_ring_is_refused():
    for row in rows("plans/gold_worfbench_alfworld.jsonl"):
        document = gold.workflow(row)
        document["steps"][0]["after"] = [document["steps"][-1]["id"]]
        codes = {finding.code for finding in inspect(document).findings}
        assert codes & {"cycle", "self_reference"}
