"""What `check` costs: 500 and 5,000 steps, against a plain pydantic parse of the same text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from workflows.checks import check, inspect
from workflows.model import Workflow
from workflows.parse import parse
from workflows.tools import ToolSpec

LIMIT_MS = 150.0
TOOLS = {
    "search": ToolSpec(
        "search",
        "",
        {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
            "required": ["query"],
        },
        {"type": "object", "properties": {"hits": {"type": "array", "items": {"type": "string"}}}},
    )
}


def document(steps: int) -> dict[str, Any]:
    """A workflow of that many steps in which no two texts are equal, so that no cache hides the work."""
    made = [_step(number, list(range(max(0, number - 9), number, 4))) for number in range(steps)]
    return {
        "workflow": "1",
        "name": "benchmark",
        "inputs": {"topic": {"type": "string"}},
        "steps": made,
        "outputs": {"last": _reference(steps - 1)},
    }


def _step(number: int, before: list[int]) -> dict[str, Any]:
    words = " ".join(_reference(one) for one in before)
    text = f"Part {number} about {{{{ inputs.topic }}}}: {words}"
    if number % 10 == 3:
        return {"id": f"s{number}", "kind": "tool", "tool": "search", "arguments": {"query": text, "limit": number}}
    if number % 10 == 7:
        return {"id": f"s{number}", "kind": "set", "value": {"n": number, "text": [text]}}
    step: dict[str, Any] = {"id": f"s{number}", "kind": "llm", "prompt": text}
    if number % 10 == 5:
        step["output"] = {"type": "object", "properties": {f"title{number}": {"type": "string"}}}
    if number % 10 == 9:
        step |= {"when": f"{{{{ inputs.topic != 'x{number}' }}}}", "on_error": {"output": ""}}
    return step


def _reference(number: int) -> str:
    if number % 10 == 9:  # may be skipped
        return f"{{{{ steps.s{number}.output | default('') }}}}"
    return f"{{{{ steps.s{number}.output }}}}"


def cpu_ms(action: Callable[[], Any], *, rounds: int = 5) -> float:
    """The least CPU time of a few rounds, in milliseconds."""
    times = []
    for _ in range(rounds):
        forget()
        start = time.process_time()
        action()
        times.append((time.process_time() - start) * 1000)
    return min(times)


def forget() -> None:
    """Empties the caches of templates, as they are in a process that sees the workflow for the first time."""
    from workflows import expressions, references

    expressions._compile.cache_clear()  # noqa: SLF001 # a benchmark measures the cold way
    references._usage.cache_clear()  # noqa: SLF001 # as above


def main() -> None:
    for steps in (500, 5_000):
        text = json.dumps(document(steps))
        workflow = parse(text)
        assert not [finding for finding in check(workflow, tools=TOOLS) if finding.severity == "error"]
        plain = cpu_ms(lambda text=text: Workflow.model_validate_json(text))
        parsed = cpu_ms(lambda text=text: parse(text))
        checked = cpu_ms(lambda workflow=workflow: check(workflow, tools=TOOLS))
        whole = cpu_ms(lambda text=text: inspect(text, tools=TOOLS))
        print(
            f"{steps:>5} steps, {len(text) / 1024:,.0f} KiB: pydantic alone {plain:.1f} ms, parse {parsed:.1f} ms "
            f"({parsed / plain:.1f}x), check {checked:.1f} ms ({checked / plain:.1f}x), both {whole:.1f} ms"
        )
        if steps == 500 and whole > LIMIT_MS:
            raise SystemExit(f"check of 500 steps takes {whole:.0f} ms; {LIMIT_MS:.0f} are allowed")


if __name__ == "__main__":
    main()
