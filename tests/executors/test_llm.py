from __future__ import annotations

from typing import Any

import pytest
from running import MODEL, asked, failure, gateway_of, llm, workflow_of

from executors.events import Event, StepFinished, StepRetrying, StepToken
from executors.runner import run
from unified_api.errors import (
    AuthenticationError,
    ContentRefusedError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
)
from unified_api.testing import ALL_CAPABILITIES, ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    FinishChunk,
    Image,
    ImageRequest,
    RefusalPart,
    Request,
    Response,
    TextChunk,
    TextPart,
    Usage,
)


def answer(text: str = "", *, finish: Any = "stop", refusal: str | None = None) -> Response:
    parts = [TextPart(text)] if text else []
    refused = [RefusalPart(refusal)] if refusal else []
    usage = Usage(input_tokens=10, output_tokens=10)
    return Response(model=MODEL, provider="scripted", parts=(*parts, *refused), finish_reason=finish, usage=usage)


async def test_an_llm_step_gives_its_text_and_says_who_wrote_it_at_what_cost():
    model = ScriptedModel("Tides are pulled by the moon.")
    result = await asked(
        model,
        llm(prompt="About {{ inputs.topic }}.", system="Be brief.", temperature=0.5, max_tokens=100),
        given={"topic": "tides"},
        inputs={"topic": {"type": "string"}},
    )
    [step] = result.steps
    [request] = model.requests
    assert isinstance(request, Request)
    assert [(message.role, message.parts) for message in request.messages] == [
        ("system", (TextPart("Be brief."),)),
        ("user", (TextPart("About tides."),)),
    ]
    assert (request.temperature, request.max_tokens, request.output_schema) == (0.5, 100, None)
    assert result.outputs == {"a": "Tides are pulled by the moon."}
    assert (step.model, step.provider) == (MODEL, "scripted")
    assert step.usage is not None
    assert step.usage.output_tokens is not None
    assert step.cost_usd == result.cost_usd
    assert result.cost_usd is not None
    assert result.cost_usd > 0
    assert [attempt.outcome for attempt in step.attempts] == ["succeeded"]


async def test_whoever_listens_hears_the_text_while_it_is_written():
    events: list[Event] = []
    result = await asked("one two three", llm(), on_event=events.append)
    assert [event.text for event in events if isinstance(event, StepToken)] == ["one ", "two ", "three"]
    assert result.outputs == {"a": "one two three"}
    [end] = [event for event in events if isinstance(event, StepFinished)]
    assert end.cost_usd is not None


async def test_a_model_that_cannot_stream_answers_whole_to_a_listener():
    events: list[Event] = []
    gateway = gateway_of("one two", capabilities=ALL_CAPABILITIES - {"streaming"})
    result = await run(workflow_of(llm()), {}, gateway=gateway, on_event=events.append)
    assert result.outputs == {"a": "one two"}
    assert not any(isinstance(event, StepToken) for event in events)


async def test_a_stream_that_breaks_after_its_first_words_is_tried_again_as_a_step():
    events: list[Event] = []
    broken = [TextChunk("half "), ServerError("gone")]
    script = [lambda _: broken, "whole"]
    result = await asked(script, llm(retry={"attempts": 2, "backoff_s": 0}), on_event=events.append)
    assert result.outputs == {"a": "whole"}
    assert [type(event) for event in events if isinstance(event, StepToken | StepRetrying)] == [
        StepToken,
        StepRetrying,
        StepToken,
    ]


async def test_needs_and_sensitivity_reach_the_gateway_s_choice():
    gateway = scripted_gateway(
        {"one/strong": "strong", "two/weak": "weak"},
        tiers={"one/strong": "premium", "two/weak": "economy"},
        clearance="internal",
    )
    workflow = workflow_of(llm(model={"tier": "economy"}), policy={"sensitivity": "internal"})
    assert (await run(workflow, {}, gateway=gateway)).outputs == {"a": "weak"}
    secret = workflow_of(llm(model={"tier": "economy"}), policy={"sensitivity": "restricted"})
    code, message = failure(await run(secret, {}, gateway=gateway))
    assert code == "no_candidate"
    assert message.startswith("step 'a': ")


