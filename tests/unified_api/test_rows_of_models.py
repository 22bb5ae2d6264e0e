"""What the built-in rows say of single models, as the providers' pages and their refusals have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unified_api.catalog import Catalog
from unified_api.errors import UnsupportedParameterError
from unified_api.providers import builtin_rows
from unified_api.types import Message, Request, Tool
from unified_api.wire import families
from unified_api.wire.base import WireProfile

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
TOOL = Tool("f", "", {"type": "object", "properties": {}})
OFF = {"thinking": {"type": "disabled"}}
GRADED = ("low", "medium", "high")
CATALOG = Catalog()


def sent(model_id: str, **wishes: Any) -> tuple[str, dict[str, Any]]:
    """Path and body of a request to the model, as its row has it."""
    model = CATALOG.get(model_id)
    profile = builtin_rows()[model.provider].profile.model_dump(exclude={"unsupported"})
    request = Request(model=model_id, messages=(Message.user("Hi"),), **wishes)
    wire = families.CHAT[model.wire].encode(
        request,
        provider=model.provider,
        model=model.name,
        profile=WireProfile(**profile, unsupported=model.unsupported),
    )
    return wire.path, json.loads(wire.body)


def refused(model_id: str, param: str, **wishes: Any) -> bool:
    try:
        sent(model_id, **wishes)
    except UnsupportedParameterError as error:
        return error.param == param
    return False


@pytest.mark.parametrize("provider", ["openai", "azure"])
@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "gpt-5.6-sol", "gpt-5.6", "gpt-6-astra"])
def test_models_that_do_not_think_beside_tools_on_chat_completions_are_asked_on_responses(
    provider: str, model: str
) -> None:
    """https://github.com/openai/openai-openapi/issues/541 and https://github.com/BerriAI/litellm/pull/34569"""
    path, body = sent(f"{provider}/{model}", tools=(TOOL,), reasoning_effort="low", show_reasoning=True)
    assert path == "/responses"
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])


@pytest.mark.parametrize("model", ["openai/daybreak-blue-latest", "openai/gpt-5.1-codex", "openai/gpt-5-pro"])
def test_models_of_responses_alone_are_asked_there(model: str) -> None:
    assert sent(model)[0] == "/responses"


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-4o", "o4-mini", "gpt-5.3-chat-latest"])
def test_earlier_models_stay_on_chat_completions(model: str) -> None:
    assert sent(f"openai/{model}")[0] == "/chat/completions"


@pytest.mark.parametrize("provider", ["openai", "azure"])
@pytest.mark.parametrize("model", ["gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-nano", "gpt-5.1-2025-11-13"])
def test_models_that_need_not_think_take_a_temperature_until_they_are_told_to(provider: str, model: str) -> None:
    """https://developers.openai.com/api/docs/guides/latest-model"""
    for wish in ({"temperature": 0.5}, {"top_p": 0.5}, {"logprobs": 0}):
        (name,) = wish
        assert not refused(f"{provider}/{model}", name, **wish)
        assert not refused(f"{provider}/{model}", name, **wish, reasoning_effort="none")
        assert refused(f"{provider}/{model}", name, **wish, reasoning_effort="low")


