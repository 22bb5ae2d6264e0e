from __future__ import annotations

import pytest

from planner.plan import plan
from planner.types import PlanError
from unified_api.errors import ServerError
from unified_api.models import Model
from unified_api.testing import ALL_CAPABILITIES, ManualClock, ScriptedModel, scripted_gateway
from workflows import library
from workflows.model import WorkflowPolicy
from workflows.models import ModelProblem

TRANSLATE = "Translate this into French and review the translation: Good morning everyone, the meeting starts at nine."


class NoModels:
    """A catalogue in which nothing may serve."""

    def problem(self, choice, *, needs, sensitivity):
        return ModelProblem(code="no_candidate", message="no model is ready")


async def test_a_task_that_a_ready_workflow_does_is_given_to_it():
    made = await plan(TRANSLATE)
    assert made.planner == "library"
    assert made.workflow.steps == library.load("translate-and-review").steps
    assert made.inputs == {"text": "Good morning everyone, the meeting starts at nine.", "language": "French"}
    assert "translate-and-review" in made.notes[0]


async def test_a_ready_workflow_keeps_to_the_callers_limits_and_to_its_own():
    own = library.load("translate-and-review").policy
    made = await plan(TRANSLATE, policy=WorkflowPolicy(budget_usd=0.01, sensitivity="internal"))
    assert made.workflow.policy.budget_usd == 0.01
    assert made.workflow.policy.sensitivity == "internal"
    assert made.workflow.policy.deadline_s == own.deadline_s
    wide = await plan(TRANSLATE, policy=WorkflowPolicy(deadline_s=99_999))
    assert wide.workflow.policy.deadline_s == own.deadline_s < 99_999


async def test_what_no_ready_workflow_does_is_cut_by_the_rules():
    made = await plan("Name three rivers and then write a limerick about one of them")
    assert made.planner == "rules"
    assert len(made.workflow.steps) > 1


async def test_meaning_is_asked_only_of_embeddings_that_run_in_this_process():
    remote, inside = ScriptedModel([[0.0, 1.0]] * 99), ScriptedModel(lambda request: [[1.0, 0.0]] * len(request.inputs))
    local = Model(
        id="inside/vectors",
        provider="inside",
        name="vectors",
        wire="local",
        capabilities=frozenset({"embeddings"}),
    )
    gateway = scripted_gateway({"remote/vectors": remote, "inside/vectors": inside}, models=(local,))
    made = await plan(TRANSLATE, gateway=gateway)
    assert made.planner == "library"
    assert (remote.calls, inside.calls) == (0, 1)


async def test_a_match_that_meaning_does_not_confirm_is_none():
    async def embed(texts):
        return [[1.0, 0.0], *[[0.0, 1.0]] * (len(texts) - 1)]

    assert (await plan(TRANSLATE, embed=embed)).planner == "rules"


async def test_embeddings_that_fail_leave_the_words_to_decide():
    local = Model(id="inside/vectors", provider="inside", name="vectors", wire="local", capabilities=ALL_CAPABILITIES)
    gateway = scripted_gateway({"inside/vectors": ServerError("no weights")}, models=(local,), clock=ManualClock())
    assert (await plan(TRANSLATE, gateway=gateway)).planner == "library"


@pytest.mark.parametrize("task", [TRANSLATE, "Write a poem"])
async def test_a_plan_that_no_model_may_run_is_refused_with_the_reason(task):
    with pytest.raises(PlanError) as caught:
        await plan(task, models=NoModels())
    assert {one.code for one in caught.value.reasons} == {"no_candidate"}
    assert "no model is ready" in str(caught.value)
