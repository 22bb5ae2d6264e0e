"""From whatever a run has recorded at any moment it goes on to the same end, and pays nothing recorded again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import gateway_of, llm, workflow_of

from executors.journal.entries import Intent, Past
from executors.journal.memory import MemoryJournal
from executors.result import RunResult
from executors.runner import run
from unified_api.errors import InvalidRequestError
from unified_api.types import Caller, Request, TextPart
from workflows.model import Workflow

RUN = "r1"


class Watched(MemoryJournal):
    """Keeps what a program that died at each of its boundaries would have left."""

    def __init__(self) -> None:
        super().__init__()
        self.pasts: list[Past] = []

    async def intend(self, intent: Intent) -> None:
        await super().intend(intent)
        past = await self.past(RUN)
        assert past is not None
        self.pasts.append(past)


class Model:
    """Answers by the prompt alone; refuses what ends in `!`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def __call__(self, request: Request) -> str:
        prompt = "".join(part.text for part in request.messages[-1].parts if isinstance(part, TextPart))
        self.asked[prompt] += 1
        await anyio.lowlevel.checkpoint()
        if prompt.endswith("!"):
            raise InvalidRequestError("it would not")
        return str(sum(map(ord, prompt)) % 97)


def said(step_id: str, *after: str, mark: str = "") -> str:
    return " ".join([step_id, *(f"{{{{ steps.{one}.output | default('-') }}}}" for one in after)]) + mark


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Up to seven steps of all kinds that hold others, some of which fail, all of which the run survives."""
    steps: list[dict[str, Any]] = []
    for place in range(draw(st.integers(1, 7))):
        ids = [step["id"] for step in steps]
        after = draw(st.lists(st.sampled_from(ids), max_size=2, unique=True)) if ids else []
        kind = draw(st.sampled_from(["llm", "llm", "map", "branch", "loop", "set"]))
        steps.append(_step(draw, f"s{place}", kind, after))
    return workflow_of(*steps, policy={"max_parallel": draw(st.integers(1, 4))})


def _step(draw: st.DrawFn, step_id: str, kind: str, after: list[str]) -> dict[str, Any]:
    fails = draw(st.integers(0, 4)) == 0
    skip: dict[str, Any] = {"on_error": draw(st.sampled_from(["skip", {"output": "?"}]))} if fails else {}
    inner = llm(f"{step_id}i", said(f"{step_id}i {{{{ at }}}}", *after, mark="!" if fails else ""))
    if kind == "set":
        return {"id": step_id, "kind": "set", "value": said(step_id, *after)}
    if kind == "map":
        keep = {"on_item_error": draw(st.sampled_from(["keep", "drop"]))} if fails else {}
        items = draw(st.lists(st.sampled_from("abc"), max_size=4))
        return {"id": step_id, "kind": "map", "as": "at", "over": items, "steps": [inner], **keep}
    if kind == "loop":
        rounds = {"max_rounds": draw(st.integers(1, 3)), "until": "{{ at.number > 1 }}"}
        return {"id": step_id, "kind": "loop", "as": "at", "steps": [inner], **rounds, **skip}
    plain = llm(f"{step_id}i", said(f"{step_id}i", *after, mark="!" if fails else ""))
    if kind == "branch":
        return {"id": step_id, "kind": "branch", "cases": [{"when": "{{ true }}", "steps": [plain]}], **skip}
    return {**plain, "id": step_id, **skip}


async def _pass(workflow: Workflow, journal: MemoryJournal | None, past: Past | None = None) -> tuple[RunResult, Model]:
    model = Model()
    async with gateway_of(model) as gateway:
        result = await run(workflow, {}, gateway=gateway, journal=journal, past=past, caller=Caller(run=RUN))
    return result, model


@given(workflow=workflows())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_from_any_moment_on_nothing_recorded_is_paid_again_and_the_end_is_the_same(workflow: Workflow) -> None:
    anyio.run(_from_every_moment, workflow)


async def _from_every_moment(workflow: Workflow) -> None:
    journal = Watched()
    whole, first = await _pass(workflow, journal)
    assert whole.status == "succeeded"
    end = await journal.past(RUN)
    assert end is not None
    for past in [*journal.pasts, end]:
        result, second = await _pass(workflow, MemoryJournal(), past)
        assert result.outputs == whole.outputs
        assert [step.status for step in result.steps] == [step.status for step in whole.steps]
        assert len(past.results) + sum(second.asked.values()) == sum(first.asked.values())
        assert not second.asked - first.asked
