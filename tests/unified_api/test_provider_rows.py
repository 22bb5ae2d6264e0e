"""The built-in rows against what was recorded of the providers and what public tables of models say."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest
from corpus import ROOT, needs_corpora
from wire_recordings import Recording, everything

from unified_api.address import sketched
from unified_api.catalog import Catalog
from unified_api.errors import GatewayError
from unified_api.facts import listed
from unified_api.models import Model
from unified_api.providers import ProviderRow, builtin_rows
from unified_api.types import EmbedRequest, ImageRequest, Message, ModerationRequest, Request, RerankRequest
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.model_patterns import any_matches

pytestmark = needs_corpora

ROWS = {name: row for name, row in builtin_rows().items() if row.wire != "local"}
HERE = {"ollama", "lmstudio", "vllm", "llamacpp"}
TABLE_NAMES = {
    "moonshot": "moonshotai", "dashscope": "alibaba", "together": "togetherai", "fireworks": "fireworks-ai",
    "bedrock": "amazon-bedrock", "cloudflare": "cloudflare-workers-ai", "zhipu": "zhipuai", "novita": "novita-ai",
    "snowflake": "snowflake-cortex", "github": "github-models",
}  # fmt: skip
"""What models.dev calls a provider, where that is another name."""
UNTABLED = {
    "tokenmix", "voyage", "jina", "sambanova", "hyperbolic", "ai21", "arcee", "crusoe", "stability", "replicate", *HERE
}  # fmt: skip
"""Not in models.dev. TokenMix: https://tokenmix.ai/docs/chat-completions; the others are in litellm or genai-prices."""
OWN_WORDS = {
    "databricks": "its /serving-endpoints is recorded",
    "google-vertex": "Google's own tools call project and token so",
    "minimax": "models.dev gives the address of its Anthropic-like API",
    "zai": "litellm's name; models.dev has one for two companies' keys",
}
"""Rows that are not as models.dev has them, and why."""
WRONGLY_DENIED = {
    "openai/gpt-3.5-turbo: tools",
    *(f"azure/gpt-3.5-turbo-{date}: tools" for date in ("0613", "1106", "0125")),
}
"""What models.dev denies and the recorded answers of OpenAI's own model show."""


def table(name: str) -> Any:
    return json.loads((ROOT / "misc" / "prices" / name).read_text("utf-8"))


@cache
def listed_models() -> tuple[Model, ...]:
    return Catalog().models


@cache
def models_dev() -> dict[str, Any]:
    return table("models_dev.json")


def entry(name: str) -> dict[str, Any]:
    return models_dev()[TABLE_NAMES.get(name, name)]


def addresses(name: str, model: str) -> set[str]:
    """Where each wire of the row would call the model, without a query."""
    row, profile = ROWS[name], WireProfile()
    asked = {
        "CHAT": Request(model="m", messages=(Message.user("Hi"),), max_tokens=9),
        "EMBED": EmbedRequest(model="m", inputs=("Hi",)),
        "IMAGE": ImageRequest(model="m", prompt="a boat"),
        "RERANK": RerankRequest(model="m", query="Hi", documents=("Hi",)),
        "MODERATE": ModerationRequest(model="m", inputs=("Hi",)),
    }
    paths: set[str] = set()
    for kind, request in asked.items():
        for family in getattr(families, kind).values():
            for stream in ({}, {"stream": True}) if kind == "CHAT" else ({},):
                try:
                    made = family.encode(request, provider=name, model=model, profile=profile, **stream)
                except GatewayError:
                    continue  # a family that has no such request
                paths.add(made.path.partition("?")[0])
    own = {str(path) for path in row.profile.paths.values()}
    return {f"{row.base_url}{path}" for path in (*paths, *own)}


