"""Plans a task in plain words, shows the plan, runs it.

python examples/task.py "Describe the tides, then explain them to a child"
"""

from __future__ import annotations

import sys

import anyio

from orchestrator import Orchestrator

TASK = "Describe in one sentence what a tide is, then turn the sentence into a question for a quiz"


async def main(task: str) -> None:
    async with Orchestrator() as orchestrator:
        plan = await orchestrator.plan(task)
        print(f"planned by {plan.model or plan.planner}: {', '.join(step.id for step in plan.workflow.steps)}")
        result = await orchestrator.run(plan)
    for name, output in result.outputs.items():
        print(f"\n{name}: {output}")
    for step in result.steps:
        print(f"  {step.step_id}: {step.status} on {step.model} ({step.quality or 'real'}), cost {step.cost_usd}")


if __name__ == "__main__":
    anyio.run(main, " ".join(sys.argv[1:]) or TASK)
