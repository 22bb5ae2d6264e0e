"""The ready routes of `examples/routes.toml`, by their real models, over a network that fails on purpose."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from unified_api.catalog import Catalog
from unified_api.errors import NoCandidateError
from unified_api.gateway import Gateway
from unified_api.settings import Settings
from unified_api.testing import Fault, FaultyTransport, HttpAnswer, ManualClock, faults
from unified_api.types import ImageRequest, Message, Policy, Request, Response

FILE = Path(__file__).parents[2] / "examples" / "routes.toml"
KEYS = (
    "MISTRAL_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DASHSCOPE_API_KEY",
    "TOGETHER_API_KEY", "DEEPSEEK_API_KEY",
)  # fmt: skip
MISTRAL, OPENAI, ANTHROPIC = "api.mistral.ai", "api.openai.com", "api.anthropic.com"
GOOGLE, QWEN, TOGETHER = "generativelanguage.googleapis.com", "dashscope-intl.aliyuncs.com", "api.together.xyz"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def settings() -> Settings:
    return Settings.load(FILE, environ=dict.fromkeys(KEYS, "sk-test"))


def as_json(body: Any) -> HttpAnswer:
    return HttpAnswer(headers={"content-type": "application/json"}, pieces=(json.dumps(body).encode(),))


def claude(text: str) -> HttpAnswer:
    return as_json({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": text}], "usage": {"input_tokens": 10, "output_tokens": 5},
    })  # fmt: skip


def gemini(*parts: Mapping[str, Any]) -> HttpAnswer:
    return as_json({
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
    })  # fmt: skip


def gateway(**hosts: Sequence[Fault]) -> tuple[Gateway, FaultyTransport]:
    clock = ManualClock()
    names = {
        "mistral": MISTRAL, "openai": OPENAI, "anthropic": ANTHROPIC, "google": GOOGLE, "qwen": QWEN,
        "together": TOGETHER,
    }  # fmt: skip
    network = FaultyTransport.by_host({names[host]: script for host, script in hosts.items()}, clock=clock)
    return Gateway(settings(), backend=network, clock=clock, random=lambda: 0.0), network


def ask(route: str, text: str = "What does the contract say of the deadline?") -> Request:
    return Request(model=f"route/{route}", messages=(Message.user(text),))


def story(response: Response) -> list[tuple[str, str]]:
    return [(one.model, one.outcome) for one in response.attempts if one.number]


def hosts(network: FaultyTransport) -> list[str]:
    return [request.url.host for request in network.requests]


def test_the_file_loads_and_names_models_that_the_catalog_knows() -> None:
    catalog = Catalog(settings())
    for name in catalog.routes.names:
        for branch in catalog.routes.named(name):
            for model in branch.models:
                assert model.capabilities, model.id
                assert model.ready, model.id
                assert model.prices is not None, model.id
    assert set(catalog.routes.names) == {"document-analysis", "translation", "support", "by-task", "split"}


async def test_a_document_is_read_by_mistral_where_the_grade_is_good() -> None:
    # the judge is at OpenAI too
    ready, network = gateway(mistral=[faults.answer("It is the first of May.")], openai=[faults.answer("9")])
    response = await ready.chat(ask("document-analysis"))
    assert response.text == "It is the first of May."
    assert story(response) == [("mistral/mistral-large-latest", "succeeded")]
    assert hosts(network) == [MISTRAL, OPENAI]
    assert json.loads(network.requests[1].content)["model"] == "gpt-4o-mini"


async def test_a_document_goes_to_gpt_4o_on_low_confidence() -> None:
    ready, network = gateway(
        mistral=[faults.answer("Perhaps in spring.")],
        openai=[faults.answer("3"), faults.answer("On the first of May.")],
    )
    response = await ready.chat(ask("document-analysis"))
    assert response.text == "On the first of May."
    assert story(response) == [("mistral/mistral-large-latest", "rejected"), ("openai/gpt-4o", "succeeded")]
    rejected, succeeded = [one for one in response.attempts if one.number]
    assert rejected.cost_usd is not None
    assert rejected.cost_usd > 0
    assert response.cost_usd == succeeded.cost_usd
    assert rejected.confidence == pytest.approx(0.3)
    assert hosts(network) == [MISTRAL, OPENAI, OPENAI]


async def test_a_document_goes_to_claude_when_both_time_out() -> None:
    ready, network = gateway(
        mistral=[faults.silence()], openai=[faults.silence()], anthropic=[claude("The first of May.")]
    )
    response = await ready.chat(ask("document-analysis"))
    assert response.text == "The first of May."
    assert story(response) == [
        ("mistral/mistral-large-latest", "failed"),
        ("openai/gpt-4o", "failed"),
        ("anthropic/claude-3-5-sonnet", "succeeded"),
    ]
    assert [one.error for one in response.attempts if one.outcome == "failed"] == ["timed_out", "timed_out"]
    assert hosts(network) == [MISTRAL, OPENAI, ANTHROPIC]


async def test_a_document_goes_to_claude_when_the_better_model_times_out() -> None:
    ready, _ = gateway(
        mistral=[faults.answer("Perhaps.")],
        openai=[faults.answer("2"), faults.silence()],
        anthropic=[claude("The first of May.")],
    )
    response = await ready.chat(ask("document-analysis"))
    assert response.text == "The first of May."
    assert [outcome for _, outcome in story(response)] == ["rejected", "failed", "succeeded"]


async def test_a_streamed_document_escalates_and_shows_nothing_of_the_rejected_answer() -> None:
    ready, _ = gateway(
        mistral=[faults.answer("Perhaps in spring.")],
        openai=[faults.answer("3"), faults.answer("On the first of May.")],
    )
    async with ready.stream(ask("document-analysis")) as stream:
        shown = "".join([getattr(chunk, "text", "") async for chunk in stream])
    assert shown == stream.response.text == "On the first of May."


async def test_a_translation_is_haikus_then_geminis_and_gpt_4o_minis_only_as_a_last_resort() -> None:
    request = ask("translation", "Guten Morgen")
    ready, _ = gateway(anthropic=[claude("Good morning")])
    assert story(await ready.chat(request)) == [("anthropic/claude-haiku-4-5", "succeeded")]

    ready, _ = gateway(anthropic=[faults.silence()], google=[gemini({"text": "Good morning"})])
    response = await ready.chat(request)
    assert response.text == "Good morning"
    assert story(response)[-1] == ("google/gemini-2.0-flash", "succeeded")

    ready, network = gateway(
        anthropic=[faults.silence()], google=[faults.silence()], openai=[faults.answer("Good morning")]
    )
    begun = ready._clock.now()
    response = await ready.chat(request)
    assert story(response)[-1] == ("openai/gpt-4o-mini", "succeeded")
    assert ready._clock.now() - begun <= 15
    assert hosts(network).index(OPENAI) > max(hosts(network).index(ANTHROPIC), hosts(network).index(GOOGLE))


def test_a_translation_waits_no_longer_than_somebody_who_listens() -> None:
    ready, _ = gateway()
    selection = ready._serving.select(ask("translation"), Policy())
    assert selection.rules.hedge
    for model in selection.candidates:
        waits = ready._adapters.timeouts(model, selection.rules)
        assert (waits.first_token_s, waits.silence_s, waits.headers_s) == (2.5, 3, 4)


def vectors(likeness: float) -> Any:
    """Embeddings in which the good answers are all one direction, and the answer is as like it as `likeness`."""
    good = json.loads(FILE.with_name("support-answers.jsonl").read_text("utf-8").splitlines()[0])["answer"]

    def answer(request: httpx.Request) -> HttpAnswer:
        texts = json.loads(request.content)["input"]
        texts = [texts] if isinstance(texts, str) else texts
        known = good in texts
        vector = [1.0, 0.0] if known else [likeness, (1 - likeness**2) ** 0.5]
        data = [{"object": "embedding", "index": place, "embedding": vector} for place, _ in enumerate(texts)]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        return as_json({"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage})

    return answer


async def test_support_is_qwens_where_it_is_like_a_good_answer_and_opuss_where_not() -> None:
    ready, network = gateway(qwen=[faults.answer("Under My orders.")], openai=[vectors(0.8)])
    response = await ready.chat(ask("support", "Where is my order?"))
    assert story(response) == [("dashscope/qwen-flash", "succeeded")]
    assert hosts(network) == [QWEN, OPENAI, OPENAI]
    await ready.chat(ask("support", "Where is my order?"))
    assert hosts(network) == [QWEN, OPENAI, OPENAI, QWEN, OPENAI]  # the good answers' vectors were kept

    ready, _ = gateway(
        qwen=[faults.answer("I like trains.")], openai=[vectors(0.2)], anthropic=[claude("Under My orders.")]
    )
    response = await ready.chat(ask("support", "Where is my order?"))
    assert response.text == "Under My orders."
    assert story(response) == [("dashscope/qwen-flash", "rejected"), ("anthropic/claude-opus-4-8", "succeeded")]
    consulted = [one for one in response.attempts if one.error == "consulted"]
    assert sum((one.cost_usd or Decimal(0) for one in consulted), Decimal(0)) > 0


async def test_the_kind_of_task_chooses_the_model() -> None:
    ready, network = gateway(
        together=[faults.answer("print()")],
        anthropic=[claude("Once upon a time")],
        openai=[faults.answer("42")],
        google=[gemini({"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PIXEL).decode()}})],
    )
    code = await ready.chat(ask("by-task", "Print nothing"), Policy(category="code"))
    tale = await ready.chat(ask("by-task", "A tale"), Policy(category="Creative"))
    other = await ready.chat(ask("by-task", "6 times 7"))
    image = await ready.image(ImageRequest(model="route/by-task", prompt="A pixel"))
    assert story(code) == [("together/deepseek-ai/deepseek-coder-33b-instruct", "succeeded")]
    assert story(tale) == [("anthropic/claude-opus-4-8", "succeeded")]
    assert story(other) == [("openai/gpt-4o", "succeeded")]
    assert image.images[0].data == PIXEL
    assert hosts(network) == [TOGETHER, ANTHROPIC, OPENAI, GOOGLE]


async def test_nothing_labelled_reaches_a_model_of_a_ready_route_that_is_not_cleared_for_it() -> None:
    ready, network = gateway()
    with pytest.raises(NoCandidateError) as raised:
        await ready.chat(ask("document-analysis"), Policy(sensitivity="restricted"))
    assert {one.error for one in raised.value.attempts} == {"insufficient_clearance"}
    assert network.requests == []
