"""Labels on their way through runs: what is labelled reaches nobody who is not cleared for it."""

from __future__ import annotations

from typing import Any

import pytest
from labelled_workflows import Seen, ran
from running import gateway_of, outcome, tool, value, workflow_of

from executors.events import StepFinished
from executors.labels import Labels, input_labels
from executors.runner import run
from unified_api.settings import PrivacySettings, Settings
from unified_api.testing import ScriptedModel, scripted_gateway

WORKFLOWS = 200


@pytest.mark.parametrize("declassify", [False, True])
async def test_no_canary_reaches_an_uncleared_model_and_the_proof_before_the_run_agrees_with_it(declassify: bool):
    seen = Seen()
    for seed in range(WORKFLOWS // 2):
        await ran(seed + (10_000 if declassify else 0), seen, declassify=declassify)
    assert seen.leaks == []
    assert seen.disagreements == []
    assert seen.counts["canaries seen"] > 100
    assert seen.counts["labels compared"] > 500


async def test_canaries_are_found_where_the_gateway_believes_that_everybody_is_cleared():
    seen = Seen()
    for seed in range(40):
        await ran(seed, seen, broken=True)
    assert seen.leaks


async def labels(*steps: dict[str, Any], tools: tuple[Any, ...] = (), **fields: Any) -> dict[str, str | None]:
    """The label of every path of a run whose input `secret` is restricted."""
    inputs = {"secret": {"sensitivity": "restricted"}, "plain": {}}
    found: dict[str, str | None] = {}

    def note(event: Any) -> None:
        if isinstance(event, StepFinished):
            found[event.step_id] = event.label

    await outcome(
        workflow_of(*steps, inputs=inputs, **fields), *tools, given={"secret": [1], "plain": [1]}, on_event=note
    )
    return found


async def test_what_an_item_s_error_quotes_labels_the_list_that_keeps_it():
    def fail(given: Any) -> None:
        raise ValueError(f"cannot do {given}")

    inner = tool("inner", "fail", {"given": "{{ inputs.secret }}"})
    step = {"id": "each", "kind": "map", "over": "{{ inputs.plain }}", "steps": [inner]}
    for wish in ("keep", "drop"):
        assert (await labels({**step, "on_item_error": wish}, tools=(fail,)))["each"] == "restricted"
    assert (await labels({**step, "on_error": "skip"}, tools=(fail,)))["each"] == "restricted"


async def test_what_decided_that_a_step_runs_labels_it_and_what_runs_inside_of_it():
    branch = {
        "id": "way",
        "kind": "branch",
        "cases": [{"when": "{{ inputs.secret | length > 0 }}", "steps": [value("a")]}],
    }
    loop = {
        "id": "round",
        "kind": "loop",
        "as": "r",
        "max_rounds": 2,
        "until": "{{ inputs.secret | length > 5 }}",
        "steps": [value("b")],
    }
    found = await labels(branch, loop, value("c", when="{{ inputs.secret | length > 0 }}"))
    assert found["way/a"] == found["way"] == found["c"] == "restricted"
    assert (found["round[1]/b"], found["round[2]/b"], found["round"]) == ("public", "restricted", "restricted")


async def test_only_declassify_lowers_a_label():
    steps = [
        value("a", "{{ inputs.secret }}", declassify="internal"),
        value("b", "{{ steps.a.output }}", sensitivity="public"),
        value("c", "{{ steps.b.output }}", sensitivity="confidential"),
    ]
    assert await labels(*steps) == {"a": "internal", "b": "internal", "c": "confidential"}
    assert (await labels(*steps, policy={"sensitivity": "confidential"}))["b"] == "confidential"


async def test_what_the_gateway_finds_in_a_prompt_labels_the_answer():
    settings = Settings(privacy=PrivacySettings(detect=True))
    step = {"id": "a", "kind": "llm", "prompt": "Write to jane.doe@example.com.", "model": "scripted/model"}
    events: list[Any] = []
    async with scripted_gateway({"scripted/model": ScriptedModel("Done.")}, settings=settings) as gateway:
        await run(workflow_of(step, value("b", "{{ steps.a.output }}")), {}, gateway=gateway, on_event=events.append)
    found = {event.step_id: event.label for event in events if isinstance(event, StepFinished)}
    assert found["a"] == found["b"]
    assert found["a"] != "public"


def test_labels_below_the_floor_are_not_kept():
    outer = Labels("internal", inputs={"a": "internal", "b": "restricted"})
    inner = outer.inside("confidential", {"v": "confidential"}, steps=("s",))
    assert (inner.floor, inner.inputs, inner.variables) == ("confidential", {"b": "restricted"}, {})
    assert inner.of(["{{ inputs.a }}"]) == "confidential"
    assert inner.of(["{{ inputs.b }}"]) == "restricted"


def test_the_schemas_of_inputs_state_labels():
    stated = workflow_of(value("a"), inputs={"a": {"sensitivity": "internal"}, "b": {}, "c": {"sensitivity": "secret"}})
    assert input_labels(stated) == {"a": "internal"}


async def test_a_model_that_nobody_is_cleared_for_is_not_asked():
    async with gateway_of("hello", clearance="internal") as gateway:
        step = {"id": "a", "kind": "llm", "prompt": "{{ inputs.x }}", "model": "auto"}
        result = await run(
            workflow_of(step, inputs={"x": {"sensitivity": "confidential"}}), {"x": "canary"}, gateway=gateway
        )
    assert result.status == "failed"
