"""The built-in rows against what was recorded of the providers and what two public tables of models say."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from corpus import ROOT, needs_corpora

from unified_api.catalog import Catalog
from unified_api.providers import ProviderRow, builtin_rows

pytestmark = needs_corpora

ROWS = {name: row for name, row in builtin_rows().items() if row.wire != "local"}
PATHS = {"chat": "/chat/completions", "embeddings": "/embeddings", "models": "/models", "images": "/images/generations"}
TABLE_NAMES = {"moonshot": "moonshotai", "dashscope": "alibaba", "together": "togetherai", "fireworks": "fireworks-ai"}
"""What models.dev calls a provider, where that is another name."""
UNRECORDED = {"dashscope", "fireworks", "moonshot"}


def recorded() -> dict[str, set[tuple[str, str, str]]]:
    """Provider -> kind, host and path of every recorded call of a kind that we make, whatever came of it."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for line in (ROOT / "wire" / "_index.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["api"] in PATHS and entry["provider"] in ROWS and entry["status"] < 400:
            request = json.loads((ROOT / "wire" / f"{entry['id']}.json").read_text("utf-8"))["request"]
            path = request["url_path"].partition("?")[0]
            found.setdefault(entry["provider"], set()).add((entry["api"], request["host"], path))
    return found


def table(name: str) -> Any:
    return json.loads((ROOT / "misc" / "prices" / name).read_text("utf-8"))


def test_each_recorded_provider_is_called_where_it_was_recorded() -> None:
    calls = recorded()
    for name, seen in calls.items():
        base = urlsplit(ROWS[name].base_url or "")
        ours = {(kind, base.netloc, f"{base.path.rstrip('/')}{path}") for kind, path in PATHS.items()}
        assert ours & seen, f"{name}: none of {sorted(seen)} is one of ours"
        assert {host for _, host, _ in seen} >= {base.netloc}
    missing = ROWS.keys() - calls.keys()
    assert missing - UNRECORDED <= {"xai", "cerebras", "groq"}, "a recorded provider is not compared"


@pytest.mark.parametrize("name", ROWS)
def test_address_and_key_are_those_that_models_dev_states(name: str) -> None:
    stated = table("models_dev.json")[TABLE_NAMES.get(name, name)]["provider"]
    row = ROWS[name]
    assert row.api_key_env in stated["env"]
    if "api" in stated:
        assert row.base_url == stated["api"].rstrip("/")


@pytest.mark.parametrize("name", ROWS)
def test_every_named_model_exists(name: str) -> None:
    known = table("models_dev.json")[TABLE_NAMES.get(name, name)]["models"]
    assert [model for model in ROWS[name].names if model not in known] == []


@pytest.mark.parametrize("name", ROWS)
def test_tiers_are_not_dearer_at_the_bottom_and_can_chat(name: str) -> None:
    catalog = Catalog()
    models = [catalog.get(f"{name}/{model}") for tier in ("economy", "standard", "premium")
              for model in (ROWS[name].tiers.get(tier),) if model]  # fmt: skip
    assert models
    assert all("chat" in model.capabilities for model in models)
    prices = [model.prices.output for model in models if model.prices and model.prices.output is not None]
    assert prices == sorted(prices)


def flags(name: str, model: str) -> dict[str, Any]:
    known = table("models_dev.json")[TABLE_NAMES.get(name, name)]["models"][model]
    return known if isinstance(known, dict) else {}


@pytest.mark.parametrize("name", ROWS)
def test_what_models_dev_denies_of_a_named_model_is_not_promised(name: str) -> None:
    catalog = Catalog()
    promised: list[str] = []
    for model in ROWS[name].names:
        known, found = flags(name, model), catalog.get(f"{name}/{model}")
        if "chat" not in found.capabilities:
            continue
        sees = (known.get("modalities") or {}).get("input")
        denied = {
            "tools": known.get("tool_call") is False,
            "structured_output": known.get("structured_output") is False,
            "reasoning": known.get("reasoning") is False,
            "vision": sees is not None and "image" not in sees,
        }
        promised += [f"{model}: {able}" for able, no in denied.items() if no and able in found.capabilities]
        if known.get("temperature") is False and "temperature" not in found.unsupported:
            promised.append(f"{model}: temperature")
    assert promised == []


def test_the_price_data_knows_the_address_of_a_row_that_has_no_prices_of_its_own() -> None:
    patterns = [re.compile(provider["api_pattern"]) for provider in table("genai_prices_data.json")]
    unknown = [name for name, row in ROWS.items() if not any(p.search(row.base_url or "") for p in patterns)]
    assert set(unknown) <= {"dashscope"}


def test_a_row_of_the_wrong_host_would_be_found() -> None:
    base = urlsplit(ProviderRow(base_url="https://api.openai.example/v1").base_url or "")
    assert base.netloc not in {host for _, host, _ in recorded()["openai"]}
