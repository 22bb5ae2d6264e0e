from __future__ import annotations

from typing import Any

from workflows.blocks import nested_steps
from workflows.model import LlmStep, Step, Workflow
from workflows.rewriting import rewritten


def llm(step_id: str) -> dict[str, Any]:
    return {"id": step_id, "kind": "llm", "prompt": "Say it."}


def test_steps_inside_of_steps_are_changed_and_all_else_stays():
    loop = {"id": "l", "kind": "loop", "until": "{{ true }}", "max_rounds": 2, "steps": [llm("a")]}
    case = {"when": "{{ true }}", "steps": [llm("b")]}
    branch = {"id": "b1", "kind": "branch", "cases": [case], "else": {"steps": [llm("c"), loop]}}
    outer = {"id": "m", "kind": "map", "over": [1], "as": "one", "steps": [branch, llm("d")]}
    workflow = Workflow.model_validate({"workflow": "1", "name": "deep", "steps": [llm("e"), outer]})

    def on_another(step: Step) -> Step:
        return step.model_copy(update={"model": "x/y"}) if isinstance(step, LlmStep) else step

    changed = rewritten(workflow, on_another)
    every = [*changed.steps, *(deep for step in changed.steps for _, deep in nested_steps(step))]
    assert {step.id: step.model for step in every if isinstance(step, LlmStep)} == dict.fromkeys("abcde", "x/y")

    def back(step: Step) -> Step:
        return step.model_copy(update={"model": LlmStep.model_fields["model"].default}) if step.kind == "llm" else step

    assert rewritten(changed, back) == workflow
