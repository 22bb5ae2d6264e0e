"""Which field a server's words refuse, where it names none in `param`."""

from __future__ import annotations

import json

import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import error_answers

from unified_api.errors import (
    AuthenticationError,
    ContextOverflowError,
    InvalidRequestError,
    NotFoundError,
    ParameterRefusedError,
    ProviderError,
    UnsupportedParameterError,
)
from unified_api.models import Model
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import Message, Policy, Request
from unified_api.wire.errors import decode_error
from unified_api.wire.parameter_words import fields_of, refused_in_words

# Field, a value for it, and what a server said of it: recorded, or quoted by users of the provider.
SAID: list[tuple[str, object, str]] = [
    ("stop", ("x",), "Model grok-4.3 does not support parameter stop."),
    ("stop", ("x",), "Argument not supported on this model: stop"),
    ("presence_penalty", 1.0, "Argument not supported on this model: presencePenalty"),
    ("presence_penalty", 1.0, "Penalty is not enabled for models/gemini-2.5-flash"),
    ("reasoning_effort", "high", "Model grok-4.20-0309-reasoning does not support parameter reasoningEffort."),
    (
        "reasoning_effort",
        "xhigh",
        "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
    ),
    (
        "reasoning_effort",
        "medium",
        "reasoning_effort='medium' is not supported for this model. Must be one of (<ReasoningEffort.none: 'none'>)",
    ),
    ("reasoning_effort", "low", "`reasoning_effort` must be one of `none` or `default`"),
    ("reasoning_effort", "low", "reasoning_effort is not supported with this model"),
    ("reasoning_effort", "low", "Thinking level is not supported for this model."),
    ("reasoning_effort", "low", "thinking_config is not supported"),
    (
        "reasoning_effort",
        "minimal",
        "'minimal' is not a supported thinking level for this model. Allowed values are: medium, low, high.",
    ),
    ("reasoning_effort", "minimal", "Thinking level is unsupported: THINKING_LEVEL_MINIMAL"),
    ("reasoning_effort", "minimal", "Thinking level MINIMAL is not supported for this model."),
    (
        "reasoning_budget",
        5,
        "Unable to submit request because thinking is not configurable in this model; remove the thinking_config",
    ),
    (
        "reasoning_effort",
        "low",
        "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. Use /v1/responses",
    ),
    ("reasoning_effort", "none", "Budget 0 is invalid. This model only works in thinking mode."),
    ("reasoning_effort", "low", "Unrecognized request argument supplied: reasoning_effort"),
    ("reasoning_effort", "low", "generation_config.thinking_config.thinking_budget is not supported"),
    ("temperature", 0.5, "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."),
    ("temperature", 0.5, "invalid temperature: only 1 is allowed for this model"),
    ("temperature", 0.5, "Unsupported value: 'temperature' does not support 0.5 with this model."),
    ("temperature", 0.5, "`temperature` is deprecated for this model."),
    ("top_p", 0.5, "`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ("top_p", 0.5, "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."),
    ("top_k", 4, "`top_k` must be unset when thinking is enabled."),
    ("top_k", 4, "top_k: Extra inputs are not permitted"),
    ("metadata", {"a": "b"}, "The 'metadata' parameter is only allowed when 'store' is enabled."),
    ("logprobs", 2, "Logprobs is not enabled for models/gemini-2.5-pro"),
    ("n", 2, "Multiple candidates is not enabled for this model"),
    ("n", 2, "Unsupported parameter: 'n'"),
]


def refusal(message: str, param: str | None = None, status: int = 400) -> ProviderError:
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": param}}).encode()
    return decode_error(status, {}, body, provider="s", model="m")


@pytest.mark.parametrize(("field", "value", "message"), SAID)
async def test_what_a_server_refuses_in_its_own_words_is_left_out_and_said_so(
    field: str, value: object, message: str
) -> None:
    def reply(request: Request) -> object:
        return refusal(message) if getattr(request, field) else "answered"

    model = Model(id="s/m", provider="s", name="m", wire="scripted", capabilities=frozenset({"chat"}))
    made = scripted_gateway({"s/m": ScriptedModel(reply)}, models=(model,), clock=ManualClock())
    request = Request(model="s/m", messages=(Message.user("Hello"),), **{"seed": 3, field: value})
    response = await made.chat(request, Policy(on_unsupported="drop"))
    assert (response.text, response.dropped) == ("answered", (field,))
    assert [one.error for one in response.attempts] == [ParameterRefusedError.code, None]
    with pytest.raises(UnsupportedParameterError):
        await made.chat(request)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (InvalidRequestError, "it has a temperature value of 1000 but the supported range is from 0 to 2.0001"),
        (InvalidRequestError, "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1"),
        (InvalidRequestError, "temperature must be between 0 and 2"),
        (InvalidRequestError, "max_tokens: 9000 > 8192, which is the maximum allowed number of output tokens"),
        (InvalidRequestError, "grok-4-non-reasoning does not support images"),
        (InvalidRequestError, "reasoning models do not support images"),
        (InvalidRequestError, "This model does not support image input."),
        (InvalidRequestError, "image dimensions are not supported"),
        (InvalidRequestError, "Your budget is not available in this region"),
        (InvalidRequestError, "The file type you uploaded is not supported. Please try again with a pdf"),
        (InvalidRequestError, "Your request was rejected by the safety system: this user is not allowed to ask that"),
        (
            InvalidRequestError,
            "Invalid schema for response_format 'x': In context=('properties', 'stop'), 'format' is not permitted",
        ),
        (InvalidRequestError, "Invalid schema for function 'f': 'stop' is not supported"),
        (InvalidRequestError, "messages.2.content.0: reasoning is not supported"),
        (InvalidRequestError, "tools[0].parameters: 'user' is not supported"),
        (ContextOverflowError, "This model's maximum context length is 8192 tokens; max_tokens is not supported there"),
        (AuthenticationError, "Incorrect API key provided: it may only be used by one user"),
        (NotFoundError, "The requested model 'reasoning' does not exist."),
    ],
)
def test_other_faults_are_taken_for_no_refused_field(kind: type[ProviderError], message: str) -> None:
    assert type(refusal(message)) is kind


