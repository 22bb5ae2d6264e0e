"""What the rows of Google, xAI, OpenAI, Jina and Together say of single models, as their pages and refusals have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unified_api.catalog import Catalog
from unified_api.errors import UnsupportedParameterError
from unified_api.needs import parameters_of
from unified_api.providers import builtin_rows
from unified_api.types import BuiltinTool, EmbedRequest, ImageRequest, Message, Request, Tool
from unified_api.wire import families
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.model_patterns import first_match

CATALOG = Catalog()
TOOL = Tool("f", "", {"type": "object", "properties": {}})
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
GRADED = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
ALL = {**GRADED, "minimal": "minimal"}


def encoded(model_id: str, request: Any, wires: Any = families.CHAT) -> WireRequest:
    model = CATALOG.get(model_id)
    profile = builtin_rows()[model.provider].profile.model_dump(exclude={"unsupported"})
    own = WireProfile(**profile, unsupported=model.unsupported)
    made: WireRequest = wires[model.wire].encode(request, provider=model.provider, model=model.name, profile=own)
    return made


def sent(model_id: str, **wishes: Any) -> Any:
    return json.loads(encoded(model_id, Request(model="x", messages=(Message.user("Hi"),), **wishes)).body)


def thought(model_id: str) -> dict[str, Any]:
    """Effort -> what the model is told of it, for those that it takes."""
    told = {}
    for effort in EFFORTS:
        try:
            config = sent(model_id, reasoning_effort=effort)["generationConfig"]["thinkingConfig"]
        except UnsupportedParameterError as error:
            if error.param != "reasoning_effort":
                raise
            continue
        told[effort] = config.get("thinkingLevel", config.get("thinkingBudget"))
    return told


@pytest.mark.parametrize(
    ("name", "efforts"),
    [
        ("gemini-3-flash-preview", ALL),
        ("gemini-3.1-flash-lite", ALL),
        ("gemini-3.5-flash", ALL),
        ("gemini-3.6-flash", ALL),
        ("gemini-3.7-flash", GRADED),
        ("gemini-3.8-flash", GRADED),
        ("gemini-3.1-pro-preview", GRADED),
        ("gemini-3.1-pro-preview-customtools", GRADED),
        ("gemini-flash-latest", GRADED),
        ("gemini-4-argon", GRADED),
        ("gemini-3-pro-preview", {"minimal": "low", "low": "low", "high": "high"}),
        ("gemini-2.5-pro", {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}),
        ("gemini-2.5-flash", {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}),
        ("gemini-2.0-flash", {}),
    ],
)
@pytest.mark.parametrize("provider", ["google", "google-vertex"])
def test_each_gemini_is_told_efforts_that_it_has(provider: str, name: str, efforts: dict[str, Any]) -> None:
    """https://ai.google.dev/gemini-api/docs/generate-content/thinking#thinking-levels"""
    assert thought(f"{provider}/{name}") == efforts


def test_gemma_4_thinks_by_two_levels_and_no_budget() -> None:
    """https://github.com/earendil-works/pi/issues/2812"""
    assert thought("google/gemma-4-31b-it") == {"minimal": "minimal", "high": "high"}
    shown = sent("google/gemma-4-31b-it", reasoning_effort="high", show_reasoning=True)["generationConfig"]
    assert shown == {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}}
    assert thought("google/gemma-3-27b-it") == {}
    with pytest.raises(UnsupportedParameterError, match="reasoning_budget"):
        sent("google/gemma-4-31b-it", reasoning_budget=100)


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("google/gemini-2.5-flash", {"frequency_penalty", "presence_penalty", "logprobs"}),
        ("google/gemini-3.8-flash", {"frequency_penalty", "presence_penalty", "logprobs", "n"}),
        ("google/gemini-flash-latest", {"frequency_penalty", "presence_penalty", "logprobs", "n"}),
        ("google/gemini-3.1-flash-image", {"frequency_penalty", "presence_penalty", "logprobs", "n"}),
        ("google/gemini-2.0-flash", set()),
        ("google-vertex/gemini-2.5-flash", set()),  # recorded with logprobs
        ("google-vertex/gemini-3.1-pro-preview", {"frequency_penalty", "presence_penalty", "logprobs"}),
    ],
)
def test_the_catalog_knows_what_each_gemini_refuses(model: str, refused: set[str]) -> None:
    """https://github.com/google-gemini/cookbook/issues/1290, https://github.com/googleapis/js-genai/issues/1609 and
    https://github.com/googleapis/python-genai/issues/1921"""
    known = {"frequency_penalty", "presence_penalty", "logprobs", "n"}
    assert CATALOG.get(model).unsupported & known == refused


def test_one_answer_is_what_every_model_gives() -> None:
    assert "n" not in parameters_of(Request(model="x", messages=(), n=1))
    assert "n" in parameters_of(Request(model="x", messages=(), n=2))
    assert sent("google/gemini-3.8-flash", n=1)["generationConfig"] == {"candidateCount": 1}
    with pytest.raises(UnsupportedParameterError, match="'n'"):
        sent("google/gemini-3.8-flash", n=2)


