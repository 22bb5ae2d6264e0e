"""Prints the text of every step while it is written: two writers in parallel, then one who joins them.

python examples/stream.py
"""

from __future__ import annotations

from pathlib import Path

import anyio

from executors.events import RunFinished, StepFinished, StepToken
from orchestrator import Orchestrator
from workflows.parse import read


async def main() -> None:
    workflow = read(Path(__file__).with_name("two-views.json"))
    async with Orchestrator() as orchestrator:
        async for event in orchestrator.stream(workflow, inputs={"question": "Should cities ban cars?"}):
            match event:
                case StepToken():
                    print(f"[{event.step_id}] {event.text!r}")
                case StepFinished():
                    print(f"[{event.step_id}] {event.status} on {event.model}", event.error or "")
                case RunFinished():
                    print(f"\n{event.status}: {event.outputs.get('verdict')}")


if __name__ == "__main__":
    anyio.run(main)
