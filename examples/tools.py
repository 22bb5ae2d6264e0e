"""Lets a workflow call Python functions: their signatures are their schemas. Needs no model.

python examples/tools.py
"""

from __future__ import annotations

from statistics import mean

from orchestrator import Orchestrator
from workflows.parse import from_json

WORKFLOW = {
    "workflow": "1",
    "name": "temperatures",
    "inputs": {"celsius": {"type": "array", "items": {"type": "number"}}},
    "steps": [
        {"id": "average", "kind": "tool", "tool": "average", "arguments": {"values": "{{ inputs.celsius }}"}},
        {"id": "warm", "kind": "tool", "tool": "above", "arguments": {
            "values": "{{ inputs.celsius }}", "limit": "{{ steps.average.output }}"}},
        {"id": "report", "kind": "set", "value": {
            "average": "{{ steps.average.output }}",
            "sentence": "{{ steps.warm.output | length }} of {{ inputs.celsius | length }} days were warmer"}},
    ],
    "outputs": {"report": "{{ steps.report.output }}"},
}  # fmt: skip


def average(values: list[float]) -> float:
    """The arithmetic mean."""
    return mean(values)


def above(values: list[float], limit: float) -> list[float]:
    """Those of the values that are greater than the limit."""
    return [value for value in values if value > limit]


if __name__ == "__main__":
    orchestrator = Orchestrator(tools=[average, above])
    result = orchestrator.run_sync(from_json(WORKFLOW), inputs={"celsius": [11.5, 14.0, 19.5, 21.0]})
    print(result.outputs["report"])
