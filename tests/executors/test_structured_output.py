from __future__ import annotations

import json
from typing import Any

import pytest
from running import MODEL, asked, failure, llm

from executors.events import Event, StepToken
from unified_api.testing import ScriptedModel
from unified_api.types import FinishChunk, RefusalPart, Request, Response, TextChunk

TITLE = {
    "type": "object",
    "properties": {"title": {"type": "string", "minLength": 3}},
    "required": ["title"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "Tides"}',
        '```json\n{"title": "Tides"}\n```',
        'Sure! Here it is:\n\n{"title": "Tides"}\n\nAnything else?',
        '{"title": "Tides"}{"title": "Tides"}',
        '{"thinking": true}\n{"title": "Tides"}',
    ],
)
async def test_json_is_found_however_it_is_wrapped(text: str):
    model = ScriptedModel(text)
    assert (await asked(model, llm(output=TITLE))).outputs == {"a": {"title": "Tides"}}
    [request] = model.requests
    assert isinstance(request, Request)
    assert request.output_schema is not None
    assert request.output_schema.schema == TITLE


async def test_an_answer_that_does_not_fit_is_asked_again_with_the_findings():
    model = ScriptedModel(['{"title": "x"}', "nothing", '{"title": "Tides"}'])
    result = await asked(model, llm(output=TITLE))
    assert result.outputs == {"a": {"title": "Tides"}}
    last = model.requests[-1]
    assert isinstance(last, Request)
    texts = ["".join(getattr(part, "text", "") for part in message.parts) for message in last.messages]
    assert [message.role for message in last.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert "/title: 'x' is too short" in texts[2]
    assert json.dumps(TITLE) in texts[2]
    assert "no JSON document" in texts[4]
    assert len(result.steps[0].attempts) == 3


@pytest.mark.parametrize("text", ["nonsense", '{"title": 3}', '{"title": "one"} {"title": "two"}', "[" * 5000, ""])
async def test_after_two_re_asks_the_step_fails_saying_what_is_wrong(text: str):
    model = ScriptedModel(text)
    code, message = failure(await asked(model, llm(output=TITLE)))
    assert (code, model.calls) == ("invalid_output", 3)
    assert "asked 3 times" in message


async def test_json_that_was_cut_off_fails_at_once():
    model = ScriptedModel(lambda _: [TextChunk('{"title": "Ti'), FinishChunk("length")])
    code, message = failure(await asked(model, llm(output=TITLE)))
    assert (code, model.calls) == ("truncated", 1)
    assert "max_tokens" in message


@pytest.mark.parametrize(("text", "schema"), [("3", {"type": "integer"}), ('"x"', {"enum": ["x", "y"]})])
async def test_an_output_need_not_be_an_object(text: str, schema: dict[str, Any]):
    assert (await asked(text, llm(output=schema))).outputs == {"a": json.loads(text)}


async def test_structured_output_is_not_streamed():
    events: list[Event] = []
    await asked('{"title": "Tides"}', llm(output=TITLE), on_event=events.append)
    assert not any(isinstance(event, StepToken) for event in events)


async def test_a_refusal_is_neither_retried_nor_asked_again_for_its_schema():
    model = ScriptedModel(Response(model=MODEL, provider="scripted", parts=(RefusalPart("No."),), finish_reason="stop"))
    step = llm(output=TITLE, retry={"attempts": 3, "backoff_s": 0})
    code, message = failure(await asked(model, step))
    assert (code, model.calls) == ("refused", 1)
    assert "No." in message
