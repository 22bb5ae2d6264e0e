"""Steps of kind `llm`: ask a chat model, for text or for JSON that satisfies a schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from executors.answers import documents
from executors.calls import Send, call, model_name
from executors.context import StepRun
from executors.events import StepToken
from executors.failures import StepFailure
from executors.http.hosts import allowed, check_clearance
from executors.http.target import Target
from executors.schemas import InvalidSchemaError, complaints
from unified_api.errors import NoCandidateError
from unified_api.trail import Trail
from unified_api.types import (
    ImagePart,
    Json,
    Message,
    OutputSchema,
    Policy,
    Request,
    Response,
    TextChunk,
    TextPart,
)
from workflows.model import LlmStep
from workflows.pictures import tells_nothing

__all__ = ["run"]

_MORE_ROOM = "raise max_tokens, or where none is set give the model a longer context or a shorter prompt"
RE_ASKS = 2
"""Times that an answer which does not fit is sent back with what is wrong."""


async def run(step: LlmStep, run: StepRun) -> Json:
    """The text, or with `output` the JSON value.

    Raises:
        StepFailure: `refused`, `truncated`, `empty_answer`, `empty_prompt`, `invalid_image`, `invalid_output`, or as
            `executors.calls.call`; `host_not_allowed` or `insufficient_clearance` for the address of an image.
    """
    request = _request(step, run)
    if step.output is not None:
        return await _structured(request, run, step=step, schema=step.output)
    if run.context.tokens:
        response = await call(run, request, run.policy(step.model), send=_streamed(run))
    else:
        response = await call(run, request, _unseen(run, step), send=run.context.gateway.chat)
    return _text(response)


def _unseen(run: StepRun, step: LlmStep) -> Policy:
    """For an answer that nobody but the step sees before it is whole."""
    return replace(run.policy(step.model), reader="step")


def _request(step: LlmStep, run: StepRun) -> Request:
    prompt = run.text(step.prompt, what="prompt")
    images = tuple(_image(template, place, step, run) for place, template in enumerate(step.images))
    if not prompt.strip() and not images:
        raise StepFailure("empty_prompt", "the prompt is empty once its templates are filled in; say what to do")
    system = run.text(step.system, what="system") if step.system is not None else ""
    messages = (Message.system(system),) if system.strip() else ()
    return Request(
        model=model_name(step.model),
        messages=(*messages, Message("user", (TextPart(prompt), *images))),
        output_schema=None if step.output is None else OutputSchema(step.output),
        temperature=step.temperature,
        max_tokens=step.max_tokens,
        reasoning_effort=step.reasoning_effort,
    )


def _image(template: str, place: int, step: LlmStep, run: StepRun) -> ImagePart:
    value = run.render(template)
    url = value.get("url") if isinstance(value, dict) else value
    if isinstance(url, str) and url.startswith(("https://", "data:image/")):
        if not url.startswith("data:"):
            _check_host(url, template, step, run)
        media_type = value.get("media_type") if isinstance(value, dict) else None
        return ImagePart(url=url, media_type=media_type if isinstance(media_type, str) else None)
    shown = repr(value) if len(repr(value)) <= 100 else f"{repr(value)[:100]}..."
    raise StepFailure(
        "invalid_image",
        f"images/{place} is {shown}; give an https or data:image URL, or the output of an image step",
    )


def _check_host(url: str, template: str, step: LlmStep, run: StepRun) -> None:
    """Whoever fetches the image tells its host what the address was made from."""
    label = run.frame.labels.of((template,), step.sensitivity)
    if label != "public" and not tells_nothing(template, run.frame.workflow):
        check_clearance(allowed(Target.of(url), run.context.gateway.settings.http), label)


def _streamed(run: StepRun) -> Send[Request, Response]:
    """Like `Gateway.chat`, telling the text while it comes."""

    async def send(request: Request, policy: Policy, /, *, trail: Trail) -> Response:
        context = run.context
        try:
            async with context.gateway.stream(request, policy, trail=trail) as stream:
                async for chunk in stream:
                    if isinstance(chunk, TextChunk) and chunk.text:
                        context.emit(StepToken(run_id=context.run_id, step_id=run.path, text=chunk.text))
                return stream.response
        except NoCandidateError:
            # Nothing that may serve can stream; a whole answer is better than none.
            return await context.gateway.chat(request, policy, trail=trail)

    return send


def _text(response: Response) -> str:
    _not_refused(response)
    if response.answer.strip():
        return response.answer
    if response.finish_reason == "length":
        raise StepFailure(
            "truncated",
            f"{response.model} used up all its tokens before it wrote any text; {_MORE_ROOM}",
        )
    raise StepFailure("empty_answer", f"{response.model} answered without any text", retryable=True)


def _not_refused(response: Response) -> None:
    """A refusal is an answer, so nobody else is asked; but without text it is nothing a step could give."""
    if response.refusal is not None and not response.text.strip():
        raise StepFailure("refused", f"{response.model} declined: {response.refusal}")
    if response.finish_reason == "content_filter":
        raise StepFailure("refused", f"{response.model} was stopped by its provider's content filter")


async def _structured(request: Request, run: StepRun, *, step: LlmStep, schema: dict[str, Any]) -> Json:
    problems: list[str] = []
    model = request.model
    for _ in range(1 + RE_ASKS):
        response = await call(run, request, _unseen(run, step), send=run.context.gateway.chat)
        _not_refused(response)
        model = response.model
        if response.finish_reason == "length":
            raise StepFailure(
                "truncated", f"the answer of {model} was cut off before its JSON was complete; {_MORE_ROOM}"
            )
        value, problems = _read(response.answer, schema)
        if not problems:
            return value
        request = _again(request, response, problems)
    raise StepFailure(
        "invalid_output",
        f"{model} was asked {1 + RE_ASKS} times and gave no JSON that satisfies `output`: {'; '.join(problems)}",
        retryable=True,
    )


def _read(text: str, schema: dict[str, Any]) -> tuple[Json, list[str]]:
    """The one document of the answer that satisfies the schema, or what is wrong.

    Where a text satisfies it, a model that was asked in words may give just that, without the quotes.
    """
    found = documents(text)
    try:
        if not found and text.strip() and not complaints(text.strip(), schema):
            return text.strip(), []
        judged = [(value, complaints(value, schema)) for value in found]
    except InvalidSchemaError as error:
        raise StepFailure("invalid_schema", str(error)) from None
    if not judged:
        return None, ["the answer holds no JSON document"]
    good = [value for value, problems in judged if not problems]
    if len(good) == 1:
        return good[0], []
    if good:
        return None, [f"the answer holds {len(good)} different JSON documents, where one is asked for"]
    return None, judged[0][1]


def _again(request: Request, response: Response, problems: list[str]) -> Request:
    schema = request.output_schema.schema if request.output_schema is not None else {}
    listed = "\n".join(f"- {problem}" for problem in problems)
    findings = (
        f"This answer cannot be used:\n{listed}\n\nAnswer again with nothing but one JSON document that satisfies this"
        f" JSON Schema:\n{json.dumps(schema, ensure_ascii=False)}"
    )
    # Some wires refuse an assistant's turn without text.
    answered = (Message.assistant(response.text),) if response.text.strip() else ()
    return replace(request, messages=(*request.messages, *answered, Message.user(findings)))
