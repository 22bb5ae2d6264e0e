"""The recorded plans of other projects, run from end to end on scripted models."""

from __future__ import annotations

from typing import Any

import anyio.lowlevel
import gold
from corpus import needs_corpora, rows
from running import MODEL, gateway_of

from executors.edges import sound_graph
from executors.events import Event, StepFinished, StepStarted
from executors.runner import run
from unified_api.testing import ScriptedModel
from workflows.findings import WorkflowError
from workflows.model import Workflow

MOST_BROKEN = 20
"""Plans that are themselves broken (a step that waits for itself, for a circle, or for nobody) may be refused."""


def documents() -> list[dict[str, Any]]:
    made = [gold.workflow(row, kind="llm") for row in rows("plans/gold_*.jsonl")]
    for document in made:
        for step in document["steps"]:
            step["model"] = MODEL
    return made


@needs_corpora
async def test_every_gold_plan_runs_each_step_once_and_after_all_that_it_depends_on():
    ran, refused = 0, []
    for document in documents():
        try:
            workflow = Workflow.model_validate(document)
            graph = sound_graph(workflow.steps)
        except WorkflowError as error:
            refused.append((document["name"], [finding.code for finding in error.findings]))
            continue
        events: list[Event] = []

        async def reply(_: Any) -> str:
            await anyio.lowlevel.checkpoint()
            return "done"

        model = ScriptedModel(reply)
        result = await run(workflow, {}, gateway=gateway_of(model), on_event=events.append, max_parallel=4)
        assert result.status == "succeeded", result.error
        assert model.calls == len(workflow.steps)
        _once_and_in_order(graph.before, events)
        ran += 1
    assert len(refused) <= MOST_BROKEN, refused
    assert ran >= 50 * len(refused), "most plans must run"


def _once_and_in_order(before: Any, events: list[Event]) -> None:
    ended: set[str] = set()
    started: list[str] = []
    for event in events:
        if isinstance(event, StepStarted):
            started.append(event.step_id)
            assert ended.issuperset(before[event.step_id])
        elif isinstance(event, StepFinished):
            ended.add(event.step_id)
    assert sorted(started) == sorted(before)
    assert ended == set(before)
