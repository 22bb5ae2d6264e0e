"""What the built-in row says of single models of Bedrock, and what comes of a refusal there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, loopback

from unified_api.catalog import Catalog
from unified_api.errors import NoCandidateError
from unified_api.facts import facts, listed
from unified_api.fitting import way_of
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.types import Message, OutputSchema, Policy, Request

CATALOG = Catalog()
TITLE: Any = {"type": "object", "properties": {"t": {"type": "string"}}, "required": ["t"]}
REFUSAL = "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and try again."


@pytest.mark.parametrize(
    ("model", "way"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "native"),
        ("global.anthropic.claude-opus-4-6-v1", "native"),
        ("us.anthropic.claude-sonnet-4-6", "native"),
        ("mistral.mistral-large-3-675b-instruct", "native"),
        ("openai.gpt-oss-120b-1:0", "native"),
        ("qwen.qwen3-32b-v1:0", "native"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "native"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "tool"),
        ("us.anthropic.claude-opus-4-7", "tool"),
        ("global.anthropic.claude-sonnet-5", "tool"),
        ("amazon.nova-pro-v1:0", "tool"),
        ("global.amazon.nova-2-lite-v1:0", "tool"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "tool"),
        ("cohere.command-r-plus-v1:0", "tool"),
        ("us.writer.palmyra-x5-v1:0", "tool"),
        ("deepseek.r1-v1:0", "tool"),
        ("us.deepseek.r1-v1:0", "words"),
    ],
)
def test_a_schema_is_sent_to_the_models_that_take_one(model: str, way: str) -> None:
    """https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html; what is refused: vercel/ai #14773,
    anthropic-sdk-python #1759, presenton #939."""
    known = CATALOG.get(f"bedrock/{model}")
    assert known is not None
    assert way_of(known) == way


def test_what_is_known_not_to_think_is_told_no_effort() -> None:
    """UKGovernmentBEIS/inspect_ai #5301: Nova Pro fails every call that has one."""
    seen = 0
    for name in listed("bedrock"):
        known, model = facts("bedrock", name), CATALOG.get(f"bedrock/{name}")
        if known is None or model is None or "chat" not in model.capabilities:
            continue
        said = known.says("reasoning")
        if said is not None:
            assert ("reasoning_effort" in model.unsupported) is not said, name
            seen += not said
    assert seen > 20
    for name in ("us.amazon.nova-pro-v1:0", "us.meta.llama3-3-70b-instruct-v1:0", "cohere.command-r-v1:0"):
        assert "reasoning_effort" in CATALOG.get(f"bedrock/{name}").unsupported


async def test_an_effort_for_nova_pro_is_refused_by_name_or_left_out(tmp_path: Path) -> None:
    request = Request(model="bedrock/amazon.nova-pro-v1:0", messages=(Message.user("Hi"),), reasoning_effort="low")
    with loopback(converse("Hello")) as server:
        async with Gateway(settings(server.url, tmp_path)) as gateway:
            with pytest.raises(NoCandidateError, match="reasoning_effort"):
                await gateway.chat(request)
            response = await gateway.chat(request, Policy(on_unsupported="drop"))
    assert (response.text, response.dropped) == ("Hello", ("reasoning_effort",))
    assert ["outputConfig" in sent for sent in server.requests] == [False]


async def test_a_model_that_refuses_a_schema_is_made_to_call_a_tool_of_it_from_then_on(tmp_path: Path) -> None:
    def script(sent: dict[str, Any]) -> Answer:
        if "outputConfig" in sent:
            return Answer(status=400, body=json.dumps({"message": REFUSAL}).encode())
        return converse(("output", {"t": "x"}))

    model = "bedrock/openai.gpt-oss-120b-1:0"
    request = Request(model=model, messages=(Message.user("Hi"),), output_schema=OutputSchema(TITLE))
    with loopback(script) as server:
        async with Gateway(settings(server.url, tmp_path), random=lambda: 0.0) as gateway:
            first = await gateway.chat(request)
            second = await gateway.chat(request)
    assert [json.loads(one.text) for one in (first, second)] == [{"t": "x"}] * 2
    assert (first.structured_by, second.structured_by) == ("tool", "tool")
    assert [attempt.error for attempt in first.attempts] == ["schema_refused", None]
    assert ["outputConfig" in sent for sent in server.requests] == [True, False, False]


def settings(url: str, folder: Path) -> Settings:
    path = folder / "orchestrator.toml"
    path.write_text(f'[providers.bedrock]\nbase_url = "{url}"\n', "utf-8")
    return Settings.load(path, environ={"AWS_BEARER_TOKEN_BEDROCK": "token"})


def converse(said: str | tuple[str, dict[str, Any]]) -> Answer:
    """An answer of Converse: a text, or a call of a tool."""
    block: dict[str, Any] = {"text": said}
    if isinstance(said, tuple):
        block = {"toolUse": {"toolUseId": "c", "name": said[0], "input": said[1]}}
    body = {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": "end_turn" if isinstance(said, str) else "tool_use",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    }
    return Answer(body=json.dumps(body).encode())