def is_called(recording: Recording) -> bool:
    """Whether one of the row's addresses for the recorded model is the recorded one, variables apart."""
    path = "/" + recording.path.lstrip("/")
    named = re.search(r"/models?/(?:[^/]*%2F)?([^/:]+)", path)
    host = recording.host.removesuffix(":443").replace("localhost", "127.0.0.1")
    # Replicate's model is a version, named in the body.
    version = recording.request.get("version") if isinstance(recording.request, dict) else None
    for model in {recording.model, named[1] if named else recording.model, str(version or recording.model)}:
        for address in addresses(recording.provider, model):
            bare = address.split("://")[1]
            pattern = "[^/]+".join(map(re.escape, re.split(r"\$\{[^}]*\}+", bare)))
            if re.fullmatch(pattern, f"{host}{path}"):
                return True
    return False


@cache
def recorded_providers() -> dict[str, list[Recording]]:
    found: dict[str, list[Recording]] = {}
    for recording in everything():
        if recording.provider in ROWS and recording.status < 400:
            found.setdefault(recording.provider, []).append(recording)
    return found


def test_each_recorded_provider_is_called_where_it_was_recorded() -> None:
    recorded = recorded_providers()
    assert len(recorded) >= 22
    wrong = [
        name for name, calls in recorded.items() if not any(map(is_called, calls[::3] if len(calls) > 9 else calls))
    ]
    assert wrong == []


def test_a_row_of_the_wrong_address_would_be_found() -> None:
    sample = recorded_providers()["openai"][0]
    assert {urlsplit(url).hostname for url in addresses("openai", "m")} == {sample.host}
    assert not any(url.startswith("https://api.openai.com/chat") for url in addresses("openai", "m"))


@pytest.mark.parametrize("name", sorted(ROWS.keys() - UNTABLED))
def test_address_and_key_are_those_that_models_dev_states(name: str) -> None:
    stated, row = entry(name)["provider"], ROWS[name]
    if name in OWN_WORDS:
        assert row.api_key_env not in stated["env"] or row.base_url != stated.get("api", "").rstrip("/")
        return
    assert row.api_key_env in stated["env"]
    if "api" in stated:
        assert row.base_url == stated["api"].rstrip("/")


@pytest.mark.parametrize("name", sorted(ROWS.keys() - HERE - {"tokenmix", "replicate"}))
def test_every_named_model_is_in_a_public_table(name: str) -> None:
    known = set(entry(name)["models"]) if name not in UNTABLED else set()
    known |= set(listed(name)) | {key.partition("/")[2] or key for key in table("litellm_model_prices.json")}
    known |= set(table("litellm_model_prices.json")) | {"trinity-large-thinking", "jina-embeddings-v3"}
    known |= {"mistral-moderation-latest"}
    assert [model for model in ROWS[name].names if model not in known] == []


@pytest.mark.parametrize("name", sorted(ROWS.keys() - UNTABLED))
def test_no_model_that_serves_auto_is_called_deprecated(name: str) -> None:
    known = entry(name)["models"]
    assert [model for model in ROWS[name].names if known.get(model, {}).get("status") == "deprecated"] == []


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.tiers])
def test_tiers_are_not_dearer_at_the_bottom_and_can_chat(name: str) -> None:
    catalog = Catalog()
    named = [ROWS[name].tiers.get(tier) for tier in ("economy", "standard", "premium")]
    models = [catalog.get(f"{name}/{model}") for model in named if model]
    assert all("chat" in model.capabilities for model in models)
    prices = [model.prices.output for model in models if model.prices and model.prices.output is not None]
    assert prices == sorted(prices)