def test_functions_beside_a_built_in_tool_come_with_the_wish_for_its_steps_on_ai_studio() -> None:
    """Recorded so with a 200, and without it from Vertex AI."""
    search: Any = {"googleSearch": {}}
    asked = {"tools": (TOOL,), "builtin_tools": (BuiltinTool("google", search),)}
    wish = {"includeServerSideToolInvocations": True}
    assert sent("google/gemini-3.8-flash", **asked)["toolConfig"] == wish
    chosen = sent("google/gemini-3.8-flash", **asked, tool_choice="auto")["toolConfig"]
    assert chosen == {**wish, "functionCallingConfig": {"mode": "VALIDATED"}}
    forced = sent("google/gemini-3.8-flash", **asked, tool_choice="required")["toolConfig"]
    assert forced == {**wish, "functionCallingConfig": {"mode": "ANY"}}
    own = sent("google/gemini-3.8-flash", **asked, extra={"google": {"toolConfig": {next(iter(wish)): False}}})
    assert own["toolConfig"] == {next(iter(wish)): False}
    assert "toolConfig" not in sent("google/gemini-2.5-flash", **asked)
    assert "toolConfig" not in sent("google/gemini-3.8-flash", builtin_tools=asked["builtin_tools"])
    vertex = {**asked, "builtin_tools": (BuiltinTool("google-vertex", search),)}
    assert "toolConfig" not in sent("google-vertex/gemini-3.8-flash", **vertex)


@pytest.mark.parametrize(
    ("model", "path", "batch"),
    [
        ("gemini-embedding-2", ":embedContent", 1),
        ("gemini-embedding-2-preview", ":embedContent", 1),
        ("gemini-embedding-001", ":predict", 1),
        ("text-embedding-005", ":predict", 250),
    ],
)
def test_vertex_embeds_each_model_by_its_own_method(model: str, path: str, batch: int) -> None:
    """https://github.com/vercel/ai/issues/15853"""
    wire = encoded(f"google-vertex/{model}", EmbedRequest(model="x", inputs=("Hi",)), families.EMBED)
    assert wire.path == f"/models/{model}{path}"
    assert first_match(builtin_rows()["google-vertex"].profile.embedding_batch, model) == batch


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ("1024x1024", {"aspect_ratio": "1:1"}),
        ("2048x2048", {"aspect_ratio": "1:1", "resolution": "2k"}),
        ("2752x1536", {"aspect_ratio": "16:9", "resolution": "2k"}),
        ("1536x704", {"aspect_ratio": "19.5:9"}),
        ("704x1536", {"aspect_ratio": "9:19.5"}),
    ],
)
def test_xai_is_told_shape_and_resolution(size: str, told: dict[str, str]) -> None:
    """https://docs.x.ai/developers/model-capabilities/images/generation"""
    body = json.loads(
        encoded("xai/grok-imagine-image", ImageRequest(model="x", prompt="a", size=size), families.IMAGE).body
    )
    assert body == {"model": "grok-imagine-image", "prompt": "a", **told}


@pytest.mark.parametrize("size", ["4096x4096", "1500x1500", "3000x500"])
def test_xai_makes_no_other_sizes(size: str) -> None:
    with pytest.raises(UnsupportedParameterError, match=r"makes (no )?images of"):
        encoded("xai/grok-imagine-image", ImageRequest(model="x", prompt="a", size=size), families.IMAGE)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("openai/chatgpt-image-latest", "image_output"),
        ("openai/gpt-image-2", "image_output"),
        ("google/gemini-3.1-flash-image", "image_output"),
        ("together/black-forest-labs/FLUX.1-schnell", "image_output"),
        ("jina/jina-code-embeddings-0.5b", "embeddings"),
        ("google/veo-3", None),
        ("google-vertex/veo-3.1-generate-001", None),
        ("bedrock/amazon.nova-canvas-v1:0", None),
        ("bedrock/us.stability.stable-image-core-v1:1", None),
        ("bedrock/stability.sd3-5-large-v1:0", None),
        ("bedrock/amazon.nova-pro-v1:0", "chat"),
        ("together/openai/gpt-oss-20b", "chat"),
    ],
)
def test_each_model_counts_as_what_it_is(model: str, kind: str | None) -> None:
    kinds = {"chat", "embeddings", "image_output", "rerank", "moderation"}
    assert CATALOG.get(model).capabilities & kinds == ({kind} if kind else set())


def test_an_image_of_together_is_asked_for_by_width_and_height() -> None:
    request = ImageRequest(model="x", prompt="a", size="1024x768", seed=3, negative_prompt="b")
    body = json.loads(encoded("together/black-forest-labs/FLUX.1-schnell", request, families.IMAGE).body)
    assert body == {
        "model": "black-forest-labs/FLUX.1-schnell", "prompt": "a", "width": 1024, "height": 768, "seed": 3,
        "negative_prompt": "b",
    }  # fmt: skip


def test_no_row_of_these_serves_what_its_maker_has_shut_down() -> None:
    """https://ai.google.dev/gemini-api/docs/deprecations and https://developers.openai.com/api/docs/deprecations"""
    gone = {
        "gemini-2.5-flash-image", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-5-mini", "gemini-2.5-pro",
        "gemini-2.5-flash", "gemini-3.5-flash",
    }  # fmt: skip
    for name in ("openai", "google", "google-vertex"):
        assert gone.isdisjoint(builtin_rows()[name].names)
    served = {model.id: model for model in CATALOG.served}
    for name in ("openai/gpt-image-2", "google/gemini-3.1-flash-image"):
        assert served[name].capabilities == {"image_output"}