@pytest.mark.parametrize(
    ("model", "params", "takes"),
    [
        ("openai/gpt-5", {"temperature", "top_p", "logprobs", "stop"}, set()),
        ("openai/gpt-5.2-pro", {"temperature", "logprobs"}, set()),
        ("openai/gpt-5.1-codex", {"temperature"}, set()),
        ("openai/gpt-5.6", {"temperature", "top_p"}, set()),
        ("openai/gpt-audio", {"reasoning_effort"}, {"temperature", "stop", "presence_penalty"}),
        ("openai/chat-latest", {"reasoning_effort"}, {"temperature", "stop"}),
        ("openai/gpt-4o-search-preview", {"temperature", "top_p", "presence_penalty", "frequency_penalty"}, set()),
        ("openai/gpt-4o", set(), {"temperature", "top_p", "presence_penalty", "frequency_penalty", "stop"}),
        ("openai/o4-mini", {"parallel_tool_calls"}, set()),
        ("openai/gpt-5-mini", set(), {"parallel_tool_calls"}),
        ("azure/o3-mini", {"parallel_tool_calls"}, set()),
        ("azure/gpt-6-astra", {"temperature", "top_p", "logprobs", "stop"}, set()),
        ("xai/grok-4.3", {"presence_penalty", "frequency_penalty", "stop"}, {"temperature", "reasoning_effort"}),
        ("xai/grok-4.20-non-reasoning", {"presence_penalty", "frequency_penalty", "reasoning_effort"}, {"stop"}),
        ("xai/grok-code-fast-1", {"reasoning_effort", "stop"}, set()),
        ("moonshot/kimi-k2.6", {"temperature", "top_p", "n", "presence_penalty"}, {"stop"}),
        ("moonshot/kimi-k3", {"temperature", "n"}, set()),
        ("moonshot/kimi-k2-0905-preview", {"reasoning_effort"}, {"temperature", "top_p"}),
        ("moonshot/kimi-k2.7-code", {"reasoning_effort"}, set()),
        ("mistral/mistral-large-2512", {"reasoning_effort"}, {"temperature"}),
        ("mistral/magistral-medium-latest", {"reasoning_effort"}, set()),
    ],
)
def test_a_row_refuses_what_single_models_refuse(model: str, params: set[str], takes: set[str]) -> None:
    unsupported = CATALOG.get(model).unsupported
    assert params <= unsupported
    assert not takes & unsupported


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("moonshot/kimi-k2.6", {"none": OFF}),
        ("moonshot/kimi-k3", {"low": "low", "high": "high", "xhigh": "max"}),
        ("moonshot/kimi-k3.1-pro", {"low": "low", "high": "high", "xhigh": "max"}),
        ("zai/glm-4.7", {"none": OFF}),
        ("zai/glm-5.1", {"none": OFF}),
        ("zai/glm-5.2", {"none": OFF, **{effort: effort for effort in EFFORTS[1:]}}),
        ("zhipu/glm-5.3", {"low": "low", "high": "high", "xhigh": "max"}),
        ("zhipu/glm-5.3-flash", {"low": "low", "high": "high", "xhigh": "max"}),
        ("xai/grok-4.3", {effort: effort for effort in ("none", *GRADED)}),
        ("xai/grok-4.5", {effort: effort for effort in GRADED}),
        ("mistral/mistral-small-latest", {"none": "none", "high": "high"}),
        ("mistral/mistral-medium-3-5", {"none": "none", "high": "high"}),
        ("deepseek/deepseek-v4-pro", {"none": OFF, **{effort: effort for effort in EFFORTS[1:]}}),
    ],
)
def test_a_model_is_told_the_efforts_that_it_knows_and_no_other(model: str, meant: dict[str, Any]) -> None:
    for effort in EFFORTS:
        if effort not in meant:
            assert refused(model, "reasoning_effort", reasoning_effort=effort), effort
            continue
        body = sent(model, reasoning_effort=effort)[1]
        said = {name: body[name] for name in ("thinking", "reasoning_effort") if name in body}
        word = meant[effort]
        assert said == (word if isinstance(word, dict) else {"reasoning_effort": word}), effort


def test_openai_is_given_metadata_on_chat_completions_only_of_stored_calls() -> None:
    assert refused("openai/gpt-4o", "metadata", metadata={"a": "b"})
    stored = sent("openai/gpt-4o", metadata={"a": "b"}, extra={"openai": {"store": True}})[1]
    assert stored["metadata"] == {"a": "b"}
    assert sent("openai/gpt-5.5", metadata={"a": "b"})[1]["metadata"] == {"a": "b"}


@pytest.mark.parametrize(
    ("model", "demands"),
    [("deepseek/deepseek-v4-pro", True), ("moonshot/kimi-k2.6", True), ("deepseek/deepseek-chat", False)],
)
def test_a_history_of_other_models_has_the_field_that_thinking_servers_demand(model: str, demands: bool) -> None:
    """https://api-docs.deepseek.com/guides/thinking_mode"""
    request = (Message.user("Hi"), Message.assistant("Hello"), Message.user("Go on"))
    found = CATALOG.get(model)
    profile = builtin_rows()[found.provider].profile.model_dump(exclude={"unsupported"})
    wire = families.CHAT["openai_chat"].encode(
        Request(model=model, messages=request),
        provider=found.provider,
        model=found.name,
        profile=WireProfile(**profile),
    )
    assert [one.get("reasoning_content") for one in json.loads(wire.body)["messages"]] == [
        None,
        "" if demands else None,
        None,
    ]