def test_words_about_another_place_than_the_one_that_param_names_count_for_nothing() -> None:
    message = "Function tools with reasoning_effort are not supported"
    assert type(refusal(message, "reasoning_effort")) is UnsupportedParameterError
    assert type(refusal(message, "reasoning.effort")) is UnsupportedParameterError
    assert type(refusal(message, "messages[3]")) is InvalidRequestError
    assert type(refusal(message, "input")) is InvalidRequestError


def test_a_place_in_the_content_is_no_field_whatever_its_steps_are_called() -> None:
    assert fields_of("messages.2.assistant.user") == ()
    assert fields_of("tools[0].custom.n") == ()
    assert fields_of("metadata.user_id")[0] == "user"
    assert fields_of("generationConfig.topK")[0] == "top_k"


@given(st.lists(st.sampled_from(["n", "'n'", "top_p", "is not supported", "unsupported", ":", "only", "1", "x " * 40])))
def test_no_words_make_it_crash(words: list[str]) -> None:
    named = refused_in_words(" ".join(words))
    assert named is None or fields_of(named)


def test_a_long_message_costs_no_time() -> None:
    for words in ("only ", "temperature is ", "unsupported the the ", "'a' and ", "must be "):
        refused_in_words(words * 2000)


@needs_corpora
def test_of_the_recorded_errors_those_that_say_so_refuse_a_field_and_no_others() -> None:
    signs = ("unsupported_parameter", "unsupported_value", "effort level", "uri field", "options not supported with")
    seen = 0
    for answer in error_answers():
        found = decode_error(answer.status, answer.headers, answer.body, provider=answer.provider, model=answer.model)
        told = answer.body.decode("utf-8", "replace").lower()
        says_so = answer.status == 400 and any(sign in told for sign in signs)
        assert isinstance(found, UnsupportedParameterError) == says_so, (answer.id, str(found))
        if "effort level" in told:
            assert fields_of(found.param or "")[0] == "reasoning_effort"
        seen += says_so
    assert seen >= 7