@pytest.mark.parametrize("name", sorted(ROWS.keys() - UNTABLED))
def test_what_models_dev_denies_of_a_model_is_not_promised(name: str) -> None:
    """Of every listed model. Documents are left to litellm, for models.dev names few that read them."""
    promised: list[str] = []
    known = entry(name)["models"]
    for model in (model for model in listed_models() if model.provider == name and "chat" in model.capabilities):
        stated = known.get(model.name, {})
        sees = (stated.get("modalities") or {}).get("input")
        denied = {
            "tools": stated.get("tool_call") is False,
            "structured_output": stated.get("structured_output") is False,
            "reasoning": stated.get("reasoning") is False,
            "vision": sees is not None and "image" not in sees,
            "audio": sees is not None and "audio" not in sees,
            "video": sees is not None and "video" not in sees,
        }
        able = sorted(able for able, no in denied.items() if no and able in model.capabilities)
        promised += [f"{model.id}: {one}" for one in able if f"{model.id}: {one}" not in WRONGLY_DENIED]
        mind = any_matches(ROWS[name].profile.refused_while_thinking.get("temperature", ()), model.name)
        if stated.get("temperature") is False and "temperature" not in model.unsupported and not mind:
            promised.append(f"{model.id}: temperature")
    assert promised == []


@pytest.mark.parametrize("name", sorted(ROWS.keys() - UNTABLED))
def test_context_and_longest_answer_are_as_models_dev_has_them(name: str) -> None:
    known = entry(name)["models"]
    for model in listed_models():
        limit = known.get(model.name, {}).get("limit") if model.provider == name else None
        if limit and "chat" in model.capabilities:  # of others `output` is the length of a vector
            assert (model.context, model.max_output) == (limit.get("context") or model.context,
                                                         limit.get("output") or model.max_output), model.id  # fmt: skip


def test_a_price_of_the_table_is_that_of_models_dev() -> None:
    """Where the price data has none: input and output as there."""
    compared = 0
    for model in listed_models():
        if model.provider in UNTABLED or model.provider not in ROWS or model.prices is None:
            continue
        cost = entry(model.provider)["models"].get(model.name, {}).get("cost") or {}
        row = ROWS[model.provider]
        if cost.get("input") and row.price_address is not None and "chat" not in row.capabilities:
            known = float(model.prices.input or 0)
            compared += abs(known - cost["input"]) < 1e-6
    assert compared > 500


def test_every_stated_policy_has_its_source_and_date() -> None:
    for name, row in ROWS.items():
        policy = row.data_policy
        stated = policy.retention or policy.region or policy.trains is not None
        if stated:
            assert policy.source is not None, name
            assert policy.source.startswith("https://"), name
            assert policy.as_of is not None, name
        assert row.clearance in {None, "internal"}, name
        if row.clearance is not None:
            assert policy.source is not None, name
    known = [name for name, row in ROWS.items() if row.data_policy.source]
    assert len(known) >= 12


def test_there_are_forty_providers_and_two_thousand_models_with_what_is_known_of_them() -> None:
    assert len(ROWS.keys() - HERE) >= 40
    models = listed_models()
    assert len(models) >= 2_000
    assert sum(model.prices is not None for model in models) >= 2_000
    assert sum(model.context is not None for model in models) >= 2_000
    complete = {
        model.provider
        for model in models
        if model.wire in families.CHAT and {"chat", "tools", "streaming"} <= model.capabilities and model.prices
    }
    assert len(complete) >= 40


def test_no_address_of_a_row_could_be_another_by_its_variables() -> None:
    for name, row in ROWS.items():
        parts = urlsplit(sketched(row.base_url or ""))
        assert parts.scheme == ("http" if name in HERE else "https"), name
        assert ProviderRow(base_url=row.base_url).base_url == row.base_url


@pytest.mark.parametrize(("provider", "model", "field"), [
    ("openai", "gpt-3.5-turbo", "tools"), ("openai", "gpt-5.4-nano", "temperature"), ("openai", "gpt-5.4", "logprobs"),
])  # fmt: skip
def test_what_the_rows_allow_against_the_tables_was_answered(provider: str, model: str, field: str) -> None:
    """Recorded with status 200, and no effort beside it that would be thought with."""
    calls = [call.request for call in recorded_providers()[provider] if call.model == model and call.request]
    assert any(call.get(field) not in (None, []) for call in calls if isinstance(call, dict))
    known = Catalog().get(f"{provider}/{model}")
    assert field not in known.unsupported
    assert field != "tools" or "tools" in known.capabilities