async def test_images_are_shown_from_steps_and_addresses():
    model = ScriptedModel(
        lambda request: Image("image/png", data=b"png") if isinstance(request, ImageRequest) else "ok"
    )
    result = await asked(
        model,
        {"id": "draw", "kind": "image", "prompt": "a tree", "model": MODEL},
        llm(images=["{{ steps.draw.output }}", "https://example.com/{{ 1 + 1 }}.png"]),
    )
    assert result.status == "succeeded"
    request = model.requests[-1]
    assert isinstance(request, Request)
    urls = [getattr(part, "url", None) for part in request.messages[-1].parts]
    assert urls == [None, "data:image/png;base64,cG5n", "https://example.com/2.png"]


@pytest.mark.parametrize("image", ["", "file:///etc/passwd", "{{ 3 }}", "{{ {'url': 'http://x/y.png'} }}"])
async def test_what_is_no_image_is_refused_before_the_call(image: str):
    model = ScriptedModel("never")
    assert failure(await asked(model, llm(images=[image])))[0] == "invalid_image"
    assert model.calls == 0


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(refusal="I would rather not."), "refused"),
        (answer("partly", finish="content_filter"), "refused"),
        (ContentRefusedError("the filter said no"), "refused"),
        (answer(finish="length"), "truncated"),
        (answer(), "empty_answer"),
        (answer("  \n"), "empty_answer"),
        (AuthenticationError("the key is wrong"), "authentication"),
        (InvalidRequestError("no such parameter"), "invalid_request"),
    ],
)
@pytest.mark.parametrize("listening", [False, True])
async def test_every_fault_of_a_call_becomes_a_step_error(reply: Any, code: str, listening: bool):
    found, message = failure(await asked(reply, llm(), on_event=(lambda _: None) if listening else None))
    assert found == code
    assert message.startswith("step 'a': ")


async def test_a_text_cut_by_the_step_s_own_limit_is_still_its_text():
    assert (await asked(answer("cut sho", finish="length"), llm(max_tokens=2))).outputs == {"a": "cut sho"}


async def test_faults_that_pass_are_left_to_the_gateway():
    result = await asked([RateLimitError("busy"), "at last"], llm())
    assert result.outputs == {"a": "at last"}
    assert [attempt.outcome for attempt in result.steps[0].attempts] == ["failed", "succeeded"]


async def test_a_try_that_fails_after_all_the_gateway_could_do_may_be_tried_again_as_a_step():
    clock = ManualClock()
    gateway = scripted_gateway({MODEL: [*[ServerError("down")] * 4, "up"]}, clock=clock)
    result = await run(workflow_of(llm(retry={"attempts": 2, "backoff_s": 0})), {}, gateway=gateway, clock=clock)
    assert result.outputs == {"a": "up"}
    assert len(result.steps[0].attempts) == 5


async def test_an_empty_prompt_is_not_sent():
    model = ScriptedModel("never")
    assert failure(await asked(model, llm(prompt="{{ '' }} ")))[0] == "empty_prompt"
    assert model.calls == 0


@pytest.mark.parametrize(
    ("value", "prompt"), [(3, "3"), ({"a": [1, "x"]}, '{"a":[1,"x"]}'), (True, "true"), (10**30, str(10**30))]
)
async def test_a_prompt_that_is_a_value_is_written_as_json(value: Any, prompt: str):
    model = ScriptedModel("ok")
    await asked(model, llm(prompt="{{ inputs.value }}"), given={"value": value}, inputs={"value": {}})
    [request] = model.requests
    assert isinstance(request, Request)
    assert request.messages[-1].parts == (TextPart(prompt),)


async def test_a_prompt_that_is_null_is_not_sent():
    result = await asked("never", llm(prompt="{{ inputs.value }}"), given={"value": None}, inputs={"value": {}})
    assert failure(result)[0] == "absent_value"


THOUGHTS = '<think>\nShall I? {"t": "draft"}\n</think>\n\n'


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (f"{THOUGHTS}Done.", "Done."),
        (f"\n{THOUGHTS}Done </think> so.", "Done </think> so."),
        ("Use <think>x</think> marks.", "Use <think>x</think> marks."),
    ],
)
async def test_thoughts_that_a_server_left_in_the_text_are_no_output(text: str, given: str):
    assert (await asked(text, llm())).outputs == {"a": given}


async def test_a_draft_among_the_thoughts_is_not_the_answer():
    schema = {"type": "object", "properties": {"t": {"type": "string"}}, "required": ["t"]}
    assert (await asked(f'{THOUGHTS}{{"t": "final"}}', llm(output=schema))).outputs == {"a": {"t": "final"}}


async def test_thoughts_without_end_are_no_answer():
    code, message = failure(await asked(lambda _: [TextChunk("<think>Hm"), FinishChunk("length")], llm()))
    assert code == "truncated"
    assert "longer context" in message
