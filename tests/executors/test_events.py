from __future__ import annotations

import json
from typing import Any

from running import asked, llm, value

from executors.events import Event, to_json
from unified_api.errors import RateLimitError


async def test_every_event_of_a_run_can_be_written_as_json():
    events: list[Event] = []
    steps = [llm("a", on_error="skip"), llm("b", after=["a"]), value("c", {"x": "{{ steps.b.output }}"})]
    given: dict[str, Any] = {"secret": "s3cret"}
    script = [*[RateLimitError("busy")] * 4, "two words"]
    result = await asked(script, *steps, given=given, inputs={"secret": {"type": "string"}}, on_event=events.append)
    assert result.status == "succeeded", result.error
    written = [json.loads(json.dumps(to_json(event))) for event in events]
    assert [each["event"] for each in written] == [
        "run_started",
        "step_started",
        "step_finished",
        "step_started",
        "step_token",
        "step_token",
        "step_finished",
        "step_started",
        "step_finished",
        "run_finished",
    ]
    assert "s3cret" not in json.dumps(written)
    skipped, answered = written[2], written[6]
    assert skipped["error"]["code"] == "attempts_exhausted"
    assert [attempt["error"] for attempt in skipped["attempts"]] == ["rate_limit"] * 4
    assert answered["usage"]["output_tokens"] > 0
    assert answered["cost_usd"].startswith("0.0000")
    assert answered["started"] < answered["at"]
    assert written[-1]["outputs"] == {"c": {"x": "two words"}}
